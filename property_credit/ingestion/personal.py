"""What is known of people, given up: a person's on request, everybody's by age; and what was stored before a key was.

Giving up is destroying keys (``sealing``): no row is changed, so counts, grades and replays stay. Done as the owner of
the database, and remembered beside the signing keys: a backup that is restored brings keys back, ``erase_again`` does
not let them stay.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars
import psycopg
from psycopg import sql

from property_credit.ingestion import archive, feeds, sealing
from property_credit.ingestion.contract import Feed, IngestionError
from property_credit.ingestion.hashing import hashes
from property_credit.ingestion.values import empty_type
from property_credit.warehouse import data_key
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

REGISTER_YEARS = 3  # after a row of a register ended
ROWS_AT_ONCE = 5_000
DESTROY = """
update raw.person_keys set wrapped = null, destroyed_on = %(on)s, why = %(why)s
where feed = %(feed)s and token = %(token)s and wrapped is not null
"""
FOR_GOOD = """
insert into raw.person_keys (feed, token, year, made_at, destroyed_on, why)
values (%(feed)s, %(token)s, %(year)s, clock_timestamp(), %(on)s, %(why)s) on conflict do nothing
"""
TOO_OLD = """
update raw.person_keys set wrapped = null, destroyed_on = %(on)s, why = %(why)s
where feed = %(feed)s and year > 0 and year < %(year)s and wrapped is not null
"""
ENDED = """
select token from (
  select split_part({sealed}, ':', 2) as token, max(coalesce({ends}, 'infinity')) as ends_on
  from (select distinct on ({key}) * from {raw} order by {key}, received_at desc, row_number desc) as newest
  where {sealed} like 'sealed:%%' group by 1
) as persons where ends_on < %(before)s
"""
COPIES = """
select distinct archive_path from ops.deliveries
where feed = %(feed)s and coalesce(landed_on, business_date) < %(before)s
  and archive_path not in (select archive_path from ops.archive_removals)
