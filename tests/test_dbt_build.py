"""The warehouse built for real from a few hand-made rows: windows, handovers, corrections, replays, red tests."""

from datetime import timedelta

import pytest
from dbt_evaluator import holds_its_key
from own_warehouse import last_build
from small_town import BUILT, FIRM, NIGHT, OTHER, complaint, counts, everything, insert

from property_credit.warehouse import transformation
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import TransformationError, build, planned
from scoring.inputs import MODELS

pytestmark = pytest.mark.slow


def test_build__a_town__counts_each_complaint_with_its_manager(built_town):
    assert {result.status for result in BUILT} <= {"success", "pass"}
    assert sum(result.kind == "unit_test" for result in BUILT) >= 20
    assert counts() == {FIRM: (0, 1), OTHER: (1, 1)}  # the successor answers for the handover day
    with connect("pc_scoring") as connection:
        evidence = connection.execute(
            "select evidence_id, evidence_feed, summary_code from marts.mart_scoring__indicator_evidence"
            " where indicator_code = 'M01'"
        ).fetchall()
        assert evidence == [("T1", "complaints", "lift")]
        names = connection.execute("select count(*) from marts.mart_scoring__enterprises").fetchone()
        assert names == (2,)  # a committee manages, it is never graded


def test_build__keys_that_no_test_looks_at__are_held_by_the_database(built_town):
    manifest = transformation._manifest(transformation._project_state())
    models = [one for one in manifest.nodes.values() if one.resource_type == "model" and holds_its_key(one)]
    with connect() as connection:
        held = dict(
            connection.execute(
                "select conrelid::regclass::text, array_agg(attname order by position) from pg_constraint,"
                " unnest(conkey) with ordinality as keys (number, position) join pg_attribute on attnum = number"
                " where contype = 'p' and attrelid = conrelid group by conrelid"
            ).fetchall()
        )
    declared = {f"{one.config.schema or 'marts'}.{one.name}": list(one.constraints[0].columns) for one in models}
    assert len(declared) > 100 and {name: held.get(name) for name in declared} == declared


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
    build(NIGHT, select=MODELS, tests=False)
    # eight month ends with a lift in date under the first firm, then four with a lapsed one under the second
    assert counts("P10") == {FIRM: (1, 1), OTHER: (0, 1)}
    assert {uscc: (round(z, 6), n) for uscc, (z, n) in counts("M09").items()} == {FIRM: (1, 1), OTHER: (-1, 1)}
    assert counts("M12") == {FIRM: (0, 1)}
    assert counts("M16") == {FIRM: (0, 1), OTHER: (1, 1)}
    assert counts("M10") == {}  # never delivered


def test_build__again_after_a_correction__a_past_night_stays_as_it_was_known(built_town):
    before = everything()
    insert(
        "complaints",
        [complaint(1, submitted_at="2026-06-30 09:00+08", responded_at="2026-06-30 10:00+08")],
        known_on=NIGHT + timedelta(days=1),
        batch_id="b0000000000000002",
    )
    build(NIGHT + timedelta(days=1), tests=False)
    assert counts() == {FIRM: (1, 1), OTHER: (1, 1)}
    build(NIGHT, tests=False)
    assert everything() == before


def test_build__with_a_methods_own_numbers__counts_with_them(town):
    build(NIGHT, variables={"response_limit_hours": 6, "windows": {"M02": 2}}, select=MODELS, tests=False)
    assert counts("M01")[FIRM] == (1, 1)
    assert FIRM not in counts("M02")


def test_build__a_code_nobody_listed__turns_its_test_red_and_names_it(town):
    insert("complaints", [complaint(9, category_code="astrology")], batch_id="b0000000000000003")
    with pytest.raises(TransformationError, match="listed_code_stg_complaints_category_code__category"):
        build(NIGHT, select=["+stg_complaints", "codes"])


def test_build__a_complaint_of_an_unknown_community__turns_its_relationship_red(town):
    insert("complaints", [complaint(9, community_id="C9")], batch_id="b0000000000000003")
    with pytest.raises(TransformationError, match="relationships_stg_complaints_community_id"):
        build(NIGHT, select=["+stg_complaints", "+stg_communities"])


def test_build__a_clock_that_runs_backwards__turns_its_assertion_red(town):
    insert("complaints", [complaint(9, resolved_at="2026-07-09 09:00+08")], batch_id="b0000000000000003")
    with pytest.raises(TransformationError, match="assert_complaint_clocks_do_not_run_backwards"):
        build(NIGHT, select="+fct_complaints")


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


def test_build__a_night_that_cannot_stand_on_the_last__is_full_and_says_why(built_town):
    build(NIGHT, is_incremental=True)
    assert last_build() == (NIGHT, "incremental", f"0 new batches since the night of {NIGHT}", "done")
    insert("complaints", [complaint(6, category_code="astrology")], batch_id="b0000000000000006")
    with pytest.raises(TransformationError, match="listed_code_stg_complaints_category_code__category"):
        build(NIGHT, is_incremental=True)
    assert last_build() == (NIGHT, "incremental", f"1 new batch since the night of {NIGHT}", "failed")
    again = planned(NIGHT)
    assert (again.mode, again.reason) == ("full", "the build before was interrupted or failed")


def test_plan__other_numbers_an_earlier_night_or_a_part__is_full_and_says_why(built_town):
    others = planned(NIGHT, variables={"response_limit_hours": 3})
    assert (others.mode, others.reason) == ("full", "the method's numbers or the register of entities changed")
    earlier = planned(NIGHT - timedelta(days=1))
    assert (earlier.mode, earlier.reason) == ("full", f"the marts hold the later night of {NIGHT}")
    build(NIGHT, select="stg_funds")
    partial = planned(NIGHT)
    assert (partial.mode, partial.reason) == ("full", "the build before made some of the models only")
