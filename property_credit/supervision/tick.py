"""One tick of the 码上办 clocks: read what is new, raise what is overdue, close what is solved, in one transaction.

Owns ``supervision.open_complaints`` and ``escalations``. Must not deliver anything: it writes notices, publishing
carries them. Everything is judged at the instant ``as_of``; the wall clock has no say. The clock never goes back: a
tick for an instant before the newest one judges at the newest one, so reruns and late ticks change nothing that stands.

A complaint is judged from the version that its source changed last, of those known, whatever order they came in:

- each kind is *met* at its first evidence (a handled complaint has been responded to, a solved one handled), *missed*
  when that lies after the limit or is still outstanding after it;
- missed and unsolved: raised and told. Missed but solved when first seen (a late row, the history of before the first
  tick): recorded, closed, not told;
- solved or withdrawn: closed. A corrected row that shows it was met in time closes it as corrected; one that shows it
  unsolved again opens it again, as the next revision of the same escalation.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from property_credit.supervision import statements
from property_credit.supervision.errors import SupervisionError
from property_credit.supervision.limits import Limits, load
from property_credit.warehouse.business_date import ZONE, arrival
from property_credit.warehouse.connection import connect

TICK_LOCK = 20261201
FEED = "complaints"
MARTS = ["marts.dim_community", "marts.mart_supervision__community_managers"]
# A batch is stamped before it is loaded and seen after; one statement of a load lasts 30 minutes at most.
LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True)
class TickReport:
    """What a tick did. Counts are escalations, but ``changed_count`` and ``looked_at_count``: complaints.

    ``as_of`` is the instant it judged at; ``is_first`` when there was none before: it read all history.
    """

    as_of: datetime
    business_date: date
    batch_count: int
    changed_count: int
    looked_at_count: int
    raised_count: int
    told_count: int
    closed_count: int
    reopened_count: int
    is_first: bool

    @property
    def is_new(self) -> bool:
        """Whether anything was read, raised, closed or opened again."""
        return bool(self.batch_count or self.raised_count or self.closed_count or self.reopened_count)


def tick(as_of: datetime, *, limits: Limits | None = None) -> TickReport:
    """Judge every complaint that is new, changed or due at ``as_of`` (with a zone); return what came of it.

    Two ticks at once wait for one another. Raises SupervisionError when ``as_of`` has no zone or the limits cannot be
    read.
    """
    if as_of.tzinfo is None:
        raise SupervisionError(f"a tick needs an instant with its zone, such as 2026-10-31T08:05+08:00, not {as_of}")
    limits = limits or load()
    with connect("pc_supervision") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (TICK_LOCK,))
        return _tick(connection, as_of, limits)


def _tick(connection: Connection, as_of: datetime, limits: Limits) -> TickReport:
    before = connection.execute(
        "select as_of, limits, open_count, look_from from supervision.ticks order by tick_id desc limit 1"
    ).fetchone()
    stated = limits.model_dump(mode="json")
    if before:
        as_of = max(as_of, before[0])
        if before[1] != stated:  # once, over every open complaint
            connection.execute("update supervision.open_complaints set next_at = '-infinity'")
    given: dict[str, Any] = {
        "as_of": as_of,
        # what had arrived by the end of this date counts as known; midnight belongs to the day before
        "known_until": (as_of - timedelta(microseconds=1)).astimezone(ZONE).date(),
        "channels": list(limits.channels),
        "home_region": limits.home_region,
        "kinds": list(limits.escalations),
        "levels": [limit.level for limit in limits.escalations.values()],
        "minutes": [limit.minutes for limit in limits.escalations.values()],
        "titles": [limit.title_zh for limit in limits.escalations.values()],
    }
    given["batches"], given["arrivals"], look_from = _new_batches(
        connection, given["known_until"], before[3] if before else None
    )

    def run(statement: str | sql.Composed) -> int:
        return connection.execute(statement, given).rowcount

    connection.execute(statements.CREATE)
    changed = run(statements.READ_CHANGED) if given["batches"] else 0
    looked_at = changed + run(statements.TAKE_DUE)
    counts = dict.fromkeys(("raised", "told", "closed", "reopened"), 0)
    if looked_at:
        run(statements.PART_MATTERS)
        run(statements.JOIN_MATTERS)
        run(statements.RECALL)
        run(statements.JUDGE)
        run(statements.PLACE if _has_marts(connection) else statements.PLACE_WITHOUT_MARTS)
        run(statements.RAISE)
        run(statements.COMPARE)
        row = connection.execute(statements.COUNTS, given).fetchone()
        counts = dict(zip(counts, row or (), strict=True))
        connection.execute(statements.BY_INDEX)
        run(statements.CHANGE)
        run(statements.FORGET)
        connection.execute(statements.AS_USUAL)
        run(statements.KEEP)
    run(statements.NOTE_BATCHES)
    report = TickReport(
        as_of=as_of,
        business_date=given["known_until"],
        batch_count=len(given["batches"]),
        changed_count=changed,
        looked_at_count=looked_at,
        **{f"{name}_count": count for name, count in counts.items()},
        is_first=before is None,
    )
    if before and before[0] == as_of and before[1] == stated and not report.is_new:
        return report  # the newest tick again
    connection.execute(
        "insert into supervision.ticks (as_of, business_date, limits, look_from, batch_count, changed_count, "
        "looked_at_count, raised_count, told_count, closed_count, reopened_count, open_count, recorded_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            as_of,
            given["known_until"],
            Jsonb(stated),
            look_from,
            len(given["batches"]),
            changed,
            looked_at,
            *counts.values(),
            (before[2] if before else 0) + counts["raised"] - counts["closed"] + counts["reopened"],
            arrival(),
        ),
    )
    return report


def _has_marts(connection: Connection) -> bool:
    """Say whether a night has built what a tick asks of the marts; before the first one there is nothing."""
    row = connection.execute(
        "select bool_and(to_regclass(name) is not null) from unnest(%s::text[]) name", (MARTS,)
    ).fetchone()
    return bool(row and row[0])


def _new_batches(
    connection: Connection, known_until: date, look_from: datetime | None
) -> tuple[list[str], list[datetime], datetime | None]:
    """Return ids and arrivals of loaded batches that no tick has read, and from where on the next one must look."""
    unread = connection.execute(
        """
        select batch_id, received_at, business_date <= %(known_until)s from ops.batches
        where feed = %(feed)s and status = 'loaded'
          and (%(look_from)s::timestamptz is null or received_at >= %(look_from)s)
          and not exists (select from supervision.read_batches where read_batches.batch_id = batches.batch_id)
        order by received_at, batch_id
        """,
        {"feed": FEED, "known_until": known_until, "look_from": look_from},
    ).fetchall()
    now = [row for row in unread if row[2]]
    later = [row[1] for row in unread if not row[2]]  # loaded for a date that this tick does not know yet
    if now:
        look_from = max(row[1] for row in now) - LOOK_BACK
    return [row[0] for row in now], sorted({row[1] for row in now}), min([look_from, *later]) if look_from else None
