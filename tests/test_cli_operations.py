"""What an operator asks the command line: version, how things stand, what a night did, and an upgrade from before."""

import json
from datetime import date
from importlib.resources import files

import pytest
from alembic import command
from alembic.config import Config
from own_warehouse import builder, copied_database, register_build, use_warehouse
from sqlalchemy import create_engine
from typer.testing import CliRunner

from property_credit.cli import output
from property_credit.cli.main import app
from property_credit.warehouse import connection, migrate

NIGHT = date(2026, 10, 31)


def run(*arguments, code=0):
    outcome = CliRunner().invoke(app, list(arguments))
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def record(task, status, message="", *, dag="build_warehouse"):
    with connection.connect("pc_dbt") as opened:
        opened.execute(
            "select ops.record_task(%s, %s, %s, %s, %s, 1.5, null, null)", (NIGHT, dag, task, status, message)
        )


def tables():
    with connection.connect() as opened:
        return opened.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
            " where table_schema <> all (array['pg_catalog', 'information_schema']) order by 1, 2, ordinal_position"
        ).fetchall()


@pytest.fixture
def older_warehouse(migrated_template, monkeypatch, tmp_path):
    """A warehouse as an earlier version left it; gives its revision."""
    with copied_database("template0") as name:
        use_warehouse(monkeypatch, name, tmp_path)
        config = Config()
        config.set_main_option("script_location", str(files("property_credit.warehouse.migrations")))
        engine = create_engine(connection.url().replace("postgresql://", "postgresql+psycopg://", 1))
        with engine.begin() as opened:
            config.attributes["connection"] = opened
            command.upgrade(config, "0040")
        engine.dispose()
        yield "0040"


def test_version__asked__is_told():
    assert run("--version").startswith("property-credit ")


def test_revision__of_the_files__is_the_one_that_migrating_reaches(warehouse_database):
    assert migrate.revision() == migrate.newest_revision()


def test_reading_commands__an_older_warehouse__refuse_and_change_nothing(older_warehouse):
    before = tables()
    for asked in (("status",), ("nights",), ("explain", "91150200MA00000000"), ("subscribers", "list"), ("clocks",)):
        assert "warehouse upgrade" in run(*asked, code=2)
    assert tables() == before and migrate.revision() == older_warehouse


def test_upgrade__an_older_warehouse__is_backed_up_and_brought_here(older_warehouse, tmp_path):
    kept = tmp_path / "before.dump"
    said = run("warehouse", "upgrade", "--dump", str(kept))
    assert kept.stat().st_size > 1000 and kept.stat().st_mode & 0o077 == 0
    assert f"{older_warehouse} → {migrate.newest_revision()}" in said and "nothing to replay" in said
    assert "nothing to migrate" in run("warehouse", "upgrade")


def test_upgrade__a_warehouse_of_a_newer_version__is_refused(warehouse_database):
    with connection.connect() as opened:
        opened.execute("update alembic_version set version_num = '9999'")
    assert "newer" in run("warehouse", "upgrade", code=2)
    assert "newer" in run("status", code=2)


def test_status__a_sound_warehouse_without_nights__says_what_is_not_there(warehouse_database):
    said = run("status", code=1)
    assert "none yet" in said and "nothing yet" in said and "not built yet" in said


def test_status__a_failed_task_and_a_stale_feed__names_both_and_leaves_with_one(warehouse_database):
    with builder() as marts:
        marts.execute(
            "create table marts.mart_scoring__feeds as"
            " select 'funds' as feed, date '2026-09-01' as latest_known_on, 60 as age_days, true as is_stale"
        )
        marts.execute("grant select on marts.mart_scoring__feeds to pc_gatekeeper")
    register_build(NIGHT)
    record("build_models", "failed", "a test said no")
    state = json.loads(run("status", "--format", "json", code=1))
    assert state["needs_somebody"] and [row["task"] for row in state["night"]["troubles"]] == ["build_models"]
    said = run("status", code=1)
    assert f"nights show {NIGHT}" in said and "funds is stale: last of 2026-09-01 (60 days)" in said


def test_nights_show__a_night__tells_every_task_and_refuses_one_that_never_was(warehouse_database, monkeypatch):
    monkeypatch.setattr(output.console, "width", 200)
    record("build_models", "done", "132 models")
    record("check_grades", "stopped by gate", "too many fall", dag="publish_grades")
    said = run("nights", "show", str(NIGHT))
    assert "132 models" in said and "stopped by gate" in said and "too many fall" in said
    tasks = json.loads(run("nights", "show", str(NIGHT), "--format", "json"))["tasks"]
    assert [row["task"] for row in tasks] == ["build_models", "check_grades"]
    assert "nothing was recorded of 2026-10-30" in run("nights", "show", "2026-10-30", code=2)
