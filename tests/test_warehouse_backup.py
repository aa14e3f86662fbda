"""A warehouse is backed up and comes back: into an empty one, under newer code, or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from datetime import date
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.night import month_tasks
from property_credit.warehouse import backup, connection, embedded
from property_credit.warehouse.migrate import create_database, migrate
from property_credit.warehouse.settings import get_settings


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
    assert (tmp_path / "warehouse.dump").stat().st_mode & 0o777 == 0o600
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
        schemas = opened.execute(
            "select nspname from pg_namespace"
            " where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')"
        ).fetchall()
    assert sorted(backup.SCHEMAS) == sorted(name for (name,) in schemas)


def test_restore__a_backup_of_older_code__is_brought_up_to_the_newest_migration(another, migrated_template, tmp_path):
    another()
    create_database(get_settings().warehouse_database)
    engine = create_engine(connection.url().replace("postgresql://", "postgresql+psycopg://", 1))
    config = Config()
    config.set_main_option("script_location", str(files("property_credit.warehouse.migrations")))
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


@pytest.fixture(params=["15", "16", "17"])
def server_of(request, tmp_path, monkeypatch):
    """A server of another supported major version, where its programs are; gives its major and its URL's beginning."""
    major = request.param
    folders = [os.environ.get(f"POSTGRES_{major}"), *(text.format(major=major) for text in backup.PROGRAM_FOLDERS)]
    folder = next((Path(text) for text in folders if text and (Path(text) / "initdb").exists()), None)
    if folder is None:
        pytest.skip(f"no server programs of PostgreSQL {major} here (set POSTGRES_{major} to their folder)")
    user = embedded._server_user()
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    home = Path(tempfile.mkdtemp(prefix=f"server-{major}-"))
    if user:
        os.chown(home, user.pw_uid, user.pw_gid)

    def run(program, *arguments):
        done = subprocess.run(
            [folder / program, *arguments], cwd=home, stdin=subprocess.DEVNULL, stdout=open(home / "out", "ab"),
            stderr=subprocess.STDOUT, **identity,
        )  # fmt: skip
        assert done.returncode == 0, (home / "out").read_text()

    run("initdb", "-D", home / "cluster", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    run("pg_ctl", "-D", home / "cluster", "-l", home / "log", "-w", "-o", options, "start")
    monkeypatch.setenv("POSTGRES_PROGRAMS", str(folder))
    yield major, f"postgresql://postgres@/{{}}?host={home}"
    run("pg_ctl", "-D", home / "cluster", "-m", "immediate", "stop")
    shutil.rmtree(home)


def test_dump_and_restore__server_of_another_major__by_its_own_programs_and_into_the_newest(
    server_of, another, tmp_path, monkeypatch
):
    major, address = server_of
    for number, name in enumerate(("first", "second")):
        with psycopg.connect(address.format("postgres"), autocommit=True) as opened:
            opened.execute(f"create database {name}")
            assert str(opened.info.server_version // 10000) == major
        monkeypatch.setenv("WAREHOUSE_URL", address.format(name))
        get_settings.cache_clear()
        if number == 0:
            migrate()
            register_batch()
            backup.dump(tmp_path / "warehouse.dump")
        else:
            assert backup.restore(tmp_path / "warehouse.dump").batch_count == 1
    monkeypatch.delenv("WAREHOUSE_URL")
    another()
    assert backup.restore(tmp_path / "warehouse.dump").batch_count == 1
    monkeypatch.delenv("POSTGRES_PROGRAMS")
    for place in ("PROGRAM_FOLDERS", "shutil"):
        monkeypatch.setattr(backup, place, () if place == "PROGRAM_FOLDERS" else SimpleNamespace(which=lambda _: None))
    get_settings.cache_clear()
    with pytest.raises(backup.BackupError, match=f"PostgreSQL {major}.* postgresql-client-{major}.*POSTGRES_PROGRAMS"):
        backup.programs_of(int(major) * 10000 + 20)


@pytest.mark.parametrize(
    "damaged",
    ["whole[:3000]", "whole[:-3000]", "whole.replace(b'CREATE SCHEMA ops', b'CREATE SCHEMX ops')"],
    ids=["torn in its definitions", "torn in its rows", "a definition no server takes"],
)
def test_dump__what_would_not_come_back__is_refused_and_not_kept(warehouse_database, tmp_path, monkeypatch, damaged):
    """A pg_dump that says it is done and wrote what no server takes: as the wheel's did of a patched server."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pg_restore").symlink_to(embedded.binaries() / "pg_restore")
    (programs / "damage.py").write_text(  # definitions begin the file, as they are; rows end it
        "import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\nwhole = file.read_bytes()\n"
        f"damaged = {damaged}\nassert damaged != whole\nfile.write_bytes(damaged)\n"
    )
    (programs / "pg_dump").write_text(
        f'#!/bin/sh\n{embedded.binaries()}/pg_dump "$@" || exit\nfor part; do case "$part" in\n'
        f'--file=*) {sys.executable} {programs}/damage.py "${{part#--file=}}" || exit;;\nesac; done\n'
    )
    (programs / "pg_dump").chmod(0o755)
    monkeypatch.setenv("POSTGRES_PROGRAMS", str(programs))
    get_settings.cache_clear()
    done = CliRunner().invoke(app, ["warehouse", "dump", str(tmp_path / "warehouse.dump")])
    assert done.exit_code == 2 and "would not come back" in done.output
    assert not list(tmp_path.glob("warehouse.dump*"))
    with psycopg.connect(**connection.parameters(database="postgres")) as opened:
        assert opened.execute("select datname from pg_database where datname like 'dump_proof%'").fetchall() == []


def test_drill__a_backup_of_what_is_there__comes_back_equal_and_leaves_nothing(warehouse_database):
    register_batch()
    done = CliRunner().invoke(app, ["warehouse", "drill"])
    assert done.exit_code == 0 and "came back equal" in done.output, done.output
    assert list((get_settings().data_dir / "backups").glob("drill*")) == []
    with psycopg.connect(**connection.parameters(database="postgres")) as opened:
        assert opened.execute("select datname from pg_database where datname like 'dump_proof%'").fetchall() == []


def test_drill__a_row_that_comes_back_otherwise__is_named_and_the_night_says_so(warehouse_database, monkeypatch):
    register_batch()
    run = backup._run

    def harmed(program, *arguments, database=None, **options):
        run(program, *arguments, database=database, **options)
        if program == "pg_restore":
            with psycopg.connect(**connection.parameters(database=database)) as opened:
                opened.execute("update ops.batches set content_bytes = content_bytes + 1")

    monkeypatch.setattr(backup, "_run", harmed)
    done = CliRunner().invoke(app, ["warehouse", "drill"])
    assert done.exit_code == 1 and "ops.batches" in done.output
    night = date(2026, 11, 30)
    month_tasks.drill_restore(date(2026, 10, 31))  # in its first weeks there is nothing to drill
    with pytest.raises(backup.BackupError, match="ops.batches"):
        month_tasks.drill_restore(night)
    monkeypatch.setattr(backup, "_run", run)
    month_tasks.drill_restore(night)
    with connection.connect("pc_gatekeeper") as opened:
        told = opened.execute(
            "select business_date, status from ops.task_runs where task = 'drill_restore' order by 1"
        ).fetchall()
    assert told == [(date(2026, 10, 31), "nothing new"), (night, "done")]
    assert "came back equal on 2026-11-30" in month_tasks._drilled_since(night)
    assert month_tasks._drilled_since(date(2026, 12, 1)) is None


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
    assert done.exit_code == 2 and "cannot be written" in done.output


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
