"""A warehouse is backed up and comes back: into an empty one, under newer code, or not at all."""

import uuid
from importlib.resources import files

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from typer.testing import CliRunner

from cli.main import app
from warehouse import backup, connection
from warehouse.migrate import create_database, migrate
from warehouse.settings import get_settings


@pytest.fixture
def another(monkeypatch):
    """Switch to a database that is not there yet; gives the switch, whose databases are dropped at the end."""
    made = []

    def switch():
        made.append(f"backup_{uuid.uuid4().hex[:12]}")
        monkeypatch.setenv("WAREHOUSE_DATABASE", made[-1])
        get_settings.cache_clear()

    yield switch
    with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
        for name in made:
            opened.execute(f"drop database if exists {name} with (force)")
    monkeypatch.undo()
    get_settings.cache_clear()


def register_batch():
    with connection.connect("pc_ingestion") as opened:
        opened.execute(
            "select ops.register_batch('b1', 'surveys', 'hand', 'hand.csv', 'x', 'x', 1, '2026-10-31', now(), 'loaded',"
            " null, 1, 1, 0, 0, 0, '2026-10-31', '{}')"
        )


def batches(role=None):
    with connection.connect(role) as opened:
        return opened.execute("select batch_id from ops.batches").fetchall()


def test_restore__into_an_empty_warehouse__rows_and_rights_are_back(warehouse_database, another, tmp_path):
    register_batch()
    assert CliRunner().invoke(app, ["warehouse", "dump", str(tmp_path / "warehouse.dump")]).exit_code == 0
    another()
    migrate()
    with connection.connect() as opened:
        opened.execute("create schema neighbour; create table neighbour.theirs (n integer)")
    done = CliRunner().invoke(app, ["warehouse", "restore", str(tmp_path / "warehouse.dump")])
    assert done.exit_code == 0 and "restored: 1 deliveries" in done.output, done.output
    assert batches("pc_gatekeeper") == [("b1",)]
    with connection.connect() as opened:  # a schema that is not ours is left alone
        assert opened.execute("select count(*) from neighbour.theirs").fetchone() == (0,)
    with connection.connect("pc_api") as opened, pytest.raises(psycopg.errors.InsufficientPrivilege):
        opened.execute("select * from raw.complaints")


def test_schemas__that_a_restore_replaces__are_all_that_migrations_make(warehouse_database):
    with connection.connect() as opened:
        found = opened.execute(
            "select nspname from pg_namespace"
            " where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')"
        ).fetchall()
    assert sorted(backup.SCHEMAS) == sorted(name for (name,) in found)


def test_restore__a_backup_of_older_code__is_brought_up_to_the_newest_migration(another, migrated_template, tmp_path):
    another()
    create_database(get_settings().warehouse_database)
    engine = create_engine(connection.url().replace("postgresql://", "postgresql+psycopg://", 1))
    config = Config()
    config.set_main_option("script_location", str(files("warehouse.migrations")))
    with engine.begin() as opened:
        config.attributes["connection"] = opened
        command.upgrade(config, "0021")
    engine.dispose()
    backup.dump(tmp_path / "old.dump")
    another()
    newest = migrate()
    assert backup.restore(tmp_path / "old.dump").revision == newest > "0021"


def test_restore__over_deliveries__is_refused_and_they_stay(warehouse_database, tmp_path):
    backup.dump(tmp_path / "empty.dump")
    register_batch()
    done = CliRunner().invoke(app, ["warehouse", "restore", str(tmp_path / "empty.dump")])
    assert done.exit_code == 2 and "already holds 1 deliveries" in done.output
    assert batches() == [("b1",)]


def test_restore__into_an_older_server__says_which_is_needed():
    backup._refuse_old(180004)
    with pytest.raises(backup.BackupError, match="is PostgreSQL 15; a restore needs 17 or newer"):
        backup._refuse_old(150020)


def test_restore__a_torn_file__says_so_and_leaves_an_empty_warehouse(warehouse_database, another, tmp_path):
    register_batch()
    whole = tmp_path / "whole.dump"
    backup.dump(whole)
    (tmp_path / "torn.dump").write_bytes(whole.read_bytes()[:-2000])
    another()
    with pytest.raises(backup.BackupError, match="pg_restore"):
        backup.restore(tmp_path / "torn.dump")
    assert batches() == []
    assert backup.restore(whole).batch_count == 1


def test_dump__nowhere_to_write__says_so(warehouse_database, tmp_path):
    done = CliRunner().invoke(app, ["warehouse", "dump", str(tmp_path / "no" / "folder.dump")])
    assert done.exit_code == 2 and "pg_dump" in done.output


def test_migrate__a_half_restored_database__says_what_to_do_and_no_stack_trace(another, migrated_template):
    another()
    create_database(get_settings().warehouse_database)
    with connection.connect() as opened:
        opened.execute("create schema raw")
    done = CliRunner().invoke(app, ["warehouse", "migrate"])
    assert done.exit_code == 2 and "docs/restore.md" in done.output and "Traceback" not in done.output


def test_migrate__a_database_of_newer_code__says_so(warehouse_database):
    with connection.connect() as opened:
        opened.execute("update alembic_version set version_num = '9999'")
    done = CliRunner().invoke(app, ["warehouse", "migrate"])
    assert done.exit_code == 2 and "another version of this code" in done.output
