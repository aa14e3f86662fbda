"""Full lists: what disappears from one ends, what comes back to one goes on; elsewhere what is missing is named.

Owns versions with an absence (``absence_code`` 'vanished'): a copy of the last state that says since when its key is in
no list any more. Such a version is current until its key comes again; then it no longer counts. A key that is refused
or waits is present. Must not know how a file is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg import sql

from property_credit.ingestion.batches import Identity
from property_credit.ingestion.contract import Feed
from property_credit.ingestion.profile import ListPart
from property_credit.warehouse.versions import ARRIVED_ON, NEWEST_FIRST

SHOWN = 5  # keys named of those that are missing


@dataclass(frozen=True)
class Missing:
    """Keys that earlier deliveries of the profile brought and this one does not hold: ``count`` of ``known``.

    ``keys`` are the first of them; empty where they are persons'.
    """

    count: int
    known: int
    keys: tuple[str, ...]


def create(cursor: psycopg.Cursor, feed: Feed, scope: Sequence[str]) -> None:
    """Make the empty temporary table ``present`` for the keys, and the fields of the scope, of every row of a file."""
    names = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys((*feed.key, *scope))))
    cursor.execute(
        sql.SQL("create temporary table present on commit drop as select {} from {} with no data").format(
            names, sql.Identifier("raw", feed.name)
        )
    )


# a day in a file's name: 1030, 202610, 20261030, 20261030120000, 2026-10-30; 150203 is a county
DAY = r"(?<![0-9])(20[0-9]{4}([0-9]{2}([0-9]{6})?)?|[0-9]{4}([-._年/][0-9]{1,2}){0,2}[月日]?)(?![0-9])"
RETURNED = """
insert into raw.withdrawn_rows (feed, batch_id, row_number, by_batch_id, known_on, received_at)
select {feed}, r.batch_id, r.row_number, {by}, {known_on}, {received_at}
from {raw} as r
where r.absence_code is not null and r.known_on <= {known_on} and {standing}
  and exists (select from present as p where {same})
"""
STANDING = """not exists (select from raw.withdrawn_rows as w
  where w.feed = {feed} and w.batch_id = r.batch_id and w.row_number = r.row_number)"""
MISSING = """
create temporary table missing on commit drop as
select versions.* from (
  select distinct on ({key}) versions.* from {raw} as versions
  where versions.known_on <= {known_on} and {standing}
  order by {key}, {newest_first}
) as versions
join ops.batches on batches.batch_id = versions.batch_id
where batches.source_profile = {profile} and versions.absence_code is null and {is_open}
  and {arrived_on} <= {came_on} and versions.batch_id <> {by}
  and {in_scope} and ({is_whole} or regexp_replace(batches.source_file, {day}, '', 'g') = {series})
  and not exists (select from present as r where {same})
"""


KEEP_PART = """
insert into quarantine.list_parts (feed, source_profile, series, part, of_parts, landed_on, batch_id, unreadable_keys,
  present, received_at)
select {feed}, {profile}, {series}, {part}, {of}, {landed_on}, {by}, {unreadable},
  coalesce(jsonb_agg(to_jsonb(p)), '[]'),
  {received_at}
from present as p
"""
PARTS = """
create temporary table list_part on commit drop as
select distinct on (part) part, unreadable_keys, present from quarantine.list_parts
where feed = {feed} and source_profile = {profile} and series = {series} and of_parts = {of}
  and ({is_dated} or landed_on = {landed_on})
