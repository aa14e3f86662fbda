"""A warehouse of a test's own: a copy of another database, and this process pointed at it."""

import contextlib
import uuid

import psycopg

from property_credit.warehouse import connection
from property_credit.warehouse.settings import get_settings


@contextlib.contextmanager
def copied_database(template):
    """A database copied from ``template`` for the length of the block; gives its name."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    maintenance = connection.parameters(database="postgres")
    with psycopg.connect(**maintenance, autocommit=True) as opened:
        opened.execute(f"create database {name} template {template}")
    with psycopg.connect(**connection.parameters(database=name)) as opened:
        is_migrated = opened.execute("select to_regprocedure('ops.remember_tables()')").fetchone() != (None,)
        if is_migrated:
            opened.execute("select ops.remember_tables()")  # a copy has write counters of its own
    try:
        yield name
    finally:
        get_settings.cache_clear()
        with psycopg.connect(**maintenance, autocommit=True) as opened:
            opened.execute(f"drop database if exists {name} with (force)")


def use_warehouse(patch, name, home=None):
    """Set database ``name`` in the environment, and landing and archive below ``home``, until ``patch`` is undone."""
    patch.setenv("WAREHOUSE_DATABASE", name)
    if home is not None:
        patch.setenv("LANDING_DIR", str(home / "landing"))
        patch.setenv("ARCHIVE_DIR", str(home / "archive"))
        patch.setenv("RECEIPTS_DIR", str(home / "receipts"))
    get_settings.cache_clear()


@contextlib.contextmanager
def builder():
    """Connect as dbt's role with what a registered build lets it do: for marts that a test writes by hand."""
    with connection.connect() as owner:
        owner.execute("grant usage, create on schema staging, intermediate, marts to pc_dbt")
    try:
        with connection.connect("pc_dbt") as opened:
            yield opened
    finally:
        with connection.connect() as owner:
            owner.execute("revoke all on schema staging, intermediate, marts from pc_dbt")


def register_build(night):
    """Record what stands in the marts as the whole build of ``night``: what a test wrote by hand counts as built."""
    with connection.connect() as owner:
        owner.execute(
            "select ops.end_build(ops.begin_build(%s, 'full', 'by hand', 'x', 'x', 'x'), 'done', '{}', 0, '[]')",
            (night,),
        )


def last_build():
    """Return business date, mode, reason and status of the newest build of the marts."""
    with connection.connect("pc_dbt") as opened:
        return opened.execute(
            "select business_date, mode, reason, status from ops.builds order by build_id desc limit 1"
        ).fetchone()
