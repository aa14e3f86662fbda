"""Locks between processes: who builds the marts is alone with them, and who reads them reads one night.

dbt swaps one table after the other, so a reader in between would see marts of two nights. Whoever reads several marts
holds the lock together with other readers; a build holds it alone. Order, for a process that holds several: the night,
the marts, a feed's deliveries (``docs/operations.md``). Advisory locks end with their connection, also after a kill.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import LiteralString

import psycopg

from property_credit.warehouse.connection import connect

MARTS_LOCK = 20260402
LONGEST_WAIT = "30min"  # as every role's lock_timeout: nothing waits for ever

_reads: ContextVar[bool] = ContextVar("reads_marts", default=False)


class LockedError(RuntimeError):
    """The lock was not to be had in time; the message names the processes that hold it."""


@contextmanager
def reading_marts(*, wait: str = LONGEST_WAIT) -> Iterator[None]:
    """Hold the marts as they are while the block reads them: a build waits. LockedError when one takes too long.

    A block inside another holds what that one holds: asking again would wait behind a build that waits for both.
    """
    if _reads.get():
        yield
        return
    with _held("select pg_advisory_lock_shared(%s)", "read", wait):
        before = _reads.set(True)
        try:
            yield
        finally:
            _reads.reset(before)


@contextmanager
def building_marts(*, wait: str = LONGEST_WAIT) -> Iterator[None]:
    """Hold the marts alone while the block builds them: readers wait. LockedError when they take too long."""
    with _held("select pg_advisory_lock(%s)", "built", wait):
        yield


@contextmanager
def holding(name: str, taken: str) -> Iterator[None]:
    """Hold the lock ``name`` while the block works. LockedError, saying ``taken``, when another process holds it."""
    with connect("pc_gatekeeper", autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(hashtext(%s))", (name,)).fetchone()
        if not (row and row[0]):
            raise LockedError(taken)
        yield


@contextmanager
def _held(lock: LiteralString, verb: str, wait: str) -> Iterator[None]:
    with connect("pc_gatekeeper", autocommit=True) as connection:
        connection.execute("select set_config('lock_timeout', %s, false)", (wait,))
        try:
            connection.execute(lock, (MARTS_LOCK,))
        except psycopg.errors.LockNotAvailable as error:
            raise LockedError(
                f"the marts cannot be {verb}: after {wait} server processes {_holders(connection)} still hold them "
                "(see pg_stat_activity); try again when they are done"
            ) from error
        yield


def _holders(connection: psycopg.Connection) -> str:
    rows = connection.execute(
        "select pid from pg_locks where locktype = 'advisory' and objid = %s and granted order by pid", (MARTS_LOCK,)
    ).fetchall()
    return ", ".join(str(pid) for (pid,) in rows) or "none any more"
