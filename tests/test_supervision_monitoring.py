"""What leaves raw about who reported: counts, as known on a day, and nothing else; old exports without pauses load."""

from datetime import date

import psycopg
import pytest
from clock_world import at, deliver
from own_warehouse import builder

from property_credit.warehouse.connection import connect

pytestmark = pytest.mark.usefixtures("warehouse_database")

SINCE = date(2025, 10, 1)


def counts(known_on: date, arrived_until=None) -> list[tuple]:
    with builder() as connection:
        return connection.execute(
            "select community_id, month_on, complaint_count, reporter_count, largest_reporter_count "
            "from raw.complaint_reporter_counts(%s, %s, %s, 'source') order by 1, 2",
            (known_on, arrived_until, SINCE),
        ).fetchall()


def rows(*phones: str | None, first=1, **more) -> list[dict]:
    return [
        {"complaint_id": f"T{number}", "submitted_at": at("10-05 08:00"), "reporter_phone": phone, **more}
        for number, phone in enumerate(phones, first)
    ]


def test_reporters__counted_by_telephone_else_by_name__and_only_counts_come_out():
    deliver(*rows("138-0001", "1380001", "138 0002", None, None))
    assert counts(date(2026, 10, 31)) == [("C1", date(2026, 10, 1), 5, 3, 2)]


def test_reporters__as_known_on_a_day__a_later_version_or_row_does_not_count_yet():
    deliver(*rows("1", "1", "2"), known_on=date(2026, 10, 5))
    deliver(*rows("1", status_code="withdrawn"), known_on=date(2026, 10, 9))
    deliver(*rows("3", first=9), known_on=date(2026, 10, 9))
    assert counts(date(2026, 10, 8)) == [("C1", date(2026, 10, 1), 3, 2, 2)]
    assert counts(date(2026, 10, 9)) == [("C1", date(2026, 10, 1), 3, 3, 1)]


def test_reporters__months_are_those_of_shanghai__and_unknown_communities_are_left_out():
    deliver(
        {"complaint_id": "T1", "submitted_at": at("10-31 23:59"), "reporter_phone": "1"},
        {"complaint_id": "T2", "submitted_at": at("11-01 00:00"), "reporter_phone": "1"},
        {"complaint_id": "T3", "submitted_at": at("11-01 00:00"), "reporter_phone": "1", "community_id": None},
        known_on=date(2026, 11, 1),
    )
    assert counts(date(2026, 11, 1)) == [("C1", date(2026, 10, 1), 1, 1, 1), ("C1", date(2026, 11, 1), 1, 1, 1)]


@pytest.mark.parametrize("role", ["pc_supervision", "pc_pages", "pc_scoring", "pc_publishing", "pc_api"])
def test_reporters__other_roles__may_not_even_count_them(role):
    with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from raw.complaint_reporter_counts('2026-10-31', null, '2025-10-01', 'source')")
