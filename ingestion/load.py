"""One delivery becomes one batch: read, mapped, checked and copied in a stream, in one transaction.

One thread reads, converts and checks; the other feeds PostgreSQL's binary COPY. What cannot be copied at once
(refused rows, rows that may be duplicates) waits in unlinked temporary files, so memory does not grow with the file.
"""

import csv
import os
import queue
import socket
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Generic, TypeVar

import polars
import psycopg
from psycopg import sql

from ingestion import batches, csv_reader, duplicates, feeds, refusals, xlsx_reader
from ingestion import profile as profiles
from ingestion.batches import BatchReport, BatchStats, Identity
from ingestion.binary_copy import HEADER, TRAILER
from ingestion.blocks import Block, joined
from ingestion.contract import Feed, IngestionError
from ingestion.pipeline import Pipeline, Spill
from ingestion.profile import Profile
from warehouse import connection
from warehouse.stages import StoppedByGate

Check = Callable[[BatchStats], None]

BLOCKS_AHEAD = 1
SEND_BYTES = 1 << 20  # of a COPY, on their way: with a Unix socket's own 200 KiB the server had to wait for us
FEW_ROWS = 10_000  # held rows whose earlier versions are looked up one by one; reading all of raw costs more
UNREADABLE = (csv.Error, UnicodeError, EOFError, zipfile.BadZipFile, zlib.error, polars.exceptions.PolarsError, OSError)
BYTES_A_ROW = 200  # a guess that only sizes the filter of seen keys


def no_check(_stats: BatchStats) -> None:
    """Let every batch through (for tests and one-off loads that no gate looks at)."""


def ingest_file(
    *,
    feed: str,
    profile: Profile | str,
    path: Path,
    business_date: date,
    check: Check = no_check,
    conditions: str | None = None,
) -> BatchReport:
    """Load one delivered file into raw.<feed> and quarantine, or refuse it as a whole.

    A refused file (unreadable, unknown column, stopped by ``check``) is recorded with its message and leaves no
    row; a file that was loaded before changes nothing. With ``conditions`` (see ``refusals``) a file that was refused
    under the same ones is "still refused" and not read again; without, it is always tried. ``profile`` may be a name in
    ingestion/sources or the path of a .yml file. IngestionError when there is no such file, feed or profile.
    """
    contract = feeds.get(feed)
    if isinstance(profile, str):
        profile = profiles.load(Path(profile)) if profile.endswith((".yml", ".yaml")) else profiles.get(profile)
    if profile.feed != feed:
        raise IngestionError(f"profile {profile.name} belongs to feed {profile.feed}, not to {feed}")
    try:
        before = path.stat()
        identity = batches.identify(
            feed=feed, profile=profile.name, source_file=path.name, pieces=batches.pieces_of(path)
        )
    except OSError as error:
        raise IngestionError(f"{path}: cannot be read: {error.strerror}") from error
    if conditions is not None:
        earlier = refusals.earlier(identity, conditions, refusals.at_the_gate(conditions, contract))
        if earlier:
            return earlier

    def blocks() -> Iterator[Block]:
        reader = xlsx_reader.read if profile.format == "xlsx" else csv_reader.read
        try:
            yield from reader(path, profile)
        except UNREADABLE as error:
            raise IngestionError(f"{path.name}: cannot be read: {type(error).__name__}: {error}") from error
        after = path.stat()
        if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
            raise IngestionError(f"{path.name}: the file changed while it was read; deliver it again")

    return ingest_blocks(
        contract,
        profile,
        identity,
        blocks,
        business_date=business_date,
        check=check,
        original=path,
        conditions=conditions,
    )


