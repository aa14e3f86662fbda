"""A batch: its identity from content, what the batch gate sees of it, its line in ops.batches."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import psycopg

from property_credit.warehouse.connection import connect

PIECE_BYTES = 4 << 20
LATEST_BATCHES = 100  # in which a code is looked for before it is called new
Status = Literal["loaded", "refused", "still refused", "seen before"]
Kind = Literal["load", "reading", "release", "withdrawal", "absence"]


@dataclass(frozen=True)
class Identity:
    """A delivery, and the batch that it becomes by being read.

    A delivery is the same one again when feed, office, day (``landed_on``), name and content are. ``arrived_on`` and
    ``arrived_at`` are set when it came before the night that reads it; ``replaces`` names the reading of it that this
    one stands in for, ``read_under`` the fingerprint of profile and contract (see ``deliveries``).
    """

    batch_id: str
    delivery_id: str
    feed: str
    profile: str
    office_zh: str
    source_file: str
    landed_on: date
    content_sha256: str
    content_bytes: int
    read_under: str = ""
    kind: Kind = "load"
    replaces: str | None = None
    arrived_on: date | None = None
    arrived_at: datetime | None = None
    kept_at: str | None = None

    @property
    def archive_path(self) -> Path:
        """Return the path below the archive's folder."""
        return Path(self.kept_at) if self.kept_at else Path(self.feed) / self.delivery_id / self.source_file


@dataclass(frozen=True)
class RefusedExample:
    """Where a refused row stands and why; never what it says."""

    source_file: str
    row_number: int
    column: str | None
    reason_code: str


@dataclass
class BatchStats:
    """What the batch gate looks at, collected while the rows stream by. Ratios are 0 to 1, of ``rows_in``."""

    feed: str
    profile: str
    batch_id: str
    source_file: str
    business_date: date
    is_pull: bool = False  # from an API: what changed since the last one, not an office's whole export
    is_acts: bool = False  # what people did in the workbench: as much or as little as they did
    rows_in: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_new: int = 0  # of those accepted: the first version of their key,
    rows_newer: int = 0  # a newer version than any before,
    rows_older: int = 0  # or a late older state, which is kept and never current
    rows_colliding: int = 0  # of those waiting: their key stands with other values that cannot change
    ordered_by: str | None = None  # the source's change time; None: the profile gives none, arrival decides alone
    rows_waiting: int = 0
    rows_named: int = 0  # of those waiting: they bring a name in place of a number
    rows_withdrawn: int = 0  # versions of an earlier reading that no longer count
    rows_missing: int = 0  # known from the office's earlier deliveries and not in this one
    rows_vanished: int = 0  # of these, ended because the file is a full list
    missing_ratio: float | None = None  # of all that should be in a full list
    missing_keys: list[str] = field(default_factory=list)
    parts_missing: list[int] = field(default_factory=list)  # of a full list that comes in parts: nothing vanishes yet
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
    decision: dict[str, str] = field(default_factory=dict)  # who took a load back, and why

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as plain JSON values."""
        return json.loads(json.dumps(asdict(self), default=_plain, ensure_ascii=False))


@dataclass(frozen=True)
class BatchReport:
    """What became of one delivery; ``message`` says why a refused one was refused, ``refused_on`` in which night.

    ``rows_in`` = accepted + rejected + waiting + duplicate, and ``rows_accepted`` = new + newer + older: keys that raw
    did not know, newer versions, and late older states. ``kind``: a first ``load``, another ``reading`` of the same
    delivery, or a ``release`` of rows that waited.

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
    rows_new: int = 0
    rows_newer: int = 0
    rows_older: int = 0
    rows_colliding: int = 0
    rows_waiting: int = 0
    rows_withdrawn: int = 0
    rows_missing: int = 0
    rows_vanished: int = 0
    missing_keys: list[str] = field(default_factory=list)
    rows_skipped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    examples: list[RefusedExample] = field(default_factory=list)
    kind: Kind = "load"
    delivery_id: str = ""
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


