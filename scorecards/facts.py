"""What the pages of one night are made of: an edition's tables, and the grades and points published then.

Owns the reading, as role pc_pages, in one snapshot. Marts of another night are never shown as this one's: the edition
that was kept is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from scorecards import editions
from scorecards.areas import AreaTree, tree
from scorecards.editions import Edition, Row
from scorecards.errors import ScorecardError
from warehouse.connection import connect

MONTHS = 24
TABLES: dict[str, LiteralString] = {
    "areas": "select area_code, area_name, parent_area_code, level_code from marts.mart_scorecards__areas order by 1",
    "area_months": "select area_code, to_char(month, 'YYYY-MM') as month, complaint_count, countable_complaint_count, "
    "complaints_per_1k_household_months, responded_on_time_ratio, handled_within_12h_ratio, resolved_within_24h_ratio, "
    "resolved_within_24h_count, household_months, community_count, managed_ratio, professional_ratio, "
    "inspection_count, checked_item_count, failed_item_count, failed_item_ratio, serious_finding_count, "
    "due_order_count, overdue_order_count from marts.mart_scorecards__area_months "
    "where month <= %(night)s order by area_code, month",
    "area_states": "select * from marts.mart_scorecards__area_states order by area_code",
    "area_complaints": "select area_code, to_char(month, 'YYYY-MM') as month, dimension_code, value_code, "
    "complaint_count from marts.mart_scorecards__area_complaints order by 1, 2, 3, 4",
    "area_enterprises": "select area_code, uscc, community_count from marts.mart_scorecards__area_enterprises "
    "order by 1, 2",
    "communities": "select * from marts.mart_scorecards__communities order by community_id",
    "evidence": "select * from marts.mart_scorecards__evidence order by community_id, kind_code, evidence_id",
    "enterprises": "select uscc, region_code, service_months, household_months, project_count "
    "from marts.mart_scoring__enterprises order by uscc",
    "enterprise_months": "select uscc, to_char(month, 'YYYY-MM') as month, complaints_per_1k_household_months, "
    "resolved_within_24h_ratio from marts.mart_scorecards__enterprise_months "
    "where month <= %(night)s order by uscc, month",
    "kpis": "select distinct on (region_code, kpi_code) kpi_code, target_year, region_code, kpi_zh, unit_code, "
    "direction_code, target_value, target_text, source_clause, actual_value from marts.mart_scorecards__kpis "
    "where target_year >= extract(year from %(night)s::date) order by region_code, kpi_code, target_year",
    "kpi_actuals": "select region_code, kpi_code, actual_value from marts.mart_supervision__kpi_actuals "
    "where actual_value is not null order by 1, 2",
    "feeds": "select feed, title_zh, is_available, latest_known_on, latest_event_on, is_stale, age_days "
    "from marts.mart_scoring__feeds order by feed",
    "codes": "select list_code, code, label_zh from marts.mart_scorecards__codes order by 1, 2",
    "alerts": "select alert_id, kind_code, severity_code, uscc, community_id, region_code, first_on, amount_cny, "
    "state_code, first_seen_on from supervision.alerts where first_seen_on <= %(night)s order by alert_id",
    "escalations": "select escalation_id, complaint_id, kind_code, community_id, region_code, street_code, "
    "category_code, to_char(submitted_at, 'YYYY-MM') as month, to_char(due_at, 'YYYY-MM-DD HH24:MI') as due_at, "
    "closed_at is null as is_open from supervision.escalations where business_date <= %(night)s and (closed_at is null "
    "or to_char(submitted_at, 'YYYY-MM') = to_char(%(night)s::date, 'YYYY-MM')) order by escalation_id",
    "clocks": "select clock_id, clock_kind_code, subject_id, uscc, region_code, due_on from supervision.clocks "
    "where is_duty and status_code = 'overdue' and first_seen_on <= %(night)s order by clock_id",
    "draw_outcomes": "select region_code, authority_code, drawn_count, carried_out_count, put_off_count "
    "from supervision.draw_outcomes where month = date_trunc('month', %(night)s::date)::date order by 1, 2",
    "batches": "select feed, count(*) as batch_count, count(*) filter (where status = 'refused') as refused_count, "
    "sum(rows_accepted)::bigint as rows_accepted, sum(rows_rejected)::bigint as rows_rejected from ops.batches "
    "where business_date between date_trunc('month', %(night)s::date)::date and %(night)s group by feed order by feed",
}


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

    @cached_property
    def months(self) -> list[str]:
        """Return the months of the trends, oldest first, the shown one last."""
        return sorted({row["month"] for row in self.rows("area_months")} & self._window)[-MONTHS:]

    @cached_property
    def _window(self) -> set[str]:
        last = self.business_date.year * 12 + self.business_date.month - 1
        return {f"{index // 12}-{index % 12 + 1:02d}" for index in range(last - MONTHS + 1, last + 1)}

    @cached_property
    def standing(self) -> dict[str, Row]:
        """Return the version of each enterprise's grade that stood that night."""
        return {uscc: found[-1] for uscc, found in self.versions.items()}

    def rows(self, table: str) -> list[Row]:
        """Return the rows of one of the edition's tables."""
        return self.edition.tables[table]

    @cached_property
    def area_months(self) -> dict[tuple[str, str], Row]:
        """Return an area's month by (area, month)."""
        return {(row["area_code"], row["month"]): row for row in self.rows("area_months")}

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
        found: dict[str, list[str]] = defaultdict(list)
        for row in self.rows("area_enterprises"):
            if row["uscc"] in self.standing:
                found[row["area_code"]].append(row["uscc"])
        found[self.areas.root] = sorted(self.standing)
        return dict(found)

    @cached_property
    def served(self) -> dict[tuple[str, str], int]:
        """Return how many communities an enterprise manages in an area, by (area, credit code)."""
        return {(row["area_code"], row["uscc"]): row["community_count"] for row in self.rows("area_enterprises")}

    @cached_property
    def enterprise_areas(self) -> dict[str, set[str]]:
        """Return the areas that look after an enterprise, by credit code."""
        found: dict[str, set[str]] = defaultdict(set)
        for area, codes in self.area_enterprises.items():
            for uscc in codes:
                found[uscc].add(area)
        return dict(found)

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
        found = self.community.get(row.get("community_id") or "")
        return found["leaf_area_code"] if found else row["region_code"]

    @cached_property
    def placed(self) -> dict[str, dict[str, list[Row]]]:
        """Return alerts, escalations, overdue clocks and draws' outcomes by the leaf they lie in."""
        tables = ("alerts", "escalations", "clocks", "draw_outcomes")
        found: dict[str, dict[str, list[Row]]] = {table: defaultdict(list) for table in tables}
        for table in tables:
            for row in self.rows(table):
                if place := self.place_of(row):
                    found[table][place].append(row)
        return found

    def within(self, table: str, code: str) -> list[Row]:
        """Return the rows of one of the ``placed`` tables that lie in area ``code``."""
        placed = self.placed[table]
        return [row for leaf in sorted(self.areas.below(code) & placed.keys()) for row in placed[leaf]]

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
        found: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in self.rows("enterprise_months"):
            found[row["uscc"]][row["month"]] = row
        return dict(found)

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
    def words(self) -> dict[tuple[str, str], str]:
        """Return the Chinese word of a code, by (list, code)."""
        return {(row["list_code"], row["code"]): row["label_zh"] for row in self.rows("codes")}

    def word(self, list_code: str, code: str | None) -> str:
        """Return the word for a code, or the code where there is none."""
        return self.words.get((list_code, code or ""), code or "—")


