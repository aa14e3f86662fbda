"""The frame of a month's draw: who can be drawn, at which rate, by whom, as the warehouse and the published list say.

Owns what the frame holds; it is published as it is and is all that a draw is made from, with the seed. It names the
rate class of a community, not why a manager is in it, and inspectors by code.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection, errors
from psycopg.rows import dict_row

from property_credit.supervision.draw import RATE_UNIT
from property_credit.supervision.errors import SupervisionError

FORMAT = "property-credit/inspection-frame/1"
RULES = {"firm_visits_per_month": 4, "inspectors_per_authority": 2}  # 行政处罚法 Art. 42: never fewer than two
MOST_MONTHS = 12  # what months that were not drawn add at most
FULL, UNRATED = "full", "NR"


@dataclass(frozen=True)
class GradeList:
    """The published list whose grades set the rates; ``root`` is the signed root of the log after it."""

    publication_id: int
    list_id: str
    root: str
    run_id: str
    business_date: date


def newest_list(connection: Connection, business_date: date) -> GradeList:
    """Return the newest list published by ``business_date``; SupervisionError when there is none."""
    row = connection.execute(
        "select publications.publication_id, lists.list_id, lists.root, publications.run_id, "
        "publications.business_date from publishing.publications "
        "inner join publishing.lists on lists.publication_id = publications.publication_id "
        "and lists.kind = 'publication' where publications.business_date <= %s "
        "order by publications.publication_id desc limit 1",
        (business_date,),
    ).fetchone()
    if row is None:
        raise SupervisionError(
            f"no grades were published by {business_date}: inspections are drawn by grade; publish a night first"
        )
    return GradeList(*row)


def build(connection: Connection, month: date, business_date: date) -> tuple[dict[str, Any], GradeList]:
    """Return the frame of ``month`` (its first day) as the marts hold it tonight, and the list its grades are from.

    Raises SupervisionError when nothing is published, a mart is missing or a grade has no sampling rate.
    """
    grades = newest_list(connection, business_date)
    try:
        return _build(connection, month, business_date, grades), grades
    except errors.UndefinedTable as error:
        raise SupervisionError(f"{str(error).splitlines()[0]}: build the warehouse first") from error


def _build(connection: Connection, month: date, business_date: date, grades: GradeList) -> dict[str, Any]:
    def rows(statement: str, *parameters: object) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

    classes = _rate_classes(rows, grades)
    rates = rows(
        "select authority_code, rate_class, round(yearly_rate * %s)::integer as yearly_rate "
        "from marts.mart_supervision__inspection_programmes order by authority_code, rate_class",
        RATE_UNIT,
    )
    communities = rows(
        "select community_id, region_code, current_uscc as uscc from marts.dim_community "
        "where current_uscc is not null order by community_id"
    )
    drawn = _drawn_this_year(rows, month)
    for row in communities:
        row["rate_class"] = classes.get(row["uscc"], UNRATED)
        row["drawn"] = drawn.get(row["community_id"], {})
    unknown = {row["rate_class"] for row in communities} - {row["rate_class"] for row in rates}
    if unknown:
        raise SupervisionError(
            f"no sampling rate for {', '.join(sorted(unknown))}: add rows to seeds/inspection_programmes.csv"
        )
    before = rows(
        "select month, draw_sha256, accounts, deferred from supervision.current_draws where month < %s "
        "order by month desc limit 1",
        month,
    )
    return {
        "format": FORMAT,
        "month": f"{month:%Y-%m}",
        "business_date": business_date.isoformat(),
        "grades": {"list_id": grades.list_id, "root": grades.root, "business_date": grades.business_date.isoformat()},
        "rules": RULES,
        "rates": rates,
        "communities": communities,
        "inspectors": rows(
            "select inspector_code, authority_code, region_code from marts.mart_supervision__inspectors "
            "where active_from <= %s and coalesce(active_until >= %s, true) "
            "order by authority_code, inspector_code, region_code",
            month,
            month_end(month),
        ),
        "ties": rows(
            "select distinct inspector_code, uscc from marts.mart_supervision__inspector_ties "
            "where starts_on <= %s and coalesce(ends_on >= %s, true) order by inspector_code, uscc",
            month_end(month),
            month,
        ),
        "accrued_months": min(_months_between(before[0]["month"], month), MOST_MONTHS) if before else 1,
        "previous_draw_sha256": before[0]["draw_sha256"] if before else None,
        "accounts": before[0]["accounts"] if before else [],
        "deferred": before[0]["deferred"] if before else [],
    }


def _rate_classes(rows: Any, grades: GradeList) -> dict[str, str]:
    """Return the rate class of every graded enterprise as published: its grade, or ``full``."""
    graded = rows(
        "select distinct on (history.uscc) history.uscc, history.grade, history.status_code, "
        "coalesce(scored.is_key_supervision, false) as is_key_supervision "
        "from publishing.grade_history as history "
        "left join scoring.grades as scored on scored.run_id = %s and scored.uscc = history.uscc "
        "where history.publication_id <= %s order by history.uscc, history.version_no desc",
        grades.run_id,
        grades.publication_id,
    )
    return {
        row["uscc"]: FULL
        if row["status_code"] == "serious_dishonesty" or row["is_key_supervision"]
        else row["grade"] or UNRATED
        for row in graded
    }


def _drawn_this_year(rows: Any, month: date) -> dict[str, dict[str, int]]:
    """Return, per community, how often each authority has drawn it in the calendar year before ``month``."""
    visits: Sequence[dict[str, Any]] = rows(
        "select visits.community_id, items ->> 'authority_code' as authority_code, count(*)::integer as count "
        "from supervision.draw_visits as visits inner join supervision.current_draws as draws "
        "on draws.draw_id = visits.draw_id cross join jsonb_array_elements(visits.checks) as items "
        "where draws.month >= date_trunc('year', %s::timestamp) and draws.month < %s "
        "group by visits.community_id, items ->> 'authority_code' order by 1, 2",
        month,
        month,
    )
    drawn: dict[str, dict[str, int]] = defaultdict(dict)
    for row in visits:
        drawn[row["community_id"]][row["authority_code"]] = row["count"]
    return drawn


def month_end(month: date) -> date:
    """Return the last day of the month that ``month`` is the first day of."""
    return date.fromordinal(month_after(month).toordinal() - 1)


def month_after(day: date) -> date:
    """Return the first day of the month after that of ``day``.

    >>> month_after(date(2026, 12, 25))
    datetime.date(2027, 1, 1)
    """
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _months_between(earlier: date, later: date) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month
