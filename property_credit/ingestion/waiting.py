"""Rows that wait: refused only for now, loaded when what they wait for has come.

Owns ``quarantine.waiting_<feed>``: what was read of each such row, and why it waits. A row waits for a register to know
what it refers to, for a day that lies ahead, for a name to be linked (``mentions``), for its profile to know a code, or
for somebody's decision. The first three end by themselves: ``release`` loads such rows by a batch of their own, known
from the night of their release, in the place where they came. A profile's mending ends the fourth: the delivery is
then read again (``night``).
"""

import getpass
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from property_credit.ingestion import batches, feeds, held, keys, mentions
from property_credit.ingestion.batches import BatchReport, Identity
from property_credit.ingestion.contract import Feed, IngestionError
from property_credit.warehouse.connection import connect

ADDED = ("row_number", "row_hash", "batch_id", "known_on", "received_at", "arrived_on", "arrived_at")


@dataclass(frozen=True)
class Which:
    """Waiting rows by reason code, feed, office (its name or its source profile) and delivery or batch; None: any."""

    feed: str | None = None
    reason: str | None = None
    office: str | None = None
    batch: str | None = None

    def feeds(self) -> Sequence[str]:
        """Return the feeds to look at; IngestionError when there is no such feed."""
        return (feeds.get(self.feed).name,) if self.feed else feeds.NAMES

    def values(self) -> dict[str, str | None]:
        """Return the parameters of MATCHES."""
        return {"reason": self.reason, "office": self.office, "batch": self.batch}


# of `w`, a waiting table
MATCHES = sql.SQL("""
(cast(%(reason)s as text) is null or w.waiting_code = %(reason)s)
  and ((cast(%(office)s as text) is null and cast(%(batch)s as text) is null) or w.batch_id = any (array(
    select batches.batch_id from ops.batches
    left join ops.deliveries on deliveries.delivery_id = batches.delivery_id
    where (cast(%(office)s as text) is null or %(office)s in (batches.source_profile, deliveries.office_zh))
      and (cast(%(batch)s as text) is null or %(batch)s in (batches.batch_id, batches.delivery_id)))))
""")
COUNTED = """
select waiting.feed, deliveries.office_zh as office, batches.source_profile as profile, waiting.reason_code,
  waiting.column_name, waiting.waits_for, count(*) as rows, min(waiting.known_on) as oldest_on,
  %(today)s::date - min(waiting.known_on) as days, min(waiting.waits_until) as next_day_on
from quarantine.waiting_rows as waiting
join ops.batches on batches.batch_id = waiting.batch_id
left join ops.deliveries on deliveries.delivery_id = batches.delivery_id
where (cast(%(feed)s as text) is null or waiting.feed = %(feed)s)
  and (cast(%(reason)s as text) is null or waiting.reason_code = %(reason)s)
  and (cast(%(office)s as text) is null or %(office)s in (batches.source_profile, deliveries.office_zh))
  and (cast(%(batch)s as text) is null or %(batch)s in (batches.batch_id, batches.delivery_id))
group by 1, 2, 3, 4, 5, 6
order by rows desc, 1, 2, 3, 4, 5
"""
SHOWN = """
select waiting.feed, refused.source_file as file, waiting.row_number as row, waiting.column_name as column,
  waiting.reason_code, refused.reason, waiting.waits_for, waiting.known_on as since, waiting.waits_until as until,
  waiting.batch_id, mentions.mention_id as mention
from quarantine.waiting_rows as waiting
left join entities.mentions on mentions.mention_key
  = case waiting.column_name when 'uscc' then waiting.enterprise_mention else waiting.community_mention end
join ops.batches on batches.batch_id = waiting.batch_id
left join ops.deliveries on deliveries.delivery_id = batches.delivery_id
join quarantine.rejected_rows as refused
  on refused.batch_id = waiting.batch_id and refused.row_number = waiting.row_number and refused.feed = waiting.feed
where (cast(%(feed)s as text) is null or waiting.feed = %(feed)s)
  and (cast(%(reason)s as text) is null or waiting.reason_code = %(reason)s)
  and (cast(%(office)s as text) is null or %(office)s in (batches.source_profile, deliveries.office_zh))
  and (cast(%(batch)s as text) is null or %(batch)s in (batches.batch_id, batches.delivery_id))
order by waiting.known_on, waiting.feed, waiting.batch_id, waiting.row_number
limit %(limit)s
"""


