"""A small town for tests of the models: two firms and a committee, two communities, a handover, four complaints."""

from datetime import date, timedelta

import pytest
from own_warehouse import copied_database, use_warehouse
from psycopg import sql

from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import ModelResult, build

NIGHT = date(2026, 10, 31)
BUILT: list[ModelResult] = []
FIRM, OTHER, COMMITTEE = "91350100M000100Y43", "91110000802100433B", "91440300708461136T"


def insert(feed, rows, *, known_on=NIGHT, batch_id="b0000000000000001"):
    """Insert rows into raw as the ingestion role does, and register their batch."""
    arrived = f"{known_on + timedelta(days=1)} 01:00+08"
    with connect("pc_ingestion") as connection:
        for number, row in enumerate(rows, start=1):
            full = {
                **row,
                "batch_id": f"{batch_id}{feed}",
                "row_number": number,
                "known_on": known_on,
                "received_at": arrived,
                "row_hash": number,
            }
            connection.execute(
                sql.SQL("insert into raw.{} ({}) values ({})").format(
                    sql.Identifier(feed),
                    sql.SQL(", ").join(map(sql.Identifier, full)),
                    sql.SQL(", ").join(map(sql.Placeholder, full)),
                ),
                full,
            )
        connection.execute(
            "select ops.register_batch(%s, %s, 'hand', 'hand.csv', 'x', 'x', 1, %s, %s, 'loaded', null,"
            " %s, %s, 0, 0, 0, %s, '{}')",
            (f"{batch_id}{feed}", feed, known_on, arrived, len(rows), len(rows), known_on),
        )


def complaint(number, **changes):
    """A confirmed complaint against the property enterprise, handled well, in July 2026."""
    return {
        "complaint_id": f"T{number}",
        "channel_code": "mashangban",
        "community_id": "C1",
        "category_code": "lift",
        "responsible_party_code": "property",
        "status_code": "closed",
        "submitted_at": "2026-07-10 09:00+08",
        "responded_at": "2026-07-10 10:00+08",
        "handled_at": "2026-07-10 12:00+08",
        "resolved_at": "2026-07-10 20:00+08",
        "closed_at": "2026-07-11 09:00+08",
        "is_confirmed": True,
        "callback_result_code": "satisfied",
        "reporter_name": "业主0001",
        "content": "电梯停运",
        **changes,
    }


def fill():
    """Insert two firms and a committee, two communities, a handover on 2026-07-01 and four complaints."""
    insert(
        "enterprises",
        [
            {
                "uscc": uscc,
                "enterprise_name": name,
                "organisation_type_code": kind,
                "registered_region_code": "150203",
                "is_active": True,
                "listing_status_code": "none",
            }
            for uscc, name, kind in (
                (FIRM, "甲物业（模拟）", "enterprise"),
                (OTHER, "乙物业（模拟）", "enterprise"),
                (COMMITTEE, "某居委会（模拟）", "committee"),
            )
        ],
    )
    insert(
        "communities",
        [
            {
                "community_id": name,
                "community_name": name,
                "region_code": "150203",
                "community_type_code": "commercial",
                "built_year": 2012,
                "household_count": 310,
                "has_lift": True,
            }
            for name in ("C1", "C2")
        ],
    )
    insert(
        "contracts",
        [
            {"contract_id": "K1", "community_id": "C1", "uscc": FIRM, "starts_on": date(2024, 1, 1)}
            | {"ended_on": date(2026, 7, 1), "end_reason_code": "left_with_notice"},
            {"contract_id": "K2", "community_id": "C1", "uscc": OTHER, "starts_on": date(2026, 7, 1)}
            | {"ended_on": None, "end_reason_code": None},
            {"contract_id": "K3", "community_id": "C2", "uscc": COMMITTEE, "starts_on": date(2024, 1, 1)}
            | {"ended_on": None, "end_reason_code": None},
        ],
    )
    insert(
        "complaints",
        [
            complaint(1, submitted_at="2026-06-30 09:00+08", responded_at="2026-06-30 15:00+08"),
            complaint(2, submitted_at="2026-07-01 09:00+08", responded_at="2026-07-01 09:30+08"),
            complaint(3, responsible_party_code="developer"),
            complaint(4, community_id="C2"),
        ],
    )


@pytest.fixture
def town(warehouse_database):
    """The town in raw, nothing built."""
    fill()


@pytest.fixture(scope="session")
def built_town_template(migrated_template, tmp_path_factory):
    """The name of a database with the town and the whole build of its night, which others are copied from.

    Its build runs the unit tests too; what became of each node is kept in ``BUILT``.
    """
    with copied_database(migrated_template) as name:
        with pytest.MonkeyPatch.context() as patch:
            use_warehouse(patch, name, tmp_path_factory.mktemp("built_town"))
            fill()
            BUILT[:] = build(NIGHT, unit_tests=True)
        yield name


@pytest.fixture
def built_town(built_town_template, monkeypatch, tmp_path):
    """The town and the build of its night, as a warehouse of the test's own."""
    with copied_database(built_town_template) as name:
        use_warehouse(monkeypatch, name, tmp_path)
        yield


def counts(code="M01"):
    with connect("pc_scoring") as connection:
        return {
            uscc: (float(good), float(all_))
            for uscc, good, all_ in connection.execute(
                "select uscc, sum(numerator), sum(denominator) from marts.mart_scoring__indicator_counts"
                " where indicator_code = %s group by uscc",
                (code,),
            )
        }


def everything():
    """Every built table as text, sorted: what must not change when a night is built again."""
    contents = {}
    with connect() as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('staging', 'intermediate', 'marts')"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(
                sql.SQL("select t::text from {} as t order by 1").format(sql.Identifier(schema, table))
            ).fetchall()
            contents[schema, table] = rows
    return contents
