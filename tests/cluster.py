"""A warehouse of a test's own on a real Citus cluster, where there is one: CITUS_CLUSTER and CITUS_WORKERS name it.

CITUS_CLUSTER is the owner's URL of the coordinator (``postgresql://postgres@host:port``), CITUS_WORKERS its workers as
for ``warehouse distribute``. The owner must be let in on every machine under the same password.
"""

import contextlib
import os
import uuid

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from property_credit.warehouse.connection import connect
from property_credit.warehouse.distribution import distribute
from property_credit.warehouse.migrate import migrate
from property_credit.warehouse.settings import get_settings

needs_cluster = pytest.mark.skipif(
    not os.environ.get("CITUS_CLUSTER"), reason="CITUS_CLUSTER is not set: no Citus cluster here (docs/scale.md)"
)

SECRET = "the same in every warehouse that is compared"


def _machines():
    """Yield the connection string of every machine of the cluster, the coordinator's first."""
    coordinator = os.environ["CITUS_CLUSTER"]
    yield make_conninfo(coordinator, dbname="postgres")
    for worker in os.environ["CITUS_WORKERS"].split(","):
        host, _, port = worker.partition(":")
        yield make_conninfo(coordinator, dbname="postgres", host=host, port=port or 5432)


def _on_every_machine(name, *statements):
    for machine in _machines():
        with psycopg.connect(make_conninfo(machine, dbname=name), autocommit=True) as opened:
            for statement in statements:
                opened.execute(statement)


@contextlib.contextmanager
def cluster_warehouse(home):
    """A migrated and spread warehouse, landing and archive below ``home``, while a block lasts; gives its patch."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _on_every_machine("postgres", f"create database {name}")
    try:
        _on_every_machine(name, "create extension citus")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WAREHOUSE_URL", f"{os.environ['CITUS_CLUSTER'].rstrip('/')}/{name}")
            patch.setenv("DISTRIBUTED", "citus")
            patch.setenv("LANDING_DIR", str(home / "landing"))
            patch.setenv("ARCHIVE_DIR", str(home / "archive"))
            get_settings.cache_clear()
            migrate()
            distribute()
            with connect() as connection:
                connection.execute("update raw.name_secret set secret = %s", (SECRET,))
            yield patch
    finally:
        get_settings.cache_clear()
        _on_every_machine("postgres", f"drop database if exists {name} with (force)")
