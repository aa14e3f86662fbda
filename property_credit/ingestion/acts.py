"""What people did in the workbench, as deliveries of the feeds: objections, replies, granted repairs, solved
complaints.

Owns when a delivery is due and what stands in it: every row that acts since the last loaded delivery changed, as it
stood after the last act of the business date. From there it is read, archived, refused and versioned like an office's
file. Only the batch gate's comparisons with other batches do not apply (``is_acts``): how many people act on a day, and
how much they write, says nothing about whether the rows are whole.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from property_credit.ingestion import archive, feeds
from property_credit.ingestion.contract import Feed
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect

ROWS = {
    "objections": "objection_rows",
    "replies": "reply_rows",
    "public_credit": "repair_rows",
    "complaints": "complaint_rows",
}
NAME = re.compile(r"acts-\d+-(\d+)\.csv")
DELIVERED = """
select source_file from ops.batches
where source_profile = %s and status = 'loaded' and kind = 'load' order by received_at desc
"""
# the version in force of rows that an act only adds something to
STANDING = """
select distinct on ({key}) {columns} from {raw} as r
where {first_key} = any(%(keys)s) and not exists (select from raw.withdrawn_rows as w
  where w.feed = {feed} and w.batch_id = r.batch_id and w.row_number = r.row_number)
order by {key}, case when updated_at <= coalesce(arrived_at, received_at) then updated_at
    else coalesce(arrived_at, received_at) end desc,
  coalesce(arrived_at, received_at) desc, row_number desc
"""


@contextmanager
def delivery(profile: Profile, business_date: date) -> Iterator[Path | None]:
    """Give the file of what acts up to ``business_date`` changed in the profile's feed; None when nothing did.

    Its name says which acts stand in it, so that the next delivery begins after them, and only once it was loaded.
    """
    feed = feeds.get(profile.feed)
    with connect("pc_ingestion") as connection:
        row = connection.execute("select workbench.last_act_on(%s)", (business_date,)).fetchone()
        until = row[0] if row else 0
        after = _delivered(connection, profile)
        columns, rows = _rows(connection, feed, after, until) if until > after else ([], [])
    if not rows:
        yield None
        return
    folder = archive.unfinished()
    folder.mkdir()
    path = folder / f"acts-{after}-{until}.csv"
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows([_text(value) for value in row] for row in rows)
        path.chmod(0o600)
        yield path
    finally:
        path.unlink(missing_ok=True)
        folder.rmdir()


def _delivered(connection: psycopg.Connection, profile: Profile) -> int:
    """Return the number of the last act that a loaded delivery of ``profile`` holds; 0 before the first."""
    names = connection.execute(DELIVERED, (profile.name,)).fetchall()
    return max((int(match[1]) for (name,) in names if (match := NAME.fullmatch(name))), default=0)


def _rows(
    connection: psycopg.Connection, feed: Feed, after: int, until: int
) -> tuple[list[str], list[tuple[object, ...]]]:
    cursor = connection.execute(
        sql.SQL("select * from {}(%s, %s)").format(sql.Identifier("workbench", ROWS[feed.name])), (after, until)
    )
    names = [column.name for column in cursor.description or ()]
    changed = cursor.fetchall()
    if set(names) >= {field.name for field in feed.fields if field.required}:
        return names, changed
    return _completed(connection, feed, names, changed)


def _completed(
    connection: psycopg.Connection, feed: Feed, names: list[str], changed: list[tuple[object, ...]]
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return whole rows of the feed: as they stand in raw, with what the acts set.

    The first thing an act sets is a fact (repaired on, resolved at): where the source has said it already, its word
    stands and nothing is delivered.
    """
    key = [sql.Identifier(name) for name in feed.key]
    standing = connection.execute(
        sql.SQL(STANDING).format(
            key=sql.SQL(", ").join(key),
            first_key=key[0],
            columns=sql.SQL(", ").join(map(sql.Identifier, feed.field_names)),
            raw=sql.Identifier("raw", feed.name),
            feed=feed.name,
        ),
        {"keys": [row[names.index(feed.key[0])] for row in changed]},
    ).fetchall()
    set_by = {row[names.index(feed.key[0])]: dict(zip(names, row, strict=True)) for row in changed}
    whole = [dict(zip(feed.field_names, row, strict=True)) for row in standing]
    fact = next(name for name in names if name not in feed.key)
    new = [row for row in whole if row[fact] is None]
    return list(feed.field_names), [tuple({**row, **set_by[row[feed.key[0]]]}.values()) for row in new]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
    return " ".join(str(value).splitlines())
