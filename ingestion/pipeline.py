"""From blocks to COPY: maps, checks, hashes and sorts rows into accepted, held and refused, and keeps the counts."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import IO

import numpy
import polars

from ingestion import batches, rules
from ingestion.batches import BatchStats, Identity, RefusedExample
from ingestion.binary_copy import HEADER, TRAILER, BinaryCopy, Value
from ingestion.blocks import Block
from ingestion.contract import Feed
from ingestion.duplicates import SeenKeys
from ingestion.hashing import hashes
from ingestion.mapping import Mapped, Mapper
from ingestion.profile import Profile
from ingestion.values import empty_type
from warehouse.business_date import ZONE
from warehouse.settings import get_settings

EXAMPLES = 20
PIECE_BYTES = 1 << 20
WAITING_ROWS = 2_000
REFUSED = polars.Schema(
    {
        "row_number": polars.Int64,
        "column_name": polars.String,
        "reason_code": polars.String,
        "reason": polars.String,
        "payload": polars.String,
    }
)


class Spill:
    """Rows put aside in an unlinked temporary file, as the COPY that takes them.

    Laying rows out costs something however few they are, so up to ``waiting_rows`` wait for more: not for rows cut out
    of a block, which would keep the whole block in memory.
    """

    def __init__(self, rows: BinaryCopy, *, waiting_rows: int = 0) -> None:
        self.copy, self.rows, self._waiting_rows = rows, 0, waiting_rows
        self._waiting: list[polars.DataFrame] = []
        self._file: IO[bytes] | None = None

    def add(self, frame: polars.DataFrame) -> None:
        """Put the rows of ``frame`` aside."""
        self._waiting.append(frame)
        self.rows += frame.height
        if sum(waiting.height for waiting in self._waiting) > self._waiting_rows:
            self._write()

    def pieces(self) -> Iterator[bytes]:
        """Yield everything put aside, once; only when there are rows."""
        if self._waiting:
            self._write()
        assert self._file is not None
        self._file.write(TRAILER)
        self._file.seek(0)
        while piece := self._file.read(PIECE_BYTES):
            yield piece

    def close(self) -> None:
        """Give the file's space back."""
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        if self._file is None:
            folder = get_settings().data_dir / "spill"
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)
            self._file.write(HEADER)
        self._file.write(self.copy.encode(polars.concat(self._waiting)))
        self._waiting = []


