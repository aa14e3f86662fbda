"""Binary COPY: what the server reads is what the frame holds, for every type, with nulls anywhere."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from property_credit.ingestion import binary_copy, feeds
from property_credit.ingestion.binary_copy import HEADER, TRAILER, BinaryCopy
from property_credit.ingestion.values import empty_type
from property_credit.warehouse import connection

COLUMNS = {
    "name": (polars.String(), "text", st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))),
    "note": (polars.String(), "text", st.text("长x", max_size=300)),
    "day": (polars.Date(), "date", st.dates(date(1900, 1, 1), date(2199, 12, 31))),
    "at": (
        polars.Datetime("us", "UTC"),
        "timestamptz",
        st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    ),
    "count": (polars.Int32(), "integer", st.integers(-(2**31), 2**31 - 1)),
    "number": (polars.Int64(), "bigint", st.integers(-(2**63), 2**63 - 1)),
    "is_so": (polars.Boolean(), "boolean", st.booleans()),
    "amount": (polars.Decimal(18, 2), "numeric(18,2)", st.decimals(-(10**16) + 1, 10**16 - 1, places=2)),
    "score": (polars.Decimal(6, 1), "numeric(6,1)", st.decimals(-99999, 99999, places=1)),
    "kind": (polars.Enum(["lift", "电梯"]), "text", st.sampled_from(["lift", "电梯"])),
    "state": (polars.Enum([f"s{n}" for n in range(300)]), "text", st.sampled_from(["s0", "s299"])),
    "whole": (polars.Decimal(9, 0), "numeric(9,0)", st.integers(-999_999_999, 999_999_999).map(Decimal)),
}
SCHEMA = polars.Schema({name: kind for name, (kind, _sql, _values) in COLUMNS.items()})
SHARED = {"batch_id": "b长", "known_on": date(1999, 12, 31), "received_at": datetime(2026, 10, 31, 1, 2, 3, 4, UTC)}


@pytest.fixture(scope="module")
def table(migrated_template):
    """A connection with a temporary table that has all types."""
    with psycopg.connect(**connection.parameters()) as opened:
        columns = ", ".join(f"{name} {kind}" for name, (_type, kind, _values) in COLUMNS.items())
        opened.execute(f"create temporary table t (batch_id text, known_on date, received_at timestamptz, {columns})")
        yield opened


def there_and_back(opened, rows, frames):
    with opened.cursor() as cursor:
        cursor.execute("truncate t")
        with cursor.copy(rows.statement("t")) as copy:
            copy.write(HEADER)
            for frame in frames:
                copy.write(rows.encode(frame))
            copy.write(TRAILER)
        return cursor.execute("select * from t").fetchall()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*(st.none() | values for _type, _kind, values in COLUMNS.values())), max_size=12))
def test_copy__of_any_values__gives_them_back(table, rows):
    frame = polars.DataFrame(rows, schema=SCHEMA, orient="row")
    copied = there_and_back(table, BinaryCopy(SCHEMA, SHARED), [frame, frame.head(1)])
    assert copied == [(*SHARED.values(), *row) for row in [*rows, *rows[:1]]]


def test_copy__of_a_part_of_a_frame__takes_that_part(table):
    frame = polars.DataFrame(
        [["甲", None], ["乙", 1], ["丙", 2]], schema={"name": polars.String, "count": polars.Int32}, orient="row"
    )
    rows = BinaryCopy(frame.schema, {})
    assert [row[3:8:4] for row in there_and_back(table, rows, [frame.slice(1, 1)])] == [("乙", 1)]
    assert there_and_back(table, rows, [frame.clear()]) == []


def test_copy__of_codes_with_too_many_combinations__lays_them_out_in_groups(table, monkeypatch):
    monkeypatch.setattr(binary_copy, "MOST_COMBINATIONS", 301)
    schema = polars.Schema({name: SCHEMA[name] for name in ("kind", "state", "name")})
    rows = BinaryCopy(schema, {"batch_id": "b"})
    values = [["电梯", "s299", "甲"], [None, None, None], ["lift", None, "丙"]]
    frame = polars.DataFrame(values, schema=schema, orient="row")
    places = [list(COLUMNS).index(name) + len(SHARED) for name in schema]
    copied = there_and_back(table, rows, [frame])
    assert [(row[0], *(row[place] for place in places)) for row in copied] == [("b", *row) for row in values]


def test_copy__every_type_that_a_feed_can_have__is_known():
    for feed in map(feeds.get, feeds.NAMES):
        schema = polars.Schema({field.name: empty_type(field) for field in feed.fields})
        assert set(BinaryCopy(schema, {}).columns) == set(feed.field_names)
        assert all(field.precision <= 18 for field in feed.fields)  # decimals are laid out from 64-bit numbers


def test_loader__imported__carries_no_pandas():
    import subprocess
    import sys
    from pathlib import Path

    code = (
        "import sys, property_credit.ingestion.load; "
        "sys.exit(bool({'pandas', 'great_expectations'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0  # 60 MiB of memory
