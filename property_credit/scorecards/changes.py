"""What an area's first screen answers: what changed against the month and the year before, and what it was.

Owns the figures that lead a page, their comparisons, and the sentence on the cause; all of it is computed.
"""

from collections.abc import Mapping
from typing import Any

from property_credit.scorecards import area_figures, chance
from property_credit.scorecards.facts import Facts

LEADING = (
    "complaints.count",
    "complaints.rate",
    "complaints.within_24h",
    "inspections.failed_ratio",
    "orders.overdue",
    "coverage.professional_month",
)
JUDGED = {  # which figures are compared with chance, against the month and the year before
    "complaints.count": ("chance.month", "chance.year"),
    "complaints.rate": ("chance.month", "chance.year"),
    "complaints.within_24h": ("chance.within_24h", None),
}
NAMED, EXPLAINED = 3, 0.6  # causes that a sentence names at most; it stops where they make up this part of the change


def tiles(facts: Facts, code: str, values: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return the leading figures of an area, each with its value a month and a year before and what chance explains."""
    why = area_figures.reasons_of(facts, code)
    year_before = area_figures.year_before_of(facts, code)
    scores = chance.of_area(facts, code)
    lines = []
    for name in LEADING:
        now, before = values.get(name, (None, None))
        if now is None and name not in why:
            continue
        judged = JUDGED.get(name, (None, None))
        lines.append(
            {
                "code": name,
                "compared": [
                    {
                        "against": against,
                        "span": facts.span_of(month),
                        "value": now,
                        "before": earlier,
                        "chance": chance_code,
                        "is_open": name in JUDGED and chance_code is None,  # not compared with chance: no good, no bad
                        "score": scores.get(chance_code) if chance_code and now is not None else None,
                    }
                    for against, month, earlier, chance_code in (
                        (facts.against, facts.month_before, before, judged[0]),
                        (facts.against_year, facts.year_before, year_before.get(name), judged[1]),
                    )
                ],
            }
        )
    return lines


def cause(facts: Facts, code: str, values: Mapping[str, tuple[Any, Any]], *, month: str) -> dict[str, Any] | None:
    """Return what the change of an area's complaints against ``month`` consists of; None where it is not known.

    The causes that went the way of the whole come first, the largest first, then the one that went most against it.
    """
    now, _ = values["complaints.count"]
    earlier = area_figures.column_of(facts, code, month, "complaint_count")
    split = split_of(facts, code, "category")
    if now is None or earlier is None or not any(row["before"].get(month) is not None for row in split):
        return None
    step = now - earlier
    sign = 1 if step >= 0 else -1
    moved = [
        {**row, "earlier": before, "step": row["value"] - before}
        for row in split
        if (before := row["before"].get(month) or 0) != row["value"]
    ]
    along = sorted((row for row in moved if row["step"] * sign > 0), key=lambda row: (-abs(row["step"]), row["name"]))
    against = sorted((row for row in moved if row["step"] * sign < 0), key=lambda row: (-abs(row["step"]), row["name"]))
    named, sum_of_named, sum_along = [], 0, sum(abs(row["step"]) for row in along)
    for row in along[:NAMED]:
        named.append(row)
        sum_of_named += abs(row["step"])
        if sum_of_named >= EXPLAINED * sum_along:
            break
    countable = area_figures.column_of(facts, code, month, "countable_complaint_count")
    owed = values["complaints.countable"][0]
    return {
        "step": step,
        "span": facts.span_of(month),
        "along": named,
        "against": against[:1] if against and abs(against[0]["step"]) * 5 >= max(abs(step), 5) else [],
        "countable": None if countable is None or owed is None else {"now": owed, "earlier": countable},
        "where": _where(facts, code, month, sign),
    }


def _where(facts: Facts, code: str, month: str, sign: int) -> dict[str, Any] | None:
    """Return the area below whose complaints moved most the way of the whole; None where they did not, or are few."""
    children = facts.areas.children.get(code, [])
    steps = []
    for child in children:
        now = area_figures.values_of(facts, child)["complaints.count"][0]
        earlier = area_figures.column_of(facts, child, month, "complaint_count")
        if now is not None and earlier is not None:
            steps.append((sign * (now - earlier), child, now, earlier))
    if len(steps) < 2:
        return None
    most, child, now, earlier = max(steps, key=lambda one: (one[0], one[1]))
    if most <= 0:
        return None
    return {"code": child, "name": facts.areas.names[child], "now": now, "earlier": earlier, "step": now - earlier}


def split_of(facts: Facts, code: str, dimension: str) -> list[dict[str, Any]]:
    """Return an area's complaints by cause or party, most first; ``before``: those of earlier months by month."""
    if area_figures.values_of(facts, code)["complaints.count"][0] is None:
        return []  # what nobody reported is not zero
    by_value: dict[str, dict[str, int]] = {}
    months: set[str] = set()
    for row in facts.area_complaints.get(code, []):
        if row["dimension_code"] == dimension:
            by_value.setdefault(row["value_code"], {})[row["month"]] = row["complaint_count"]
            months.add(row["month"])
    most = max((counts.get(facts.month, 0) for counts in by_value.values()), default=0) or 1
    rows = [
        {
            "subject": f"{code}/{dimension}:{value}",
            "code": value,
            "name": facts.word(dimension, value),
            "value": counts.get(facts.month, 0),
            "before": {month: counts.get(month, 0) for month in months},
            "share": counts.get(facts.month, 0) / most,
        }
        for value, counts in by_value.items()
    ]
    return sorted(rows, key=lambda row: (-row["value"], row["code"]))
