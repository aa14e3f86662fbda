"""Back up the warehouse into one file and bring it back, into an empty server and under a newer version of the code.

Owns what a restore must find and what it leaves behind when it fails. A server is dumped and restored by the programs
of its own major version: a newer pg_dump may write what an older server says and no server takes back (a patched 15
answers with a reserved column option). A dump counts as done once its definitions were restored into a scratch
database. Delivered files and keys are not in the database: docs/restore.md says how they are kept.
"""

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from property_credit.warehouse import connection, embedded
from property_credit.warehouse.distribution import distribute
from property_credit.warehouse.migrate import migrate
from property_credit.warehouse.settings import get_settings

SCHEMAS = (
    *("raw", "quarantine", "ops", "staging", "intermediate", "marts", "dbt_checks"),
    *("entities", "workbench", "scoring", "publishing", "supervision", "scorecards"),
)

# where packages of PostgreSQL put the programs of one major version
PROGRAM_FOLDERS = (
    "/usr/lib/postgresql/{major}/bin",
    "/usr/pgsql-{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/opt/homebrew/opt/postgresql@{major}/bin",
)


class BackupError(Exception):
    """A backup or a restore cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Restored:
    """What a restore brought back."""

    revision: str
    batch_count: int
    publication_count: int


def dump(file: Path) -> int:
    """Write the warehouse as it is now, roles' rights included, to ``file``, readable by its owner; return its bytes.

    Nights may go on meanwhile: the file holds one instant. It counts only after its definitions were restored into a
    scratch database, which goes again. BackupError when it cannot be written or would not come back.
    """
    partial = file.with_name(file.name + ".partial")
    version = _server_version()
    try:
        partial.touch(mode=0o600)
        partial.chmod(0o600)
        # without Citus itself: the file goes back into one machine as well as into a cluster
        without_citus = ["--exclude-extension=citus*"] if version >= 170000 else []  # that is when pg_dump learned it
        _run("pg_dump", "--format=custom", *without_citus, f"--file={partial}")
        _prove(partial)
        partial.replace(file)
    except OSError as error:
        raise BackupError(f"{file}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return file.stat().st_size


def restore(file: Path) -> Restored:
    """Bring the warehouse of ``file`` back and apply the migrations that are newer than it; spread raw over a cluster.

    The warehouse in use must hold no delivery. When the file cannot be read it is left empty, and a restore can be
    tried again. BackupError says what stands in the way.
    """
    if not file.is_file():
        raise BackupError(f"{file}: there is no such file")
    programs_of(_server_version())
    migrate()  # roles and their settings belong to the server, not to the file
    with connection.connect() as opened:
        held = _count(opened, "ops.batches")
        if held:
            raise BackupError(
                f"the warehouse already holds {held:,} deliveries, which a restore would replace: "
                "set DATA_DIR to a new folder, or WAREHOUSE_URL to an empty database"
            )
        _take_away_what_migrations_made(opened)
    try:
        _run("pg_restore", "--single-transaction", "--exit-on-error", str(file))
    finally:
        revision = migrate()
    distribute()
    with connection.connect(autocommit=True) as opened:
        opened.execute("analyze")  # a dump brings no statistics, and loads and builds are planned by them
        return Restored(revision, _count(opened, "ops.batches"), _count(opened, "publishing.publications"))


@dataclass(frozen=True)
class Drill:
    """What a restore drill compared: tables and rows of the dump, its bytes, and what came back otherwise."""

    table_count: int
    row_count: int
    byte_count: int
    differing: tuple[str, ...] = ()


def drill() -> Drill:
    """Back the warehouse up, restore it into a scratch database, and compare every row of every table; nothing is left.

    Nights may go on meanwhile: both sides are one instant. BackupError when it cannot be dumped or restored.
    """
    with connection.connect() as opened:
        opened.execute("set transaction isolation level repeatable read")
        row = opened.execute("select pg_export_snapshot()").fetchone()
        assert row is not None  # it always has one
        before = _fingerprints(opened)
        with copied(snapshot=row[0]) as copy:
            with psycopg.connect(make_conninfo(**connection.parameters(database=copy.database))) as restored:
                after = _fingerprints(restored)
    differing = sorted(table for table in before.keys() | after.keys() if before.get(table) != after.get(table))
    return Drill(len(before), sum(count for count, _digest in before.values()), copy.byte_count, tuple(differing))


@dataclass(frozen=True)
class Copy:
    """A scratch database that holds the warehouse of one instant, and the bytes of the dump that it came from."""

    database: str
    byte_count: int


@contextmanager
def copied(*, snapshot: str | None = None, name: str | None = None) -> Iterator[Copy]:
    """Restore a dump of this instant (or of an exported ``snapshot``) into a scratch database for the block.

    One of ``name`` that a killed process left goes first. Nights may go on meanwhile. BackupError when it cannot be
    dumped or restored.
    """
    if get_settings().distributed:
        raise BackupError("a cluster is copied by restoring its dump into another server (docs/restore.md)")
    folder = get_settings().data_dir / "backups"
    file = folder / f"copy-{uuid.uuid4().hex[:12]}.dump"
    with _scratch_database(name) as database:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            _run("pg_dump", "--format=custom", *([f"--snapshot={snapshot}"] if snapshot else []), f"--file={file}")
            byte_count = file.stat().st_size
            _run("pg_restore", "--single-transaction", "--exit-on-error", str(file), database=database)
        except OSError as error:
            raise BackupError(f"{file}: cannot be written: {error.strerror}") from error
        finally:
            file.unlink(missing_ok=True)
        yield Copy(database, byte_count)


def _fingerprints(opened: psycopg.Connection) -> dict[str, tuple[int, str]]:
    """Return of every table of ours how many rows it has and a digest of them all, in whatever order they lie."""
    tables = opened.execute(
        "select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where relkind = 'r' and nspname = any(%s) order by 1, 2",
        (list(SCHEMAS),),
    ).fetchall()
    fingerprints = {}
    for schema, table in tables:
        query = sql.SQL("select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text from {} as t")
        row = opened.execute(query.format(sql.Identifier(schema, table))).fetchone()
        assert row is not None  # a count always is
        fingerprints[f"{schema}.{table}"] = (int(row[0]), str(row[1]))
    return fingerprints


def programs_of(server_version: int) -> Path:
    """Return the folder of the PostgreSQL programs for a server of ``server_version`` (as libpq says it: 150020).

    POSTGRES_PROGRAMS, else the wheel's for its own major version, else where packages put them, else what PATH finds.
    BackupError, saying what to install, when none of that major version is there.
    """
    major = str(server_version // 10000)
    given, on_path = get_settings().postgres_programs, shutil.which("pg_dump")
    folders = [given] if given else []
    if major == embedded.MAJOR_VERSION:
        folders.append(embedded.binaries())
    folders += [Path(folder.format(major=major)) for folder in PROGRAM_FOLDERS]
    folders += [Path(on_path).parent] if on_path else []
    for folder in folders:
        if (folder / "pg_restore").exists() and _major_of(folder / "pg_dump") == major:
            return folder
    raise BackupError(
        f"this server is PostgreSQL {major}.{server_version % 10000}, and no pg_dump and pg_restore of {major} "
        "are here (those of another version write or send what it does not take): install them (Debian: "
        f"postgresql-client-{major}), or say where they are with POSTGRES_PROGRAMS=/folder"
    )


def _major_of(program: Path) -> str | None:
    """Return the major version that a program says of itself; None when it cannot be run."""
    try:
        output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.search(r"\) (\d+)", output)
    return version[1] if version else None


def _server_version() -> int:
    own = get_settings().warehouse_url is not None  # of the embedded server the database may have to be made yet
    with psycopg.connect(make_conninfo(**connection.parameters(database=None if own else "postgres"))) as opened:
        return opened.info.server_version


def _prove(file: Path) -> None:
    """Restore a dump's definitions into a scratch database and read its rows to their end; BackupError if one fails."""
    with _scratch_database() as name:
        try:
            _run("pg_restore", "--schema-only", "--exit-on-error", str(file), database=name)
            _run("pg_restore", "--data-only", "--file=/dev/null", str(file), connects=False)
        except BackupError as error:
            raise BackupError(f"the dump would not come back, so it is not kept: {error}") from error


