"""Progress of areas side by side, lagging first: the order of the half-year notice (半年通报) and of "who to call"."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from property_credit.scorecards import labels
from property_credit.scorecards.facts import Facts


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
        known = {code: value for code in codes if (value := values[code][criterion.code]) is not None}
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
    """Return the half year so far and the same months a year before, as far as there are months with complaints."""
    half = f"{facts.month[:4]}-{'01' if int(facts.month[5:]) < 7 else '07'}"
    now = [month for month in facts.months if half <= month]
    return now, [year_before(month) for month in now]


def year_before(month: str) -> str:
    """Return the same month (yyyy-mm) a year earlier."""
    return f"{int(month[:4]) - 1}{month[4:]}"


def criterion_text(criterion: Criterion, value: Decimal | None) -> str:
    """Write a value of a criterion: a difference of two shares in percentage points, all else in percent."""
    if value is None:
        return labels.DASH
    if criterion.unit == "points":
        return f"{labels.fixed(value * 100, 1)} 个百分点"
    return labels.percent(value)


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
    """Return an area's complaints over ``months``: how many, per 1,000 household-months, share within 24 h.

    The month that is the newest one a year before counts up to the same day while the newest is in progress. A month
    that is not known leaves no sum, and nor do months that reach back beyond what is kept.
    """
    rows = [facts.area_months[code, month] for month in months if (code, month) in facts.area_months]
    nothing = {"count": None, "rate": None, "within_24h": None, "months": len(rows)}
    if any(row["complaint_count"] is None for row in rows):
        return nothing
    complaints = due = resolved = 0
    households: Decimal | None = Decimal(0)
    for row in rows:
        month = str(row["month"])[:7]
        is_to_day = facts.is_in_progress and month != facts.month and month[5:] == facts.month[5:]
        end = "_to_day" if is_to_day and "complaint_count_to_day" in row else ""
        complaints += row[f"complaint_count{end}"]
        resolved += row[f"resolved_within_24h_count{end}"]
        due += row.get(f"resolution_due_count{end}", row["complaint_count"])
        if row["household_months"] is None or households is None:
            households = None
        else:
            days = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
            part = Decimal(min(facts.business_date.day, days)) / days if end else 1
            households += row["household_months"] * part
    return {
        "count": complaints if rows else None,
        "rate": Decimal(complaints) * 1000 / households if households else None,
        "within_24h": Decimal(resolved) / due if due else None,
        "months": len(rows),
    }
