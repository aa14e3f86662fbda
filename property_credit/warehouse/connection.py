"""Connections: one role per writer, the same call for the embedded server and a server of one's own.

Owns how an address is made for each library. Starts the embedded server when nothing else is configured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from property_credit.warehouse import embedded
from property_credit.warehouse.settings import get_settings

Role = Literal[
    "pc_ingestion",
    "pc_entities",
    "pc_dbt",
    "pc_gatekeeper",
    "pc_scoring",
    "pc_publishing",
    "pc_supervision",
    "pc_api",
    "pc_pages",
    "pc_workbench",
]


class SchemaError(Exception):
    """The database is not what this version's migrations make of it; the message says what to do."""


def parameters(role: Role | None = None, *, database: str | None = None) -> dict[str, Any]:
    """Return libpq parameters (host, port, user, password, dbname) for ``role``; without a role, for the owner.

    With WAREHOUSE_URL unset this makes sure that the embedded server runs.
    """
    settings = get_settings()
    if settings.warehouse_url:
        address = {
            key: str(value) for key, value in conninfo_to_dict(settings.warehouse_url).items() if value is not None
        }
        if role:
            address["user"] = role
            address.pop("password", None)
            if password := settings.password_of(role):
                address["password"] = password
    else:
        server = embedded.ensure_running(settings.data_dir)
        address = {
            "host": str(server.socket_dir),
            "port": str(server.port),
            "user": role or "postgres",
            "dbname": settings.warehouse_database,
        }
    if database:
        address["dbname"] = database
    return address


def url(role: Role | None = None, *, database: str | None = None) -> str:
    """Return a libpq URI (``postgresql://…``) for ``role``, as psql and SQLAlchemy read it."""
    address = parameters(role, database=database)
    login = quote(address.pop("user", ""), safe="")
    password = address.pop("password", "")
    if password:
        login += ":" + quote(password, safe="")
    name = address.pop("dbname", "postgres")
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(address.items()))
    return f"postgresql://{login}@/{quote(name, safe='')}?{query}"


@contextmanager
def connect(role: Role | None = None, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """Open a psycopg connection as ``role``; commits at the end of the block, rolls back on an error."""
    with psycopg.connect(make_conninfo(**parameters(role)), autocommit=autocommit) as connection:
        yield connection
