"""Keys that collide: a "version" that changes what cannot change under its key is none, and somebody decides.

Owns reason KEY_REUSED. Contracts name the fields (``Feed.immutable``). Of a key that collides, between deliveries or in
one file, nothing counts until it is decided: the row that came and every version that stood wait for a decision
(``quarantine.waiting_<feed>``), and later states of the key wait with them. Nothing collides with a complaint that its
office withdrew, with a load that was taken back or with an earlier reading of the same delivery.

What was decided is remembered (``quarantine.decided_keys``): values that were given up are refused when they come
again, as they do in every full export, and touch nothing. An office decides by itself where its profile has ``marks``:
a row marked as a correction takes the place of what stood, one marked as void ends its number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import psycopg
from psycopg import sql

from property_credit.ingestion.contract import Feed

CODE = "KEY_REUSED"
VOID = "KEY_VOID"
COARSE: sql.SQL = sql.SQL("date_trunc('minute', {0})")  # the same instant written with seconds and without

STANDING = """
create temporary table standing on commit drop as
select r.* from {raw} as r join (select distinct {key} from held) as k on {same}
where not exists (select from raw.withdrawn_rows as w
  where w.feed = {feed} and w.batch_id = r.batch_id and w.row_number = r.row_number)
"""
AFTER_WITHDRAWAL = """
delete from standing as r using standing as ended
where {ended_same} and ended.{status} = {withdrawn}
  and coalesce(ended.arrived_at, ended.received_at) >= coalesce(r.arrived_at, r.received_at)
"""
REPEATED = """
delete from held using {waiting} as r
where {held_same} and r.waiting_code = {code} and r.row_hash = held.row_hash
"""
COLLIDED = """
create temporary table collided on commit drop as
select c.row_number, min(c.field) as field, min(c.told) as told
from (  -- three joins: looked up for each row, a hundred thousand rows that waited took hours
  select h.row_number, case {differs} end as field, 'batch ' || r.batch_id || ', row ' || r.row_number as told
  from held as h join standing as r on {with_held}
  union all
  select h.row_number, case {differs} end, 'row ' || r.row_number
  from held as h join held as r on {with_held} and r.row_number < h.row_number
  union all
  select h.row_number, {first_field}, 'batch ' || r.batch_id || ', row ' || r.row_number
  from held as h join {waiting} as r on {with_held} and r.waiting_code = {code}
) as c
where c.field is not null
group by c.row_number
"""
REFUSED = """
insert into quarantine.rejected_rows (feed, batch_id, source_file, row_number, column_name, reason_code, reason,
  payload, received_at, waits_for)
select {feed}, x.batch_id, coalesce((select source_file from ops.batches where batches.batch_id = x.batch_id), {file}),
  x.row_number, {field}, {code}, {reason} || {told}, to_jsonb(x)::text, x.received_at, 'decision'
from {rows}
"""
WAIT = """
insert into {waiting} ({columns}, waits_for, waiting_column, waiting_code)
select {x_columns}, 'decision', {field}, {code} from {rows}
"""
WITHDRAW = """
insert into raw.withdrawn_rows (feed, batch_id, row_number, by_batch_id, known_on, received_at)
select {feed}, x.batch_id, x.row_number, %(by)s, %(known_on)s, %(received_at)s from {rows}
"""
# Of each key with marked rows the last one: it decides. A void that was decided before, or a correction that stands, is
# known, and so is what the file holds of the key before it.
MARKED = """
create temporary table marked on commit drop as
select distinct on ({h_key}) {h_key}, h.row_number, h.row_number = any (%(voids)s) as is_void, {h_hash} as values_hash,
  case when h.row_number = any (%(voids)s)
    then exists (select from quarantine.decided_keys as d where d.feed = {feed} and d.key = {h_text} and d.kind = 'void'
      and not exists (select from quarantine.decided_keys as later where later.feed = d.feed and later.key = d.key
        and later.kind = 'restored' and later.decided_at > d.decided_at))
    else exists (select from standing as r where {r_same_h} and r.row_hash = h.row_hash) end as is_known
