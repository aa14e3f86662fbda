"""An area beside its peers: areas of its level, communities of the same kind, and what their median would mean here.

Kinds of communities (type, age, lift) complain at different rates, so an area is compared kind by kind over twelve
months; a sum over unlike communities would compare what was built where.
"""

import bisect
import math
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any

from property_credit.scorecards import area_figures
from property_credit.scorecards.facts import Facts, memoize
from property_credit.scorecards.figures import figure
from property_credit.scorecards.labels import rounded

LEAST_PEERS = 3  # a median of fewer says nothing
LEAST_HOUSEHOLD_MONTHS = 1200  # of a kind in an area: a hundred households for a year
AGES = {"lt10": "10年以内", "10_20": "10至20年", "20_30": "20至30年", "ge30": "30年以上"}


@dataclass(frozen=True)
class Measure:
    """A share that areas are compared by. ``total``: the column it is a share of; ``words``: what its parts must do."""

    code: str
    total: str
    words: str


MEASURES = (
    Measure("complaints.within_24h", "resolution_due_count", "件诉求须在24小时内解决"),
    Measure("inspections.failed_ratio", "checked_item_count", "个检查项须合格"),
    Measure("coverage.professional", "community_count", "个小区须由物业服务企业管理"),
    Measure("coverage.old", "old_count", "个老旧小区须有管理人"),
    Measure("coverage.disclosed", "enterprise_managed_count", "个小区须公示"),
)


def kind_words(facts: Facts, stratum: str) -> str:
    """Return a kind of community in words: 老旧小区，30年以上，无电梯."""
    type_code, age, lift = stratum.split("|")
    return f"{facts.word('community_type', type_code)}，{AGES[age]}，{'有' if lift == 'lift' else '无'}电梯"


@memoize
def kinds_of(facts: Facts, code: str) -> dict[str, tuple[int, Decimal]] | None:
    """Return an area's complaints and household-months of twelve months by kind; None where a month is not known."""
    sums: dict[str, tuple[int, Decimal]] = {}
    for leaf in sorted(facts.areas.below(code)):
        for row in facts.communities.get(leaf, ()):
            if row.get("stratum_code") is None:
                continue
            if row["year_complaint_count"] is None:
                return None
            count, households = sums.get(row["stratum_code"], (0, Decimal(0)))
            months = row["year_household_months"] or Decimal(0)
            sums[row["stratum_code"]] = (count + row["year_complaint_count"], households + months)
    return {kind: pair for kind, pair in sums.items() if pair[1] >= LEAST_HOUSEHOLD_MONTHS}


@memoize
def _rates_at(facts: Facts, level: str) -> dict[str, list[Decimal]]:
    """Return the rates of every area of a level by kind, in order."""
    rates: dict[str, list[Decimal]] = defaultdict(list)
    for one in facts.areas.all():
        if facts.areas.levels[one] == level:
            for kind, (count, households) in (kinds_of(facts, one) or {}).items():
                bisect.insort(rates[kind], count * 1000 / households)
    return dict(rates)


@memoize
def _values_at(facts: Facts, level: str, figure_code: str) -> list[Any]:
    """Return what every area of a level has of a figure, in order."""
    areas = (one for one in facts.areas.all() if facts.areas.levels[one] == level)
    values = (area_figures.values_of(facts, one)[figure_code][0] for one in areas)
    return sorted(value for value in values if value is not None)


def _others(values: list[Any], own: Any) -> list[Any]:
    """Return ``values``, which are in order, without one that is ``own``."""
    place = bisect.bisect_left(values, own)
    return values[:place] + values[place + 1 :]


def by_kind(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return each kind of community that has a median of peers: its rate, the median, the complaints between them."""
    lines = []
    for kind, (count, households) in sorted((kinds_of(facts, code) or {}).items()):
        own = count * 1000 / households
        others = _others(_rates_at(facts, facts.areas.levels[code])[kind], own)
        middle = median(others) if len(others) >= LEAST_PEERS else None
        lines.append(
            {
                "subject": f"{code}/{kind}",
                "name": kind_words(facts, kind),
                "households": rounded(households / 12, 0),
                "rate": rounded(own, 4),
                "median": None if middle is None else rounded(middle, 4),
                "peer_count": len(others),
                "fewer": None if middle is None else max(math.ceil(rounded(count - middle * households / 1000, 6)), 0),
            }
        )
    known = [line for line in lines if line["median"] is not None]
    return sorted(known, key=lambda line: (-line["fewer"], line["subject"]))


def shares(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the shares by which areas are compared: the own one, the peers' median, its place, and what is missing."""
    totals = {**facts.area_months.get((code, facts.month), {}), **facts.area_states.get(code, {})}
    lines = []
    for measure in MEASURES:
        is_up = figure(measure.code).better == "up"
        value = area_figures.values_of(facts, code)[measure.code][0]
        others = [] if value is None else _others(_values_at(facts, facts.areas.levels[code], measure.code), value)
        if len(others) < LEAST_PEERS:
            continue
        middle = Decimal(median(others))
        gap = middle - value if is_up else value - middle
        total = totals.get(measure.total)
        lines.append(
            {
                "code": measure.code,
                "subject": f"{code}/{measure.code}",
                "value": value,
                "median": middle,
                "place": 1 + sum(other > value if is_up else other < value for other in others),
                "of": len(others) + 1,
                "missing": None if total is None else max(math.ceil(rounded(gap * total, 6)), 0),
                "words": measure.words,
            }
        )
    return lines
