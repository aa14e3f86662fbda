"""A grading method as data: what a methodology file may say, and what it must not.

Owns reading, validating and identifying methods. Must not know enterprises, marts or grades.
"""

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scoring import document
from scoring.errors import MethodError

METHODS_DIR = Path(__file__).parent / "methods"
DEFAULT_VERSION = "2026.1"

Share = Annotated[Decimal, Field(ge=0, le=1)]
Positive = Annotated[Decimal, Field(gt=0)]
Months = Annotated[int, Field(gt=0, le=600)]
Knot = tuple[Decimal, Share]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Part):
    """The same words in Chinese (officials) and English (engineers)."""

    zh: str
    en: str


class _Curved(_Part):
    curve: tuple[Knot, ...] = Field(min_length=2)

    @field_validator("curve")
    @classmethod
    def _is_a_fall_or_a_rise(cls, curve: tuple[Knot, ...]) -> tuple[Knot, ...]:
        shares = [share for _, share in curve]
        values = [value for value, _ in curve]
        if sorted(shares, reverse=True) != shares or shares[0] != 1 or shares[-1] != 0:
            raise ValueError("the shares of a curve must fall from 1 to 0")
        if len(set(values)) != len(values) or values not in (sorted(values), sorted(values, reverse=True)):
            raise ValueError("the values of a curve must only rise or only fall")
        return curve


class Ratio(_Curved):
    """x / n, shrunk towards the region's mean p0 if m is given: (x + m·p0) / (n + m). §5."""

    kind: Literal["ratio"]
    shrinkage_m: Positive | None = None
    family: Literal["proportion", "count"] = "proportion"  # how certainty draws it: Beta, or Gamma where x may exceed n


class Rate(_Curved):
    """Cases per ``per`` units of exposure, shrunk as counts: (O + k) / (E + k) times the region's rate. §5."""

    kind: Literal["rate"]
    per: Positive
    shrinkage_k: Positive


class RelativeRisk(_Curved):
    """(O + k) / (E + k), E from fitted stratum rates; a longer window where E is small. §3 M04, §5."""

    kind: Literal["relative_risk"]
    shrinkage_k: Positive
    long_window_months: Months
    long_window_below_expected: Positive


class Deduction(_Part):
    """1 − D / scale, never below 0."""

    kind: Literal["deduction"]
    scale: Positive


class State(_Part):
    """The share itself: 1, 0.5 or 0 as the state of a register says."""

    kind: Literal["state"]


class NormalScore(_Part):
    """Φ(Σz / (n + m)) of rater-centred z."""

    kind: Literal["normal_score"]
    shrinkage_m: Positive


class Bonus(_Part):
    """``points_each`` for every item, up to the maximum."""

    kind: Literal["bonus"]
    points_each: Positive


Formula = Annotated[Ratio | Rate | RelativeRisk | Deduction | State | NormalScore | Bonus, Field(discriminator="kind")]


class Indicator(_Part):
    """One line of the indicator table (§3)."""

    name: Words
    domain: str
    max_points: Positive
    formula: Formula
    window_months: Months | None
    feeds: tuple[str, ...] = Field(min_length=1)
    no_exposure: Literal["prior", "full", "not_applicable", "zero"]
    counted: Words
    exposure: Words

    @property
    def is_shrunk(self) -> bool:
        """Whether a region's mean stands in where the enterprise has little or no exposure."""
        formula = self.formula
        return isinstance(formula, Rate | RelativeRisk) or (
            isinstance(formula, Ratio) and formula.shrinkage_m is not None
        )

    @property
    def start_shrinkage(self) -> Decimal | None:
        """m or k until a fit re-estimates it; None where the formula has none."""
        return getattr(self.formula, "shrinkage_m", None) or getattr(self.formula, "shrinkage_k", None)

    @model_validator(mode="after")
    def _prior_needs_shrinkage(self) -> "Indicator":
        if self.no_exposure == "prior" and not self.is_shrunk:
            raise ValueError("no_exposure: prior needs a shrunk formula (shrinkage_m or shrinkage_k)")
        if self.no_exposure != "zero" and isinstance(self.formula, Bonus):
            raise ValueError("a bonus without an item is zero: no_exposure must be zero")
        return self