from held as h where h.row_number = any (%(marked)s)
order by {h_key}, h.row_number desc
"""
KNOWN = """
delete from held as h using marked as m where {h_same_m} and m.is_known and h.row_number <= m.row_number
"""
REPLACED = """
create temporary table replaced on commit drop as
select r.batch_id, r.row_number, {r_text} as key, {r_hash} as values_hash, false as is_held
from standing as r join marked as m on {r_same_m}
where not m.is_known and (m.is_void or {r_hash} <> m.values_hash)
union all
select h.batch_id, h.row_number, {h_text}, {h_hash}, true
from held as h join marked as m on {h_same_m}
where not m.is_known and h.row_number <= m.row_number and (m.is_void or {h_hash} <> m.values_hash)
"""
ENDED = """
with gone as (
  delete from held as h using replaced as x where x.is_held and h.row_number = x.row_number returning h.*
)
insert into {raw} select * from gone
"""
TAKE_PLACE = """
insert into raw.withdrawn_rows (feed, batch_id, row_number, by_batch_id, known_on, received_at)
select {feed}, batch_id, row_number, %(by)s, %(known_on)s, %(received_at)s from replaced
"""
GIVE_UP_WAITING = """
with gone as (
  delete from {waiting} as w using marked as m where {w_same_m} and not m.is_known and w.waiting_code = {code}
  returning w.batch_id, w.row_number, {w_text} as key, {w_hash} as values_hash, m.is_void, m.values_hash as stands
), dropped as (
  insert into quarantine.dropped_rows (feed, batch_id, row_number, reason_code, dropped_by, why, dropped_on, dropped_at)
  select {feed}, batch_id, row_number, {code}, 'batch ' || %(by)s, %(why)s, %(known_on)s, clock_timestamp() from gone
)
insert into quarantine.decided_keys (feed, key, kind, values_hash, why, by_batch_id, decided_on, decided_at)
select distinct {feed}, key, 'given_up', values_hash, %(why)s, %(by)s, %(known_on)s::date, %(received_at)s::timestamptz
from gone where not is_void and values_hash <> stands
union
select distinct {feed}, key, 'given_up', values_hash, %(why)s, %(by)s, %(known_on)s, %(received_at)s
from replaced where key not in (select {m_text} from marked as m where m.is_void)
union
select {feed}, {m_text}, case when m.is_void then 'void' else 'restored' end, null, %(why)s, %(by)s, %(known_on)s,
  %(received_at)s
from marked as m where not m.is_known and (m.is_void or exists (
  select from quarantine.decided_keys as d where d.feed = {feed} and d.key = {m_text} and d.kind = 'void'))
"""
DECIDED = """
create temporary table decided on commit drop as
select distinct on (h.row_number) h.row_number, d.kind, d.why, d.decided_on
from held as h join quarantine.decided_keys as d on d.feed = {feed} and d.key = {h_text}
where h.row_number <> all (%(marked)s) and (
  d.kind = 'void' and not exists (select from quarantine.decided_keys as later
    where later.feed = d.feed and later.key = d.key and later.kind = 'restored' and later.decided_at > d.decided_at)
  or d.kind = 'given_up' and d.values_hash = {h_hash} and exists (select from standing as r where {r_same_h})
    and not exists (select from standing as r where {r_same_h} and {r_hash} = d.values_hash))
order by h.row_number, d.decided_at desc
"""
REFUSED_FOR_GOOD = """
insert into quarantine.rejected_rows (feed, batch_id, source_file, row_number, column_name, reason_code, reason,
  payload, received_at)
select {feed}, h.batch_id, {file}, h.row_number, {field}, case d.kind when 'void' then {void} else {code} end,
  case d.kind when 'void' then {void_reason} else {given_up_reason} end || d.decided_on || ', ' || d.why,
  to_jsonb(h)::text, h.received_at
