"""What earlier runs decided, for hysteresis: the grade in force, and what scores gave at month and quarter ends.

Owns which earlier run counts: of the same method (another one may run in its shadow), the last one of each business
date before tonight's, unless a gate stopped it. Reads only.
"""

import hashlib
from datetime import date, datetime
from typing import Any

import psycopg

from scoring.dates import month_number
from scoring.grading import Standing
from scoring.schema import Method

RUNS = """
    select distinct on (runs.business_date) runs.run_id, runs.business_date
    from scoring.runs
    where runs.method_version = %(method_version)s and runs.as_of is null  -- a night's own: not a past graded again
      and runs.business_date < %(business_date)s
      and runs.business_date >= %(oldest)s
      and runs.recorded_at < coalesce(%(recorded_before)s::timestamptz, 'infinity')
      and not exists (
        select from ops.gate_results
        where gate_results.door = 3 and gate_results.subject = runs.run_id and not gate_results.is_success
          and gate_results.recorded_at < coalesce(%(recorded_before)s::timestamptz, 'infinity')
      )
    order by runs.business_date desc, runs.recorded_at desc, runs.run_id
"""
# what hysteresis goes on from: the grade it held, else what the score gave; a run of before that was kept: the grade
GRADES = """
    select uscc, grade, grade_before_caps, held ->> 'until',
      coalesce(held ->> 'grade', case when held is null then grade_before_caps else grade end)
    from scoring.grades where run_id = %s
"""


Grades = dict[str, dict[str, tuple[str | None, ...]]]  # by run and enterprise


def standings(
    connection: psycopg.Connection, method: Method, business_date: date, *, recorded_before: datetime | None = None
) -> tuple[dict[str, Standing], str]:
    """Return what stands for every enterprise before ``business_date``, and a hash of the runs that say so.

    ``recorded_before``: only runs recorded before that instant, which is what a run of that instant saw.
    """
    tonight = month_number(business_date)
    months = max(method.hysteresis.downgrade_months - 1, 1)
    quarters = max(method.hysteresis.upgrade_quarters - 1, 1)
    oldest = min(tonight - months, (tonight // 3 - quarters) * 3)
    runs: list[tuple[str, date]] = connection.execute(
        RUNS,
        {
            "method_version": method.version,
            "business_date": business_date,
            "oldest": date(oldest // 12, oldest % 12 + 1, 1),
            "recorded_before": recorded_before,
        },
    ).fetchall()
    if not runs:
        return {}, "none"
    used, month_runs, quarter_runs = _looked_at(method, business_date, runs)
    grades: Grades = {}
    for run_id in used:
        rows = connection.execute(GRADES, (run_id,)).fetchall()
        grades[run_id] = {uscc: tuple(columns) for uscc, *columns in rows}
    return _standings(grades, used[0], month_runs, quarter_runs), hashlib.sha256("|".join(used).encode()).hexdigest()


def standings_of(
    method: Method, business_date: date, runs: list[tuple[str, date]], grades: Grades
) -> dict[str, Standing]:
    """Return what stands before ``business_date`` after ``runs`` (newest first) that are not stored: a what-if.

    ``grades``: by run and enterprise: grade, what the score alone gave, last day of a freeze (ISO text), the grade that
    hysteresis goes on from.
    """
    if not runs:
        return {}
    used, month_runs, quarter_runs = _looked_at(method, business_date, runs)
    return _standings(grades, used[0], month_runs, quarter_runs)


def _looked_at(
    method: Method, business_date: date, runs: list[tuple[str, date]]
) -> tuple[list[str], list[str], list[str]]:
    """Return the runs that hysteresis looks at (the newest first), those of month ends, those of quarter ends."""
    tonight = month_number(business_date)
    months = max(method.hysteresis.downgrade_months - 1, 1)
    quarters = max(method.hysteresis.upgrade_quarters - 1, 1)
    month_runs = _ends(runs, [tonight - back for back in range(1, months + 1)], month_number)
    quarter_runs = _ends(
        runs, [tonight // 3 - back for back in range(1, quarters + 1)], lambda day: month_number(day) // 3
    )
    return list(dict.fromkeys([runs[0][0], *month_runs, *quarter_runs])), month_runs, quarter_runs


def _standings(grades: Grades, newest: str, month_runs: list[str], quarter_runs: list[str]) -> dict[str, Standing]:
    standing_of: dict[str, Standing] = {}
    for uscc in sorted({uscc for by_uscc in grades.values() for uscc in by_uscc}):
        grade, _, frozen_until, steady = grades[newest].get(uscc, (None, None, None, None))
        standing_of[uscc] = Standing(
            grade=grade,
            steady=steady,
            frozen_until=date.fromisoformat(frozen_until) if frozen_until else None,
            month_ends=tuple(grades[run].get(uscc, (None, None))[1] for run in month_runs),
            quarter_ends=tuple(grades[run].get(uscc, (None, None))[1] for run in quarter_runs),
        )
    return standing_of


def _ends(runs: list[tuple[str, date]], periods: list[int], number: Any) -> list[str]:
    """Return the last run of each period, newest first, up to the first period without one."""
    last: dict[int, str] = {}
    for run_id, day in runs:  # newest first
        last.setdefault(number(day), run_id)
    ends = []
    for period in periods:
        if period not in last:
            break
        ends.append(last[period])
    return ends