class Pillar(_Part):
    """Half of the score; its points are its weight."""

    name: Words
    points: Positive


class Domain(_Part):
    """A group of indicators; a missing feed's points stay inside it."""

    name: Words
    pillar: Literal["public", "market", "bonus"]
    is_core: bool


class Grade(_Part):
    """A step of the scale; without minima it takes every other rated enterprise."""

    code: str = Field(pattern=r"^[A-Z]{1,4}$")
    min_score: Decimal | None = None
    min_public_pct: Decimal | None = None
    min_market_pct: Decimal | None = None
    needs_certainty: bool = False
    counts_bonus: bool = True

    def minima(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return the minima of (score 0-103, public %, market %); 0 where there is none."""
        zero = Decimal(0)
        return self.min_score or zero, self.min_public_pct or zero, self.min_market_pct or zero


class Repeat(_Part):
    """What a second case within some months does."""

    within_months: Months
    grade: str


class Cap(_Part):
    """A veto (V) or a cap (C) of §6."""

    name: Words
    effect: Literal["no_grade", "cap"]
    grade: str | None = None
    source: Literal["warehouse", "score"]
    months: Months | None = None
    serious_months: Months | None = None
    repeat: Repeat | None = None
    binds_not_rated: bool = False
    overdue_days_over: int | None = None
    escalations_from: int | None = None
    escalated_ratio_over: Share | None = None
    core_domain_below_pct: Decimal | None = None
    survey_responses_below: int | None = None

    @model_validator(mode="after")
    def _says_what_it_does(self) -> "Cap":
        if (self.effect == "cap") != (self.grade is not None):
            raise ValueError("effect: cap needs a grade, and no_grade has none")
        decided_here = (self.core_domain_below_pct is not None) + (self.survey_responses_below is not None)
        if decided_here != (1 if self.source == "score" else 0):
            raise ValueError(
                "source: score needs exactly one of core_domain_below_pct, survey_responses_below; warehouse has none"
            )
        return self


class Sufficiency(_Part):
    """Below any of these an enterprise is not rated (§7)."""

    min_service_months: Decimal
    min_household_months: Decimal
    min_inspections: int
    inspection_window_months: Months
    min_available_ratio: Share
    max_protected_ratio: Share


class Certainty(_Part):
    """Pr(S_true ≥ min_score) ≥ min_probability, by ``draws`` seeded draws (§7)."""

    min_score: Decimal
    min_probability: Share
    draws: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0)


class Hysteresis(_Part):
    """How many quarters an upgrade, how many months or points a downgrade needs (§7)."""

    upgrade_quarters: int = Field(ge=1, le=8)
    downgrade_months: int = Field(ge=1, le=12)
    downgrade_at_once_points: Decimal = Field(ge=0)


class Risk(_Part):
    """How stratum means and rates borrow from one another, and the interval shown (§5)."""

    stratum_prior_weight: Positive
    cell_k: Positive
    ridge_alpha: Decimal = Field(ge=0)
    interval_level: Annotated[Decimal, Field(gt=0, lt=1)]


class ShrinkageBounds(_Part):
    """Where a re-estimated m or k is clipped (§5)."""

    m: tuple[Positive, Positive]
    k: tuple[Positive, Positive]


class TierDecay(_Part):
    """τ of one tier (§4): 1 before ``full_before`` months, linear to ``last_weight`` at ``zero_from``, then 0."""

    full_before: int = Field(ge=0)
    zero_from: int = Field(gt=0)
    last_weight: Share


class Decay(_Part):
    """τ by the source's own tier (§4)."""

    minor: TierDecay
    general: TierDecay
    serious: TierDecay


class Protection(_Part):
    """Weight of the M rates, P02 and P03 up to this month after a certified take-over (§5)."""

    until_month: int = Field(gt=0)
    weight: Share


class Warehouse(_Part):
    """What the warehouse counts with."""

    response_limit_hours: Positive
    handling_limit_hours: Positive
    resolution_limit_hours: Positive
    repeat_within_days: int = Field(gt=0)
    complaint_half_life_months: Positive
    disclosure_due_days: int = Field(gt=0)
    disclosure_classes: int = Field(gt=0)
    continuing_training_targets: dict[int, Share]
    severity: dict[str, dict[str, Decimal]]
    decay: Decay
    protection: tuple[Protection, ...]


class Method(_Part):
    """A whole methodology file; every number that decides a grade."""

    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,30}$")
    title: Words
    basis: tuple[str, ...]
    points_decimals: int = Field(ge=1, le=2)
    grades: tuple[Grade, ...] = Field(min_length=2)
    key_supervision_below_score: Decimal
    pillars: dict[Literal["public", "market"], Pillar]
    bonus_max_points: Decimal = Field(ge=0)
    domains: dict[str, Domain]
    indicators: dict[str, Indicator] = Field(min_length=1)
    caps: dict[str, Cap]
    sufficiency: Sufficiency
    certainty: Certainty
    hysteresis: Hysteresis
    risk: Risk
    shrinkage_bounds: ShrinkageBounds
    warehouse: Warehouse

    @property
    def scale(self) -> tuple[str, ...]:
        """Grade codes, best first."""
        return tuple(grade.code for grade in self.grades)

    @property
    def quantum(self) -> Decimal:
        """What points are rounded to."""
        return Decimal(1).scaleb(-self.points_decimals)

    def pillar_of(self, indicator_code: str) -> str:
        """Return public, market or bonus."""
        return self.domains[self.indicators[indicator_code].domain].pillar

    def members(self, *, pillar: str | None = None, domain: str | None = None) -> list[str]:
        """Return the indicator codes of a pillar or of a domain, in the file's order."""
        return [
            code
            for code, indicator in self.indicators.items()
            if (domain is None or indicator.domain == domain) and (pillar is None or self.pillar_of(code) == pillar)
        ]


