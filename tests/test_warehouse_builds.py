"""The marts belong to the platform's builds: other hands are refused, or found before anything is graded from them."""

import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest
from own_warehouse import builder, last_build, register_build
from small_town import NIGHT

from property_credit.night import grading_tasks, month_tasks, pages_tasks, supervision_tasks, warehouse_tasks
from property_credit.night.watch_tasks import judge_complaints
from property_credit.warehouse.business_date import end_of
from property_credit.warehouse.connection import connect
from property_credit.warehouse.marts import UnsoundMartsError, standing
from property_credit.warehouse.settings import PROJECT_ROOT
from property_credit.warehouse.transformation import environment

NEXT = NIGHT + timedelta(days=1)
CONSUMERS = {
    "grades": grading_tasks.grade_enterprises,
    "score inputs": grading_tasks.check_score_inputs,
    "alerts": supervision_tasks.raise_alerts,
    "clocks": supervision_tasks.keep_clocks,
    "targets": month_tasks.record_kpis,
    "draw": month_tasks.draw_inspections,
    "pages": pages_tasks.build_pages,
    "escalations": lambda night: judge_complaints(end_of(night)),
}


@pytest.fixture
def one_table(warehouse_database):
    """Marts of one table, written by hand and registered as the build of NIGHT."""
    with builder() as connection:
        connection.execute("create table marts.fct_something (id int, amount int)")
        connection.execute("insert into marts.fct_something select n, n from generate_series(1, 10) n")
        connection.execute("create view intermediate.int_something as select 1 as id")
    register_build(NIGHT)
    assert standing().is_sound


def by_hand(*statements):
    """Do as an owner does in psql; the server has counted it when this returns."""
    with connect() as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("select pg_stat_force_next_flush()")


@pytest.mark.parametrize(
    "statement",
    [
        "delete from marts.fct_something",
        "truncate marts.fct_something",
        "drop table marts.fct_something",
        "create table staging.mine (id int)",
        "select count(*) from marts.fct_something",
    ],
)
def test_role__of_dbt_outside_a_build__is_refused(one_table, statement):
    with connect("pc_dbt") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["update marts.fct_something set amount = 0 where id = 1"], "0 rows inserted, 1 updated, 0 deleted"),
        (["delete from marts.fct_something where id = 1"], "1 deleted"),
        (["insert into marts.fct_something values (11, 11)"], "had 1 rows inserted"),
        (
            ["create table kept as table marts.fct_something", "truncate marts.fct_something"],
            "was rewritten or emptied",
        ),
        (["alter table marts.fct_something drop column amount"], "has other columns"),
        (["drop table marts.fct_something", "create table marts.fct_something (id int, amount int)"], "was replaced"),
        (["drop table marts.fct_something"], "is gone"),
        (["create or replace view intermediate.int_something as select 2 as id"], "has other columns"),
    ],
)
def test_tables__changed_by_another_hand__are_named_and_nothing_is_graded_from_them(one_table, statements, said):
    by_hand(*statements)
    problem = standing().problem
    assert said in problem and "something" in problem and f"nightly --business-date {NIGHT}" in problem
    for consumer in CONSUMERS.values():
        with pytest.raises(UnsoundMartsError, match="not what the last build left"):
            consumer(NIGHT)


def test_tables__read_vacuumed_and_analysed__are_what_the_build_left(one_table):
    by_hand("select * from marts.fct_something", "analyze marts.fct_something")
    with connect(autocommit=True) as connection:
        connection.execute("vacuum marts.fct_something")
    assert standing().is_sound


@pytest.mark.parametrize("status", ["running", "failed"])
@pytest.mark.parametrize("name", CONSUMERS)
def test_consumer__the_build_did_not_end_well__reads_nothing(one_table, name, status):
    with connect() as connection:
        connection.execute("update ops.builds set status = %s", (status,))
    with pytest.raises(UnsoundMartsError, match=f"the build of {NIGHT} (failed|is running or was interrupted)"):
        CONSUMERS[name](NIGHT)


def test_grading__marts_of_an_earlier_night__is_refused_and_of_a_later_one_left_alone(one_table):
    with pytest.raises(UnsoundMartsError, match=f"hold the night of {NIGHT}: build {NEXT} first"):
        grading_tasks.grade_enterprises(NEXT)
    grading_tasks.grade_enterprises(NIGHT - timedelta(days=1))
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select status, message from ops.task_runs where business_date < %s", (NIGHT,)
        ).fetchone()
    assert row == ("nothing new", f"the marts hold the later night of {NIGHT}: left as they are")


def dbt(*arguments):
    """Run dbt as an engineer does, with the project's own profile."""
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *arguments]
    ran = subprocess.run(
        [*command, "--project-dir", "dbt_project", "--profiles-dir", "dbt_project", "--no-version-check"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
def test_dbt_by_hand__into_the_platforms_schemas__is_refused_and_the_next_night_stands_on_what_was(
    built_town,
    monkeypatch,
    tmp_path,
):
    for name, value in (environment() | {"DBT_TARGET_PATH": str(tmp_path), "DBT_LOG_PATH": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    selected = ("-s", "stg_contracts", "--vars", '{business_date: "2026-01-01"}')
    code, said = dbt("run", "--full-refresh", "--target", "warehouse", *selected)
    assert code and "staging.stg_contracts belongs to the platform" in said and "--target dev" in said
    assert "--full-refresh" not in said.partition("belongs to the platform")[2]
    # the guard walked around: the role itself is refused
    monkeypatch.setenv("PC_DBT_PREFIX", "")
    code, said = dbt("run", "--full-refresh", "--target", "dev", *selected, "--vars", '{business_date: "2026-01-01"}')
    assert code and "belongs to the platform" in said
    assert standing().is_sound
    # a build of one's own beside it
    monkeypatch.setenv("PC_DBT_PREFIX", "mine_")
    from property_credit.warehouse.scratch import own_schemas

    own_schemas("mine_")
    selected = ("-s", "+stg_contracts", *selected[2:])  # with what it stands on: one's own schemas are empty
    code, said = dbt("run", *selected)
    assert code == 0, said
    code, said = dbt("run", *selected)  # again: nothing is kept from before
    assert code == 0, said
    with connect("pc_gatekeeper") as connection:
        mine = connection.execute("select count(*) from mine_staging.stg_contracts").fetchone()
        ours = connection.execute("select count(*) from staging.stg_contracts").fetchone()
    assert mine == (0,) and ours == (3,)  # nothing was known on the first day of the year
    assert standing().is_sound


@pytest.mark.slow
def test_night__after_a_hand_in_a_table__builds_in_full(built_town, monkeypatch):
    monkeypatch.setattr("scoring.method.warehouse_variables", lambda method: {})  # the town is built by the defaults
    before = last_build()
    warehouse_tasks.build_models(NIGHT)
    assert last_build() == before  # nothing new
    with connect() as connection:
        before = connection.execute("select * from staging.stg_contracts order by 1").fetchall()
    by_hand("delete from staging.stg_contracts")
    with pytest.raises(UnsoundMartsError, match=r"staging\.stg_contracts"):
        grading_tasks.check_score_inputs(NIGHT)
    warehouse_tasks.build_models(NIGHT)  # the same night again: it is not "nothing new"
    with connect() as connection:
        mode, reason = connection.execute("select mode, reason from ops.builds order by build_id desc").fetchone()
        after = connection.execute("select * from staging.stg_contracts order by 1").fetchall()
    assert mode == "full" and "staging.stg_contracts" in reason and after == before
    assert standing().is_sound