from held as h join decided as d on d.row_number = h.row_number
"""
ADDED = ("batch_id", "row_number", "known_on", "received_at", "row_hash", "arrived_on", "arrived_at")


@dataclass(frozen=True)
class Collisions:
    """Rows of a load that collide, and versions that stood and no longer count because of them."""

    rows: int = 0
    withdrawn: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)  # by reason: decided before, and so refused for good
    ended: int = 0  # rows of the load that are in raw and stand for nothing: a correction or a void took their place


def set_aside(
    cursor: psycopg.Cursor,
    feed: Feed,
    *,
    batch_id: str,
    source_file: str,
    business_date: date,
    received_at: datetime,
    corrections: Sequence[int] = (),
    voids: Sequence[int] = (),
) -> Collisions:
    """Take what collides out of ``held`` and out of what stands in raw; it waits for a decision from now on.

    ``batch_id`` and ``source_file`` are those of the load whose rows are held; known from ``business_date`` on.
    ``corrections`` and ``voids`` are row numbers of the load that its office marked so: they decide what their keys
    collide over.
    """
    if not feed.immutable:
        return Collisions()
    waiting = sql.Identifier("quarantine", f"waiting_{feed.name}")
    code, name = sql.Literal(CODE), sql.Literal(feed.name)

    def same(a: str, b: str) -> sql.Composed:
        return sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(sql.Identifier(a, part), sql.Identifier(b, part)) for part in feed.key
        )

    cursor.execute(
        sql.SQL(STANDING).format(
            raw=sql.Identifier("raw", feed.name),
            key=sql.SQL(", ").join(map(sql.Identifier, feed.key)),
            same=same("r", "k"),
            feed=name,
        )
    )
    if feed.withdrawn:
        status, taken_back = feed.withdrawn
        cursor.execute(
            sql.SQL(AFTER_WITHDRAWAL).format(
                ended_same=same("r", "ended"), status=sql.Identifier(status), withdrawn=sql.Literal(taken_back)
            )
        )
    values = {"by": batch_id, "known_on": business_date, "received_at": received_at}
    marked = {"marked": [*corrections, *voids], "voids": list(voids), "why": f"{source_file}"}
    ended = withdrawn = 0
    if marked["marked"]:
        ended, withdrawn = _apply_marks(cursor, feed, values | marked)
    refused = _refuse_decided(cursor, feed, source_file, marked)
    cursor.execute(sql.SQL(REPEATED).format(waiting=waiting, held_same=same("held", "r"), code=code))
    cursor.execute(
        sql.SQL(COLLIDED).format(
            differs=sql.SQL(" ").join(_differs(feed, field) for field in feed.immutable),
            with_held=same("r", "h"),
            waiting=waiting,
            first_field=sql.Literal(feed.immutable[0]),
            code=code,
        )
    )
    count = cursor.execute("select count(*) from collided").fetchone()
    collisions = Collisions(count[0] if count else 0, withdrawn, refused, ended)
    if collisions.rows:
        columns = (*feed.field_names, *ADDED)
        reason = feed.reason(CODE)
        came = sql.SQL("held as x join collided on collided.row_number = x.row_number")
        stood = sql.SQL(
            "standing as x where exists (select from held as h join collided on collided.row_number = h.row_number"
            " where {})"
        ).format(same("x", "h"))
        for rows, field, told in (
            (came, sql.SQL("collided.field"), sql.SQL("collided.told")),
            (stood, sql.Literal(feed.immutable[0]), sql.Literal(f"{source_file}, batch {batch_id}")),
        ):
            parts = {
                "waiting": waiting,
                "rows": rows,
                "field": field,
                "told": told,
                "feed": name,
                "code": code,
                "file": sql.Literal(source_file),
                "reason": sql.Literal(f"{reason.zh} / {reason.en}: "),
                "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
                "x_columns": sql.SQL(", ").join(sql.Identifier("x", column) for column in columns),
            }
            cursor.execute(sql.SQL(REFUSED).format(**parts))
            cursor.execute(sql.SQL(WAIT).format(**parts))
        cursor.execute(sql.SQL(WITHDRAW).format(feed=name, rows=stood), values)
        collisions = replace(collisions, withdrawn=withdrawn + cursor.rowcount)
        cursor.execute("delete from held using collided where collided.row_number = held.row_number")
    cursor.execute("drop table standing, collided")
    return collisions


def values_hash(feed: Feed, alias: str) -> sql.Composed:
    """Return what cannot change under a key of the rows ``alias``, as one short text; instants to the minute."""
    parts = []
    for name in feed.immutable:
        column: sql.Composable = sql.Identifier(alias, name)
        if feed.field(name).type == "timestamp":
            column = sql.SQL("extract(epoch from {})").format(COARSE.format(column))
        parts.append(sql.SQL("coalesce(({})::text, '')").format(column))
    return sql.SQL("md5(concat_ws(chr(31), {}))").format(sql.SQL(", ").join(parts))


def key_text(feed: Feed, alias: str) -> sql.Composed:
    """Return the key of the rows ``alias`` as one text: its parts joined by "/"."""
    return sql.SQL("concat_ws('/', {})").format(sql.SQL(", ").join(sql.Identifier(alias, name) for name in feed.key))


def _parts(feed: Feed) -> dict[str, sql.Composable]:
    """Return what the statements on marks and decisions are made of."""

    def same(a: str, b: str) -> sql.Composed:
        pairs = (sql.SQL("{} = {}").format(sql.Identifier(a, name), sql.Identifier(b, name)) for name in feed.key)
        return sql.SQL(" and ").join(pairs)

    parts: dict[str, sql.Composable] = {
        "feed": sql.Literal(feed.name),
        "raw": sql.Identifier("raw", feed.name),
        "waiting": sql.Identifier("quarantine", f"waiting_{feed.name}"),
        "code": sql.Literal(CODE),
        "h_key": sql.SQL(", ").join(sql.Identifier("h", name) for name in feed.key),
        "r_same_h": same("r", "h"),
        "m_text": key_text(feed, "m"),
    }
    for alias in ("h", "r", "w"):
        parts[f"{alias}_same_m"] = same(alias, "m")
        parts[f"{alias}_text"], parts[f"{alias}_hash"] = key_text(feed, alias), values_hash(feed, alias)
    return parts


def _apply_marks(cursor: psycopg.Cursor, feed: Feed, values: Mapping[str, object]) -> tuple[int, int]:
    """Let the held rows that are marked take the place of what stands or waits of their keys.

    Returns how many rows of the load are in raw and stand for nothing, and how many versions no longer count.
    """
    parts = _parts(feed)
    for statement in (MARKED, KNOWN, REPLACED):
        cursor.execute(sql.SQL(statement).format(**parts), values)
    cursor.execute(sql.SQL(ENDED).format(**parts))
    ended = cursor.rowcount
    cursor.execute(sql.SQL(TAKE_PLACE).format(**parts), values)
    withdrawn = cursor.rowcount - ended
    cursor.execute(
        "delete from standing as r using replaced as x"
        " where not x.is_held and r.batch_id = x.batch_id and r.row_number = x.row_number"
    )
    cursor.execute(sql.SQL(GIVE_UP_WAITING).format(**parts), values)
    cursor.execute("drop table marked, replaced")
    return ended, withdrawn


def _refuse_decided(
    cursor: psycopg.Cursor, feed: Feed, source_file: str, values: Mapping[str, object]
) -> dict[str, int]:
    """Refuse held rows whose values were given up, or whose number is void, for good; return how many by reason."""
    void, given_up = feed.reason(VOID), feed.reason(CODE)
    parts = _parts(feed) | {
        "file": sql.Literal(source_file),
        "field": sql.Literal(feed.immutable[0]),
        "void": sql.Literal(VOID),
        "void_reason": sql.Literal(f"{void.zh} / {void.en}: "),
        "given_up_reason": sql.Literal(f"{given_up.zh.split('：')[0]}，已认定不计入 / decided not to count: "),
    }
    cursor.execute(sql.SQL(DECIDED).format(**parts), values)
    cursor.execute(sql.SQL(REFUSED_FOR_GOOD).format(**parts))
    counts = {}
    if cursor.rowcount:
        rows = cursor.execute("select kind, count(*) from decided group by 1").fetchall()
        counts = {VOID if kind == "void" else CODE: count for kind, count in rows}
        cursor.execute("delete from held using decided where decided.row_number = held.row_number")
    cursor.execute("drop table decided")
    return counts


def _differs(feed: Feed, field: str) -> sql.Composed:
    """Return the branch that names ``field`` where both rows say it and say it differently."""
    ours, theirs = sql.Identifier("h", field), sql.Identifier("r", field)
    if feed.field(field).type == "timestamp":
        return sql.SQL("when {} <> {} then {}").format(COARSE.format(ours), COARSE.format(theirs), sql.Literal(field))
    return sql.SQL("when {} <> {} then {}").format(ours, theirs, sql.Literal(field))