@dataclass(frozen=True)
class LoadedMethod:
    """A valid method with the hash that identifies its content (comments and layout do not count)."""

    method: Method
    sha256: str

    @property
    def version(self) -> str:
        """The method's version."""
        return self.method.version

    def document(self) -> dict[str, Any]:
        """Return the content as plain JSON types; decimals are text."""
        return self.method.model_dump(mode="json", exclude_none=True)


def load(version: str = DEFAULT_VERSION) -> LoadedMethod:
    """Return the method of ``scoring/methods/<version>.yml``; MethodError lists every fault with its line."""
    path = METHODS_DIR / f"{version}.yml"
    if Path(version).name != version or not path.is_file():
        known = ", ".join(sorted(found.stem for found in METHODS_DIR.glob("*.yml")))
        raise MethodError(f"there is no method {version!r}; known: {known}")
    loaded = load_file(path)
    if loaded.version != version:
        raise MethodError(f"{path}: version: the file says {loaded.version!r}, its name says {version!r}")
    return loaded


@lru_cache(maxsize=8)
def _load_unchanged(path: Path, _modified_ns: int) -> LoadedMethod:
    source = document.read(path)
    try:
        method = Method.model_validate(source.content)
    except ValidationError as error:
        faults = sorted((source.line_of(fault["loc"]), _describe(source, fault)) for fault in error.errors())
        raise MethodError("\n".join(f"{path}:{line}: {text}" for line, text in faults)) from error
    faults = sorted((source.line_of(location), location, reason) for location, reason in contradictions(method))
    if faults:
        raise MethodError(
            "\n".join(f"{path}:{line}: {'.'.join(map(str, location))}: {reason}" for line, location, reason in faults)
        )
    text = json.dumps(method.model_dump(mode="json", exclude_none=True), sort_keys=True, ensure_ascii=False)
    return LoadedMethod(method=method, sha256=hashlib.sha256(text.encode()).hexdigest())


