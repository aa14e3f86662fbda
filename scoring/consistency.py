"""What a methodology file may say part by part, but not together."""

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from scoring.formulas import RelativeRisk

if TYPE_CHECKING:
    from scoring.schema import Method

COUNTED_BY_MODELS = re.compile(r"^(P0[1-9]|P1[0-3]|M0[1-9]|M1[0-6]|G0[12])$")
Fault = tuple[tuple[str | int, ...], str]


def inconsistencies(method: "Method") -> list[Fault]:
    """Return what is well formed but cannot be true together, as (location, reason)."""
    faults: list[Fault] = []
    for code, indicator in method.indicators.items():
        where = ("indicators", code)
        if indicator.domain not in method.domains:
            faults.append(((*where, "domain"), f"there is no domain {indicator.domain!r}"))
        elif (method.pillar_of(code) == "bonus") != (indicator.formula.kind == "bonus"):
            faults.append(((*where, "formula"), "a bonus formula belongs to a bonus domain, and only there"))
        if indicator.measure and COUNTED_BY_MODELS.match(code):
            faults.append(((*where, "measure"), f"{code} is counted by models of its own: take another code"))
        if indicator.measure and isinstance(indicator.formula, RelativeRisk):
            faults.append(((*where, "formula"), "relative_risk compares complaints with strata: no measure feeds it"))
        if indicator.measure and indicator.window_months is None:
            faults.append(((*where, "window_months"), "a measure counts over months"))
        for other in indicator.only_with or ():
            if other not in method.indicators or other == code:
                faults.append(((*where, "only_with"), f"there is no other indicator {other!r}"))
        if indicator.max_points % method.quantum:
            faults.append(((*where, "max_points"), f"has more decimals than points_decimals {method.points_decimals}"))
    if faults:
        return faults
    for domain, spec in method.domains.items():
        if spec.pillar != "bonus" and spec.pillar not in method.pillars:
            faults.append((("domains", domain, "pillar"), f"there is no pillar {spec.pillar!r}"))
    for name, pillar in method.pillars.items():
        total = sum((method.indicators[code].max_points for code in method.members(pillar=name)), Decimal(0))
        if total != pillar.points:
            faults.append((("pillars", name, "points"), f"is {pillar.points}, its indicators add up to {total}"))
    total = sum((pillar.points for pillar in method.pillars.values()), Decimal(0))
    if total != 100 or not method.pillars or set(method.pillars) - {"public", "market"}:
        faults.append((("pillars",), f"must be public, market or both, and add up to 100, not {total}"))
    for index, grade in enumerate(method.grades):
        for absent in {"public", "market"} - set(method.pillars):
            if getattr(grade, f"min_{absent}_pct") is not None:
                faults.append((("grades", index, f"min_{absent}_pct"), f"there is no pillar {absent!r}"))
    faults += _inconsistencies_of_scale(method)
    if method.warehouse:
        for code in method.warehouse.severity:
            if code not in method.indicators:
                faults.append((("warehouse", "severity", code), f"there is no indicator {code!r}"))
        for tier, decay in method.warehouse.decay:
            if decay.zero_from < decay.full_before:
                faults.append((("warehouse", "decay", tier), "zero_from is before full_before"))
    for code in method.objections.never_freeze:
        if code not in method.caps:
            faults.append((("objections", "never_freeze"), f"there is no cap {code!r}"))
    for tier, limits in method.repair:
        if limits.max_months < limits.min_months:
            faults.append((("repair", tier), "max_months is below min_months"))
    for name in ("m", "k"):
        low, high = getattr(method.shrinkage_bounds, name)
        if low > high:
            faults.append((("shrinkage_bounds", name), "the lower bound is above the upper"))
    return faults


def _inconsistencies_of_scale(method: "Method") -> list[Fault]:
    faults: list[Fault] = []
    if len(set(method.scale)) != len(method.scale):
        faults.append((("grades",), "a grade is listed twice"))
    for index, (better, worse) in enumerate(zip(method.grades, method.grades[1:], strict=False)):
        pairs = list(zip(better.minima(), worse.minima(), strict=True))
        if better.min_score is None or any(high < low for high, low in pairs) or pairs[0][0] == pairs[0][1]:
            faults.append((("grades", index), f"{better.code} must ask for more than {worse.code} below it"))
    last = method.grades[-1]
    if any(last.minima()) or last.needs_certainty:
        faults.append((("grades", len(method.grades) - 1), f"{last.code} is the last grade and takes everyone else"))
    for code, cap in method.caps.items():
        for at, grade in (("grade", cap.grade), ("repeat", cap.repeat.grade if cap.repeat else None)):
            if grade is not None and grade not in method.scale:
                faults.append((("caps", code, at), f"there is no grade {grade!r}"))
    return faults