order by part, received_at desc
"""


def join_parts(
    cursor: psycopg.Cursor, feed: Feed, identity: Identity, part: ListPart, unreadable_keys: int, received_at: datetime
) -> tuple[list[int], int]:
    """Keep the keys of a list's part, and add those of the others to ``present``.

    Returns the parts that have not come yet, and how many rows of all parts have a key that cannot be read.
    """
    values: dict[str, sql.Composable] = {
        name: sql.Literal(value)
        for name, value in {
            **{"feed": feed.name, "profile": identity.profile, "series": part.series, "part": part.part, "of": part.of},
            **{"landed_on": identity.landed_on, "by": identity.batch_id, "unreadable": unreadable_keys},
            **{"received_at": received_at, "is_dated": bool(re.search(DAY, part.series))},
        }.items()
    }
    cursor.execute(sql.SQL(KEEP_PART).format(**values))
    cursor.execute(sql.SQL(PARTS).format(**values))
    row = cursor.execute("select array_agg(part), sum(unreadable_keys)::bigint from list_part").fetchone()
    came, unreadable = row or ([], 0)
    missing = sorted(set(range(1, part.of + 1)) - set(came))
    if not missing:
        cursor.execute(
            "insert into present select rows.* from list_part, jsonb_populate_recordset(null::present, present) as rows"
            " where part <> %s",
            (part.part,),
        )
    cursor.execute("drop table list_part")
    return missing, unreadable


def bring_back(
    cursor: psycopg.Cursor, feed: Feed, identity: Identity, business_date: date, received_at: datetime
) -> int:
    """Let absences of keys that are ``present`` no longer count; return how many."""
    cursor.execute(
        sql.SQL(RETURNED).format(
            feed=feed.name,
            by=identity.batch_id,
            known_on=business_date,
            received_at=received_at,
            raw=sql.Identifier("raw", feed.name),
            standing=sql.SQL(STANDING).format(feed=feed.name),
            same=_same(feed, "r", "p"),
        )
    )
    return cursor.rowcount


def find_missing(
    cursor: psycopg.Cursor, feed: Feed, identity: Identity, scope: Sequence[str] | None, business_date: date
) -> Missing:
    """Make the temporary table ``missing``: current rows of the profile, not ended, whose key is not ``present``.

    ``scope`` names fields of a full list: only rows with a value there that the file holds too can be missing from it.
    None: the file is no full list, and is compared with those of its name without days.
    """
    is_open = sql.SQL("true")
    if feed.ends_field:
        is_open = sql.SQL("coalesce(versions.{} > {}, true)").format(  # type: ignore[assignment]
            sql.Identifier(feed.ends_field), sql.Literal(identity.landed_on)
        )
    in_scope = [
        sql.SQL("versions.{0} in (select present.{0} from present)").format(sql.Identifier(name))
        for name in scope or ()
    ]
    cursor.execute(
        sql.SQL(MISSING).format(
            key=sql.SQL(", ").join(sql.Identifier("versions", name) for name in feed.key),
            raw=sql.Identifier("raw", feed.name),
            known_on=business_date,
            standing=sql.SQL(STANDING.replace("r.", "versions.")).format(feed=feed.name),
            newest_first=sql.SQL(NEWEST_FIRST),
            profile=identity.profile,
            is_open=is_open,
            arrived_on=sql.SQL(ARRIVED_ON),
            came_on=identity.arrived_on or business_date,
            by=identity.batch_id,
            is_whole=scope is not None,
            day=DAY,
            series=re.sub(DAY, "", identity.source_file),
            in_scope=sql.SQL(" and ").join(in_scope) if in_scope else sql.SQL("true"),
            same=_same(feed, "versions", "r"),
        )
    )
    names = sql.SQL(" || ' ' || ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in feed.key)
    counted = cursor.execute("select count(*), (select count(*) from present) from missing").fetchone()
    shown = cursor.execute(
        sql.SQL("select {0} from missing order by 1 limit {1}").format(names, sql.Literal(SHOWN))
    ).fetchall()
    is_personal = any(feed.field(name).personal for name in feed.key)
    count, present = counted or (0, 0)
    return Missing(count, count + present, () if is_personal else tuple(key for (key,) in shown))


def end_missing(
    cursor: psycopg.Cursor, feed: Feed, identity: Identity, business_date: date, received_at: datetime
) -> None:
    """Add an absence of each row in ``missing``, which ends it on the day the list came for."""
    came = {"batch_id": identity.batch_id, "known_on": business_date, "received_at": received_at}
    came |= {"arrived_on": identity.arrived_on, "arrived_at": identity.arrived_at, "absence_code": "vanished"}
    values: dict[str, sql.Composable] = {name: sql.Identifier("m", name) for name in feed.field_names}
    values |= {name: sql.Literal(value) for name, value in came.items()}
    order = sql.SQL(", ").join(sql.Identifier("m", name) for name in feed.key)
    values["row_number"] = sql.SQL("- row_number() over (order by {})").format(order)  # no place in the file
    values["row_hash"] = sql.SQL("~ m.row_hash")
    if feed.ends_field:
        values[feed.ends_field] = sql.SQL("{}::date").format(sql.Literal(identity.landed_on))
    if feed.ends_cause_field:
        values[feed.ends_cause_field] = sql.Literal("vanished")
    cursor.execute(
        sql.SQL("insert into {} ({}) select {} from missing as m").format(
            sql.Identifier("raw", feed.name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(values.values()),
        )
    )


def _same(feed: Feed, left: str, right: str) -> sql.Composed:
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in feed.key
    )
