"""The one date the pipeline knows: which night is being computed, in the calendar of Asia/Shanghai."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")


def parse(text: str) -> date:
    """Return the date that ``text`` (yyyy-mm-dd) names; ValueError says what was expected."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"business date must look like 2026-10-31, not {text!r}") from error


def end_of(business_date: date) -> datetime:
    """Return the first instant after ``business_date``: what was known before it is known to that night."""
    return datetime.combine(business_date + timedelta(days=1), time.min, tzinfo=ZONE)


def last_closed() -> date:
    """Return yesterday in Asia/Shanghai: the night a scheduler starts computes the day that has just ended."""
    return (datetime.now(tz=ZONE) - timedelta(days=1)).date()


def arrival() -> datetime:
    """Return the instant a row is stamped with when it arrives (the only use of the wall clock on data)."""
    return datetime.now(tz=UTC)