def keyed(rows: Iterable[Row], key: str) -> dict[str, Row]:
    """Return ``rows`` by ``key``, which is unique."""
    return {row[key]: row for row in rows}


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Return ``rows`` in lists by ``key``."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return dict(found)


def keep(business_date: date) -> str:
    """Return the id of the edition of ``business_date``: of the marts when they are of that night, else the kept one.

    Raises ScorecardError when nothing was published by then, a mart is missing, or neither marts nor an edition are
    of that month.
    """
    with _snapshot(read_only=False) as connection:
        try:
            published = _publication(connection, business_date)
            night = connection.execute("select max(counted_on) from marts.mart_scorecards__areas").fetchone()
            if night and night[0] == business_date:
                documents = {}
                for name, statement in TABLES.items():
                    documents[name] = editions.table_document(connection.execute(statement, {"night": business_date}))
                return editions.store(
                    connection,
                    business_date=business_date,
                    publication_id=published["publication_id"],
                    documents=documents,
                ).edition_id
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            missing = str(error).splitlines()[0]
            raise ScorecardError(f"the pages need a mart that is not there ({missing}): build the warehouse") from error
        kept = editions.newest(connection, month=f"{business_date:%Y-%m}", until=business_date)
    if kept is None:
        held = night[0] if night and night[0] else "no night"
        raise ScorecardError(
            f"no pages were ever built for {business_date:%Y-%m}, and the marts hold {held}: run "
            f"`property-credit nightly --business-date {business_date}` first"
        )
    return kept


