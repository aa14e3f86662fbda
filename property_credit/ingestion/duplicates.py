"""Exact duplicates without keeping all keys in memory: doubtful rows are held out and decided by the database.

A filter of fixed size says of each key "certainly new in this file" or "perhaps seen". Rows of perhaps-seen keys,
and of keys that raw already holds, go to a temporary table; there a row is a duplicate when it equals the version
before it in the order of the source (so A, B, A are three versions). All others stream straight into raw.
"""

from typing import LiteralString

import numpy
import polars
import psycopg
from psycopg import sql

from property_credit.ingestion.contract import Feed
from property_credit.warehouse.versions import ARRIVED, ORDERED_AT

BITS_PER_KEY, BITS_SET = 32, 6  # false positives: 1 in 10,000 keys when as many came as were expected
SMALLEST_WORDS, LARGEST_WORDS = 1 << 14, 1 << 22  # 128 KiB to 32 MiB
MIXER = numpy.uint64(0x9E3779B97F4A7C15)
WHEN = ("known_on", "received_at", "arrived_on", "arrived_at", "row_number")
KINDS: dict[str, LiteralString] = {"date": "date", "timestamp": "timestamptz", "integer": "bigint"}  # else text


class SeenKeys:
    """A Bloom filter whose bits of one key lie in one word; false positives only cost a look-up in the database."""

    def __init__(self, expected: int) -> None:
        words = SMALLEST_WORDS
        while words < min(expected * BITS_PER_KEY // 64, LARGEST_WORDS):
            words *= 2
        self._words = numpy.zeros(words, numpy.uint64)

    def add(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Add ``keys`` (uint64) and return the mask of those that may have been there before, also in ``keys``."""
        mixed = (keys ^ keys >> numpy.uint64(32)) * MIXER
        places = mixed >> numpy.uint64(36) & numpy.uint64(len(self._words) - 1)
        bits = numpy.zeros(len(keys), numpy.uint64)
        for number in range(BITS_SET):
            bits |= numpy.uint64(1) << (mixed >> numpy.uint64(6 * number) & numpy.uint64(63))
        perhaps = self._words[places] & bits == bits
        numpy.bitwise_or.at(self._words, places, bits)
        here = polars.Series(keys)
        if here.n_unique() < len(keys):
            perhaps |= ~here.is_first_distinct().to_numpy()
        return perhaps


def lookup(feed: Feed) -> sql.Composed:
    """Return the query for the places, in a JSON array of keys, of those that raw holds.

    A join, for Citus refuses EXISTS beside a set of keys. It takes the index where the planner knows the table, and it
    is told after the table's first file (``load``): else it would scan the whole table for each block.
    """
    kinds = {name: sql.SQL(KINDS.get(feed.field(name).type, "text")) for name in feed.key}
    return sql.SQL(
        "select distinct k.place from json_to_recordset(%s) as k(place bigint, {keys}) join {table} r on {same}"
    ).format(
        keys=sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), kind) for name, kind in kinds.items()),
        table=sql.Identifier("raw", feed.name),
        same=sql.SQL(" and ").join(sql.SQL("r.{0} = k.{0}").format(sql.Identifier(name)) for name in feed.key),
    )


def keys_in_raw(connection: psycopg.Connection, feed: Feed, typed: polars.DataFrame) -> numpy.ndarray:
    """Return the mask of rows of ``typed`` whose key raw holds already."""
    # as arrays the keys cost the client eight times as much
    keys = typed.select(feed.key).with_row_index("place").write_json()
    is_in_raw = numpy.zeros(typed.height, bool)
    is_in_raw[[place for (place,) in connection.execute(lookup(feed), (keys,)).fetchall()]] = True
    return is_in_raw


def move_held_rows(feed: Feed, columns: tuple[str, ...]) -> sql.Composed:
    """Return the statement that moves the rows of ``held`` which are no duplicates into raw and counts them.

    It compares each held row with the version before it in the order of the source, among raw's versions known by
    then, the held ones, and those that wait: what repeats a version is one of its own when another state, not loaded
    yet, lies between. It gives one row: how many were moved, how many of those are newer than every version of their
    key that had come before them, and how many are a late older state of it.
    """
    return sql.SQL(
        """
        with versions as (
          select {raw_key}, r.row_hash, r.updated_at, {raw_when}, false as is_held
          from {raw} r join (select distinct {key} from held) k on {same}
          where r.known_on <= (select min(known_on) from held) and r.absence_code is null and not exists (
            select from raw.withdrawn_rows as w
            where w.feed = {feed} and w.batch_id = r.batch_id and w.row_number = r.row_number)
          union all
          select {raw_key}, r.row_hash, r.updated_at, {raw_when}, false
          from {waiting} r join (select distinct {key} from held) k on {same}
          where r.known_on <= (select min(known_on) from held)
          union all
          select {key}, row_hash, updated_at, {when}, true from held
        ), ordered as (
          select *, row_number() over (partition by {key} order by {ordered_at}, {arrived}) as place,
            row_hash = lag(row_hash) over (partition by {key} order by {ordered_at}, {arrived}) as is_same
          from versions
        ), marked as (
          select row_number, is_held, is_same, place,
            max(place) over (partition by {key} order by {arrived} rows between unbounded preceding and 1 preceding)
              as newest_before
          from ordered as versions
        ), moving as (
          select row_number, newest_before, place from marked where is_held and is_same is not true
        ), moved as (
          insert into {raw} ({columns})
          select {held_columns} from held h join moving on moving.row_number = h.row_number
          order by h.row_number
        )
        select count(*), count(*) filter (where newest_before < place), count(*) filter (where newest_before > place)
        from moving
        """
    ).format(
        raw=sql.Identifier("raw", feed.name),
        waiting=sql.Identifier("quarantine", f"waiting_{feed.name}"),
        feed=feed.name,
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        held_columns=sql.SQL(", ").join(sql.Identifier("h", name) for name in columns),
        key=_names(feed),
        raw_key=sql.SQL(", ").join(sql.Identifier("r", name) for name in feed.key),
        ordered_at=sql.SQL(ORDERED_AT),
        arrived=sql.SQL(ARRIVED),
        when=sql.SQL(", ").join(map(sql.Identifier, WHEN)),
        raw_when=sql.SQL(", ").join(sql.Identifier("r", name) for name in WHEN),
        same=sql.SQL(" and ").join(sql.SQL("r.{0} = k.{0}").format(sql.Identifier(name)) for name in feed.key),
    )


def _names(feed: Feed) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, feed.key))
