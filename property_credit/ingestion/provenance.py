"""Proof that raw holds what was delivered: copies in the archive are read again and compared with raw, row by row.

Owns the comparison; changes nothing. A row is compared by the hash of all its fields, taken anew from the copy and from
the columns as they stand, so that a bit that turned in either is seen. Which versions count (withdrawals, decisions) is
recorded in the database and not proven here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import polars
import psycopg
from psycopg import sql

from property_credit.ingestion import archive, deliveries, feeds, sealing
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.blocks import Block, joined
from property_credit.ingestion.contract import Feed, IngestionError
from property_credit.ingestion.hashing import hashes
from property_credit.ingestion.load import file_blocks
from property_credit.ingestion.mapping import Mapper
from property_credit.ingestion.profile import Profile
from property_credit.ingestion.rules import Checker
from property_credit.ingestion.values import empty_type
from property_credit.warehouse.connection import connect

SHOWN = 20
BATCHES = """
select delivery_id, kind, batch_id, source_profile, coalesce(read_under, ''), batches.business_date,
  batches.source_file, batches.archive_path
from ops.batches where feed = %(feed)s and status = 'loaded' and kind in ('load', 'reading', 'release')
  and business_date <= %(until)s and rows_accepted > 0
  and archive_path not in (select archive_path from ops.archive_removals)
order by delivery_id, received_at
"""
Loaded = tuple[str, str, str, str, str, date, str, str]


@dataclass
class Proof:
    """What was proven of a feed: rows compared, rows of readings that the profile or contract of today does not repeat.

    ``differing`` names rows (batch and number) of raw that are not what the copy says, ``broken`` rows whose columns do
    not give the hash that was stored with them, at most ``SHOWN`` of each; ``unreadable`` says which copies could not
    be read and why.
    """

    feed: str
    rows: int = 0
    rows_of_other_readings: int = 0
    differing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether everything that could be compared agreed."""
        return not (self.differing or self.broken or self.unreadable)


def prove(name: str, until: date) -> Proof:
    """Compare raw.<name> with the archive, as far as batches up to business date ``until`` brought it."""
    feed, proof = feeds.get(name), Proof(name)
    with connect("pc_ingestion", autocommit=True) as lookups:
        loaded: list[Loaded] = lookups.execute(BATCHES, {"feed": name, "until": until}).fetchall()
        known: dict[str, Profile | None] = {}
        for delivery_id in dict.fromkeys(row[0] for row in loaded):
            readings = [row for row in loaded if row[0] == delivery_id]
            _prove_delivery(lookups, feed, readings, proof, known)
    return proof


def _prove_delivery(
    lookups: psycopg.Connection, feed: Feed, readings: list[Loaded], proof: Proof, known: dict[str, Profile | None]
) -> None:
    for under in dict.fromkeys((row[3], row[4]) for row in readings):
        batches = [row for row in readings if (row[3], row[4]) == under]
        rows = _rows(lookups, feed, [row[2] for row in batches])
        _add(proof.broken, rows.filter(polars.col("row_hash") != polars.col("hash_now")))
        profile = _profile(under[0], known)
        if profile is None or deliveries.read_under(profile) != under[1]:
            proof.rows_of_other_readings += rows.height
            continue
        try:
            copy, has_names = _read_again(lookups, feed, profile, batches[0])
        except IngestionError as error:
            proof.unreadable.append(str(error))
            continue
        if has_names:  # rows that wrote names in place of numbers waited, and came in with the numbers
            released = [row[2] for row in batches if row[1] == "release"]
            others = rows.filter(polars.col("batch_id").is_in(released))
            proof.rows_of_other_readings += others.height
            rows = rows.filter(~polars.col("batch_id").is_in(released))
        proof.rows += rows.height
        both = rows.join(copy, on="row_number", how="left")
        _add(proof.differing, both.filter(polars.col("row_hash").ne_missing(polars.col("copy_hash"))))


def _profile(name: str, known: dict[str, Profile | None]) -> Profile | None:
    if name not in known:
        try:
            known[name] = profiles.named(name)
        except IngestionError:
            known[name] = None
    return known[name]


def _rows(lookups: psycopg.Connection, feed: Feed, batch_ids: list[str]) -> polars.DataFrame:
    """Return batch, number and stored hash of the rows in raw, and the hash that their columns have now."""
    query = sql.SQL(
        "select batch_id, row_number, row_hash, {} from {} where batch_id = any(%s) and absence_code is null"
    ).format(sql.SQL(", ").join(map(sql.Identifier, feed.field_names)), sql.Identifier("raw", feed.name))
    rows = lookups.execute(query, (batch_ids,)).fetchall()
    schema = {name: empty_type(feed.field(name)) for name in feed.field_names}
    places = {"batch_id": polars.String(), "row_number": polars.Int64(), "row_hash": polars.Int64()}
    frame = polars.DataFrame(rows, places | schema, orient="row", strict=False)
    return frame.select(*places).with_columns(hashes(feed, frame.select(*schema))[1].alias("hash_now"))


def _read_again(
    lookups: psycopg.Connection, feed: Feed, profile: Profile, batch: Loaded
) -> tuple[polars.DataFrame, bool]:
    """Return number and hash of every row of a copy, and whether some write names in place of numbers."""
    delivery_id, _kind, _batch_id, _profile_name, _under, day, source_file, kept_at = batch
    mapper, checker = Mapper(feed, profile, source_file), Checker(feed, profile, day)
    sealer = sealing.sealer(
        feed, lookups, delivery_id=delivery_id, day=day, stores=False, passes=profile.format == "workbench"
    )
    pieces, has_names = [], False
    with archive.opened(kept_at) as kept:

        def blocks() -> Iterator[Block]:
            if profile.format == "json_api":
                from property_credit.ingestion import api_reader

                return api_reader.read(sorted(kept.iterdir()), profile)
            return file_blocks(kept, profile)

        for block in joined(blocks()):
            mapped = mapper.map(block)
            has_names = has_names or bool(mapped.mentions)
            typed = checker.check(mapped).typed
            if sealer:
                typed = sealer.seal(typed)
            numbers = polars.Series("row_number", mapped.block.row_numbers, polars.Int64)
            pieces.append(polars.DataFrame([numbers, hashes(feed, typed)[1].alias("copy_hash")]))
    empty = polars.DataFrame(schema={"row_number": polars.Int64, "copy_hash": polars.Int64})
    return polars.concat([empty, *pieces]), has_names


def _add(named: list[str], rows: polars.DataFrame) -> None:
    for batch_id, number in rows.select("batch_id", "row_number").rows()[: SHOWN - len(named)]:
        named.append(f"{batch_id} row {number}")
