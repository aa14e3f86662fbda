"""What a methodology file may say part by part, but not together."""

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoring.method import Method

Fault = tuple[tuple[str | int, ...], str]


def contradictions(method: "Method") -> list[Fault]:
    """Return what is well formed but cannot be true together, as (location, reason)."""
    found: list[Fault] = []
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
    if total != 100 or set(method.pillars) != {"public", "market"}:
        found.append((("pillars",), f"must be public and market and add up to 100, not {total}"))
    found += _contradictions_of_scale(method)
    if method.warehouse:
        for code in method.warehouse.severity:
            if code not in method.indicators:
                found.append((("warehouse", "severity", code), f"there is no indicator {code!r}"))
        for tier, decay in method.warehouse.decay:
            if decay.zero_from < decay.full_before:
                found.append((("warehouse", "decay", tier), "zero_from is before full_before"))
    for code in method.objections.never_freeze:
        if code not in method.caps:
            found.append((("objections", "never_freeze"), f"there is no cap {code!r}"))
    for tier, limits in method.repair:
        if limits.max_months < limits.min_months:
            found.append((("repair", tier), "max_months is below min_months"))
    for name in ("m", "k"):
        low, high = getattr(method.shrinkage_bounds, name)
        if low > high:
            found.append((("shrinkage_bounds", name), "the lower bound is above the upper"))
    return found


def _contradictions_of_scale(method: "Method") -> list[Fault]:
    found: list[Fault] = []
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
