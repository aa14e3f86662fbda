"""What the pages of one night are made of, and the ways they ask for it: by area, by enterprise, by community.

Owns the shape of the facts, not where they come from (``reading``). Nothing here knows of a database or of a page.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from property_credit.scorecards.areas import AreaTree, tree
from property_credit.scorecards.editions import Edition, Row

MONTHS = 24
Asked = ParamSpec("Asked")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Facts:
    """Everything the pages of ``edition`` show; rows by credit code or area code are in the order they are shown in.

    ``publication`` is what stood that night; it is of an earlier night when a gate held newer grades back. ``points``
    holds only the enterprises that were asked for.
    """

    edition: Edition
    publication: Row
    method: Row
    versions: Mapping[str, list[Row]]
    scores: Mapping[str, Row]
    points: Mapping[str, list[Row]]
    spreads: Mapping[str, Sequence[Any]]
    past_scores: Mapping[str, list[Row]]
    past_methods: Mapping[str, str]
    exposures: Mapping[str, Row]
    remembered: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def business_date(self) -> date:
        """Return the night."""
        return self.edition.business_date

    @property
    def month(self) -> str:
        """Return the month shown, yyyy-mm."""
        return self.edition.month

    @cached_property
    def month_before(self) -> str:
        """Return the month before the one shown."""
        year, month = self.business_date.year, self.business_date.month
        return f"{year - 1}-12" if month == 1 else f"{year}-{month - 1:02d}"

    @property
    def year_before(self) -> str:
        """Return the same month a year before the one shown."""
        return f"{self.business_date.year - 1}-{self.business_date.month:02d}"

    @cached_property
    def months(self) -> list[str]:
        """Return the months of the trends, oldest first, the shown one last."""
        return sorted({_month(row) for row in self.rows("area_months")} & self._window)[-MONTHS:]

    @cached_property
    def _window(self) -> set[str]:
        last = self.business_date.year * 12 + self.business_date.month - 1
        return {f"{index // 12}-{index % 12 + 1:02d}" for index in range(last - MONTHS + 1, last + 1)}

    @cached_property
    def standing(self) -> dict[str, Row]:
        """Return the version of each enterprise's grade that stood that night."""
        return {uscc: versions[-1] for uscc, versions in self.versions.items()}

    def former_names(self, uscc: str) -> list[str]:
        """Return the names that earlier versions of an enterprise's grade were published under, oldest first."""
        *earlier, standing = [version["enterprise_name"] for version in self.versions[uscc]]
        return [name for name in dict.fromkeys(earlier) if name != standing]

    def rows(self, table: str) -> list[Row]:
        """Return the rows of one of the edition's tables."""
        return self.edition.tables[table]

    @cached_property
    def area_months(self) -> dict[tuple[str, str], Row]:
        """Return an area's month by (area, month)."""
        return {(row["area_code"], _month(row)): row for row in self.rows("area_months")}

    @cached_property
    def is_in_progress(self) -> bool:
        """Return whether the month shown is not over: it is compared with the same days."""
        return (self.business_date + timedelta(days=1)).month == self.business_date.month

    @property
    def against(self) -> str:
        """Return what a month's figure is compared with, in words."""
        return "上月同期" if self.is_in_progress else "上月"

    @property
    def against_year(self) -> str:
        """Return what a month's figure is compared with a year before, in words."""
        return "上年同期" if self.is_in_progress else "上年同月"

    def span_of(self, month: str) -> str:
        """Return an earlier month as far as it is compared: yyyy-mm, or yyyy-mm~dd up to a day of one in progress."""
        return f"{month}~{self.business_date:%d}" if self.is_in_progress else month

    @cached_property
    def silences(self) -> dict[str, list[Row]]:
        """Return which feeds say nothing of which districts, and when, by area; nothing in an edition without them."""
        return grouped(self.edition.tables.get("silences", []), "area_code")

    @cached_property
    def area_states(self) -> dict[str, Row]:
        """Return each area's state that night."""
        return keyed(self.rows("area_states"), "area_code")

    @cached_property
    def area_complaints(self) -> dict[str, list[Row]]:
        """Return this month's and the last one's complaints by cause and party, by area."""
        return grouped(self.rows("area_complaints"), "area_code")

    @cached_property
    def area_enterprises(self) -> dict[str, list[str]]:
        """Return the credit codes an area looks after; the root looks after all that are published."""
        enterprises: dict[str, list[str]] = defaultdict(list)
        for row in self.rows("area_enterprises"):
            if row["uscc"] in self.standing:
                enterprises[row["area_code"]].append(row["uscc"])
        enterprises[self.areas.root] = sorted(self.standing)
        return dict(enterprises)

    @cached_property
    def served(self) -> dict[tuple[str, str], int]:
        """Return how many communities an enterprise manages in an area, by (area, credit code)."""
        return {(row["area_code"], row["uscc"]): row["community_count"] for row in self.rows("area_enterprises")}

    @cached_property
    def enterprise_areas(self) -> dict[str, set[str]]:
        """Return the areas that look after an enterprise, by credit code."""
        areas: dict[str, set[str]] = defaultdict(set)
        for area, codes in self.area_enterprises.items():
            for uscc in codes:
                areas[uscc].add(area)
        return dict(areas)

    @cached_property
    def communities(self) -> dict[str, list[Row]]:
        """Return the communities of each leaf area."""
        return grouped(self.rows("communities"), "leaf_area_code")

    @cached_property
    def community(self) -> dict[str, Row]:
        """Return each community by its id."""
        return keyed(self.rows("communities"), "community_id")

    def place_of(self, row: Row) -> str | None:
        """Return the area an alert or escalation lies in: its community's street, else its region."""
        community = self.community.get(row.get("community_id") or "")
        return community["leaf_area_code"] if community else row["region_code"]

    @cached_property
    def placed(self) -> dict[str, dict[str, list[Row]]]:
        """Return alerts, escalations, overdue clocks, draws' outcomes and tenders by the leaf they lie in."""
        tables = ("alerts", "escalations", "clocks", "draw_outcomes", "tenders")
        rows: dict[str, dict[str, list[Row]]] = {table: defaultdict(list) for table in tables}
        for table in tables:
            for row in self.edition.tables.get(table, []):  # an older edition lacks the newer ones
                if place := self.place_of(row):
                    rows[table][place].append(row)
        return rows

    def within(self, table: str, code: str) -> list[Row]:
        """Return the rows of one of the ``placed`` tables that lie in area ``code``."""
        placed = self.placed[table]
        return [row for leaf in sorted(self.areas.below(code) & placed.keys()) for row in placed[leaf]]

    @cached_property
    def contacts(self) -> dict[str, list[Row]]:
        """Return the desks of offices and enterprises, by area or credit code; none in an older edition."""
        return grouped(self.edition.tables.get("contacts", []), "holder_code")

    @cached_property
    def hot_spots(self) -> dict[str, list[Row]] | None:
        """Return the hot-spot communities by the leaf they lie in; None: the edition is older than their judging."""
        if "hot_spots" not in self.edition.tables:
            return None
        spots: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows("hot_spots"):
            if community := self.community.get(row["community_id"]):
                spots[community["leaf_area_code"]].append({**community, **row})
        return dict(spots)

    @cached_property
    def evidence(self) -> dict[str, list[Row]]:
        """Return the month's evidence by community."""
        return grouped(self.rows("evidence"), "community_id")

    @cached_property
    def evidence_places(self) -> dict[str, str]:
        """Return where each piece of this month's evidence stands, as seen from an enterprise's page."""
        leaves = {row["community_id"]: row["leaf_area_code"] for row in self.rows("communities")}
        return {
            row["evidence_id"]: f"../area/{leaves[row['community_id']]}.html#c-{row['community_id']}"
            for row in self.rows("evidence")
        }

    @cached_property
    def indicator_evidence(self) -> dict[str, dict[str, list[Sequence[Any]]]]:
        """Return all evidence by credit code and indicator: id, day, community, hours; none in an older edition."""
        evidence: dict[str, dict[str, list[Sequence[Any]]]] = defaultdict(dict)
        for row in self.edition.tables.get("indicator_evidence", []):
            evidence[row["uscc"]][row["indicator_code"]] = row["evidence"]
        return dict(evidence)

    @cached_property
    def most_expected(self) -> float:
        """Return the largest number of complaints expected of any enterprise."""
        return max((float(row["denominator"] or 0) for row in self.exposures.values()), default=1.0)

    @cached_property
    def enterprises(self) -> dict[str, Row]:
        """Return what decides whether an enterprise can be rated, by credit code."""
        return keyed(self.rows("enterprises"), "uscc")

    @cached_property
    def enterprise_months(self) -> dict[str, dict[str, Row]]:
        """Return an enterprise's months, by credit code and month."""
        months: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in self.rows("enterprise_months"):
            months[row["uscc"]][row["month"]] = row
        return dict(months)

    @cached_property
    def areas(self) -> AreaTree:
        """Return the tree of areas with anything to show."""
        used = {row["area_code"] for table in ("area_months", "area_states") for row in self.rows(table)}
        return tree(self.rows("areas"), used | {row["area_code"] for row in self.rows("area_enterprises")})

    @cached_property
    def kpi_actuals(self) -> dict[tuple[str, str], Any]:
        """Return how far each division is with each policy target, by (division, target)."""
        return {(row["region_code"], row["kpi_code"]): row["actual_value"] for row in self.rows("kpi_actuals")}

    @cached_property
    def missing_kpis(self) -> set[tuple[str, str]]:
        """Return the targets that are not known because a feed is silent, by (division, target)."""
        rows = self.rows("kpi_actuals")
        return {(row["region_code"], row["kpi_code"]) for row in rows if row.get("is_missing")}

    @cached_property
    def words(self) -> dict[tuple[str, str], str]:
        """Return the Chinese word of a code, by (list, code)."""
        return {(row["list_code"], row["code"]): row["label_zh"] for row in self.rows("codes")}

    def word(self, list_code: str, code: str | None) -> str:
        """Return the word for a code, or the code where there is none."""
        return self.words.get((list_code, code or ""), code or "—")


def _month(row: Row) -> str:
    """Return an area month's month, yyyy-mm; editions from before 2026-12 keep it as text."""
    return str(row["month"])[:7]


def memoize(function: Callable[Concatenate[Facts, Asked], Value]) -> Callable[Concatenate[Facts, Asked], Value]:
    """Remember on the facts what ``function`` returned: tables, lists and downloads of many pages ask for the same."""

    @wraps(function)
    def remembering(facts: Facts, /, *asked: Asked.args, **named: Asked.kwargs) -> Value:
        key = (function, *asked)
        if key not in facts.remembered:
            facts.remembered[key] = function(facts, *asked, **named)
        value: Value = facts.remembered[key]
        return value

    return remembering


def keyed(rows: Iterable[Row], key: str) -> dict[str, Row]:
    """Return ``rows`` by ``key``, which is unique."""
    return {row[key]: row for row in rows}


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Return ``rows`` in lists by ``key``."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return dict(groups)
