"""Bring the database to the newest numbered migration and set the passwords of its login roles."""

from importlib.resources import files
from typing import cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from warehouse import connection
from warehouse.settings import get_settings

MIGRATION_LOCK = 20260101


def migrate() -> str:
    """Create the database if it is missing, apply what is missing, return the revision now in force.

    Two callers at once wait for one another on an advisory lock. Raises psycopg.OperationalError when the
    server cannot be reached, SchemaError when the migrations do not fit what is there: nothing is changed then.
    """
    _create_database()
    config = Config()
    config.set_main_option("script_location", str(files("warehouse.migrations")))
    engine = create_engine(connection.url().replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.begin() as opened:
            opened.exec_driver_sql("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            config.attributes["connection"] = opened
            command.upgrade(config, "head")
            _set_role_passwords(cast(psycopg.Connection, opened.connection.dbapi_connection))
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


def _create_database() -> None:
    if get_settings().warehouse_url:
        return  # a server of one's own: its owner made the database
    create_database(get_settings().warehouse_database)


def create_database(name: str) -> None:
    """Create database ``name`` on the server in use unless it is there."""
    maintenance = connection.parameters(database="postgres")
    with psycopg.connect(**maintenance, autocommit=True) as opened:  # type: ignore[arg-type]
        if not opened.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            try:
                opened.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                pass  # a neighbour made it in between


def _set_role_passwords(opened: psycopg.Connection) -> None:
    password = get_settings().warehouse_roles_password
    if password is None:
        return
    roles = opened.execute("select rolname from pg_roles where rolname like 'pc\\_%'").fetchall()
    for (role,) in roles:
        opened.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password.get_secret_value()))
        )