def ingest_blocks(
    feed: Feed,
    profile: Profile,
    identity: Identity,
    blocks: Callable[[], Iterator[Block]],
    *,
    business_date: date,
    check: Check,
    original: Path,
    cursor: str | None = None,
    conditions: str | None = None,
) -> BatchReport:
    """Load the batch ``identity``; ``original`` is archived beside it, ``cursor`` saved with it.

    A refusal is recorded with the ``conditions`` under which it would be repeated.
    """
    started = time.monotonic()
    report = BatchReport(
        batch_id=identity.batch_id,
        feed=feed.name,
        profile=profile.name,
        source_file=identity.source_file,
        status="seen before",
    )
    stats = batches.statistics_of(identity, business_date)
    stats.is_pull = cursor is not None
    with connection.connect("pc_ingestion", autocommit=True) as lookups:
        if batches.is_loaded(lookups, identity.batch_id):
            return replace(report, seconds=time.monotonic() - started)
        keeping = _Keeping(identity, original)
        try:
            load = _Load(feed, profile, identity, stats, cursor=cursor)
            is_new = load.run(blocks, lookups, check, keeping)
        except (IngestionError, StoppedByGate) as error:
            keeping.finish()
            if stats.rows_in != stats.rows_accepted + stats.rows_rejected + stats.rows_duplicate:
                stats = batches.statistics_of(identity, business_date)  # it broke off half way
            is_gate = isinstance(error, StoppedByGate)
            under = refusals.at_the_gate(conditions, feed) if is_gate and conditions else conditions
            batches.record_refusal(identity, stats, refusal=str(error), under=under)
            report = replace(report, refused_on=business_date)
            return _filled(report, stats, "refused", started, message=str(error), gate=is_gate)
    return _filled(report, stats, "loaded" if is_new else "seen before", started)


def _filled(
    report: BatchReport,
    stats: BatchStats,
    status: batches.Status,
    started: float,
    message: str = "",
    gate: bool = False,
) -> BatchReport:
    return replace(
        report,
        status=status,
        rows_in=stats.rows_in,
        rows_accepted=stats.rows_accepted,
        rows_rejected=stats.rows_rejected,
        rows_duplicate=stats.rows_duplicate,
        rows_skipped=stats.rows_skipped,
        reasons=stats.reasons,
        seconds=time.monotonic() - started,
        message=message,
        is_stopped_by_gate=gate,
    )


class _Keeping(threading.Thread):
    """Archives the delivery while it is being loaded; nothing is committed before it is on disk."""

    def __init__(self, identity: Identity, original: Path) -> None:
        super().__init__(name="archive", daemon=True)
        self._identity, self._original = identity, original
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            batches.archive(self._identity, self._original)
        except BaseException as error:  # handed to the loading thread
            self._error = error

    def finish(self) -> None:
        """Wait for the copy; IngestionError when it could not be made."""
        self.join()
        if self._error:
            raise IngestionError(f"{self._identity.source_file}: cannot be archived: {self._error}") from self._error