class Pipeline:
    """The state of one batch while its blocks go by; ``finish`` writes the counts into the statistics."""

    def __init__(
        self,
        feed: Feed,
        profile: Profile,
        identity: Identity,
        stats: BatchStats,
        *,
        received_at: datetime,
        references: dict[str, polars.Series],
        expected_rows: int,
        keys_in_raw: Callable[[polars.DataFrame], numpy.ndarray] | None = None,
    ) -> None:
        self.feed, self.identity, self.stats = feed, identity, stats
        origin: dict[str, Value] = {"batch_id": identity.batch_id, "received_at": received_at}
        given = profile.given_fields()
        self._given = [field.name for field in feed.fields if field.name in given]
        kinds = {field.name: empty_type(field) for field in feed.fields if field.name in given}
        self.copy = BinaryCopy(
            polars.Schema({**kinds, "row_number": polars.Int64(), "row_hash": polars.Int64()}),
            {**origin, "known_on": stats.business_date},
        )
        self.held = Spill(self.copy)
        told: dict[str, Value] = {"feed": feed.name, "source_file": identity.source_file}
        self.refused = Spill(BinaryCopy(REFUSED, origin | told), waiting_rows=WAITING_ROWS)
        self.streamed = self.held_moved = 0
        self._mapper = Mapper(feed, profile, identity.source_file)
        self._checker = rules.Checker(feed, profile, stats.business_date, references)
        self._seen = SeenKeys(expected_rows)
        self._keys_in_raw = keys_in_raw
        self._filled: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._words = {field.name: field.codes for field in feed.fields if field.type == "code"}
        self._codes: dict[str, Counter[str]] = {}
        self._sums: dict[str, Decimal] = {}
        self._stated: dict[str, Decimal] = {}
        self._unread: Counter[str] = Counter()
        self._latest: date | None = None
        self._summed = {rule.total_of for rule in profile.skip_rows if rule.total_of}

    def process(self, block: Block) -> memoryview:
        """Return the block's rows that go straight into raw, as COPY takes them; the others are put aside."""
        mapped = self._mapper.map(block)
        self.stats.rows_skipped += mapped.skipped
        self._stated |= mapped.stated_totals
        checked = self._checker.check(mapped)
        self.stats.rows_in += checked.typed.height
        for name in self.feed.field_names:
            self._filled[name] += mapped.fields.height - mapped.fields[name].null_count()
        for name in self._summed:
            column = checked.typed[name]
            self._sums[name] = self._sums.get(name, Decimal(0)) + (column.sum() or Decimal(0))  # type: ignore[operator]
            self._unread[name] += column.null_count()
        numbers, good = mapped.block.row_numbers, checked.typed
        if checked.problems:
            is_bad = checked.is_bad
            self._refuse(mapped, checked)
            good, numbers = good.filter(polars.Series(~is_bad)), numbers[~is_bad]
        self._look_at(good)
        keys, row_hashes = hashes(self.feed, good)
        is_held = self._seen.add(keys)
        if self._keys_in_raw and good.height:
            is_held |= self._keys_in_raw(good)
        given = [good[name] for name in self._given]
        rows = polars.DataFrame([*given, polars.Series("row_number", numbers, polars.Int64), row_hashes])
        if is_held.any():
            self.held.add(rows.filter(polars.Series(is_held)))
            rows = rows.filter(polars.Series(~is_held))
        self.streamed += rows.height
        return self.copy.encode(rows)

    def finish(self) -> None:
        """Write the counts of the whole batch into its statistics."""
        stats = self.stats
        stats.rows_rejected = self.refused.rows
        stats.rows_accepted = self.streamed + self.held_moved
        stats.rows_duplicate = self.held.rows - self.held_moved
        stats.rejected_ratio = stats.rows_rejected / stats.rows_in if stats.rows_in else 0.0
        stats.fill_ratios = {
            name: self._filled[name] / stats.rows_in if stats.rows_in else 0.0 for name in self.feed.field_names
        }
        stats.reasons = dict(sorted(self._reasons.items()))
        stats.unknown_code_counts = dict(sorted(self._unknown.items()))
        stats.code_counts = batches.count_codes(self._codes)
        stats.latest_event_on = self._latest
        if isinstance(self._latest, datetime):
            stats.latest_event_on = self._latest.astimezone(ZONE).date()
        if stats.latest_event_on is not None:
            stats.days_since_latest_event = (stats.business_date - stats.latest_event_on).days
        for name, stated in sorted(self._stated.items()):
            summed, unread = str(self._sums.get(name, Decimal(0))), self._unread[name]
            stats.totals[name] = {"stated": str(stated)} | (
                {"summed_where_readable": summed, "unreadable_rows": str(unread)} if unread else {"summed": summed}
            )

    def close(self) -> None:
        """Give temporary files back."""
        self.refused.close()
        self.held.close()

    def _refuse(self, mapped: Mapped, checked: rules.Checked) -> None:
        found = rules.refused_rows(self.feed, checked)
        numbers = mapped.block.row_numbers[found.places]
        count = len(found.places)
        self._reasons.update(found.codes)
        self._unknown.update(
            column
            for code, column in zip(found.codes, found.columns, strict=True)
            if code == "CODE_UNKNOWN" and column is not None
        )
        for place in range(min(count, EXAMPLES - len(self.stats.examples))):
            self.stats.examples.append(
                RefusedExample(self.identity.source_file, int(numbers[place]), found.columns[place], found.codes[place])
            )
        self.refused.add(
            polars.DataFrame(
                {
                    "row_number": numbers,
                    "column_name": found.columns,
                    "reason_code": found.codes,
                    "reason": found.reasons,
                    "payload": mapped.block.payloads([int(place) for place in found.places]),
                },
                schema=REFUSED,
            )
        )

    def _look_at(self, good: polars.DataFrame) -> None:
        """Note codes and the latest event of the rows that passed."""
        if not good.height:
            return
        for column in good.select(polars.col(list(self._words)).to_physical()).get_columns():
            if column.null_count() < good.height:
                words = self._words[column.name]
                places = column.drop_nulls() if column.null_count() else column
                found = numpy.bincount(places.to_numpy(), minlength=len(words))
                counted = {word: int(count) for word, count in zip(words, found, strict=True) if count}
                self._codes.setdefault(column.name, Counter()).update(counted)
        latest = good[self.feed.event_field].max()
        if isinstance(latest, date) and (self._latest is None or latest > self._latest):  # an instant is a date too
            self._latest = latest
