"""Whether a difference of an area is more than chance: communities are compared with themselves or with their peers.

Complaints come in bursts (a boiler fails, and a hundred households call), so that counts vary more than a Poisson law
says. Communities are therefore the units: what they differ by, added up, over the root of the sum of its squares (a
paired comparison; of single complaints it is McNemar's test). Beyond ±1.96 chance alone would be rarer than 1 in 20.
"""

import calendar
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts, memoize
from property_credit.scorecards.labels import rounded

LIMIT = Decimal("1.96")
WORDS = {"more": "超出偶然波动", "less": "超出偶然波动", "none": "在偶然波动之内"}


def kind_of(z: Decimal | None) -> str | None:
    """Return whether a score is ``more`` or ``less`` than chance explains, or ``none``; None where it is not known."""
    if z is None:
        return None
    return "more" if z >= LIMIT else "less" if z <= -LIMIT else "none"


def score(differences: Iterable[Any]) -> Decimal | None:
    """Return the sum of ``differences`` over the root of the sum of their squares, to two decimals; None of nothing.

    >>> score([1, 1, 1, 1])
    Decimal('2.00')
    """
    total = squares = Decimal(0)
    for one in differences:
        total += one
        squares += one * one
    squares = rounded(squares, 12)  # what is smaller is the digits' rounding
    return rounded(total / squares.sqrt(), 2) if squares else None


@memoize
def of_area(facts: Facts, code: str) -> dict[str, Decimal | None]:
    """Return an area's scores by figure code: against the month before, the year before, and its peers."""
    rows = _communities(facts, code)
    if not rows or "stratum_code" not in rows[0]:  # an edition from before 2026-12 does not know
        return {}
    return {
        "chance.month": _change(rows, "complaint_count_before_to_day", _days(facts, facts.month_before)),
        "chance.year": _change(rows, "complaint_count_year_before_to_day", _days(facts, facts.year_before)),
        "chance.within_24h": share_change(rows),
        "chance.peers": _against_peers(facts, code, rows),
    }


def _communities(facts: Facts, code: str) -> list[Row]:
    return [row for leaf in sorted(facts.areas.below(code)) for row in facts.communities.get(leaf, ())]


def _days(facts: Facts, month: str) -> Decimal:
    """Return how many days of ``month`` stand against one of the month shown."""
    if facts.is_in_progress:
        return Decimal(1)
    own, other = (calendar.monthrange(int(one[:4]), int(one[5:]))[1] for one in (facts.month, month))
    return Decimal(own) / other


def _change(rows: list[Row], column: str, part: Decimal) -> Decimal | None:
    if any(row["complaint_count"] is None or row[column] is None for row in rows):
        return None
    return score(row["complaint_count"] - part * row[column] for row in rows)


def share_change(rows: list[Row]) -> Decimal | None:
    """Return the change of the share solved within 24 h over its standard error, communities being the units.

    The error is that of two months which share their solved cases: one case, solved, says nothing against 3 of 6.
    """
    months = [
        [(row[f"resolved_within_24h_count{end}"], row[f"resolution_due_count{end}"]) for row in rows]
        for end in ("", "_before_to_day")
    ]
    if any(one is None for pairs in months for pair in pairs for one in pair):
        return None
    solved, due = ([sum(pair[place] for pair in pairs) for pairs in months] for place in (0, 1))
    if not all(due):
        return None
    both = Decimal(sum(solved)) / sum(due)
    variance = sum(
        (
            sum((pair[0] - both * pair[1]) ** 2 for pair in pairs) / total**2
            for pairs, total in zip(months, due, strict=True)
        ),
        Decimal(0),
    )
    variance = rounded(variance, 12)  # where every community has the same share, what is left is the digits' rounding
    return (
        rounded((Decimal(solved[0]) / due[0] - Decimal(solved[1]) / due[1]) / variance.sqrt(), 2) if variance else None
    )


def _against_peers(facts: Facts, code: str, rows: list[Row]) -> Decimal | None:
    """Return how far an area's complaints lie from those expected at the rate of the area above it."""
    above = facts.areas.parents[code]
    rate = rate_of(facts, above) if above and len(facts.areas.children[above]) > 1 else None
    if rate is None or any(row["complaint_count"] is None for row in rows):
        return None
    return score(row["complaint_count"] - rate * (row["household_months"] or 0) for row in rows)


@memoize
def rate_of(facts: Facts, code: str) -> Decimal | None:
    """Return an area's complaints of the month per household-month, over the communities whose complaints are known."""
    rows = [row for row in _communities(facts, code) if row["complaint_count"] is not None]
    if not rows or "household_months" not in rows[0]:  # an edition from before 2026-12
        return None
    households = sum((row["household_months"] or Decimal(0) for row in rows), Decimal(0))
    return Decimal(sum(row["complaint_count"] for row in rows)) / households if households else None


def expected_of(facts: Facts, code: str, rate: Decimal | None) -> tuple[Decimal | None, int | None]:
    """Return the complaints that an area's communities would have at ``rate`` a household-month, and those they had."""
    rows = _communities(facts, code)
    if rate is None or not rows or any(row["complaint_count"] is None for row in rows):
        return None, None
    expected = rate * sum((row["household_months"] or Decimal(0) for row in rows), Decimal(0))
    return rounded(expected, 2), sum(row["complaint_count"] for row in rows)
