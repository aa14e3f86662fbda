"""The night's lock: one night, or one scheduler, at a time on a warehouse.

Two locks in one. A file below DATA_DIR ends with its process alone, so a database that dies takes no night's lock away
on this machine; an advisory lock holds off other machines, and is taken again when its connection was lost. A holder
that cannot take it again, because another night got it first, is told so and stops.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import IO

import psycopg
from psycopg.conninfo import make_conninfo

from property_credit.warehouse.connection import parameters
from property_credit.warehouse.settings import get_settings

NIGHT_LOCK = 20260401
WATCH_SECONDS = 5.0
LOST_SECONDS = 120.0  # how long a database may be away before the night that cannot prove its lock ends


class NightError(Exception):
    """The night cannot be run at all, or not to its end; the message says why."""


class Held:
    """A lock that is held, and watched by a thread until it is released."""

    def __init__(self, connection: psycopg.Connection, file: IO[str], interrupts_by: signal.Signals) -> None:
        self._connection, self._file, self._interrupts_by = connection, file, interrupts_by
        self._released = threading.Event()
        self.problem: str | None = None
        self._watching = threading.Thread(target=self._watch, name="night-lock", daemon=True)
        self._watching.start()

    def check(self) -> None:
        """Raise NightError when the lock was lost for good: whoever holds it now works on this warehouse."""
        if self.problem:
            raise NightError(self.problem)

    def release(self) -> None:
        """Give both locks back."""
        self._released.set()
        self._watching.join()
        with contextlib.suppress(psycopg.Error):
            self._connection.close()
        self._file.close()

    def _watch(self) -> None:
        last_held = time.monotonic()
        while not self._released.wait(WATCH_SECONDS):
            try:
                self._connection.execute("select 1")
            except psycopg.Error:
                with contextlib.suppress(psycopg.Error):
                    self._connection.close()
                try:
                    again = _connected()
                    if not _is_taken(again):
                        again.close()
                        self._lost("another night took this warehouse while the database was away")
                        return
                    self._connection = again
                except psycopg.OperationalError:
                    if time.monotonic() - last_held > LOST_SECONDS:
                        self._lost(f"the database has been away for {LOST_SECONDS:g} s")
                        return
                    continue
            last_held = time.monotonic()

    def _lost(self, why: str) -> None:
        self.problem = f"the night's lock was lost: {why}; the night ends here: run it again"
        os.kill(os.getpid(), self._interrupts_by)  # whatever it does now is not its own any more


@contextlib.contextmanager
def exclusive() -> Iterator[Held]:
    """Hold the warehouse's night lock; NightError when another process holds it, or when it was lost on the way."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_file())
        connection = _connected()
        if not _is_taken(connection):
            connection.close()
            raise NightError(_TAKEN)
        held = Held(connection, file, stack.enter_context(_interruptible()))
        stack.callback(held.release)
        try:
            yield held
        except KeyboardInterrupt:
            held.check()
            raise


@contextlib.contextmanager
def _interruptible() -> Iterator[signal.Signals]:
    """Give the signal that interrupts the main thread for the length of the block.

    Not SIGINT where it can be helped: a night started in the background (`nohup … &`, cron's scripts) ignores it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield signal.SIGINT
        return
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        yield signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, before)


_TAKEN = (
    "another night or a scheduler (`make up`) works on this warehouse; wait for it, stop it, or start the "
    "night in Airflow's UI: DAG ingest_registers, parameter business_date"
)


@contextlib.contextmanager
def _file() -> Iterator[IO[str]]:
    """Hold this machine's file for this warehouse."""
    address = parameters("pc_gatekeeper")
    key = hashlib.sha256("/".join(address.get(name, "") for name in ("host", "port", "dbname")).encode()).hexdigest()
    path = get_settings().data_dir / "locks" / f"night-{key[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NightError(_TAKEN) from error
        yield file


def _connected() -> psycopg.Connection:
    # keepalives: a server that vanished without a word is noticed within half a minute
    return psycopg.connect(
        make_conninfo(
            **parameters("pc_gatekeeper"),
            connect_timeout="10",
            keepalives_idle="10",
            keepalives_interval="5",
            keepalives_count="3",
        ),
        autocommit=True,
    )


def _is_taken(connection: psycopg.Connection) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (NIGHT_LOCK,)).fetchone()
    return bool(row and row[0])
