"""Looking up keys in raw: by their types, and through the index from the first file on."""

from datetime import date

import polars
import pytest

from property_credit.ingestion import duplicates, feeds
from property_credit.warehouse.connection import connect


@pytest.mark.parametrize("name", ["lifts", "inspections"])
def test_keys_in_raw__every_type_a_key_may_have__is_looked_up_as_such(warehouse_database, name):
    feed = feeds.get(name)
    values = {"text": "L1", "code": "L1", "uscc": "L1", "date": date(2026, 10, 31), "integer": 1}
    typed = polars.DataFrame({key: [values[feed.field(key).type]] for key in feed.key})
    with connect("pc_ingestion") as connection:
        assert not duplicates.keys_in_raw(connection, feed, typed).any()


def plan_of_looking_up_keys(distributed):
    """Return the plan over 200,000 rows of which the planner knows nothing yet, as in the middle of a first load."""
    with connect() as connection:
        connection.execute("alter table raw.communities set (autovacuum_enabled = off)")
        connection.execute(
            "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
            " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
            " select n::text, 'n', '150203', 'old', 1, false, 'b', n, '2026-01-01', now(), n"
            " from generate_series(1, 200000) n"
        )
        query = duplicates.lookup(feeds.get("communities"), distributed=distributed).as_string(connection)
        rows = connection.execute("explain " + query, ('[{"place": 0, "community_id": "7"}]',)).fetchall()
        connection.rollback()
    return "\n".join(line for (line,) in rows)


def test_keys_in_raw__no_statistics_yet__uses_the_index_and_the_clusters_query_would_not(warehouse_database):
    plan = plan_of_looking_up_keys("")
    assert "communities_key" in plan and "Seq Scan" not in plan
    assert "Seq Scan" in plan_of_looking_up_keys("citus")  # why there are two
