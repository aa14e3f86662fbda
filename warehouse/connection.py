"""Connections: one role per writer, the same call for the embedded server and a server of one's own.

Owns how an address is made for each library. Starts the embedded server when nothing else is configured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from warehouse import embedded
from warehouse.settings import get_settings

Role = Literal[
    "pc_ingestion", "pc_dbt", "pc_gatekeeper", "pc_scoring", "pc_publishing", "pc_supervision", "pc_api", "pc_pages"
]


class SchemaError(Exception):
    """The database is not what this version's migrations make of it; the message says what to do."""


def parameters(role: Role | None = None, *, database: str | None = None) -> dict[str, str]:
    """Return libpq parameters (host, port, user, password, dbname) for ``role``; without a role, for the owner.

    With WAREHOUSE_URL unset this makes sure that the embedded server runs.
    """
    settings = get_settings()
    if settings.warehouse_url:
        found = {
            key: str(value) for key, value in conninfo_to_dict(settings.warehouse_url).items() if value is not None
        }
        if role:
            found["user"] = role
            found.pop("password", None)
            if settings.warehouse_roles_password:
                found["password"] = settings.warehouse_roles_password.get_secret_value()
    else:
        server = embedded.ensure_running(settings.data_dir)
        found = {
            "host": str(server.socket_dir),
            "port": str(server.port),
            "user": role or "postgres",
            "dbname": settings.warehouse_database,
        }
    if database:
        found["dbname"] = database
    return found


def url(role: Role | None = None, *, database: str | None = None) -> str:
    """Return a libpq URI (``postgresql://…``) for ``role``, as psql and SQLAlchemy read it."""
    found = parameters(role, database=database)
    login = quote(found.pop("user", ""), safe="")
    password = found.pop("password", "")
    if password:
        login += ":" + quote(password, safe="")
    name = found.pop("dbname", "postgres")
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(found.items()))
    return f"postgresql://{login}@/{quote(name, safe='')}?{query}"


@contextmanager
def connect(role: Role | None = None, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """Open a psycopg connection as ``role``; commits at the end of the block, rolls back on an error."""
    with psycopg.connect(make_conninfo(**parameters(role)), autocommit=autocommit) as connection:
        yield connection
