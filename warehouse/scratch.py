"""Scratch schemas: a second warehouse beside the real one, built from the same raw tables and taken away afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from warehouse.connection import connect
from warehouse.locks import holding

LAYERS = ("staging", "intermediate", "marts")


@contextmanager
def scratch_schemas(prefix: str) -> Iterator[str]:
    """Make ``<prefix>staging``, ``<prefix>intermediate`` and ``<prefix>marts`` for a while; yield the marts' name.

    pc_dbt writes in them and pc_scoring reads the marts. What an earlier process left under the prefix goes first.
    LockedError when another process works under it.
    """
    with holding(f"scratch {prefix}", f"another process works in the schemas {prefix}*: wait until it is done"):
        yield from _made(prefix)


def _made(prefix: str) -> Iterator[str]:
    _drop(prefix)
    with connect() as owner:
        for layer in LAYERS:
            owner.execute(sql.SQL("create schema {} authorization pc_dbt").format(sql.Identifier(prefix + layer)))
        marts = sql.Identifier(prefix + "marts")
        owner.execute(sql.SQL("grant usage on schema {} to pc_scoring").format(marts))
        owner.execute(
            sql.SQL(
                "alter default privileges for role pc_dbt in schema {} grant select on tables to pc_scoring"
            ).format(marts)
        )
    try:
        yield prefix + "marts"
    finally:
        _drop(prefix)


def _drop(prefix: str) -> None:
    with connect() as owner:
        for layer in reversed(LAYERS):
            owner.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(prefix + layer)))
