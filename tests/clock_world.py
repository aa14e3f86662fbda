"""Complaints for the tests of supervision: batches of raw rows as a load would leave them, and what became of them."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

from property_credit.supervision.tick import TickReport, tick
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect

_numbers = count(1)
ARRIVED = datetime(2026, 11, 25, tzinfo=UTC)
TIMES = ("submitted_at", "responded_at", "handled_at", "resolved_at", "closed_at", "updated_at")


def at(text: str) -> datetime:
    """Return an instant in Asia/Shanghai: '10-31 08:05', with seconds if given."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZONE)


def deliver(*rows: dict, known_on: date | None = None, arrived: datetime | None = None) -> str:
    """Load rows of complaints as one batch known from ``known_on`` on (default: the submission's day)."""
    number = next(_numbers)
    batch_id, arrived = f"B{number:06d}", arrived or ARRIVED + timedelta(minutes=number)
    known_on = known_on or min(row["submitted_at"] for row in rows).astimezone(ZONE).date()
    with connect() as connection:
        for place, row in enumerate(rows):
            complaint = {"community_id": "C1", "region_code": "150203", "channel_code": "mashangban", **row}
            complaint.setdefault("status_code", _status(complaint))
            connection.execute(
                "insert into raw.complaints (complaint_id, channel_code, community_id, region_code, category_code, "
                "status_code, submitted_at, responded_at, handled_at, resolved_at, closed_at, updated_at, "
                "reporter_name, reporter_phone, content, same_matter_as_id, batch_id, row_number, known_on, "
                "received_at, row_hash) "
                "values (%s, %s, %s, %s, 'lift', %s, %s, %s, %s, %s, %s, %s, '某人', %s, '电梯坏了', %s, "
                "%s, %s, %s, %s, %s)",
                (
                    *(complaint[name] for name in ("complaint_id", "channel_code", "community_id", "region_code")),
                    complaint["status_code"],
                    *(complaint.get(name) for name in TIMES),
                    complaint.get("reporter_phone"),
                    complaint.get("same_matter_as_id"),
                    batch_id,
                    place,
                    known_on,
                    arrived,
                    number * 1000 + place,
                ),
            )
        connection.execute(
            "insert into ops.batches (batch_id, feed, source_profile, source_file, archive_path, content_sha256, "
            "content_bytes, business_date, received_at, status, rows_in, rows_accepted, rows_rejected, rows_duplicate) "
            "values (%s, 'complaints', 'mashangban_api', '', '', '', 0, %s, %s, 'loaded', %s, %s, 0, 0)",
            (batch_id, known_on, arrived, len(rows), len(rows)),
        )
    return batch_id


def _status(row: dict) -> str:
    for name, status in (("closed_at", "closed"), ("resolved_at", "resolved"), ("handled_at", "handling")):
        if row.get(name):
            return status
    return "responded" if row.get("responded_at") else "submitted"


def ticks(*instants: str) -> list[TickReport]:
    """Run a tick at each instant."""
    return [tick(at(text)) for text in instants]


def raised(complaint_id: str = "T1") -> dict[str, tuple[str, str | None, bool]]:
    """Return when each kind was raised, why it is closed and whether it was told."""
    with connect("pc_supervision") as connection:
        rows = connection.execute(
            "select kind_code, raised_at, close_reason_code, is_told from supervision.escalations "
            "where complaint_id = %s",
            (complaint_id,),
        ).fetchall()
    return {kind: (f"{when.astimezone(ZONE):%m-%d %H:%M}", reason, told) for kind, when, reason, told in rows}


def notices(complaint_id: str = "T1") -> list[str]:
    """Return the ids of a complaint's notices in the order they were told, without the complaint's own id."""
    with connect("pc_supervision") as connection:
        rows = connection.execute(
            "select notice_id from supervision.notices where starts_with(subject_id, %s) order by raised_at, notice_id",
            (f"{complaint_id}/",),
        ).fetchall()
    return [row[0].replace(f"/{complaint_id}/", " ") for row in rows]
