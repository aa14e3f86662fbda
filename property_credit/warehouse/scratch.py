"""Scratch schemas: a second warehouse beside the real one, built from the same raw tables and taken away afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from property_credit.warehouse.connection import connect
from property_credit.warehouse.locks import holding

LAYERS = ("staging", "intermediate", "marts")


@contextmanager
def scratch_schemas(prefix: str) -> Iterator[str]:
    """Make ``<prefix>staging``, ``<prefix>intermediate`` and ``<prefix>marts`` for a while; yield the marts' name.

    pc_dbt writes in them and pc_scoring reads the marts. What an earlier process left under the prefix goes first.
    LockedError when another process works under it.
    """
    with holding(f"scratch {prefix}", f"another process works in the schemas {prefix}*: wait until it is done"):
        yield from _made(prefix)


def own_schemas(prefix: str) -> None:
    """Make the schemas in which an engineer builds with dbt beside the platform; what stands in them stays.

    pc_dbt writes in them and pc_gatekeeper reads them, as it reads the platform's own, to compare. Raises ValueError
    when the prefix would name the platform's schemas.
    """
    if not prefix.strip("_"):
        raise ValueError("PC_DBT_PREFIX must name schemas of your own, such as dev_")
    with connect() as owner:
        for layer in LAYERS:
            schema = sql.Identifier(prefix + layer)
            owner.execute(sql.SQL("create schema if not exists {} authorization pc_dbt").format(schema))
            owner.execute(sql.SQL("grant usage on schema {} to pc_gatekeeper").format(schema))
            owner.execute(
                sql.SQL(
                    "alter default privileges for role pc_dbt in schema {} grant select on tables to pc_gatekeeper"
                ).format(schema)
            )


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