def counted(which: Which, today: date) -> list[dict[str, Any]]:
    """Return how many rows wait, by feed, office and reason, since when and how many days up to ``today``."""
    return _rows(COUNTED, {**which.values(), "feed": which.feed, "today": today})


def shown(which: Which, limit: int) -> list[dict[str, Any]]:
    """Return where the rows stand that wait longest and why, at most ``limit``; never what they say."""
    return _rows(SHOWN, {**which.values(), "feed": which.feed, "limit": limit})


def _rows(query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connect("pc_ingestion") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()


# Whether no row that a batch left waiting has another version, in raw or waiting, or was decided: mostly so. The
# planner knows nothing of a table that was just filled: with `limit` it has to look each key up in raw by the index.
ALONE = """
select not exists (select from {table} as w
    cross join lateral (select from {raw} as r where {same_raw} limit 1) as known where w.batch_id = %(origin)s)
  and not exists (select from {table} as w group by {w_key} having count(*) > 1 and bool_or(w.batch_id = %(origin)s))
  and not exists (select from {table} as w where w.batch_id = %(origin)s
    and {key} = any (array(select d.key from quarantine.decided_keys as d where d.feed = {name})))
"""
MOVE = """
with gone as (
  delete from {table} as w where w.batch_id = %(origin)s and {is_due} returning *
), named as (
  {note}
), moved as (
  insert into {target} ({columns})
  select {fields}, row_number, row_hash, %(batch_id)s, %(business_date)s, %(received_at)s,
    coalesce(arrived_on, known_on), coalesce(arrived_at, received_at)
  from gone
)
select count(*), max(({event})::timestamptz at time zone 'Asia/Shanghai')::date from gone
"""


def release(name: str, business_date: date, *, which: Which | None = None, is_trial: bool = False) -> list[BatchReport]:
    """Load the waiting rows of feed ``name`` whose reason has ended by ``business_date``, a batch for each delivery.

    Only rows that wait for a register, a day or a name. One transaction: all of them or none. ``is_trial`` leaves
    nothing. Rows that were loaded under a link which was undone since wait again.
    """
    feed = feeds.get(name)
    reports: list[BatchReport] = []
    values = {**(which or Which()).values(), "business_date": business_date}
    with connect("pc_ingestion") as connection:
        is_due = _is_due(feed)
        connection.execute("select pg_advisory_xact_lock(hashtext('ingestion of ' || %s))", (name,))
        with connection.cursor() as cursor:
            reports += _follow_links(cursor, feed, business_date)
            query = sql.SQL("select w.batch_id from {} as w where {} group by 1 order by min(w.received_at), 1")
            origins = cursor.execute(query.format(_table(feed), is_due), values).fetchall()
            for (batch_id,) in origins:
                if report := release_batch(cursor, feed, batch_id, is_due, values):
                    reports.append(report)
        if is_trial:
            connection.rollback()
    return reports


def feeds_with_names() -> list[str]:
    """Return the feeds of which rows wait for a name, or came in by one."""
    with connect("pc_ingestion") as connection:
        rows = connection.execute(
            "select feed from quarantine.waiting_rows where community_mention is not null"
            " or enterprise_mention is not null union select feed from quarantine.named_rows"
        ).fetchall()
    named = {feed for (feed,) in rows}
    return [name for name in feeds.NAMES if name in named]


def _follow_links(cursor: psycopg.Cursor, feed: Feed, business_date: date) -> list[BatchReport]:
    """Give waiting rows the numbers that their names are linked to; take rows back whose link was undone."""
    reports = []
    columns = (*feed.field_names, *ADDED)
    for batch_id, count in mentions.take_back(cursor, feed, business_date, columns):
        identity = replace(identity_of(cursor, feed, batch_id), kind="release")
        identity = replace(identity, batch_id=_release_id(cursor, identity, f"unlinked\n{batch_id}"))
        stats = batches.statistics_of(identity, business_date)
        stats.rows_withdrawn, received_at = count, batches.stamp(cursor.connection)
        mentions.withdraw(
            cursor, feed, batch_id, by=identity.batch_id, business_date=business_date, received_at=received_at
        )
        cursor.execute(batches.REGISTER, (batches.line(identity, stats, received_at=received_at),))
        reports.append(_report(identity, stats, 0.0))
    mentions.give_numbers(cursor, feed, business_date)
    return reports


def _release_id(cursor: psycopg.Cursor, identity: Identity, origin: str) -> str:
    """Return the id of the next release of a delivery."""
    row = cursor.execute(
        "select count(*) from ops.batches where delivery_id = %s and kind = 'release'", (identity.delivery_id,)
    ).fetchone()
    return "b" + hashlib.sha256(f"release\n{origin}\n{row[0] if row else 0}".encode()).hexdigest()[:16]


def release_batch(
    cursor: psycopg.Cursor,
    feed: Feed,
    origin: str,
    is_due: sql.Composed,
    values: dict[str, Any],
    *,
    is_decided: bool = False,
) -> BatchReport | None:
    """Load the rows that batch ``origin`` left waiting and of which ``is_due`` (of ``w``) holds; None: there is none.

    ``values`` are the parameters of ``is_due`` and ``business_date``, the night they are known from. ``is_decided``:
    somebody has said that these rows stand, so that their keys collide with nothing.
    """
    started = time.monotonic()
    identity = replace(identity_of(cursor, feed, origin), kind="release")
    identity = replace(identity, batch_id=_release_id(cursor, identity, origin))
    stats = batches.statistics_of(identity, values["business_date"])
    received_at = batches.stamp(cursor.connection)
    columns = (*feed.field_names, *ADDED)
    is_alone = not is_decided and _are_alone(cursor, feed, origin)
    if not is_alone:
        held.create(cursor, feed)
    moved = cursor.execute(
        sql.SQL(MOVE).format(
            table=_table(feed),
            is_due=is_due,
            target=sql.Identifier("raw", feed.name) if is_alone else sql.Identifier("held"),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            fields=sql.SQL(", ").join(map(sql.Identifier, feed.field_names)),
            event=sql.Identifier(feed.event_field),
            note=mentions.note(feed),
        ),
        {**values, "origin": origin, "batch_id": identity.batch_id, "received_at": received_at},
    ).fetchone()
    stats.rows_in, stats.latest_event_on = moved or (0, None)
    if not stats.rows_in:  # a neighbour released them in between
        cursor.execute("drop table if exists held")
        return None
    if is_alone:
        stats.rows_accepted = stats.rows_in
    else:
        _settle(cursor, feed, identity, stats, columns, received_at, is_decided=is_decided)
    stats.rows_new = stats.rows_accepted - stats.rows_newer - stats.rows_older
    stats.rows_duplicate = stats.rows_in - stats.rows_accepted - stats.rows_waiting - stats.rows_rejected
    cursor.execute(batches.REGISTER, (batches.line(identity, stats, received_at=received_at),))
    return _report(identity, stats, time.monotonic() - started)


def _report(identity: Identity, stats: batches.BatchStats, seconds: float) -> BatchReport:
    return BatchReport(
        batch_id=identity.batch_id,
        delivery_id=identity.delivery_id,
        feed=identity.feed,
        profile=identity.profile,
        source_file=identity.source_file,
        status="loaded",
        kind="release",
        rows_in=stats.rows_in,
        rows_accepted=stats.rows_accepted,
        rows_duplicate=stats.rows_duplicate,
        rows_waiting=stats.rows_waiting,
        rows_rejected=stats.rows_rejected,
        rows_withdrawn=stats.rows_withdrawn,
        rows_colliding=stats.rows_colliding,
        rows_new=stats.rows_new,
        rows_newer=stats.rows_newer,
        rows_older=stats.rows_older,
        seconds=seconds,
    )


def _are_alone(cursor: psycopg.Cursor, feed: Feed, origin: str) -> bool:
    """Say whether the rows that batch ``origin`` left waiting can go into raw as they are."""

    def same(other: str) -> sql.Composed:
        pairs = (sql.SQL("{} = {}").format(sql.Identifier("w", key), sql.Identifier(other, key)) for key in feed.key)
        return sql.SQL(" and ").join(pairs)

    row = cursor.execute(
        sql.SQL(ALONE).format(
            table=_table(feed),
            raw=sql.Identifier("raw", feed.name),
            same_raw=same("r"),
            w_key=sql.SQL(", ").join(sql.Identifier("w", name) for name in feed.key),
            name=sql.Literal(feed.name),
            key=keys.key_text(feed, "w"),
        ),
        {"origin": origin},
    ).fetchone()
    return bool(row and row[0])


def _settle(
    cursor: psycopg.Cursor,
    feed: Feed,
    identity: Identity,
    stats: batches.BatchStats,
    columns: tuple[str, ...],
    received_at: datetime,
    *,
    is_decided: bool,
) -> None:
    """Move the held rows that are versions into raw, and what collides to where it waits; count them."""
    if not is_decided:
        collisions = keys.set_aside(
            cursor,
            feed,
            batch_id=identity.batch_id,
            source_file=identity.source_file,
            business_date=stats.business_date,
            received_at=received_at,
        )
        stats.rows_waiting = stats.rows_colliding = collisions.rows
        stats.rows_withdrawn = collisions.withdrawn
        stats.rows_rejected, stats.reasons = sum(collisions.refused.values()), dict(collisions.refused)
    stats.rows_accepted, stats.rows_newer, stats.rows_older = held.settle_released(cursor, feed, columns)


def identity_of(cursor: psycopg.Cursor, feed: Feed, origin: str) -> Identity:
    """Return the identity that batch ``origin`` was loaded as; IngestionError when there is no such batch."""
    row = cursor.execute(
        """
        select batches.delivery_id, batches.source_profile, coalesce(deliveries.office_zh, batches.source_profile),
          batches.source_file, coalesce(deliveries.landed_on, batches.business_date), batches.content_sha256,
          batches.content_bytes, batches.read_under, batches.archive_path
        from ops.batches left join ops.deliveries on deliveries.delivery_id = batches.delivery_id
        where batches.batch_id = %s
        """,
        (origin,),
    ).fetchone()
    if row is None:
        raise IngestionError(f"batch {origin} is not in ops.batches: its waiting rows cannot be loaded")
    return Identity(
        batch_id=origin,
        delivery_id=row[0],
        feed=feed.name,
        profile=row[1],
        office_zh=row[2],
        source_file=row[3],
        landed_on=row[4],
        content_sha256=row[5],
        content_bytes=row[6],
        read_under=row[7] or "",
        kept_at=row[8],
    )


def _is_due(feed: Feed) -> sql.Composed:
    """Return the condition on ``w`` that the reason has ended and the row is one of those asked for."""
    conditions: list[sql.Composable] = [
        sql.SQL("w.waits_for in ('register', 'day') and coalesce(w.waits_until <= %(business_date)s, true)"),
        MATCHES,
    ]
    for field in feed.fields:
        if not field.references:
            continue
        register = feeds.get(field.references)
        conditions.append(
            sql.SQL(
                "(w.{field} is null or exists (select from {raw} as r where r.{key} = w.{field}"
                " and r.known_on <= %(business_date)s and not exists (select from raw.withdrawn_rows as taken"
                " where taken.feed = {name} and taken.batch_id = r.batch_id and taken.row_number = r.row_number"
                " and taken.known_on <= %(business_date)s)))"
            ).format(
                field=sql.Identifier(field.name),
                raw=sql.Identifier("raw", register.name),
                key=sql.Identifier(register.key[0]),
                name=register.name,
            )
        )
    return sql.SQL(" and ").join(conditions)


def drop(which: Which, *, by: str | None, why: str, on: date) -> dict[str, int]:
    """Give up waiting rows for good; return how many by feed. Who and why is kept with each row's place.

    ``by``: a person's name, by default the user of this machine. IngestionError without a reason.
    """
    if not why.strip():
        raise IngestionError("say why: the office will ask what became of its rows")
    dropped: dict[str, int] = {}
    values = {**which.values(), "by": by or getpass.getuser(), "why": why.strip(), "on": on}
    with connect("pc_ingestion") as connection:
        for name in which.feeds():
            statement = sql.SQL(
                """
                with gone as (
                  delete from {table} as w where {matches} returning batch_id, row_number, waiting_code
                )
                insert into quarantine.dropped_rows (feed, batch_id, row_number, reason_code, dropped_by, why,
                  dropped_on, dropped_at)
                select {name}, batch_id, row_number, waiting_code, %(by)s, %(why)s, %(on)s, clock_timestamp() from gone
                """
            ).format(table=_table(feeds.get(name)), matches=MATCHES, name=name)
            count = connection.execute(statement, values).rowcount
            if count:
                dropped[name] = count
    return dropped


def end_of_delivery(cursor: psycopg.Cursor, feed: Feed, delivery_id: str) -> int:
    """Take away what waits of a delivery: another reading of it, or its withdrawal, decides. Return how many rows."""
    statement = sql.SQL(
        "delete from {} where batch_id = any (array(select batch_id from ops.batches where delivery_id = %s))"
    )
    return cursor.execute(statement.format(_table(feed)), (delivery_id,)).rowcount


def _table(feed: Feed) -> sql.Identifier:
    return sql.Identifier("quarantine", f"waiting_{feed.name}")
