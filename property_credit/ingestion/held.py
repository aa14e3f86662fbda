"""Rows held out of the stream, decided by the database: which are versions, and what they stand in for.

Owns the temporary table ``held`` of a load's transaction. Held are rows whose key raw or the same file may already
have, rows of a delivery that is read again, and rows that waited and are released. ``duplicates`` says which are
repeats.
"""

from datetime import date, datetime

import psycopg
from psycopg import sql

from property_credit.ingestion import duplicates
from property_credit.ingestion.batches import Identity
from property_credit.ingestion.contract import Feed

FEW_ROWS = 10_000  # held rows whose earlier versions are looked up one by one; reading all of raw costs more


def create(cursor: psycopg.Cursor, feed: Feed) -> None:
    """Make the empty table ``held``, which ends with the transaction or with ``settle``."""
    table = sql.Identifier("raw", feed.name)
    cursor.execute(sql.SQL("create temporary table held (like {}) on commit drop").format(table))


def stand_by_arrival(cursor: psycopg.Cursor, feed: Feed) -> None:
    """Take the source's change time off the held rows whose key has one row among them: their arrival orders them."""
    key = sql.SQL(", ").join(map(sql.Identifier, feed.key))
    cursor.execute(
        sql.SQL(
            "update held set {changed} = null"
            " where ({key}) in (select {key} from held group by {key} having count(*) = 1)"
        ).format(key=key, changed=sql.Identifier(feed.changed_field))
    )


def settle(cursor: psycopg.Cursor, feed: Feed, columns: tuple[str, ...]) -> tuple[int, int, int]:
    """Move the held rows that are no duplicates into raw; ``held`` is gone then.

    Returns how many were moved, how many of them are newer and how many older than what had come of their key.
    """
    cursor.execute("analyze held")
    cursor.execute("set local work_mem = '128MB'")  # versions are sorted: on disk that takes as long as loading them
    row = cursor.execute("select count(*) from held").fetchone()
    if row and row[0] <= FEW_ROWS:  # the planner does not know yet how many rows raw has just got
        cursor.execute("set local enable_seqscan = off")
    row = cursor.execute(duplicates.move_held_rows(feed, columns)).fetchone()
    cursor.execute("set local enable_seqscan = on")
    cursor.execute("drop table held")
    return (row[0], row[1], row[2]) if row else (0, 0, 0)


STRANGERS = """
select not exists (select from held as h join {raw} as r on {in_raw})
  and not exists (select from held as h join {waiting} as w on {in_waiting})
  and (select count(*) from held) = (select count(*) from (select distinct {key} from held) as keys)
"""


def settle_released(cursor: psycopg.Cursor, feed: Feed, columns: tuple[str, ...]) -> tuple[int, int, int]:
    """Do as ``settle``, without comparing versions where no held key has another one: mostly so of rows that waited."""

    def same(other: str) -> sql.Composed:
        pairs = (sql.SQL("h.{0} = {1}.{0}").format(sql.Identifier(name), sql.Identifier(other)) for name in feed.key)
        return sql.SQL(" and ").join(pairs)

    raw = sql.Identifier("raw", feed.name)
    cursor.execute("analyze held")
    cursor.execute("set local work_mem = '128MB'")
    row = cursor.execute(
        sql.SQL(STRANGERS).format(
            raw=raw,
            waiting=sql.Identifier("quarantine", f"waiting_{feed.name}"),
            in_raw=same("r"),
            in_waiting=same("w"),
            key=sql.SQL(", ").join(map(sql.Identifier, feed.key)),
        )
    ).fetchone()
    if not (row and row[0]):
        return settle(cursor, feed, columns)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    cursor.execute(sql.SQL("insert into {0} ({1}) select {1} from held order by row_number").format(raw, names))
    count = cursor.rowcount
    cursor.execute("drop table held")
    return count, 0, 0


EARLIER = """
create temporary table earlier_reading on commit drop as
select r.batch_id, r.row_number, r.row_hash from {raw} as r
where r.batch_id = any(%(batch_ids)s) and r.received_at = any(%(arrivals)s)
  and not exists (select from raw.withdrawn_rows as w
    where w.feed = %(feed)s and w.batch_id = r.batch_id and w.row_number = r.row_number)
"""
UNCHANGED = """
with same as (
  delete from held using earlier_reading as e
  where held.row_number = e.row_number and held.row_hash = e.row_hash
  returning e.batch_id, e.row_number
)
insert into raw.withdrawn_rows (feed, batch_id, row_number, by_batch_id, known_on, received_at)
select %(feed)s, e.batch_id, e.row_number, %(by)s, %(known_on)s, %(received_at)s
from earlier_reading as e
where not exists (select from same where same.batch_id = e.batch_id and same.row_number = e.row_number)
"""


def replace_reading(
    cursor: psycopg.Cursor, feed: Feed, identity: Identity, business_date: date, received_at: datetime
) -> int:
    """Put the held rows in the place of the earlier reading of their delivery; return how many versions that ends.

    What reads as before stays as it is and leaves ``held``; every other version that the delivery had brought no longer
    counts from ``business_date`` on. What has come in its place, if anything, is still held.
    """
    return _withdraw(cursor, feed, identity.delivery_id, identity.batch_id, business_date, received_at)


def withdraw(
    cursor: psycopg.Cursor, feed: Feed, delivery_id: str, by_batch_id: str, business_date: date, received_at: datetime
) -> int:
    """End every version that a delivery brought; return how many."""
    create(cursor, feed)
    count = _withdraw(cursor, feed, delivery_id, by_batch_id, business_date, received_at)
    cursor.execute("drop table held")
    return count


def _withdraw(
    cursor: psycopg.Cursor, feed: Feed, delivery_id: str, by_batch_id: str, business_date: date, received_at: datetime
) -> int:
    loaded = cursor.execute(
        "select batch_id, received_at from ops.batches where delivery_id = %s and status = 'loaded'", (delivery_id,)
    ).fetchall()
    values = {
        "feed": feed.name,
        "batch_ids": [batch_id for batch_id, _arrival in loaded],
        "arrivals": [arrival for _batch_id, arrival in loaded],
        "by": by_batch_id,
        "known_on": business_date,
        "received_at": received_at,
    }
    cursor.execute(sql.SQL(EARLIER).format(raw=sql.Identifier("raw", feed.name)), values)
    cursor.execute("analyze earlier_reading")
    cursor.execute("analyze held")
    cursor.execute(UNCHANGED, values)
    count = cursor.rowcount
    cursor.execute("drop table earlier_reading")
    return count
