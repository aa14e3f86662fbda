"""From blocks to Arrow: maps, checks, hashes and sorts rows into accepted, held and refused, and keeps the counts."""

import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import numpy
import polars
import pyarrow

from ingestion import batches, rules
from ingestion.batches import BatchStats, Identity, RefusedExample
from ingestion.blocks import Block
from ingestion.contract import Feed
from ingestion.duplicates import SeenKeys
from ingestion.hashing import key_hashes, row_hashes
from ingestion.mapping import Mapped, Mapper
from ingestion.profile import Profile
from ingestion.values import empty_type
from warehouse.settings import get_settings

EXAMPLES = 20
ARROW = polars.CompatLevel.oldest()  # plain string columns: the PostgreSQL driver knows no string views


class Spill:
    """Arrow tables put aside in an unlinked temporary file, read back as one stream."""

    def __init__(self) -> None:
        self.rows = 0
        self._file: tempfile._TemporaryFileWrapper[bytes] | None = None
        self._writer: pyarrow.ipc.RecordBatchStreamWriter | None = None

    def add(self, table: pyarrow.Table) -> None:
        """Put ``table`` aside."""
        if self._writer is None:
            folder = get_settings().data_dir / "spill"
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # type: ignore[assignment]
            self._writer = pyarrow.ipc.new_stream(self._file, table.schema)
        self._writer.write_table(table)
        self.rows += table.num_rows

    def reader(self) -> pyarrow.RecordBatchReader:
        """Return everything put aside, once."""
        assert self._writer is not None and self._file is not None  # asked only when there are rows
        self._writer.close()
        self._file.seek(0)
        return pyarrow.ipc.open_stream(self._file)

    def close(self) -> None:
        """Give the file's space back."""
        if self._file is not None:
            self._file.close()


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
        self.received_at = received_at
        self.refused, self.held = Spill(), Spill()
        self.streamed = self.held_moved = 0
        self._mapper = Mapper(feed, profile, identity.source_file)
        self._checker = rules.Checker(feed, profile, stats.business_date, references)
        self._seen = SeenKeys(expected_rows)
        self._keys_in_raw = keys_in_raw
        self._filled: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._codes: dict[str, Counter[str]] = {}
        self._sums: dict[str, Decimal] = {}
        self._stated: dict[str, Decimal] = {}
        self._unread: Counter[str] = Counter()
        self._summed = {rule.total_of for rule in profile.skip_rows if rule.total_of}
        empty = polars.DataFrame(schema={field.name: empty_type(field) for field in feed.fields})
        self.schema = self._with_added(empty, numpy.empty(0, numpy.int64), row_hashes(feed, empty)).schema

    def process(self, block: Block) -> pyarrow.Table:
        """Return the block's rows that go straight into raw; the others are put aside."""
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
        keys = key_hashes(self.feed, good)
        is_held = self._seen.add(keys)
        if self._keys_in_raw and good.height:
            is_held |= self._keys_in_raw(good)
        table = self._with_added(good, numbers, row_hashes(self.feed, good))
        if is_held.any():
            self.held.add(table.filter(pyarrow.array(is_held)))
            table = table.filter(pyarrow.array(~is_held))
        self.streamed += table.num_rows
        return table

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

    def _with_added(self, typed: polars.DataFrame, numbers: numpy.ndarray, hashes: polars.Series) -> pyarrow.Table:
        """Return the rows with the six columns that ingestion adds, as the table in raw has them."""
        table = typed.to_arrow(compat_level=ARROW)
        added = {
            "batch_id": pyarrow.repeat(self.identity.batch_id, typed.height),
            "row_number": pyarrow.array(numbers),
            "known_on": pyarrow.repeat(pyarrow.scalar(self.stats.business_date, pyarrow.date32()), typed.height),
            "received_at": pyarrow.repeat(
                pyarrow.scalar(self.received_at, pyarrow.timestamp("us", tz="UTC")), typed.height
            ),
            "row_hash": hashes.to_arrow(),
        }
        for name, column in added.items():
            table = table.append_column(name, column)
        return table

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
            pyarrow.table(
                {
                    "feed": pyarrow.repeat(self.feed.name, count),
                    "batch_id": pyarrow.repeat(self.identity.batch_id, count),
                    "source_file": pyarrow.repeat(self.identity.source_file, count),
                    "row_number": pyarrow.array(numbers, pyarrow.int64()),
                    "column_name": pyarrow.array(found.columns, pyarrow.string()),
                    "reason_code": pyarrow.array(found.codes, pyarrow.string()),
                    "reason": pyarrow.array(found.reasons, pyarrow.string()),
                    "payload": pyarrow.array(
                        mapped.block.payloads([int(place) for place in found.places]), pyarrow.string()
                    ),
                    "received_at": pyarrow.repeat(
                        pyarrow.scalar(self.received_at, pyarrow.timestamp("us", tz="UTC")), count
                    ),
                }
            )
        )

    def _look_at(self, good: polars.DataFrame) -> None:
        """Note codes and the latest event of the rows that passed."""
        counted = good.select(
            polars.col(field.name).drop_nulls().value_counts().implode()
            for field in self.feed.fields
            if field.type == "code" and good[field.name].null_count() < good.height
        )
        for name in counted.columns:
            counts = self._codes.setdefault(name, Counter())
            for entry in counted[name][0]:
                counts[entry[name]] += entry["count"]
        latest = good[self.feed.event_field].max() if good.height else None
        if isinstance(latest, datetime):
            latest = (
                polars.Series([latest], dtype=polars.Datetime("us", "UTC"))
                .dt.convert_time_zone("Asia/Shanghai")
                .dt.date()[0]
            )
        if isinstance(latest, date) and (self.stats.latest_event_on is None or latest > self.stats.latest_event_on):
            self.stats.latest_event_on = latest
