"""Kept connections behave as fresh ones: committed or rolled back at the end, and replaced when they died."""

import threading

import psycopg
import pytest

from property_credit.warehouse.connection import connect
from property_credit.warehouse.pool import KEPT, pooled


def pid_of(connection):
    return connection.execute("select pg_backend_pid()").fetchone()[0]


@pytest.fixture
def table(warehouse_database):
    with connect() as owner:
        owner.execute("create table workbench.tried (n int); grant select, insert on workbench.tried to pc_workbench")


def counted():
    with connect() as owner:
        return owner.execute("select count(*) from workbench.tried").fetchone()[0]


def test_pooled__a_block_that_ends__is_committed_and_one_that_fails_is_not(table):
    with pooled("pc_workbench") as connection:
        first = pid_of(connection)
        connection.execute("insert into workbench.tried values (1)")
    with pytest.raises(ZeroDivisionError), pooled("pc_workbench") as connection:
        assert pid_of(connection) == first, "the same one again"
        connection.execute("insert into workbench.tried values (2)")
        raise ZeroDivisionError
    with pytest.raises(psycopg.errors.UndefinedTable), pooled("pc_workbench") as connection:
        connection.execute("select * from workbench.nothing")
    with pooled("pc_workbench") as connection:
        assert connection.info.transaction_status.name == "INTRANS" and counted() == 1
        assert connection.execute("select current_user").fetchone() == ("pc_workbench",)


def test_pooled__after_the_server_ended_all_of_them__gives_one_that_works(table):
    ready = threading.Barrier(KEPT)

    def use():
        with pooled("pc_workbench"):
            ready.wait(20)

    threads = [threading.Thread(target=use) for _ in range(KEPT)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    with connect() as owner:
        ended = owner.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'pc_workbench' "
            "and datname = current_database()"
        ).fetchone()[0]
    assert ended >= KEPT
    with pooled("pc_workbench") as connection:
        connection.execute("insert into workbench.tried values (1)")
    assert counted() == 1


def test_pooled__a_table_that_a_night_makes_anew__is_read_as_it_is_now(table):
    for columns in ("n int", "n text, more int", "n int"):
        with connect() as owner:
            owner.execute(f"drop table workbench.tried; create table workbench.tried ({columns})")
            owner.execute("grant select on workbench.tried to pc_workbench")
        for _ in range(7):  # more than the driver waits before it prepares a statement
            with pooled("pc_workbench") as connection:
                connection.execute("select * from workbench.tried where n is not null").fetchall()
