"""How things stand: what ``property-credit status`` prints, and what needs somebody.

Owns which states are causes to call a person, and what that person does about each. Reads only; must not send anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from psycopg.rows import dict_row

from property_credit.night.nights import AFTER, DEADLINES, LAST, Ledger, at, date_of_interval, read_ledger
from property_credit.warehouse.connection import connect
from property_credit.warehouse.marts import standing
from property_credit.warehouse.migrate import require_current, revision

BEGUN_BY = time(3, 0)  # of the day after: a night that nobody began by then is missing
LONGEST_WAIT = timedelta(days=7)  # rows that wait longer than a register needs to come

_TROUBLES = """
select dag, task, status, message from ops.task_runs
where business_date = %s and dag not in ('watch_complaints', 'make_case_files')
  and status in ('failed', 'stopped by gate') order by finished_at
"""
_NEWEST_NIGHT = """
select business_date, max(finished_at) as ended_at from ops.task_runs
where dag not in ('watch_complaints', 'make_case_files')
group by business_date order by business_date desc limit 1
"""
_PUBLISHED = """
select publication_id, business_date, method_version, published_at
from publishing.publications order by publication_id desc limit 1
"""
_GATES = """
select door, suite, subject, business_date from ops.gate_results as results
where not is_success and business_date = (select max(business_date) from ops.gate_results)
order by door, suite, subject
"""
_STALE = "select feed, latest_known_on, age_days from marts.mart_scoring__feeds where is_stale order by feed"
_WAITING = """
select feed, sum(row_count)::bigint as row_count, min(oldest_on) as oldest_on from ops.waiting group by feed
"""
_DELIVERIES = """
select count(*) filter (where status = 'pending') as waiting_count,
  count(*) filter (where status = 'dead') as dead_count
from publishing.outbox
"""


@dataclass(frozen=True)
class Cause:
    """One thing that needs somebody.

    ``key`` stays the same while it lasts, so that people hear of it one time; ``what`` says it in a line and ``todo``
    is what to do about it.
    """

    key: str
    what: str
    todo: str


def read(now: datetime) -> dict[str, Any]:
    """Return how things stand at ``now``: what ``status --format json`` prints.

    Raises:
        OlderWarehouseError: the warehouse is of another version.
        psycopg.Error: it does not answer.
    """
    require_current()
    marts = standing()
    ledger = read_ledger()
    newest = date_of_interval(now)
    until = newest + timedelta(days=1) if now >= at(newest, BEGUN_BY) else newest
    with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:
        night = cursor.execute(_NEWEST_NIGHT).fetchone()
        if night:
            night["troubles"] = cursor.execute(_TROUBLES, (night["business_date"],)).fetchall()
            night["is_late"] = _is_late(ledger, night["business_date"], now)
        state: dict[str, Any] = {
            "revision": revision("pc_gatekeeper"), "night": night, "missing_nights": ledger.missing(until),
            "marts_on": marts.business_date, "marts_problem": marts.problem,
            "published": cursor.execute(_PUBLISHED).fetchone(),
            "closed_gates": cursor.execute(_GATES).fetchall(),
            "stale_feeds": cursor.execute(_STALE).fetchall() if marts.build_id is not None and marts.is_sound else [],
            "waiting": cursor.execute(_WAITING).fetchall(),
            "deliveries": cursor.execute(_DELIVERIES).fetchone(),
        }  # fmt: skip
    state["needs_somebody"] = bool(causes(state, now.date()))
    return state


def causes(state: Mapping[str, Any], today: date) -> list[Cause]:
    """Return what of a state needs somebody, the gravest first.

    Args:
        state: what ``read`` returns.
        today: the day it is read on (Asia/Shanghai).
    """
    open_causes: list[Cause] = []
    if state["marts_problem"]:
        todo = "the next night builds in full; at once: property-credit warehouse rebuild"
        open_causes.append(Cause("warehouse", f"the warehouse cannot be read from: {state['marts_problem']}", todo))
    night, missing = state["night"], state["missing_nights"]
    if missing:
        todo = "look whether the scheduler runs; the next `property-credit nightly` makes them first"
        open_causes.append(Cause(f"missing from {missing[0]}", f"missing nights: {days(missing)}", todo))
    if night:
        day = night["business_date"]
        todo = f"property-credit nights show {day}"
        if night["is_late"]:
            what = f"the night of {day} is not finished at {DEADLINES[LAST]:%H:%M}"
            open_causes.append(Cause(f"late {day}", what, todo))
        for row in night["troubles"]:
            what = f"night of {day}: {row['task']} {row['status']}" + (f": {row['message']}" if row["message"] else "")
            open_causes.append(Cause(f"task {day} {row['dag']}.{row['task']}", what, todo))
    for row in state["closed_gates"]:
        what = f"gate closed on {row['business_date']}: {row['suite']} {row['subject']}"
        key = f"gate {row['business_date']} {row['door']} {row['suite']} {row['subject']}"
        todo = f"property-credit nights show {row['business_date']}; mend the data, run the night again"
        open_causes.append(Cause(key, what, todo))
    for row in state["stale_feeds"]:
        todo = "ask its offices: property-credit offices"
        open_causes.append(Cause(f"stale {row['feed']}", f"feed {row['feed']} is stale: {last_delivery(row)}", todo))
    long = [row for row in state["waiting"] if row["oldest_on"] and today - row["oldest_on"] > LONGEST_WAIT]
    if long:
        rows = ", ".join(f"{row['feed']} {row['row_count']:,}" for row in long)
        what = f"rows wait, the oldest since {min(row['oldest_on'] for row in long)}: {rows}"
        open_causes.append(Cause("waiting", what, "property-credit quarantine list"))
    if state["deliveries"]["dead_count"]:
        what = f"{state['deliveries']['dead_count']:,} deliveries were given up"
        todo = "property-credit deliveries list --status dead; then deliveries replay"
        open_causes.append(Cause("deliveries", what, todo))
    return open_causes


def last_delivery(feed: Mapping[str, Any]) -> str:
    """Say when a feed last brought something.

    Args:
        feed: a row of ``stale_feeds``.
    """
    if feed["latest_known_on"] is None:
        return "never delivered"
    return f"last of {feed['latest_known_on']} ({feed['age_days']} days)"


def days(listed: list[date]) -> str:
    """Return days as people list them, the first five and how many more."""
    return ", ".join(map(str, listed[:5])) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _is_late(ledger: Ledger, night: date, now: datetime) -> bool:
    is_done = all(ledger.end_of(night, dag) is not None for dag in AFTER)
    return not is_done and ledger.passes(night, DEADLINES[LAST], now)
