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

from pydantic import Field, ValidationError, model_validator

from scoring import document
from scoring.contradictions import contradictions
from scoring.errors import MethodError
from scoring.formulas import Bonus, Formula, Months, Part, Positive, Rate, Ratio, RelativeRisk, Share, Words
from warehouse.settings import get_settings

METHODS_DIR = Path(__file__).parent / "methods"


class Indicator(Part):
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


class Pillar(Part):
    """Half of the score; its points are its weight."""

    name: Words
    points: Positive


class Domain(Part):
    """A group of indicators; a missing feed's points stay inside it."""

    name: Words
    pillar: Literal["public", "market", "bonus"]
    is_core: bool


class Grade(Part):
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


class Repeat(Part):
    """What a second case within some months does."""

    within_months: Months
    grade: str


class Cap(Part):
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


class Sufficiency(Part):
    """Below any of these an enterprise is not rated (§7)."""

    min_service_months: Decimal
    min_household_months: Decimal
    min_inspections: int
    inspection_window_months: Months
    min_available_ratio: Share
    max_protected_ratio: Share


class Certainty(Part):
    """Pr(S_true ≥ min_score) ≥ min_probability, by ``draws`` seeded draws (§7)."""

    min_score: Decimal
    min_probability: Share
    draws: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0)


class Hysteresis(Part):
    """How many quarters an upgrade, how many months or points a downgrade needs (§7)."""

    upgrade_quarters: int = Field(ge=1, le=8)
    downgrade_months: int = Field(ge=1, le=12)
    downgrade_at_once_points: Decimal = Field(ge=0)


class Objections(Part):
    """How long an open objection freezes a downgrade, and which caps nothing freezes (§8)."""

    freeze_working_days: int = Field(ge=0)
    never_freeze: tuple[str, ...]


class RepairTier(Part):
    """Months a record of one tier is shown at least, before it can be repaired, and at most (§8)."""

    min_months: int = Field(ge=0)
    max_months: int = Field(gt=0)


class Repair(Part):
    """Earliest repair by the source's own tier: first display + the tier's minimum (第36号令)."""

    minor: RepairTier
    general: RepairTier
    serious: RepairTier


class Risk(Part):
    """How stratum means and rates borrow from one another, and the interval shown (§5)."""

    stratum_prior_weight: Positive
    cell_k: Positive
    ridge_alpha: Decimal = Field(ge=0)
    interval_level: Annotated[Decimal, Field(gt=0, lt=1)]


class ShrinkageBounds(Part):
    """Where a re-estimated m or k is clipped, and how many enterprises it takes to estimate one (§5)."""

    m: tuple[Positive, Positive]
    k: tuple[Positive, Positive]
    min_enterprises: int = Field(ge=2)


class TierDecay(Part):
    """τ of one tier (§4): 1 before ``full_before`` months, linear to ``last_weight`` at ``zero_from``, then 0."""

    full_before: int = Field(ge=0)
    zero_from: int = Field(gt=0)
    last_weight: Share


class Decay(Part):
    """τ by the source's own tier (§4)."""

    minor: TierDecay
    general: TierDecay
    serious: TierDecay


class Protection(Part):
    """Weight of the M rates, P02 and P03 up to this month after a certified take-over (§5)."""

    until_month: int = Field(gt=0)
    weight: Share


class Takeover(Part):
    """When a community taken over counts as improved (G01)."""

    held_months: int = Field(gt=0)
    comparison_months: int = Field(gt=0)
    least_comparison_months: int = Field(gt=0)
    least_complaints: int = Field(ge=0)
    reduction_from: Share


class Warehouse(Part):
    """What the warehouse counts with; what a method leaves out is counted as dbt_project.yml says."""

    response_limit_hours: Positive
    handling_limit_hours: Positive
    resolution_limit_hours: Positive
    repeat_within_days: int = Field(gt=0)
    complaint_half_life_months: Positive
    disclosure_due_days: int = Field(gt=0)
    disclosure_classes: int = Field(gt=0)
    rating_spread_from: int | None = Field(default=None, ge=2)
    takeover: Takeover | None = None
    continuing_training_targets: dict[int, Share]
    severity: dict[str, dict[str, Decimal]]
    decay: Decay
    protection: tuple[Protection, ...]


class Method(Part):
    """A whole methodology file; every number that decides a grade."""

    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,30}$")
    title: Words
    basis: tuple[str, ...]
    points_decimals: int = Field(ge=1, le=2)
    grades: tuple[Grade, ...] = Field(min_length=2)
    key_supervision_below_score: Decimal
    pillars: dict[str, Pillar]
    bonus_max_points: Decimal = Field(ge=0)
    domains: dict[str, Domain]
    indicators: dict[str, Indicator] = Field(min_length=1)
    caps: dict[str, Cap]
    sufficiency: Sufficiency
    certainty: Certainty
    hysteresis: Hysteresis
    objections: Objections
    repair: Repair
    risk: Risk
    shrinkage_bounds: ShrinkageBounds
    warehouse: Warehouse | None = None  # None: the marts are counted elsewhere, with windows alone

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
        """Return the content as plain JSON types; decimals are text, and ``order`` keeps what jsonb forgets."""
        content = self.method.model_dump(mode="json", exclude_none=True)
        return content | {"order": {name: list(content[name]) for name in ("pillars", "domains", "indicators", "caps")}}


def load(version: str | None = None) -> LoadedMethod:
    """Return the method of ``scoring/methods/<version>.yml`` (None: the one in force, METHOD_VERSION).

    MethodError lists every fault with its line.
    """
    version = version or get_settings().method_version
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
    faults = sorted(
        (source.line_of(location), f"{'.'.join(map(str, location))}: {reason}")
        for location, reason in contradictions(method)
    )
    if faults:
        raise MethodError("\n".join(f"{path}:{line}: {text}" for line, text in faults))
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
    counted = (method.warehouse.model_dump(exclude_none=True) if method.warehouse else {}) | {
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
