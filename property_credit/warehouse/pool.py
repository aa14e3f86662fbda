"""Connections that are kept between requests: opening one costs more than most pages.

Owns the pools of this process, one a role and database. What is borrowed behaves as ``connect`` gives it: committed at
the end of the block, rolled back on an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import QueuePool

from property_credit.warehouse.connection import Role, parameters

KEPT, MOST, PATIENCE_SECONDS = 8, 40, 10  # as many at once as there are threads that answer


@contextmanager
def pooled(role: Role) -> Iterator[psycopg.Connection]:
    """Borrow a connection as ``role``; one that died since it was used is replaced."""
    pool = _pool(make_conninfo(**parameters(role)))
    borrowed = pool.connect()
    try:
        for _ in range(MOST):  # a server that started anew left none of the kept ones alive
            connection: psycopg.Connection = borrowed.driver_connection  # type: ignore[assignment]
            try:
                connection.execute("select")
                break
            except psycopg.OperationalError as error:
                borrowed.invalidate(error)
                borrowed.close()
                borrowed = pool.connect()
        try:
            yield connection
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise
        connection.commit()
    finally:
        borrowed.close()


@lru_cache(maxsize=1)  # a process has one database; tests that go on to another let the last one's connections go
def _pool(address: str) -> QueuePool:
    def opened() -> psycopg.Connection:
        # without prepared statements: a night may build a table anew with other columns
        return psycopg.connect(address, prepare_threshold=None)

    return QueuePool(
        opened,  # type: ignore[arg-type]
        pool_size=KEPT,
        max_overflow=MOST - KEPT,
        timeout=PATIENCE_SECONDS,
        reset_on_return=None,
    )
