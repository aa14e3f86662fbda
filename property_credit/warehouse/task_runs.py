"""What each task of a night did, how long it took and why it stopped: kept in ``ops.task_runs``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from property_credit.warehouse.connection import Role, connect

DONE = ("done", "nothing new")  # the status of a task that ended well


class StoppedByGate(Exception):
    """A gate said no: the night's other feeds go on, what is published stays. The message names the expectation."""


@dataclass
class TaskNote:
    """What a task says of itself.

    ``message`` is for people, ``is_new`` is False when there was nothing to do. ``inputs_hash`` stands for everything
    the task worked on: the same hash again means that there is nothing to do. ``attention``: what waits for somebody
    although the task ended well, such as a file that is still refused.
    """

    message: str = ""
    is_new: bool = True
    inputs_hash: str | None = None
    attention: str | None = None


@contextmanager
def task_run(role: Role, business_date: date, dag: str, task: str) -> Iterator[TaskNote]:
    """Record task ``task`` of DAG ``dag`` as ``role``: its status, message and seconds, also when it fails."""
    note, started = TaskNote(), time.monotonic()

    def record(status: str, message: str) -> None:
        seconds = max(round(time.monotonic() - started, 3), 0.001)  # 0 is what has begun and not ended
        with connect(role) as connection:
            connection.execute(
                "select ops.record_task(%s, %s, %s, %s, %s, %s::numeric, %s, %s)",
                (business_date, dag, task, status, message, seconds, note.inputs_hash, note.attention),
            )

    try:
        yield note
    except BaseException as error:
        status = "stopped by gate" if isinstance(error, StoppedByGate) else "failed"
        record(status, f"{type(error).__name__}: {error}"[:2000])
        raise
    record("done" if note.is_new else "nothing new", note.message)


def is_done(business_date: date, dag: str, task: str, inputs_hash: str) -> bool:
    """Say whether the task ended well for ``business_date`` on just these inputs."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select status = any(%s) and inputs_hash = %s from ops.task_runs"
            " where business_date = %s and dag = %s and task = %s",
            (list(DONE), inputs_hash, business_date, dag, task),
        ).fetchone()
    return bool(row and row[0])
