"""Night after night on top of the last build gives just the tables that a full rebuild gives."""

from datetime import date, timedelta

import pytest
from own_warehouse import copied_database, last_build, use_warehouse
from psycopg import sql
from psycopg.rows import dict_row
from random_nights import RandomNights

from property_credit.ingestion import feeds
from property_credit.ingestion.load import no_check
from property_credit.ingestion.night import ingest_feed
from property_credit.warehouse.connection import connect
from property_credit.warehouse.scratch import scratch_schemas
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.transformation import build
from simulation.region import simulate

pytestmark = pytest.mark.slow
LAST = date(2026, 10, 31)
LAYERS = ("staging", "intermediate", "marts")
# tables that a night adds to, of those that an inspection, a complaint or a payment changes
MISSED = {
    "staging.stg_inspections", "intermediate.int_inspection_lines__attributed", "marts.fct_inspection_lines",
    "marts.mart_supervision__inspection_outcomes",
    "staging.stg_complaints", "staging.stg_complaint_reporters", "staging.stg_funds", "staging.stg_fund_counterparties",
    "intermediate.int_complaints__attributed", "intermediate.int_complaint_days__summed",
    "intermediate.int_complaint_months__summed", "intermediate.int_fund_entries__attributed",
    "intermediate.int_account_uses__summed", "intermediate.int_account_days__reconciled",
    "intermediate.int_account_days__summed", "intermediate.int_fund_payments__examined", "marts.fct_complaints",
    "marts.fct_fund_entries", "marts.mart_supervision__account_days", "marts.mart_supervision__reconciliations",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(migrated_template, tmp_path_factory):
    """The name of a database that holds a small region and has built its last night; tests work on copies."""
    folder = tmp_path_factory.mktemp("region")
    simulate(preset="hamlet", seed=16, out=folder, through=LAST, nights=0, dirt=False)
    with copied_database(migrated_template) as name:
        with pytest.MonkeyPatch.context() as patch:
            use_warehouse(patch, name, folder)
            for feed in feeds.NAMES:
                ingest_feed(feed, LAST, check=no_check)
            build(LAST)
        get_settings.cache_clear()
        yield name


@pytest.fixture
def world(built, monkeypatch):
    """Work on a warehouse of one's own that holds the region and has built its last night."""
    with copied_database(built) as name:
        use_warehouse(monkeypatch, name)
        yield


def differing(night):
    """Return the tables, with example rows, in which the marts are not those of a full rebuild of ``night``."""
    differences = {}
    with scratch_schemas("full_"):
        build(night, schema_prefix="full_", tests=False)
        with connect() as connection:
            tables = connection.execute(
                "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2", (list(LAYERS),)
            ).fetchall()
            assert len(tables) > 60
            for schema, table in tables:
                if table.endswith("__touched"):
                    continue  # what a build worked on, not what it found
                ours, theirs = sql.Identifier(schema, table), sql.Identifier(f"full_{schema}", table)
                rows = connection.execute(
                    sql.SQL(
                        "(select 'only ours', a::text from (select * from {0} except all select * from {1}) a limit 3)"
                        " union all "
                        "(select 'only full', b::text from (select * from {1} except all select * from {0}) b limit 3)"
                    ).format(ours, theirs)
                ).fetchall()
                if rows:
                    differences[f"{schema}.{table}"] = rows
    return differences


def nights_after(count, seed):
    """Yield ``count`` nights with random deliveries, some of them days apart."""
    random_nights, night = RandomNights(seed), LAST
    for _ in range(count):
        night += timedelta(days=random_nights.random.choice((1, 1, 1, 4)))
        random_nights.deliver(night)
        yield night


def test_build__nights_with_late_and_corrected_rows__equal_a_full_rebuild_unless_rows_are_missed(world):
    for night in nights_after(1, seed=7):
        build(night, is_incremental=True)
        assert last_build()[:2] == (night, "incremental")
        assert differing(night) == {}, f"night of {night}"
    miss_rows_of(night := night + timedelta(days=1))
    build(night, is_incremental=True)
    assert differing(night).keys() >= MISSED


def miss_rows_of(night):
    """Deliver an inspection, a complaint and a payment that this build takes for read: none of its keys is touched."""
    random_nights = RandomNights(8, after=100_000)
    for feed, key, chosen in (
        ("inspections", "inspection_id", "line_type_code = 'summary' and inspected_on > '2026-10-01'"),
        ("complaints", "complaint_id", "status_code <> 'withdrawn' and submitted_at > '2026-10-01'"),
        (
            "funds",
            "entry_id",
            "account_type_code = 'maintenance_fund' and amount < 0 and counterparty_name > ''",
        ),
    ):
        with connect() as connection:
            cursor = connection.cursor(row_factory=dict_row).execute(
                sql.SQL("select * from {} where {} order by {} limit 1").format(
                    sql.Identifier("raw", feed), sql.SQL(chosen), sql.Identifier(key)
                )
            )
            row = cursor.fetchone()
        random_nights.insert(feed, [{**row, key: "MISSED"}], night)
    with connect() as connection:
        connection.execute("insert into ops.built_batches select batch_id from ops.batches on conflict do nothing")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_build__thirty_such_nights__equal_a_full_rebuild(world):
    for night in nights_after(30, seed=2026):
        build(night, is_incremental=True)
        assert last_build()[:2] == (night, "incremental")
        assert differing(night) == {}, f"night of {night}"
