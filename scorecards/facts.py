"""What the pages of one date are made of, read once as role pc_pages.

Owns the reading and the check that everything needed is there. A past date is shown as it was published then: the last
publication not later than the date, and the versions up to it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row

from scorecards.errors import ScorecardError
from warehouse.connection import connect

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """Everything the pages of ``business_date`` show.

    ``publication`` is what stood at the date; it may be of an earlier night when a gate held the newer grades back.
    Rows by credit code or region code are in the order they are shown in.
    """

    business_date: date
    publication: Row
    method: Row
    standing: dict[str, Row]
    versions: dict[str, list[Row]]
    scores: dict[str, Row]
    points: dict[str, list[Row]]
    cap_details: dict[tuple[str, str], list[Row]]
    enterprises: dict[str, Row]
    regions: dict[str, Row]
    region_months: dict[str, list[Row]]
    enterprise_months: dict[str, list[Row]]
    all_enterprises_months: dict[str, Row]
    kpis: Sequence[Row]
    feeds: Sequence[Row]


def read(business_date: date) -> Facts:
    """Read the facts of ``business_date`` in one snapshot.

    Raises ScorecardError when nothing was published by then or a mart is missing.
    """
    with connect("pc_pages") as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        try:
            return _read(connection, business_date)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            missing = str(error).splitlines()[0]
            raise ScorecardError(
                f"the pages need a mart that is not there ({missing}): build the warehouse first"
            ) from error


def _read(connection: psycopg.Connection, business_date: date) -> Facts:
    def rows(statement: str, *parameters: Any) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

    published = rows(
        "select publication_id, run_id, business_date, method_version from publishing.publications "
        "where business_date <= %s order by publication_id desc limit 1",
        business_date,
    )
    if not published:
        raise ScorecardError(f"nothing was published by {business_date}: publish a night first, then build its pages")
    run_id, newest = published[0]["run_id"], published[0]["publication_id"]
    versions = _grouped(
        rows(
            "select uscc, version_no, enterprise_name, grade, status_code, method_version, valid_from, is_correction "
            "from publishing.grade_history where publication_id <= %s order by uscc, version_no",
            newest,
        ),
        "uscc",
    )
    method = rows("select document from scoring.methods where method_version = %s", published[0]["method_version"])
    return Facts(
        business_date=business_date,
        publication=published[0],
        method=method[0]["document"] if method else {},
        standing={uscc: found[-1] for uscc, found in versions.items()},
        versions=versions,
        scores=_keyed(
            rows(
                "select uscc, score, public_pct, market_pct, bonus_points, is_key_supervision, grade_before_caps, "
                "caps, not_rated_reasons, objections, lift from scoring.grades where run_id = %s order by uscc",
                run_id,
            ),
            "uscc",
        ),
        points=_grouped(
            rows(
                "select uscc, indicator_code, is_available, points, max_points, evidence_ids, reason_zh "
                "from scoring.indicator_points where run_id = %s order by uscc, indicator_code",
                run_id,
            ),
            "uscc",
        ),
        cap_details=_cap_details(
            rows(
                "select uscc, cap_code, evidence_id, starts_on, ends_on, basis, authority_name, decision_no "
                "from marts.mart_scoring__caps order by uscc, cap_code, starts_on, evidence_id"
            )
        ),
        enterprises=_keyed(
            rows(
                "select uscc, region_code, service_months, household_months, project_count "
                "from marts.mart_scoring__enterprises order by uscc"
            ),
            "uscc",
        ),
        regions=_keyed(
            rows("select region_code, region_name, parent_region_code, level_code from marts.dim_region order by 1"),
            "region_code",
        ),
        region_months=_months(
            rows(
                "select region_code, month, complaint_count, household_months, complaints_per_1k_household_months, "
                "resolved_within_24h_ratio, inspection_count, failed_item_ratio, community_count, "
                "managed_community_count, overdue_order_count from marts.mart_scorecards__region_months "
                "where month <= %s order by region_code, month",
                business_date,
            ),
            "region_code",
        ),
        enterprise_months=_months(
            rows(
                "select uscc, month, complaints_per_1k_household_months, resolved_within_24h_ratio "
                "from marts.mart_scorecards__enterprise_months where month <= %s order by uscc, month",
                business_date,
            ),
            "uscc",
        ),
        all_enterprises_months=_keyed(
            rows(
                "select to_char(month, 'YYYY-MM') as month, "
                "sum(countable_complaint_count) * 1000 / nullif(sum(household_months), 0) "
                "as complaints_per_1k_household_months, "
                "sum(resolved_within_24h_ratio * countable_complaint_count) / nullif(sum(countable_complaint_count) "
                "filter (where resolved_within_24h_ratio is not null), 0) as resolved_within_24h_ratio "
                "from marts.mart_scorecards__enterprise_months where month <= %s group by 1 order by 1",
                business_date,
            ),
            "month",
        ),
        kpis=rows(
            "select distinct on (region_code, kpi_code) kpi_code, target_year, region_code, kpi_zh, unit_code, "
            "direction_code, target_value, target_text, source_clause, actual_value "
            "from marts.mart_scorecards__kpis where target_year >= %s order by region_code, kpi_code, target_year",
            business_date.year,
        ),
        feeds=rows(
            "select feed, title_zh, is_available, latest_known_on, latest_event_on, is_stale "
            "from marts.mart_scoring__feeds order by feed"
        ),
    )


def _keyed(rows: list[dict[str, Any]], key: str) -> dict[str, Row]:
    return {row[key]: row for row in rows}


def _grouped(rows: list[dict[str, Any]], key: str) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row)
    return dict(grouped)


def _months(rows: list[dict[str, Any]], key: str) -> dict[str, list[Row]]:
    """Group by ``key``; a month is written yyyy-mm from here on."""
    return _grouped([{**row, "month": str(row["month"])[:7]} for row in rows], key)


def _cap_details(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[Row]]:
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["uscc"], row["cap_code"]].append(row)
    return dict(grouped)
