"""Where the pages' facts come from: the marts of a night, kept as an edition; the grades and points published then.

Owns the reading, as role pc_pages, in one snapshot. Marts of another night are never shown as this one's: the edition
that was kept is.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from property_credit.scorecards import editions
from property_credit.scorecards.editions import Row
from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.facts import Facts, grouped, keyed
from property_credit.warehouse.connection import connect
from property_credit.warehouse.locks import reading_marts
from property_credit.warehouse.marts import standing

TABLES: dict[str, LiteralString] = {
    "areas": "select area_code, area_name, parent_area_code, level_code from marts.mart_scorecards__areas order by 1",
    "area_months": "select * from marts.mart_scorecards__area_months "
    "where month <= %(night)s order by area_code, month",
    "area_states": "select * from marts.mart_scorecards__area_states order by area_code",
    "area_complaints": "select area_code, to_char(month, 'YYYY-MM') as month, dimension_code, value_code, "
    "complaint_count from marts.mart_scorecards__area_complaints order by 1, 2, 3, 4",
    "area_enterprises": "select area_code, uscc, community_count from marts.mart_scorecards__area_enterprises "
    "order by 1, 2",
    "communities": "select * from marts.mart_scorecards__communities order by community_id",
    "contacts": "select holder_code, post_code, telephone from marts.mart_scorecards__contacts order by 1, 2, 3",
    "events": "select * from marts.mart_scorecards__events order by event_on, kind_code, subject_id",
    "hot_spots": "select community_id, window_complaint_count, window_expected_count, upper_998_count, is_flooded "
    "from marts.mart_supervision__community_complaint_months where is_hotspot "
    "and month = date_trunc('month', %(night)s::date)::date order by community_id",
    "evidence": "select * from marts.mart_scorecards__evidence order by community_id, kind_code, evidence_id",
    "indicator_evidence": "select uscc, indicator_code, evidence from marts.mart_scorecards__indicator_evidence "
    "order by uscc, indicator_code",
    "enterprises": "select uscc, region_code, service_months, household_months, project_count "
    "from marts.mart_scoring__enterprises order by uscc",
    "enterprise_months": "select uscc, to_char(month, 'YYYY-MM') as month, complaints_per_1k_household_months, "
    "resolved_within_24h_ratio from marts.mart_scorecards__enterprise_months "
    "where month <= %(night)s order by uscc, month",
    "kpis": "select distinct on (region_code, kpi_code) kpi_code, target_year, region_code, kpi_zh, unit_code, "
    "direction_code, target_value, target_text, source_clause, actual_value, (select before.target_value "
    "from marts.mart_scorecards__kpis as before where before.kpi_code = kpis.kpi_code "
    "and before.region_code = kpis.region_code and before.target_year = kpis.target_year - 1) as previous_value "
    "from marts.mart_scorecards__kpis as kpis "
    "where target_year >= extract(year from %(night)s::date) order by region_code, kpi_code, target_year",
    "kpi_actuals": "select region_code, kpi_code, actual_value, is_missing from marts.mart_supervision__kpi_actuals "
    "where actual_value is not null or is_missing order by 1, 2",
    "silences": "select area_code, feed, region_code, from_on, until_on, reason_code, region_name, title_zh "
    "from marts.mart_scorecards__silences order by area_code, feed, region_code, until_on",
    "feeds": "select feed, title_zh, is_scored, is_available, latest_known_on, latest_event_on, is_stale, age_days "
    "from marts.mart_scoring__feeds order by feed",
    "codes": "select list_code, code, label_zh from marts.mart_scorecards__codes order by 1, 2",
    "alerts": "select alert_id, kind_code, severity_code, uscc, community_id, region_code, first_on, amount_cny, "
    "state_code, first_seen_on, first_seen_on + (select decide_within_days "
    "from marts.mart_supervision__alert_candidates as standing where standing.alert_id = alerts.alert_id) as decide_by "
    "from supervision.alerts where first_seen_on <= %(night)s order by alert_id",
    "tenders": "select tender_id, community_id, region_code, stage_code, method_code, announced_on, opened_on, "
    "awarded_on, uscc, approved_on, bids from marts.mart_supervision__tenders order by tender_id",
    "contract_terms": "select * from marts.mart_scorecards__contract_terms order by area_code, service_level",
    "dispute_levels": "select * from marts.mart_scorecards__dispute_levels order by area_code, level_code",
    "fee_collections": "select * from marts.mart_scorecards__fee_collections order by area_code",
    "escalations": "select escalation_id, complaint_id, kind_code, community_id, region_code, street_code, "
    "category_code, to_char(submitted_at, 'YYYY-MM') as month, to_char(due_at, 'YYYY-MM-DD HH24:MI') as due_at, "
    "closed_at is null as is_open from supervision.escalations where business_date <= %(night)s and (closed_at is null "
    "or to_char(submitted_at, 'YYYY-MM') = to_char(%(night)s::date, 'YYYY-MM')) order by escalation_id",
    "clocks": "select clock_id, clock_kind_code, subject_id, uscc, region_code, due_on from supervision.clocks "
    "where is_duty and status_code = 'overdue' and first_seen_on <= %(night)s order by clock_id",
    "draw_outcomes": "select region_code, authority_code, drawn_count, carried_out_count, put_off_count "
    "from supervision.draw_outcomes where month = date_trunc('month', %(night)s::date)::date order by 1, 2",
    "failures": "select dag as stage, task as step from ops.task_runs where business_date = %(night)s "
    "and status in ('failed', 'stopped by gate') and dag <> 'build_scorecards' order by 1, 2",
    "batches": "select feed, count(*) as batch_count, count(*) filter (where status = 'refused') as refused_count, "
    "sum(rows_accepted)::bigint as rows_accepted, sum(rows_rejected)::bigint as rows_rejected from ops.batches "
    "where business_date between date_trunc('month', %(night)s::date)::date and %(night)s group by feed order by feed",
    "waiting": "select feed, sum(row_count)::bigint as rows_waiting, to_char(min(oldest_on), 'YYYY-MM-DD') "
    "as waiting_since, %(night)s::date - min(oldest_on) as waiting_days from ops.waiting "
    "where oldest_on <= %(night)s group by feed order by feed",
}


def keep(business_date: date) -> str:
    """Return the id of the edition of ``business_date``: of sound marts of that night, else the kept one.

    Marts that a build left half made are of no night: the last sound edition of the month stands.

    Raises ScorecardError when nothing was published by then, a mart is missing, or neither marts nor an edition are
    of that month.
    """
    with reading_marts(), _snapshot(read_only=False) as connection:
        marts = standing()
        try:
            published = _publication(connection, business_date)
            if marts.is_sound and marts.business_date == business_date:
                documents = {}
                for name, statement in TABLES.items():
                    documents[name] = editions.table_document(connection.execute(statement, {"night": business_date}))
                return editions.store(
                    connection,
                    business_date=business_date,
                    publication_id=published["publication_id"],
                    documents=documents,
                )
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            missing = str(error).splitlines()[0]
            raise ScorecardError(f"the pages need a mart that is not there ({missing}): build the warehouse") from error
        kept = editions.newest(connection, month=f"{business_date:%Y-%m}", until=business_date)
    if kept is None:
        held = marts.problem or (
            f"the marts hold {marts.business_date}: run `property-credit nightly --business-date {business_date}` first"
        )
        raise ScorecardError(f"no pages were ever built for {business_date:%Y-%m}, and {held}")
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
                    "select uscc, grade, status_code, score, public_pct, market_pct, bonus_points, certainty_ratio, "
                    "is_key_supervision, grade_before_caps, held, caps, not_rated_reasons, objections, "
                    "score_without_disputed, grade_without_disputed, lift "
                    "from scoring.grades where run_id = %s order by uscc",
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


@contextmanager
def _snapshot(*, read_only: bool = True) -> Iterator[psycopg.Connection]:
    with connect("pc_pages") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = read_only
        yield connection


def _rows(connection: psycopg.Connection, statement: LiteralString, *parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _publication(connection: psycopg.Connection, business_date: date) -> Row:
    publications = _rows(
        connection,
        "select publication_id, business_date from publishing.publications where business_date <= %s "
        "order by publication_id desc limit 1",
        business_date,
    )
    if not publications:
        raise ScorecardError(f"nothing was published by {business_date}: publish a night first, then build its pages")
    return publications[0]


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
    return {**{name: items or [] for name, items in row.items()}, **{one["domain"]: one["steps"] for one in domains}}