def read(edition_id: str, share: Sequence[str] | None = None) -> Facts:
    """Read the facts of a kept edition; ``share`` limits whose points are read (default: everybody's)."""
    with _snapshot() as connection:
        edition = editions.load(connection, edition_id)
        publication = _rows(
            connection,
            "select publication_id, run_id, business_date, method_version from publishing.publications "
            "where publication_id = %s",
            edition.publication_id,
        )[0]
        run_id = publication["run_id"]
        method = _rows(
            connection,
            "select document from scoring.methods where method_version = %s",
            publication["method_version"],
        )
        document = method[0]["document"] if method else {}
        past = _rows(
            connection,
            "select distinct on (month) run_id, to_char(business_date, 'YYYY-MM') as month, method_version "
            "from publishing.publications where publication_id <= %s "
            "and business_date > %s::date - interval '24 months' "
            "order by month, publication_id desc",
            edition.publication_id,
            edition.business_date,
        )
        return Facts(
            edition=edition,
            publication=publication,
            method=document,
            versions=grouped(
                _rows(
                    connection,
                    "select uscc, version_no, enterprise_name, grade, status_code, method_version, valid_from, "
                    "is_correction, body ->> 'reply' as reply from publishing.grade_history "
                    "where publication_id <= %s order by uscc, version_no",
                    edition.publication_id,
                ),
                "uscc",
            ),
            scores=keyed(
                _rows(
                    connection,
                    "select uscc, score, public_pct, market_pct, bonus_points, certainty_ratio, is_key_supervision, "
                    "grade_before_caps, held, caps, not_rated_reasons, objections, score_without_disputed, "
                    "grade_without_disputed, lift from scoring.grades where run_id = %s order by uscc",
                    run_id,
                ),
                "uscc",
            ),
            points=grouped(
                _rows(
                    connection,
                    "select uscc, indicator_code, is_available, status_code, points, max_points, evidence_ids, "
                    "reason_zh from scoring.indicator_points where run_id = %s and (%s::text[] is null or "
                    "uscc = any(%s)) order by uscc, indicator_code",
                    run_id,
                    share,
                    share,
                ),
                "uscc",
            ),
            spreads=_spreads(connection, run_id, document),
            past_scores=grouped(
                _rows(
                    connection,
                    "select grades.uscc, past.month, grades.score, grades.grade from scoring.grades "
                    "join unnest(%s::text[], %s::text[]) as past (run_id, month) on past.run_id = grades.run_id "
                    "order by grades.uscc, past.month",
                    [row["run_id"] for row in past],
                    [row["month"] for row in past],
                ),
                "uscc",
            ),
            past_methods={row["month"]: row["method_version"] for row in past},
            exposures=keyed(
                _rows(
                    connection,
                    "select uscc, numerator, denominator, indicator_value, interval_low, interval_high "
                    "from scoring.indicator_points where run_id = %s and indicator_code = 'M04' order by uscc",
                    run_id,
                ),
                "uscc",
            ),
        )


def _snapshot(*, read_only: bool = True) -> AbstractContextManager[psycopg.Connection]:
    from contextlib import contextmanager

    @contextmanager
    def opened():  # type: ignore[no-untyped-def]
        with connect("pc_pages") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = read_only
            yield connection

    return opened()


def _rows(connection: psycopg.Connection, statement: LiteralString, *parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _publication(connection: psycopg.Connection, business_date: date) -> Row:
    found = _rows(
        connection,
        "select publication_id, business_date from publishing.publications where business_date <= %s "
        "order by publication_id desc limit 1",
        business_date,
    )
    if not found:
        raise ScorecardError(f"nothing was published by {business_date}: publish a night first, then build its pages")
    return found[0]


def _spreads(connection: psycopg.Connection, run_id: str, method: Row) -> dict[str, Sequence[Any]]:
    """Return the 10th, 25th, 50th, 75th and 90th percentile over the rated of pillars, score and each domain."""
    steps = [0.1, 0.25, 0.5, 0.75, 0.9]
    indicators = method.get("indicators", {})
    row = _rows(
        connection,
        "select percentile_disc(%s::float[]) within group (order by score) as score, "
        "percentile_disc(%s::float[]) within group (order by public_pct) as public, "
        "percentile_disc(%s::float[]) within group (order by market_pct) as market "
        "from scoring.grades where run_id = %s and status_code = 'rated'",
        steps,
        steps,
        steps,
        run_id,
    )[0]
    domains = _rows(
        connection,
        "with domains as (select points.uscc, domains.domain, sum(points.points) / sum(points.max_points) as ratio "
        "from scoring.indicator_points as points join unnest(%s::text[], %s::text[]) as domains (code, domain) "
        "on domains.code = points.indicator_code join scoring.grades on grades.run_id = points.run_id "
        "and grades.uscc = points.uscc and grades.status_code = 'rated' where points.run_id = %s "
        "and points.is_available group by points.uscc, domains.domain having sum(points.max_points) > 0) "
        "select domain, percentile_disc(%s::float[]) within group (order by ratio) as steps from domains group by 1",
        list(indicators),
        [given.get("domain", "") for given in indicators.values()],
        run_id,
        steps,
    )
    return {**{name: found or [] for name, found in row.items()}, **{one["domain"]: one["steps"] for one in domains}}