"""


@dataclass(frozen=True)
class GivenUp:
    """What was given up of a feed: keys (one a person and year), and copies in the archive."""

    feed: str
    keys: int
    copies: int = 0


def erase(name: str, value: str, *, on: date, why: str) -> GivenUp:
    """Destroy every key of the person that feed ``name`` knows by ``value``, for good; return how many there were.

    ``value`` is what ``person`` of the contract names (a telephone number, a name, a number of staff) or the key of a
    row that names nobody. IngestionError when nothing sealed is kept of it, or rows are still unsealed.
    """
    feed = _with_persons(name)
    if count := unsealed(feed):
        raise IngestionError(f"{count:,} rows of {name} are not sealed yet: `property-credit personal-data seal` first")
    with connect("pc_ingestion") as lookups:
        wanted = _tokens(feed, value, lookups)
        tokens = lookups.execute(
            "select distinct feed, token from raw.person_keys where feed = any(%s) and token = any(%s)",
            (_feeds_of(feed), wanted),
        ).fetchall()
    if not tokens:
        raise IngestionError(f"nothing is kept under this value in {name}: nothing was erased")
    lines = [{"feed": one, "token": token, "on": on.isoformat(), "why": why} for one, token in tokens]
    _remember(lines)
    return GivenUp(name, sum(_destroy(line) for line in lines))


def erase_again() -> int:
    """Erase again whoever was erased before, from what is remembered beside the keys; return how many keys went."""
    return sum(_destroy(line) for line in _remembered())


def not_erased() -> int:
    """Return how many persons that were erased have a key again: a backup from before was restored."""
    lines = _remembered()
    with connect("pc_ingestion") as connection:
        row = connection.execute(
            "select count(distinct (feed, token)) from raw.person_keys where wrapped is not null"
            " and (feed, token) in (select * from unnest(%s::text[], %s::text[]))",
            ([line["feed"] for line in lines], [line["token"] for line in lines]),
        ).fetchone()
    return row[0] if row else 0


def retain(on: date) -> list[GivenUp]:
    """Destroy the keys of years that the contracts keep no longer, of who left a register, and old copies of both."""
    done = []
    for name in feeds.NAMES:
        feed = feeds.get(name)
        if not feed.person:
            continue
        if count := unsealed(feed):
            raise IngestionError(f"{count:,} rows of {name} are not sealed yet: `property-credit personal-data seal`")
        years = feed.kept_years or REGISTER_YEARS
        values = {"feed": name, "year": on.year - years, "on": on, "why": f"kept {years} years"}
        values["before"] = date(on.year - years, 1, 1)
        done.append(_retain(feed, values))
    _vacuum()
    return done


def _retain(feed: Feed, values: dict[str, Any]) -> GivenUp:
    with connect() as owner:
        keys = owner.execute(TOO_OLD, values).rowcount
        if feed.kept_years:  # a row of such a year that comes again makes no new key
            owner.execute(FOR_GOOD, {**values, "token": "*"})
        elif feed.ends_field:
            keys += sum(
                owner.execute(DESTROY, {**values, "token": one}).rowcount for one in _ended(owner, feed, values)
            )
        copies = [path for (path,) in owner.execute(COPIES, values).fetchall()] if feed.kept_years else []
        for path in copies:
            archive.remove(path)
            owner.execute(
                "insert into ops.archive_removals values (%s, %s, %s, clock_timestamp())",
                (path, values["on"], values["why"]),
            )
    return GivenUp(feed.name, keys, len(copies))


def _ended(owner: psycopg.Connection, feed: Feed, values: dict[str, Any]) -> list[str]:
    query = sql.SQL(ENDED).format(
        sealed=sql.Identifier(feed.sealed_fields[0]),
        ends=sql.Identifier(feed.ends_field or ""),
        key=sql.Identifier(feed.key[0]),
        raw=sql.Identifier("raw", feed.name),
    )
    return [token for (token,) in owner.execute(query, values).fetchall()]


def unsealed(feed: Feed) -> int:
    """Return how many rows of a feed, waiting ones included, hold something personal that is not sealed."""
    with connect("pc_ingestion") as connection:
        counts = [
            connection.execute(sql.SQL("select count(*) from {} where {}").format(table, _is_plain(feed))).fetchone()
            for table in _tables(feed)
        ]
    return sum(row[0] for row in counts if row)


def seal() -> dict[str, int]:
    """Seal what was stored before DATA_KEY was given, hashes included; return how many rows, by feed.

    In pieces that are whole: a seal that is killed goes on where it was. Old row versions go from the tables' files.
    """
    done: dict[str, int] = {}
    for name in feeds.NAMES:
        feed = feeds.get(name)
        if not feed.person:
            continue
        done[name] = 0
        with connect(autocommit=True) as owner:
            for table in _tables(feed):
                done[name] += sum(_seal_piece(owner, feed, table, rows) for rows in _pieces(owner, feed, table))
            done[name] += _seal_payloads(owner, feed)
            if done[name]:
                for table in (*_tables(feed), sql.Identifier("quarantine", "rejected_rows")):
                    owner.execute(sql.SQL("vacuum full {}").format(table))
    return done


def _pieces(owner: psycopg.Connection, feed: Feed, table: sql.Identifier) -> Iterator[list[tuple[Any, ...]]]:
    query = sql.SQL("select batch_id, row_number, row_hash, {} from {} where {} order by 1, 2 limit {}").format(
        sql.SQL(", ").join(map(sql.Identifier, feed.field_names)), table, _is_plain(feed), ROWS_AT_ONCE
    )
    while rows := owner.execute(query).fetchall():
        yield rows


def _seal_piece(owner: psycopg.Connection, feed: Feed, table: sql.Identifier, rows: list[tuple[Any, ...]]) -> int:
    """Seal rows of a table in one transaction; their hashes become those that the same rows sealed have."""
    schema = {name: empty_type(feed.field(name)) for name in feed.field_names}
    typed = polars.DataFrame([row[3:] for row in rows], schema, orient="row", strict=False)
    sealer = sealing.sealer(feed, owner, delivery_id="", day=date.min, passes=True)
    assert sealer is not None  # the caller asked for a key
    sealed = sealer.seal(typed)
    before, after = hashes(feed, typed)[1].to_list(), hashes(feed, sealed)[1].to_list()
    new = [
        # an absence has the hash of its row turned round; one that another version of the code made stays
        (row[0], row[1], after[at] if row[2] == before[at] else ~after[at] if row[2] == ~before[at] else row[2])
        for at, row in enumerate(rows)
    ]
    columns = sql.SQL(", ").join(sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in feed.sealed_fields)
    names = sql.SQL(", ").join(map(sql.Identifier, feed.sealed_fields))
    arrays = sql.SQL(", ").join(sql.SQL("%s::text[]") for _name in feed.sealed_fields)
    query = sql.SQL(
        "update {table} as t set {columns}, row_hash = new.row_hash from unnest(%s::text[], %s::bigint[], %s::bigint[],"
        " {arrays}) as new (batch_id, row_number, row_hash, {names})"
        " where t.batch_id = new.batch_id and t.row_number = new.row_number"
    ).format(table=table, columns=columns, arrays=arrays, names=names)
    keys = [list(column) for column in zip(*new, strict=True)]
    return owner.execute(query, [*keys, *(sealed[name].to_list() for name in feed.sealed_fields)]).rowcount


def _seal_payloads(owner: psycopg.Connection, feed: Feed) -> int:
    rows = owner.execute(
        "select batch_id, row_number, payload, coalesce(delivery_id, batch_id), business_date"
        " from quarantine.rejected_rows join ops.batches using (batch_id)"
        " where rejected_rows.feed = %s and not starts_with(payload, 'sealed:')",
        (feed.name,),
    ).fetchall()
    for batch_id, number, payload, delivery_id, day in rows:
        sealer = sealing.sealer(feed, owner, delivery_id=delivery_id, day=day)
        assert sealer is not None  # the caller asked for a key
        owner.execute(
            "update quarantine.rejected_rows set payload = %s where batch_id = %s and row_number = %s and payload = %s",
            (sealer.seal_payloads([payload])[0], batch_id, number, payload),
        )
    return len(rows)


def _with_persons(name: str) -> Feed:
    feed = feeds.get(name)
    if not feed.person:
        raise IngestionError(f"feed {name} holds nothing personal")
    if data_key.identity() is None:
        raise data_key.DataKeyError("DATA_KEY is not set: nothing is sealed, so nothing can be erased by a key")
    return feed


def _feeds_of(feed: Feed) -> list[str]:
    """Return the feeds that know the same persons: parties have one name in all."""
    return [name for name in feeds.NAMES if feeds.get(name).is_party] if feed.is_party else [feed.name]


def _tokens(feed: Feed, value: str, lookups: psycopg.Connection) -> list[str]:
    """Return the digests that ``value`` may have: as each field that names a person, and as the key of a row."""
    schema = {name: polars.String() for name in {*feed.person, feed.key[0]}}
    asked = [*({name: value} for name in feed.person), {feed.key[0]: value}]
    rows = polars.DataFrame([{**dict.fromkeys(schema), **one} for one in asked], schema)
    return sealing.tokens(feed, rows, lookups)


def _destroy(line: dict[str, Any]) -> int:
    with connect() as owner:
        count = owner.execute(DESTROY, line).rowcount
        owner.execute(FOR_GOOD, {**line, "year": sealing.ALWAYS})
    _vacuum()
    return count


def _vacuum() -> None:
    """Write the table of keys anew: what an update leaves in its file could be read from there."""
    with connect(autocommit=True) as owner:
        owner.execute("vacuum full raw.person_keys")


def _remember(lines: list[dict[str, Any]]) -> None:
    path = _memory()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a", encoding="utf-8") as stream:
        path.chmod(0o600)
        stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _remembered() -> list[dict[str, Any]]:
    path = _memory()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _memory() -> Path:
    keys = get_settings().keys_dir
    assert keys is not None  # the settings fill it in
    return keys / "erased.jsonl"


def _tables(feed: Feed) -> list[sql.Identifier]:
    return [sql.Identifier("raw", feed.name), sql.Identifier("quarantine", f"waiting_{feed.name}")]


def _is_plain(feed: Feed) -> sql.Composed:
    return sql.SQL(" or ").join(
        sql.SQL("not starts_with({}, 'sealed:')").format(sql.Identifier(name)) for name in feed.sealed_fields
    )
