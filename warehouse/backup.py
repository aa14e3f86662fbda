"""Back up the warehouse into one file and bring it back, into an empty server and under a newer version of the code.

Owns what a restore must find and what it leaves behind when it fails. Uses the wheel's pg_dump and pg_restore.
Delivered files and keys are not in the database: docs/restore.md says how they are kept.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from warehouse import connection, embedded
from warehouse.distribution import distribute
from warehouse.migrate import migrate

SCHEMAS = (
    *("raw", "quarantine", "ops", "staging", "intermediate", "marts", "dbt_checks"),
    *("scoring", "publishing", "supervision", "scorecards"),
)

OLDEST_SERVER = 170000  # that a restore goes into; knows transaction_timeout


class BackupError(Exception):
    """A backup or a restore cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Restored:
    """What a restore brought back."""

    revision: str
    batch_count: int
    publication_count: int


def dump(file: Path) -> int:
    """Write the warehouse as it is now, roles' rights included, to ``file``; return its bytes.

    Nights may go on meanwhile: the file holds one instant. BackupError when it cannot be written.
    """
    partial = file.with_name(file.name + ".partial")
    try:
        # without Citus itself: the file goes back into one machine as well as into a cluster
        _run("pg_dump", "--format=custom", "--exclude-extension=citus*", f"--file={partial}")
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
    migrate()  # roles and their settings belong to the server, not to the file
    with connection.connect() as opened:
        _refuse_old(opened.info.server_version)
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
    with connection.connect() as opened:
        return Restored(revision, _count(opened, "ops.batches"), _count(opened, "publishing.publications"))


def _refuse_old(server_version: int) -> None:
    """Refuse a server that does not know a setting which pg_restore sends to every server."""
    if server_version < OLDEST_SERVER:
        raise BackupError(
            f"this server is PostgreSQL {server_version // 10000}; a restore needs {OLDEST_SERVER // 10000} or newer: "
            "set WAREHOUSE_URL to such a server, or unset it for the embedded one"
        )


def _count(opened: psycopg.Connection, table: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier(*table.split(".")))
    row = opened.execute(query).fetchone()
    return int(row[0]) if row else 0


def _take_away_what_migrations_made(opened: psycopg.Connection) -> None:
    """Drop the project's schemas, no others: an older file could not replace newer objects one by one."""
    for name in SCHEMAS:
        opened.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
    opened.execute("drop table public.alembic_version")


def _run(program: str, *arguments: str) -> None:
    """Run a PostgreSQL program on the warehouse; the password goes by the environment: no process list shows it."""
    found = connection.parameters()
    password = found.pop("password", None)
    command = [str(embedded.binaries() / program), f"--dbname={make_conninfo(**found)}", "--no-password", *arguments]
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        said = [line for line in finished.stderr.splitlines() if line.strip()]
        raise BackupError(f"{program}: {said[0] if said else f'exit {finished.returncode}'}")