@contextmanager
def _scratch_database(name: str | None = None) -> Iterator[str]:
    name = name or f"dump_proof_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(make_conninfo(**connection.parameters(database="postgres")), autocommit=True) as opened:
        try:
            opened.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            opened.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise BackupError(
                "this is done in a scratch database and this role may not create one: "
                "give the owner CREATEDB (alter role … createdb)"
            ) from error
        try:
            yield name
        finally:
            opened.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _count(opened: psycopg.Connection, table: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier(*table.split(".")))
    row = opened.execute(query).fetchone()
    return int(row[0]) if row else 0


def _take_away_what_migrations_made(opened: psycopg.Connection) -> None:
    """Drop the project's schemas, no others: an older file could not replace newer objects one by one."""
    for name in SCHEMAS:
        opened.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
    opened.execute("drop table public.alembic_version")


def _run(program: str, *arguments: str, database: str | None = None, connects: bool = True) -> None:
    """Run a PostgreSQL program on the warehouse; the password goes by the environment: no process list shows it."""
    folder = programs_of(_server_version())
    address = connection.parameters(database=database)
    password = address.pop("password", None)
    to = [f"--dbname={make_conninfo(**address)}", "--no-password"] if connects else []
    command = [str(folder / program), *to, *arguments]
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        lines = [line for line in finished.stderr.splitlines() if line.strip()]
        raise BackupError(f"{program}: {lines[0] if lines else f'exit {finished.returncode}'}")
