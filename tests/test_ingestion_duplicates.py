"""Looking up keys in raw: by their types, and through the index from the first file on."""

from datetime import date

import polars
import pytest

from property_credit.ingestion import duplicates, feeds
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.warehouse.connection import connect

PROFILE = """\
feed: communities
office_zh: 测试
format: csv
files: "*"
header: {row: 1}
columns: {community_id: 号, community_name: 名, region_code: 区, community_type_code: 类, household_count: 户}
codes: {community_type_code: {老旧: old}}
constants: {has_lift: "false"}
"""


@pytest.mark.parametrize("name", ["lifts", "inspections"])
def test_keys_in_raw__every_type_a_key_may_have__is_looked_up_as_such(warehouse_database, name):
    feed = feeds.get(name)
    values = {"text": "L1", "code": "L1", "uscc": "L1", "date": date(2026, 10, 31), "integer": 1}
    typed = polars.DataFrame({key: [values[feed.field(key).type]] for key in feed.key})
    with connect("pc_ingestion") as connection:
        assert not duplicates.keys_in_raw(connection, feed, typed).any()


def deliver(folder, *, rows=3000):
    """Load a first file of communities as an office sends it."""
    (folder / "office.yml").write_text(PROFILE, encoding="utf-8")
    lines = "".join(f"C{number},n,150203,老旧,1\n" for number in range(rows))
    (folder / "first.csv").write_text(f"号,名,区,类,户\n{lines}", encoding="utf-8")
    return ingest_file(
        feed="communities", profile=str(folder / "office.yml"), path=folder / "first.csv",
        business_date=date(2026, 10, 31), check=no_check,
    )  # fmt: skip


def test_keys_in_raw__after_a_tables_first_file__are_looked_up_by_the_index(warehouse_database):
    with connect() as connection:
        connection.execute("alter table raw.communities set (autovacuum_enabled = off)")
    assert deliver(warehouse_database).rows_accepted == 3000
    with connect() as connection:
        assert connection.execute(
            "select reltuples from pg_class where oid = 'raw.communities'::regclass"
        ).fetchone() == (3000,)
        # the second file, in the middle of it: its own rows lie in the table, which nobody has told the planner of
        connection.execute(
            "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
            " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
            " select n::text, 'n', '150203', 'old', 1, false, 'b', n, '2026-01-01', now(), n"
            " from generate_series(1, 200000) n"
        )
        query = duplicates.lookup(feeds.get("communities")).as_string(connection)
        rows = connection.execute("explain " + query, ('[{"place": 0, "community_id": "7"}]',)).fetchall()
        connection.rollback()
    plan = "\n".join(line for (line,) in rows)
    assert "communities_key" in plan and "Seq Scan" not in plan, plan
