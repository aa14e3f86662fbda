"""A warehouse of a test's own: a copy of another database, and this process pointed at it."""

import contextlib
import uuid

import psycopg

from warehouse import connection
from warehouse.settings import get_settings


@contextlib.contextmanager
def copied_database(template):
    """A database copied from ``template`` for the length of the block; gives its name."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    maintenance = connection.parameters(database="postgres")
    with psycopg.connect(**maintenance, autocommit=True) as opened:
        opened.execute(f"create database {name} template {template}")
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
    get_settings.cache_clear()
