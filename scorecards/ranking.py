"""Progress of areas side by side, lagging first: the order of the half-year notice (半年通报) and of "who to call"."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scorecards.facts import Facts

SPAN = 6  # months on either side of a comparison


@dataclass(frozen=True)
class Criterion:
    """One thing areas are ranked by. ``is_more_better``: the largest value ranks first."""

    code: str
    label: str
    unit: str
    is_more_better: bool


CRITERIA = (
    Criterion("rate_change", "每千户月诉求量变化", "change", False),
    Criterion("within_24h_change", "24小时解决率变化", "points", True),
    Criterion("professional", "专业化物业覆盖率", "ratio", True),
    Criterion("old", "老旧小区覆盖率", "ratio", True),
)


@dataclass(frozen=True)
class Standing:
    """Where an area stands: its values and ranks by criterion (1 is best), and the sum of ranks, the more the worse."""

    area_code: str
    values: dict[str, Decimal | None]
    ranks: dict[str, Decimal]
    points: Decimal


def progress(facts: Facts, codes: Sequence[str], *, now: Sequence[str], before: Sequence[str]) -> list[Standing]:
    """Rank ``codes`` by the months ``now`` against the months ``before``; those lagging most come first.

    Areas that tie share the mean of their ranks; a value that is not known takes the middle rank.
    """
    values = {code: _values(facts, code, now, before) for code in codes}
    ranks: dict[str, dict[str, Decimal]] = {code: {} for code in codes}
    for criterion in CRITERIA:
        known = {code: found for code in codes if (found := values[code][criterion.code]) is not None}
        middle = Decimal(len(codes) + 1) / 2
        for code in codes:
            if code not in known:
                ranks[code][criterion.code] = middle
                continue
            mine = known[code]
            better = sum((other > mine) == criterion.is_more_better and other != mine for other in known.values())
            same = sum(other == mine for other in known.values())
            ranks[code][criterion.code] = Decimal(better) + Decimal(same + 1) / 2
    standings = [Standing(code, values[code], ranks[code], sum(ranks[code].values(), Decimal(0))) for code in codes]
    return sorted(standings, key=lambda standing: (-standing.points, standing.area_code))


def spans(facts: Facts) -> tuple[list[str], list[str]]:
    """Return the last six months and the six before them, as far as there are months with complaints."""
    months = facts.months
    return months[-SPAN:], months[-2 * SPAN : -SPAN]


def _values(facts: Facts, code: str, now: Sequence[str], before: Sequence[str]) -> dict[str, Decimal | None]:
    late, early = sums(facts, code, now), sums(facts, code, before)
    state = facts.area_states.get(code, {})
    return {
        "rate_change": late["rate"] / early["rate"] - 1 if late["rate"] is not None and early["rate"] else None,
        "within_24h_change": late["within_24h"] - early["within_24h"]
        if late["within_24h"] is not None and early["within_24h"] is not None
        else None,
        "professional": state.get("professional_ratio"),
        "old": state.get("old_managed_ratio"),
    }


def sums(facts: Facts, code: str, months: Sequence[str]) -> dict[str, Any]:
    """Return an area's complaints over ``months``: how many, per 1,000 household-months, share within 24 h."""
    rows = [facts.area_months[code, month] for month in months if (code, month) in facts.area_months]
    complaints = sum(row["complaint_count"] for row in rows)
    households = sum((row["household_months"] for row in rows), Decimal(0))
    resolved = sum(row["resolved_within_24h_count"] for row in rows)
    return {
        "count": complaints if rows else None,
        "rate": Decimal(complaints) * 1000 / households if households else None,
        "within_24h": Decimal(resolved) / complaints if complaints else None,
        "months": len(rows),
    }
