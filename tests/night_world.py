"""A whole night's ground: a warehouse of its own, and a fingerprint of everything that a night leaves behind."""

import contextlib
import shutil

import pytest
from own_warehouse import copied_database, use_warehouse
from psycopg import sql

from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from simulation import complaints_api, sandbox_process

SCHEMAS = ("raw", "quarantine", "staging", "intermediate", "marts", "scoring", "publishing", "supervision")
# task_runs is a diary: it says when, and how long
TABLES_OF_OPS = ("batches", "deliveries", "source_cursors", "gate_results")


@contextlib.contextmanager
def warehouse(template, home):
    """A fresh warehouse, landing and archive for the length of a block; gives the block's environment."""
    with copied_database(template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name, home)
        yield patch


@contextlib.contextmanager
def with_offices(made, region, home):
    """The warehouse that ``made`` gives with the offices of ``region`` around it; gives where notices go to."""
    with (
        made as patch,
        sandbox_process.running(home) as sandbox,
        complaints_api.running(region / "complaints_api") as api,
    ):
        patch.setenv("TENDERING_URL", sandbox)
        patch.setenv("SUPERVISION_URL", sandbox)
        patch.setenv("COMPLAINTS_API_URL", api)
        get_settings.cache_clear()
        shutil.copytree(region / "landing", home / "landing")
        yield sandbox


def state(*, without=()):
    """Return a fingerprint of every table's rows, whatever their order; columns named in ``without`` do not count."""
    prints = {}
    with connect() as opened:
        tables = opened.execute(
            """
            select table_schema, table_name, array_agg(column_name::text order by ordinal_position)
            from information_schema.columns join information_schema.tables using (table_schema, table_name)
            where table_type = 'BASE TABLE'
              and table_name not like '%%\\_\\_touched'  -- what a build worked on, not what it found
              and (table_schema = any(%s) or table_schema = 'ops' and table_name = any(%s)) group by 1, 2
            """,
            (list(SCHEMAS), list(TABLES_OF_OPS)),
        ).fetchall()
        for schema, table, columns in tables:
            kept = sql.SQL(", ").join(
                sql.SQL("body - %s::text[]" if name == "body" else "{}").format(sql.Identifier(name))
                for name in columns
                if name not in without
            )
            query = sql.SQL(
                "select count(*), md5(string_agg(row::text, chr(10) order by row::text)) from {} {}"
            ).format(
                sql.SQL("(select row({}) as row from {}) as rows").format(kept, sql.Identifier(schema, table)),
                sql.SQL(""),
            )
            stamps = [list(without)] if "body" in columns else []  # what is sent holds when its notice was raised
            prints[f"{schema}.{table}"] = opened.execute(query, stamps).fetchone()
    return prints