def identify(
    *, feed: str, profile: str, office_zh: str, source_file: str, landed_on: date, pieces: Iterable[bytes]
) -> Identity:
    """Return the identity of the content that ``pieces`` make up together, sent by ``office_zh`` on ``landed_on``."""
    content, size = hashlib.sha256(), 0
    for piece in pieces:
        content.update(piece)
        size += len(piece)
    parts = (feed, office_zh, landed_on.isoformat(), source_file, content.hexdigest())
    named = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    return Identity(
        batch_id="b" + named[:16],
        delivery_id="d" + named[:16],
        feed=feed,
        profile=profile,
        office_zh=office_zh,
        source_file=source_file,
        landed_on=landed_on,
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
  b.rows_duplicate, b.rows_skipped, b.latest_event_on, b.profile_stats, b.delivery_id, b.kind, b.replaces_batch_id,
  b.read_under, b.rows_waiting, b.rows_withdrawn)::text
from jsonb_to_record(cast(%s as jsonb)) as b(batch_id text, feed text, source_profile text, source_file text,
  archive_path text, content_sha256 text, content_bytes bigint, business_date date, received_at timestamptz,
  status text, refusal text, rows_in bigint, rows_accepted bigint, rows_rejected bigint, rows_duplicate bigint,
  rows_skipped bigint, latest_event_on date, profile_stats jsonb, delivery_id text, kind text, replaces_batch_id text,
  read_under text, rows_waiting bigint, rows_withdrawn bigint)
"""


# sent again: under the same name or a longer one, in place of a delivery of which rows were refused or wait
RESUBMITTED = r"""
select delivery_id from ops.deliveries
where source_profile = %s and content_sha256 <> %s and repeats_delivery_id is null
  and starts_with(regexp_replace(%s, '\.[^.]*$', ''), regexp_replace(source_file, '\.[^.]*$', ''))
  and exists (select from ops.batches where batches.delivery_id = deliveries.delivery_id
    and (status = 'refused' or rows_rejected > 0 or rows_waiting > 0))
order by received_at desc limit 1
"""


def record_delivery(
    connection: psycopg.Connection,
    identity: Identity,
    *,
    business_date: date,
    received_at: datetime,
    repeats: str | None = None,
) -> None:
    """Record what came, when and from whom; a delivery that is known stays as it is. Commits nothing."""
    row = connection.execute(RESUBMITTED, (identity.profile, identity.content_sha256, identity.source_file)).fetchone()
    document = {
        "delivery_id": identity.delivery_id,
        "feed": identity.feed,
        "source_profile": identity.profile,
        "office_zh": identity.office_zh,
        "source_file": identity.source_file,
        "landed_on": identity.landed_on,
        "business_date": business_date,
        "received_at": received_at,
        "content_sha256": identity.content_sha256,
        "content_bytes": identity.content_bytes,
        "archive_path": str(identity.archive_path),
        "repeats_delivery_id": repeats,
        "resubmits_delivery_id": row[0] if row and repeats is None else None,
    }
    text = json.dumps(document, default=_plain, ensure_ascii=False)
    connection.execute("select ops.record_delivery(%s::jsonb)", (text,))


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
            "rows_waiting": stats.rows_waiting,
            "rows_withdrawn": stats.rows_withdrawn,
            "latest_event_on": stats.latest_event_on,
            "profile_stats": stats.as_dict() | remembered,
            "delivery_id": identity.delivery_id,
            "kind": identity.kind,
            "replaces_batch_id": identity.replaces,
            "read_under": identity.read_under or None,
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
    with connect("pc_ingestion") as connection:
        received_at = stamp(connection)
        text = line(identity, stats, received_at=received_at, refusal=refusal, refused_under=under)
        record_delivery(connection, identity, business_date=stats.business_date, received_at=received_at)
        connection.execute(REGISTER, (text,))


def count_codes(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Return counters as plain sorted dictionaries."""
    return {name: dict(sorted(counter.items())) for name, counter in sorted(counts.items())}
