"""A batch: its identity from content, its copy in the archive, what door 1 sees of it, its line in ops.batches."""

import hashlib
import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import psycopg

from warehouse.business_date import arrival
from warehouse.connection import connect
from warehouse.settings import get_settings

PIECE_BYTES = 4 << 20
ABANDONED_AFTER_SECONDS = 86_400
LATEST_BATCHES = 100  # in which a code is looked for before it is called new
Status = Literal["loaded", "refused", "still refused", "seen before"]


@dataclass(frozen=True)
class Identity:
    """Where a batch comes from and what makes it the same batch again: feed, profile and content."""

    batch_id: str
    feed: str
    profile: str
    source_file: str
    content_sha256: str
    content_bytes: int

    @property
    def archive_path(self) -> Path:
        """Return the path below the archive's folder."""
        return Path(self.feed) / self.batch_id / self.source_file


@dataclass(frozen=True)
class RefusedExample:
    """Where a refused row stands and why; never what it says."""

    source_file: str
    row_number: int
    column: str | None
    reason_code: str


@dataclass
class BatchStats:
    """What door 1 looks at, collected while the rows stream by. Ratios are 0 to 1, of ``rows_in``."""

    feed: str
    profile: str
    batch_id: str
    source_file: str
    business_date: date
    is_pull: bool = False  # from an API: what changed since the last one, not an office's whole export
    rows_in: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_skipped: int = 0
    rejected_ratio: float = 0.0
    fill_ratios: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    unknown_code_counts: dict[str, int] = field(default_factory=dict)
    code_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    new_codes: dict[str, list[str]] = field(default_factory=dict)
    latest_event_on: date | None = None
    days_since_latest_event: int | None = None
    totals: dict[str, dict[str, str]] = field(default_factory=dict)
    examples: list[RefusedExample] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as plain JSON values."""
        return json.loads(json.dumps(asdict(self), default=_plain, ensure_ascii=False))


@dataclass(frozen=True)
class BatchReport:
    """What became of one delivery; ``message`` says why a refused one was refused, ``refused_on`` in which night.

    "still refused": it was refused before, and nothing has changed since that could make it pass.
    """

    batch_id: str
    feed: str
    profile: str
    source_file: str
    status: Status
    rows_in: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_skipped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""
    is_stopped_by_gate: bool = False
    refused_on: date | None = None


def _plain(value: object) -> object:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"not a plain value: {value!r}")


def identify(*, feed: str, profile: str, source_file: str, pieces: Iterable[bytes]) -> Identity:
    """Return the identity of the content that ``pieces`` make up together."""
    content, size = hashlib.sha256(), 0
    for piece in pieces:
        content.update(piece)
        size += len(piece)
    named = hashlib.sha256(f"{feed}\n{profile}\n{content.hexdigest()}".encode()).hexdigest()
    return Identity(
        batch_id="b" + named[:16],
        feed=feed,
        profile=profile,
        source_file=source_file,
        content_sha256=content.hexdigest(),
        content_bytes=size,
    )


def statistics_of(identity: Identity, business_date: date) -> BatchStats:
    """Return the statistics of a batch of which no row was read yet."""
    return BatchStats(identity.feed, identity.profile, identity.batch_id, identity.source_file, business_date)


def pieces_of(path: Path) -> Iterable[bytes]:
    """Yield a file in pieces."""
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece


def archive(identity: Identity, source: Path) -> Path:
    """Keep the delivery byte for byte and return where: a copy of a file, or the folder of an API's pages, moved.

    Appears whole or not at all, also after a kill; a copy that is there already is left as it is.
    """
    root = get_settings().archive_dir
    assert root is not None  # the settings fill it in
    target = root / identity.archive_path
    if target.exists():
        return target
    partial = source
    if source.is_file():
        partial = unfinished()
        shutil.copyfile(source, partial)
    for path in [partial] if partial.is_file() else sorted(partial.iterdir()):
        _to_disk(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.rename(target)
    except OSError:  # a neighbour archived the same pages in between
        shutil.rmtree(partial, ignore_errors=True)
    return target


def sweep() -> None:
    """Remove what a killed run left half archived, once it is too old to belong to a run under way."""
    root = get_settings().archive_dir
    assert root is not None  # the settings fill it in
    limit = arrival().timestamp() - ABANDONED_AFTER_SECONDS
    for path in (root / ".partial").glob("*"):
        if path.stat().st_mtime < limit:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def unfinished() -> Path:
    """Return a new name in the archive's corner for what is not whole yet."""
    root = get_settings().archive_dir
    assert root is not None  # the settings fill it in
    (root / ".partial").mkdir(parents=True, exist_ok=True)
    return root / ".partial" / uuid.uuid4().hex


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_loaded(connection: psycopg.Connection, batch_id: str) -> bool:
    """Say whether the batch was loaded before."""
    query = "select from ops.batches where batch_id = %s and status = 'loaded'"
    return connection.execute(query, (batch_id,)).fetchone() is not None


