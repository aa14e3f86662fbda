"""A refused file stays in landing: it is tried again when something changed that could make it pass, and only then.

Owns what that is: the code and the profile for a file that could not be read; the gate, and what is loaded of the feed
and the feeds it refers to, for a batch that the batch gate stopped. A file's name counts where the name was the reason.
"""

import hashlib
from functools import cache
from pathlib import Path

from property_credit.ingestion.batches import BatchReport, Identity
from property_credit.ingestion.contract import Feed
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.connection import connect

AFTER = " after "


def conditions(profile: Profile, gate: str) -> str:
    """Return a fingerprint of the code, of ``profile`` and of ``gate``, which is the batch gate as it is now."""
    return hashlib.sha256(f"{_code()}\n{profile.model_dump_json()}\n{gate}".encode()).hexdigest()[:16]


def at_the_gate(conditions: str, feed: Feed) -> str:
    """Return the conditions of a batch that the batch gate looks at: other batches decide with it."""
    looked_at = [feed.name, *sorted({field.references for field in feed.fields if field.references})]
    with connect("pc_ingestion") as connection:
        row = connection.execute(
            "select count(*) from ops.batches where status = 'loaded' and feed = any(%s)", (looked_at,)
        ).fetchone()
    return f"{conditions}{AFTER}{row[0] if row else 0} batches"


def by_name(conditions: str, file_name: str) -> str:
    """Return the conditions of a file that is refused for its name."""
    return f"{conditions} as {file_name}"


def earlier(identity: Identity, *conditions: str) -> BatchReport | None:
    """Return the report of a batch that was refused under one of ``conditions``; None: try it (again)."""
    with connect("pc_ingestion") as connection:
        row = connection.execute(
            "select refusal, business_date, profile_stats ->> 'refused_under' from ops.batches"
            " where batch_id = %s and status = 'refused' and profile_stats ->> 'refused_under' = any(%s)",
            (identity.batch_id, list(conditions)),
        ).fetchone()
    if row is None:
        return None
    return BatchReport(
        batch_id=identity.batch_id,
        feed=identity.feed,
        profile=identity.profile,
        source_file=identity.source_file,
        status="still refused",
        message=row[0],
        refused_on=row[1],
        is_stopped_by_gate=AFTER in row[2],
    )


@cache
def _code() -> str:
    content = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        content.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return content.hexdigest()