def load_file(path: Path) -> LoadedMethod:
    """Return the method in ``path``; MethodError lists every fault as ``file:line: key: reason``."""
    try:
        return _load_unchanged(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise MethodError(f"{path}: cannot be read: {error.strerror}") from error


def _describe(source: document.Document, fault: Any) -> str:
    reason = {"extra_forbidden": "unknown key", "missing": "missing"}.get(fault["type"], fault["msg"])
    return f"{source.name_of(fault['loc'])}: {reason.removeprefix('Value error, ')}"


def contradictions(method: Method) -> list[tuple[tuple[str | int, ...], str]]:
    """Return what is well formed but cannot be true together, as (location, reason)."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    for code, indicator in method.indicators.items():
        where = ("indicators", code)
        if indicator.domain not in method.domains:
            found.append(((*where, "domain"), f"there is no domain {indicator.domain!r}"))
        elif (method.pillar_of(code) == "bonus") != (indicator.formula.kind == "bonus"):
            found.append(((*where, "formula"), "a bonus formula belongs to a bonus domain, and only there"))
        if indicator.max_points % method.quantum:
            found.append(((*where, "max_points"), f"has more decimals than points_decimals {method.points_decimals}"))
    if found:
        return found
    for domain, spec in method.domains.items():
        if spec.pillar != "bonus" and spec.pillar not in method.pillars:
            found.append((("domains", domain, "pillar"), f"there is no pillar {spec.pillar!r}"))
    for name, pillar in method.pillars.items():
        total = sum((method.indicators[code].max_points for code in method.members(pillar=name)), Decimal(0))
        if total != pillar.points:
            found.append((("pillars", name, "points"), f"is {pillar.points}, its indicators add up to {total}"))
    total = sum((pillar.points for pillar in method.pillars.values()), Decimal(0))
    if total != 100 or len(method.pillars) != 2:
        found.append((("pillars",), f"must be public and market and add up to 100, not {total}"))
    found += _contradictions_of_scale(method)
    for code in method.warehouse.severity:
        if code not in method.indicators:
            found.append((("warehouse", "severity", code), f"there is no indicator {code!r}"))
    for tier, decay in method.warehouse.decay:
        if decay.zero_from < decay.full_before:
            found.append((("warehouse", "decay", tier), "zero_from is before full_before"))
    for name in ("m", "k"):
        low, high = getattr(method.shrinkage_bounds, name)
        if low > high:
            found.append((("shrinkage_bounds", name), "the lower bound is above the upper"))
    return found


def _contradictions_of_scale(method: Method) -> list[tuple[tuple[str | int, ...], str]]:
    found: list[tuple[tuple[str | int, ...], str]] = []
    if len(set(method.scale)) != len(method.scale):
        found.append((("grades",), "a grade is listed twice"))
    for index, (better, worse) in enumerate(zip(method.grades, method.grades[1:], strict=False)):
        pairs = list(zip(better.minima(), worse.minima(), strict=True))
        if better.min_score is None or any(high < low for high, low in pairs) or pairs[0][0] == pairs[0][1]:
            found.append((("grades", index), f"{better.code} must ask for more than {worse.code} below it"))
    last = method.grades[-1]
    if any(last.minima()) or last.needs_certainty:
        found.append((("grades", len(method.grades) - 1), f"{last.code} is the last grade and takes everyone else"))
    for code, cap in method.caps.items():
        for at, grade in (("grade", cap.grade), ("repeat", cap.repeat.grade if cap.repeat else None)):
            if grade is not None and grade not in method.scale:
                found.append((("caps", code, at), f"there is no grade {grade!r}"))
    return found


def warehouse_variables(method: Method) -> dict[str, Any]:
    """Return the method's numbers that the warehouse counts with, as plain JSON types for dbt's ``--vars``.

    ``windows`` is months by indicator code (without those that read the state on the business date), with
    ``<code>_LONG`` for a second window; ``caps`` the durations and limits of the vetoes and caps that the warehouse
    decides; the rest are the names of the file's section ``warehouse``.
    """
    windows = {code: spec.window_months for code, spec in method.indicators.items() if spec.window_months is not None}
    for code, spec in method.indicators.items():
        if isinstance(spec.formula, RelativeRisk):
            windows[f"{code}_LONG"] = spec.formula.long_window_months
    caps = {
        code: cap.model_dump(exclude_none=True, exclude={"name", "effect", "source", "grade", "binds_not_rated"})
        for code, cap in method.caps.items()
        if cap.source == "warehouse"
    }
    counted = method.warehouse.model_dump() | {
        "method_version": method.version,
        "windows": windows,
        "inspection_window_months": method.sufficiency.inspection_window_months,
        "caps": caps,
    }
    return _plain(counted)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
