"""The warehouse built for real from a few hand-made rows: windows, handovers, corrections, replays, red tests."""

from datetime import date, timedelta

import pytest
from psycopg import sql

from warehouse.connection import connect
from warehouse.transformation import TransformationError, build

pytestmark = pytest.mark.slow
NIGHT = date(2026, 10, 31)
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


@pytest.fixture
def town(warehouse_database):
    """Two firms and a committee, two communities, a handover on 2026-07-01, four complaints."""
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
    found = {}
    with connect() as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('staging', 'intermediate', 'marts')"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(
                sql.SQL("select t::text from {} as t order by 1").format(sql.Identifier(schema, table))
            ).fetchall()
            found[schema, table] = rows
    return found


def test_build__a_town__counts_each_complaint_with_its_manager(town):
    results = build(NIGHT, unit_tests=True)
    assert {result.status for result in results} <= {"success", "pass"}
    assert sum(result.kind == "unit_test" for result in results) >= 20
    assert counts() == {FIRM: (0, 1), OTHER: (1, 1)}  # the successor answers for the handover day
    with connect("pc_scoring") as connection:
        found = connection.execute(
            "select evidence_id, evidence_feed, summary_code from marts.mart_scoring__indicator_evidence"
            " where indicator_code = 'M01'"
        ).fetchall()
        assert found == [("T1", "complaints", "lift")]
        names = connection.execute("select count(*) from marts.mart_scoring__enterprises").fetchone()
        assert names == (2,)  # a committee manages, it is never graded


def test_build__what_others_found_on_the_spot__is_counted_for_who_managed_then(town):
    lift = {"lift_id": "L1", "community_id": "C1", "origin_code": "original", "in_use_from": "2012-06-01"}
    insert("lifts", [{**lift, "inspected_on": "2025-07-15", "valid_until": "2026-07-15", "result_code": "passed"}])
    insert(
        "street_ratings",
        [
            {"rating_id": f"R{score}", "rater_code": "150203001", "rater_level_code": "street", "community_id": name}
            | {"rated_on": day, "rating_score": score}
            for name, day, score in (("C1", "2026-06-30", 90), ("C1", "2026-07-01", 70), ("C2", "2026-07-01", 80))
        ],
    )
    insert(
        "handovers",
        [
            {"handover_id": "H1", "contract_id": "K1", "community_id": "C1", "uscc": FIRM, "due_on": "2026-07-16"}
            | {"completed_on": "2026-07-10", "are_documents_complete": True, "are_facilities_complete": True}
            | {"are_accounts_complete": False}
        ],
    )
    report = {"report_type_code": "staff", "period_start_on": "2026-07-01", "due_on": "2026-10-10"}
    insert(
        "reporting_records",
        [
            {**report, "report_id": "B1", "uscc": FIRM, "submitted_on": None},
            {**report, "report_id": "B2", "uscc": OTHER, "submitted_on": "2026-10-10"},
        ],
    )
    build(NIGHT)
    # eight month ends with a lift in date under the first firm, then four with a lapsed one under the second
    assert counts("P10") == {FIRM: (1, 1), OTHER: (0, 1)}
    assert {uscc: (round(z, 6), n) for uscc, (z, n) in counts("M09").items()} == {FIRM: (1, 1), OTHER: (-1, 1)}
    assert counts("M12") == {FIRM: (0, 1)}
    assert counts("M16") == {FIRM: (0, 1), OTHER: (1, 1)}
    assert counts("M10") == {}  # never delivered


def test_build__twice__leaves_the_same_rows(town):
    build(NIGHT)
    before = everything()
    build(NIGHT)
    assert everything() == before


def test_build__after_a_correction__a_past_night_stays_as_it_was_known(town):
    build(NIGHT)
    before = everything()
    insert(
        "complaints",
        [complaint(1, submitted_at="2026-06-30 09:00+08", responded_at="2026-06-30 10:00+08")],
        known_on=NIGHT + timedelta(days=1),
        batch_id="b0000000000000002",
    )
    build(NIGHT + timedelta(days=1))
    assert counts() == {FIRM: (1, 1), OTHER: (1, 1)}
    build(NIGHT)
    assert everything() == before


def test_build__with_a_methods_own_numbers__counts_with_them(town):
    build(NIGHT, variables={"response_limit_hours": 6, "windows": {"M02": 2}})
    assert counts("M01")[FIRM] == (1, 1)
    assert FIRM not in counts("M02")


def test_build__a_code_nobody_listed__turns_its_test_red_and_names_it(town):
    insert("complaints", [complaint(9, category_code="astrology")], batch_id="b0000000000000003")
    with pytest.raises(TransformationError, match="listed_code_stg_complaints_category_code__category"):
        build(NIGHT)


def test_build__a_complaint_of_an_unknown_community__turns_its_relationship_red(town):
    insert("complaints", [complaint(9, community_id="C9")], batch_id="b0000000000000003")
    with pytest.raises(TransformationError, match="relationships_stg_complaints_community_id"):
        build(NIGHT, select=["stg_complaints", "stg_communities"])


def test_build__a_clock_that_runs_backwards__turns_its_assertion_red(town):
    insert("complaints", [complaint(9, resolved_at="2026-07-09 09:00+08")], batch_id="b0000000000000003")
    with pytest.raises(TransformationError, match="assert_complaint_clocks_do_not_run_backwards"):
        build(NIGHT)


def test_build__what_it_makes__is_read_by_those_after_it_and_by_nobody_before_it(town):
    import psycopg

    build(NIGHT, select="tag:staging")
    for role in ("pc_ingestion", "pc_api", "pc_scoring"):
        with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select 1 from staging.stg_complaints")


def test_build__a_selector_that_names_nothing__builds_nothing(town):
    assert build(NIGHT, select="no_such_model") == []


def test_build__without_the_raw_tables__says_which_model_failed(warehouse_database):
    with connect() as connection:
        connection.execute("drop table raw.funds cascade")
    with pytest.raises(TransformationError, match="stg_funds"):
        build(NIGHT, select="stg_funds")