class _Load:
    """The one transaction of a batch."""

    def __init__(
        self,
        feed: Feed,
        profile: Profile,
        identity: Identity,
        stats: BatchStats,
        *,
        cursor: str | None,
    ) -> None:
        self.feed, self.profile, self.identity, self.stats = feed, profile, identity, stats
        self.cursor = cursor

    def run(
        self,
        blocks: Callable[[], Iterator[Block]],
        lookups: psycopg.Connection,
        check: Check,
        keeping: _Keeping,
    ) -> bool:
        """Load and commit; False when an API's pull held nothing new. Rolls back on any error."""
        with connection.connect("pc_ingestion") as opened:
            opened.execute("select pg_advisory_xact_lock(hashtext('ingestion of ' || %s))", (self.feed.name,))
            if batches.is_loaded(lookups, self.identity.batch_id):
                return False
            received_at = batches.stamp(lookups)
            pipeline = self._pipeline(lookups, received_at)
            try:
                self._copy(opened, pipeline, blocks)
                self._copy_rest(opened, pipeline)
                pipeline.finish()
            finally:
                pipeline.close()
            if self.cursor is not None and not (self.stats.rows_accepted or self.stats.rows_rejected):
                opened.rollback()
                return False
            batches.note_new_codes(lookups, self.stats)
            check(self.stats)
            keeping.finish()
            self._register(opened, received_at)
        return True

    def _pipeline(self, lookups: psycopg.Connection, received_at: datetime) -> Pipeline:
        references: dict[str, polars.Series] = {}
        for name in {field.references for field in self.feed.fields if field.references}:
            references[name] = known_keys(lookups, feeds.get(name))
        held = lookups.execute(
            sql.SQL("select exists (select 1 from {})").format(sql.Identifier("raw", self.feed.name))
        ).fetchone()
        return Pipeline(
            self.feed,
            self.profile,
            self.identity,
            self.stats,
            received_at=received_at,
            references=references,
            expected_rows=self.identity.content_bytes // BYTES_A_ROW,
            keys_in_raw=(lambda typed: duplicates.keys_in_raw(lookups, self.feed, typed)) if held and held[0] else None,
        )

    def _copy(self, opened: psycopg.Connection, pipeline: Pipeline, blocks: Callable[[], Iterator[Block]]) -> None:
        statement = pipeline.copy.statement("raw", self.feed.name)
        _send_ahead(opened)
        with (
            _Ahead("read", lambda: joined(blocks())) as read,
            _Ahead("check", lambda: map(pipeline.process, read)) as checked,
            opened.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.write(HEADER)
            for rows in checked:
                copy.write(rows)
            copy.write(TRAILER)

    def _copy_rest(self, opened: psycopg.Connection, pipeline: Pipeline) -> None:
        with opened.cursor() as cursor:
            if pipeline.refused.rows:
                _copy_aside(cursor, pipeline.refused, "quarantine", "rejected_rows")
            if pipeline.held.rows:
                table = sql.Identifier("raw", self.feed.name)
                cursor.execute(sql.SQL("create temporary table held (like {}) on commit drop").format(table))
                _copy_aside(cursor, pipeline.held, "held")
                cursor.execute("analyze held")
                if pipeline.held.rows <= FEW_ROWS:  # the planner does not know yet how many rows raw has just got
                    cursor.execute("set local enable_seqscan = off")
                row = cursor.execute(duplicates.move_held_rows(self.feed, pipeline.copy.columns)).fetchone()
                pipeline.held_moved = row[0] if row else 0

    def _register(self, opened: psycopg.Connection, received_at: datetime) -> None:
        text = batches.line(self.identity, self.stats, received_at=received_at)
        opened.execute(batches.REGISTER, (text,))
        if self.cursor is not None:
            opened.execute(
                "select ops.save_cursor(%s, %s, %s, %s)",
                (self.profile.name, self.cursor, self.identity.batch_id, self.stats.business_date),
            )


def _send_ahead(opened: psycopg.Connection) -> None:
    """Widen the way to the server, so that it has rows to take while our threads wait for one another.

    Takes a tenth off a load (measured 2026-11). TCP finds its own width; a kernel that allows less gives what it does.
    """
    with socket.socket(fileno=os.dup(opened.fileno())) as way:
        if way.family == socket.AF_UNIX:
            way.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)


def _copy_aside(cursor: psycopg.Cursor, rows: Spill, *table: str) -> None:
    with cursor.copy(rows.copy.statement(*table)) as copy:
        for piece in rows.pieces():
            copy.write(piece)


Result = TypeVar("Result")


class _Ahead(Generic[Result]):
    """Runs an iterator in a thread, at most BLOCKS_AHEAD results ahead of its reader, who gets its error too."""

    def __init__(self, name: str, make: Callable[[], Iterator[Result]]) -> None:
        self._make = make
        self._queue: queue.Queue[Result | None] = queue.Queue(BLOCKS_AHEAD)
        self._error: BaseException | None = None
        self._is_wanted = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> "_Ahead[Result]":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_wanted = False
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                pass
        self._thread.join()

    def __iter__(self) -> Iterator[Result]:
        while (found := self._queue.get()) is not None:
            yield found
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            for found in self._make():
                if not self._is_wanted:
                    break
                self._queue.put(found)
        except BaseException as error:  # handed to the reader
            self._error = error
        finally:
            self._queue.put(None)


def known_keys(lookups: psycopg.Connection, feed: Feed) -> polars.Series:
    """Return the keys of a referred-to feed that raw knows (feeds with one key field)."""
    query = sql.SQL("select distinct {} from {}").format(sql.Identifier(feed.key[0]), sql.Identifier("raw", feed.name))
    return polars.Series([key for (key,) in lookups.execute(query).fetchall()], dtype=polars.String)
