"""From blocks to COPY: maps, checks, hashes and sorts rows into accepted, held and refused, and keeps the counts."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO

import numpy
import polars

from property_credit.ingestion import batches, identifiers, keys, mentions, rules
from property_credit.ingestion.batches import BatchStats, Identity, RefusedExample
from property_credit.ingestion.binary_copy import HEADER, TRAILER, BinaryCopy, Value
from property_credit.ingestion.blocks import Block
from property_credit.ingestion.contract import Feed
from property_credit.ingestion.duplicates import SeenKeys
from property_credit.ingestion.hashing import hashes
from property_credit.ingestion.mapping import Mapped, Mapper
from property_credit.ingestion.profile import Profile
from property_credit.ingestion.sealing import Sealer
from property_credit.ingestion.values import empty_type
from property_credit.warehouse.business_date import ZONE, end_of
from property_credit.warehouse.settings import get_settings

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
        "waits_for": polars.String,
    }
)
WAITING: dict[str, polars.DataType] = {
    "waits_for": polars.String(),
    "waits_until": polars.Date(),
    "waiting_column": polars.String(),
    "waiting_code": polars.String(),
} | {column: polars.Int64() for column in mentions.COLUMNS.values()}


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
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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
        holds_all: bool = False,
        sealer: Sealer | None = None,
    ) -> None:
        self.feed, self.identity, self.stats = feed, identity, stats
        origin: dict[str, Value] = {"batch_id": identity.batch_id, "received_at": received_at}
        given = profile.given_fields()
        self._given = [field.name for field in feed.fields if field.name in given]
        kinds = {field.name: empty_type(field) for field in feed.fields if field.name in given}
        came = {"known_on": stats.business_date}
        if identity.arrived_on and identity.arrived_at:
            came |= {"arrived_on": identity.arrived_on, "arrived_at": identity.arrived_at}
        kinds |= {"row_number": polars.Int64(), "row_hash": polars.Int64()}
        self.copy = BinaryCopy(polars.Schema(kinds), {**origin, **came})
        self.held = Spill(self.copy)
        self.waiting = Spill(BinaryCopy(polars.Schema({**kinds, **WAITING}), {**origin, **came}))
        self.mentions = Spill(
            BinaryCopy(mentions.MENTION, {"known_on": stats.business_date, "received_at": received_at})
        )
        source: dict[str, Value] = {"feed": feed.name, "source_file": identity.source_file}
        self.refused = Spill(BinaryCopy(REFUSED, origin | source), waiting_rows=WAITING_ROWS)
        self.streamed = self.held_moved = self.withdrawn = self.colliding = self.unreadable_keys = self.ended = (
            self.named
        ) = 0
        self.corrections: list[int] = []  # row numbers that their office marked so
        self.voids: list[int] = []
        self.decided: Mapping[str, int] = {}  # held rows refused because their keys were decided before, by reason
        scope = profile.full_list.scope if profile.full_list else []
        self._listed = list(dict.fromkeys((*feed.key, *scope)))
        # of registers: the keys that the file holds, also in rows that are refused or wait
        self.listed = (
            None
            if feed.has_own_dag or set(self._listed) - set(self._given)
            else Spill(BinaryCopy(polars.Schema({name: kinds[name] for name in self._listed}), {}))
        )
        self._office = identity.office_zh
        self._mapper = Mapper(feed, profile, identity.source_file)
        self._checker = rules.Checker(feed, profile, stats.business_date, references)
        self._seen = SeenKeys(expected_rows)
        self._keys_in_raw, self._holds_all, self._sealer = keys_in_raw, holds_all, sealer
        self._filled: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._words = {field.name: field.codes for field in feed.fields if field.type == "code"}
        self._codes: dict[str, Counter[str]] = {}
        self._sums: dict[str, Decimal] = {}
        self._stated: dict[str, Decimal | None] = {}
        self._unread: Counter[str] = Counter()
        self._latest: date | None = None
        self._ends_at = end_of(stats.business_date).astimezone(UTC)
        self._summed = {rule.total_of for rule in profile.skip_rows if rule.total_of}

    def process(self, block: Block) -> memoryview:
        """Return the block's rows that go straight into raw, as COPY takes them; the others are put aside."""
        mapped = self._mapper.map(block)
        self.stats.rows_skipped += mapped.skipped
        self._stated |= mapped.stated_totals
        checked = self._checker.check(mapped)
        self._check_case(checked)
        self.stats.rows_in += checked.typed.height
        for name in self.feed.field_names:
            self._filled[name] += mapped.fields.height - mapped.fields[name].null_count()
        for name in self._summed:
            column = checked.typed[name]
            self._sums[name] = self._sums.get(name, Decimal(0)) + (column.sum() or Decimal(0))  # type: ignore[operator]
            self._unread[name] += column.null_count()
        if self.listed is not None and checked.typed.height:
            listed = checked.typed.select(self._listed)
            readable = listed.drop_nulls()
            self.unreadable_keys += listed.height - readable.height
            self.listed.add(readable)
        numbers, good = mapped.block.row_numbers, checked.typed
        corrections, voids = mapped.corrections, mapped.voids
        if checked.problems:
            is_bad = checked.is_bad
            self._refuse(mapped, checked)
            good, numbers = good.filter(polars.Series(~is_bad)), numbers[~is_bad]
            corrections, voids = (None if mask is None else mask[~is_bad] for mask in (corrections, voids))
        self._collect_statistics(good)
        if self._sealer:
            good = self._sealer.seal(good)
        keys, row_hashes = hashes(self.feed, good)
        is_held = self._seen.add(keys)
        if self._holds_all:
            is_held[:] = True
        elif self._keys_in_raw and good.height:
            is_held |= self._keys_in_raw(good)
        for mask, places in ((corrections, self.corrections), (voids, self.voids)):
            if mask is not None and mask.any():
                places += numbers[mask].tolist()
                is_held |= self._of_same_keys(good, mask)
        given = [good[name] for name in self._given]
        rows = polars.DataFrame([*given, polars.Series("row_number", numbers, polars.Int64), row_hashes])
        if is_held.any():
            self.held.add(rows.filter(polars.Series(is_held)))
            rows = rows.filter(polars.Series(~is_held))
        self.streamed += rows.height
        return self.copy.encode(rows)

    def _of_same_keys(self, good: polars.DataFrame, mask: numpy.ndarray) -> numpy.ndarray:
        """Return the mask of the block's rows whose key a row of ``mask`` has: they are decided together."""
        keys = good.select(self.feed.key)
        marked = keys.filter(polars.Series(mask)).unique().with_columns(is_marked=True)
        return (
            keys.join(marked, on=self.feed.key, how="left", maintain_order="left")["is_marked"].is_not_null().to_numpy()
        )

    def finish(self) -> None:
        """Write the counts of the whole batch into its statistics."""
        stats = self.stats
        stats.rows_waiting = self.waiting.rows + self.colliding
        stats.rows_colliding, stats.rows_named = self.colliding, self.named
        if self.colliding:
            self._reasons[keys.CODE] += self.colliding
        for code, count in self.decided.items():
            self._reasons[code] += count
        decided = sum(self.decided.values())
        stats.rows_rejected = self.refused.rows - self.waiting.rows + decided
        stats.rows_withdrawn = self.withdrawn
        stats.rows_accepted = self.streamed + self.held_moved + self.ended
        stats.rows_new = stats.rows_accepted - stats.rows_newer - stats.rows_older
        stats.ordered_by = self.feed.changed_field if self.feed.changed_field in self._given else None
        stats.rows_duplicate = self.held.rows - self.held_moved - self.colliding - decided - self.ended
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
            if stated is None:
                stats.totals[name] = {"unreadable_total": "1", "summed_where_readable": summed}
                continue
            stats.totals[name] = {"stated": str(stated)} | (
                {"summed_where_readable": summed, "unreadable_rows": str(unread)} if unread else {"summed": summed}
            )

    def close(self) -> None:
        """Give temporary files back."""
        self.refused.close()
        self.held.close()
        self.waiting.close()
        self.mentions.close()
        if self.listed is not None:
            self.listed.close()

    def _check_case(self, checked: rules.Checked) -> None:
        """Mark rows whose key is another one's but for the case of its letters: somebody typed it."""
        name = self.feed.key[0]
        if len(self.feed.key) > 1 or self.feed.field(name).type != "text" or not checked.typed.height:
            return
        look = self._keys_in_raw
        mask = identifiers.in_another_case(
            checked.typed[name], (lambda keys: look(keys.alias(name).to_frame())) if look else None
        )
        if mask is not None:
            checked.problems.append(rules.Problem("ID_CASE", name, mask))

    def _refuse(self, mapped: Mapped, checked: rules.Checked) -> None:
        refused = rules.refused_rows(self.feed, checked)
        numbers = mapped.block.row_numbers[refused.places]
        count = len(refused.places)
        self._reasons.update(refused.codes)
        self._unknown.update(
            column
            for code, column in zip(refused.codes, refused.columns, strict=True)
            if code == "CODE_UNKNOWN" and column is not None
        )
        for place in range(min(count, EXAMPLES - len(self.stats.examples))):
            self.stats.examples.append(
                RefusedExample(
                    self.identity.source_file, int(numbers[place]), refused.columns[place], refused.codes[place]
                )
            )
        payloads = mapped.block.payloads([int(place) for place in refused.places])
        self.refused.add(
            polars.DataFrame(
                {
                    "row_number": numbers,
                    "column_name": refused.columns,
                    "reason_code": refused.codes,
                    "reason": refused.reasons,
                    "payload": self._sealer.seal_payloads(payloads) if self._sealer else payloads,
                    "waits_for": refused.waits_for,
                },
                schema=REFUSED,
            )
        )
        if any(refused.waits_for):
            self._wait(mapped, checked, refused)

    def _wait(self, mapped: Mapped, checked: rules.Checked, refused: rules.Refused) -> None:
        """Put what was read of the rows that wait aside: they are loaded from there when their reason ends."""
        kinds = polars.Series(refused.waits_for, dtype=polars.String)
        chosen = refused.places[kinds.is_not_null().to_numpy()]
        rows = checked.typed[chosen.tolist()]
        if self._sealer:
            rows = self._sealer.seal(rows)
        _keys, row_hashes = hashes(self.feed, rows)
        reasons = polars.DataFrame(
            {"waiting_column": refused.columns, "waiting_code": refused.codes, "waits_for": kinds}
        )
        numbers = polars.Series("row_number", mapped.block.row_numbers[chosen], polars.Int64)
        until = rules.waits_until(self.feed, checked, chosen)
        why = reasons.filter(kinds.is_not_null()).cast({"waiting_column": polars.String})
        named = self._mentioned(mapped, chosen)
        self.named += int((kinds == "name").sum())
        given = (rows[name] for name in self._given)
        self.waiting.add(polars.DataFrame([*given, numbers, row_hashes, until, *why, *named]))

    def _mentioned(self, mapped: Mapped, chosen: numpy.ndarray) -> list[polars.Series]:
        """Return the keys of what the ``chosen`` rows write in place of numbers, and put what they write aside."""
        columns = []
        for name, column in mentions.COLUMNS.items():
            keys = polars.Series(column, [None] * len(chosen), polars.Int64)
            if name in mapped.mentions:
                said = mentions.keyed(mapped.mentions[name][chosen.tolist()], name, self._office)
                keys = said["mention_key"].alias(column)
                said = said.drop_nulls("mention_key").unique("mention_key", maintain_order=True)
                if said.height:
                    self.mentions.add(said)
            columns.append(keys)
        return columns

    def _collect_statistics(self, good: polars.DataFrame) -> None:
        """Note codes and the latest event of the rows that passed."""
        if not good.height:
            return
        for column in good.select(polars.col(list(self._words)).to_physical()).get_columns():
            if column.null_count() < good.height:
                words = self._words[column.name]
                places = column.drop_nulls() if column.null_count() else column
                counts = numpy.bincount(places.to_numpy(), minlength=len(words))
                counted = {word: int(count) for word, count in zip(words, counts, strict=True) if count}
                self._codes.setdefault(column.name, Counter()).update(counted)
        events = good[self.feed.event_field]
        latest = events.max()
        is_change = self.feed.event_field == self.feed.changed_field
        if is_change and isinstance(latest, datetime) and latest >= self._ends_at:
            latest = events.filter(events < self._ends_at).max()  # a clock that goes ahead tells of no event
        if isinstance(latest, date) and (self._latest is None or latest > self._latest):  # an instant is a date too
            self._latest = latest
