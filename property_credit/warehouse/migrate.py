"""Bring the database to the newest numbered migration and set the passwords of its login roles."""

from importlib.resources import files
from typing import cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from property_credit.warehouse import connection
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.withheld import withhold

MIGRATION_LOCK = 20260101


def migrate() -> str:
    """Create the database if it is missing, apply what is missing, return the revision now in force.

    Two callers at once wait for one another on an advisory lock. Raises psycopg.OperationalError when the
    server cannot be reached, SchemaError when the migrations do not fit what is there: nothing is changed then.
    """
    _create_database()
    config = Config()
    config.set_main_option("script_location", str(files("property_credit.warehouse.migrations")))
    engine = create_engine(connection.url().replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.begin() as opened:
            opened.exec_driver_sql("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            config.attributes["connection"] = opened
            command.upgrade(config, "head")
            if not _do_waiting_tables_match(opened):
                opened.exec_driver_sql("select ops.match_waiting_tables()")
            connected = cast(psycopg.Connection, opened.connection.dbapi_connection)
            _set_role_passwords(connected)
            opened.exec_driver_sql("grant select on alembic_version to pc_gatekeeper")  # a night has no owner's rights
            if not get_settings().distributed:  # a cluster's workers know no rights on columns (docs/security.md)
                withhold(connected)
            return str(opened.exec_driver_sql("select version_num from alembic_version").scalar_one())
    except OperationalError as error:
        raise cast(psycopg.OperationalError, error.orig) from error
    except ProgrammingError as error:
        raise connection.SchemaError(
            f"database {connection.parameters()['dbname']}: its tables are not those that the migrations left "
            f"({str(error.orig).splitlines()[0]}); restore a backup into an empty one (docs/restore.md)"
        ) from error
    except CommandError as error:
        raise connection.SchemaError(
            f"database {connection.parameters()['dbname']} was made by another version of this code ({error}): "
            "use that version or a newer one"
        ) from error
    finally:
        engine.dispose()


def require_current() -> None:
    """Raise SchemaError unless the warehouse stands at this version's newest migration; change nothing.

    What only reads, or acts on a warehouse that is there, calls this; nights, `ingest` and `warehouse migrate` migrate.
    """
    database, stands = connection.parameters()["dbname"], revision("pc_gatekeeper")
    if stands is None:
        raise connection.SchemaError(
            f"there is no warehouse in database {database} yet: `property-credit run` makes one with a sample region, "
            "`property-credit warehouse migrate` an empty one"
        )
    if stands < newest_revision():
        raise connection.SchemaError(
            f"database {database} stands at revision {stands}, this version needs {newest_revision()}: "
            "`property-credit warehouse upgrade` backs it up, brings it there and checks what was published"
        )
    if stands > newest_revision():
        raise connection.SchemaError(
            f"database {database} was made by another version of this code (revision {stands}, newer than "
            f"{newest_revision()}): use that version or a newer one"
        )


def revision(role: connection.Role | None = None) -> str | None:
    """Return the migration at which the warehouse stands, read as ``role`` (default: its owner); None: there is none.

    Raises SchemaError when the role may not read it: an older version did not let it.
    """
    try:
        with connection.connect(role) as opened:
            if opened.execute("select to_regclass('public.alembic_version')").fetchone() == (None,):
                return None
            row = opened.execute("select version_num from public.alembic_version").fetchone()
            return str(row[0]) if row else None
    except psycopg.errors.InsufficientPrivilege as error:
        raise connection.SchemaError(
            "the warehouse was made by an older version: `property-credit warehouse upgrade` backs it up, brings it "
            "here and checks what was published"
        ) from error
    except psycopg.OperationalError as error:
        if get_settings().warehouse_url or "does not exist" not in str(error):
            raise
        return None


def newest_revision() -> str:
    """Return the revision that `migrate` brings a warehouse to; the chain is linear and its files are numbered."""
    names = (entry.name for entry in files("property_credit.warehouse.migrations").joinpath("versions").iterdir())
    return max(name.partition("_")[0] for name in names if name[:1].isdigit())


def _do_waiting_tables_match(opened: Connection) -> bool:
    """Say whether every column of a raw table stands in the table of its waiting rows (migration 0037)."""
    missing = opened.exec_driver_sql(
        """
        select 1 from pg_class as tables
        join pg_attribute as columns on columns.attrelid = tables.oid and columns.attnum > 0
          and not columns.attisdropped
        where tables.relnamespace = to_regnamespace('raw') and tables.relkind = 'r'
          and exists (select from pg_attribute where attrelid = tables.oid and attname = 'row_hash')
          and not exists (
            select from pg_attribute where attrelid = to_regclass('quarantine.waiting_' || tables.relname)
              and attname = columns.attname)
        limit 1
        """
    )
    return missing.first() is None


def _create_database() -> None:
    if get_settings().warehouse_url:
        return  # a server of one's own: its owner made the database
    create_database(get_settings().warehouse_database)


def create_database(name: str, *, owner: str | None = None, password: str | None = None) -> None:
    """Create database ``name`` on the server in use unless it is there.

    With ``owner`` it belongs to that login role, which is made if need be, with ``password``, and may do nothing else.
    """
    maintenance = connection.parameters(database="postgres")
    with psycopg.connect(**maintenance, autocommit=True) as opened:
        if owner:
            _ensure_login(opened, owner, password)
        if not opened.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            try:
                opened.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                pass  # a neighbour made it in between
        if owner:
            opened.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), sql.Identifier(owner)))
            opened.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))


def _ensure_login(opened: psycopg.Connection, role: str, password: str | None) -> None:
    if not opened.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone():
        opened.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
    opened.execute(sql.SQL("alter role {} login nosuperuser nocreatedb nocreaterole").format(sql.Identifier(role)))
    if password:
        _set_password(opened, role, password)


def _set_password(opened: psycopg.Connection, role: str, password: str) -> None:
    """Set a password as its SCRAM verifier: the server, its log and pg_stat_activity never see the word itself."""
    verifier = opened.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    opened.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _set_role_passwords(opened: psycopg.Connection) -> None:
    roles = opened.execute("select rolname from pg_roles where rolname like 'pc\\_%'").fetchall()
    for (role,) in roles:
        if password := get_settings().password_of(role):
            _set_password(opened, role, password)