def analyze(feed: str) -> None:
    """Tell the planner what raw.<feed> holds by now: once after all deliveries, it reads 30,000 rows each time."""
    with connect("pc_ingestion") as connection:
        connection.execute("select ops.analyze_feed(%s)", (feed,))


def note_new_codes(connection: psycopg.Connection, stats: BatchStats) -> None:
    """Fill in which codes none of the profile's latest batches had."""
    rows = connection.execute(
        "select profile_stats -> 'code_counts' from ops.batches"
        " where source_profile = %s and status = 'loaded' and batch_id <> %s order by business_date desc limit %s",
        (stats.profile, stats.batch_id, LATEST_BATCHES),
    ).fetchall()
    for name, counts in stats.code_counts.items():
        known = {code for (codes,) in rows for code in (codes or {}).get(name, {})}
        new = sorted(set(counts) - known)
        if known and new:
            stats.new_codes[name] = new


REGISTER = """
select ops.register_batch(b.batch_id, b.feed, b.source_profile, b.source_file, b.archive_path, b.content_sha256,
  b.content_bytes, b.business_date, b.received_at, b.status, b.refusal, b.rows_in, b.rows_accepted, b.rows_rejected,
  b.rows_duplicate, b.rows_skipped, b.latest_event_on, b.profile_stats)::text
from jsonb_to_record(cast(%s as jsonb)) as b(batch_id text, feed text, source_profile text, source_file text,
  archive_path text, content_sha256 text, content_bytes bigint, business_date date, received_at timestamptz,
  status text, refusal text, rows_in bigint, rows_accepted bigint, rows_rejected bigint, rows_duplicate bigint,
  rows_skipped bigint, latest_event_on date, profile_stats jsonb)
"""


def line(
    identity: Identity,
    stats: BatchStats,
    *,
    received_at: datetime,
    refusal: str | None = None,
    refused_under: str | None = None,
) -> str:
    """Return the batch's line in ops.batches as the JSON that REGISTER takes."""
    remembered = {} if refused_under is None else {"refused_under": refused_under}
    return json.dumps(
        {
            "batch_id": identity.batch_id,
            "feed": identity.feed,
            "source_profile": identity.profile,
            "source_file": identity.source_file,
            "archive_path": str(identity.archive_path),
            "content_sha256": identity.content_sha256,
            "content_bytes": identity.content_bytes,
            "business_date": stats.business_date,
            "received_at": received_at,
            "status": "loaded" if refusal is None else "refused",
            "refusal": refusal.replace("\x00", "␀") if refusal else None,
            "rows_in": stats.rows_in,
            "rows_accepted": stats.rows_accepted,
            "rows_rejected": stats.rows_rejected,
            "rows_duplicate": stats.rows_duplicate,
            "rows_skipped": stats.rows_skipped,
            "latest_event_on": stats.latest_event_on,
            "profile_stats": stats.as_dict() | remembered,
        },
        default=_plain,
        ensure_ascii=False,
    )


def stamp(connection: psycopg.Connection) -> datetime:
    """Return the instant all rows of a batch are stamped with, by the server's clock: loaders may run on many machines.

    To be asked once the feed's lock is held. Batches of a feed are then committed in the order of their stamps, so that
    "all that had arrived by this instant" (a replay's ``known_until``) is what a night at that instant could read.
    """
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None  # it always has one
    return row[0].astimezone(UTC)


def record_refusal(identity: Identity, stats: BatchStats, *, refusal: str, under: str | None = None) -> None:
    """Record that nothing of this batch was loaded, why, and ``under`` what conditions (see ``refusals``)."""
    text = line(identity, stats, received_at=arrival(), refusal=refusal, refused_under=under)
    with connect("pc_ingestion") as connection:
        connection.execute(REGISTER, (text,))


def count_codes(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Return counters as plain sorted dictionaries."""
    return {name: dict(sorted(found.items())) for name, found in sorted(counts.items())}
