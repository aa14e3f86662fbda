"""How a task of the night is run: recorded, told to who listens, with sound marts held still while it reads them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date

from property_credit.warehouse.connection import Role
from property_credit.warehouse.marts import sound_marts
from property_credit.warehouse.task_runs import StoppedByGate, TaskNote, task_run


@dataclass(frozen=True)
class TaskEvent:
    """A task began (``seconds`` None) or ended. ``status`` is one of ``ops.task_runs``, or 'running'."""

    dag: str
    task: str
    status: str
    message: str = ""
    seconds: float | None = None


_listeners: list[Callable[[TaskEvent], None]] = []  # of this process: the night's progress on the terminal


@contextmanager
def listening(listener: Callable[[TaskEvent], None]) -> Iterator[None]:
    """Tell ``listener`` of every task that begins or ends in this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def recorded(
    role: Role, business_date: date, dag: str, task: str, *, reads_marts: bool = True, may_be_unbuilt: bool = False
) -> Iterator[TaskNote]:
    """Record a task and tell the listeners; while it runs no build changes the marts it reads.

    With ``reads_marts``, raises UnsoundMartsError when the marts are torn, failed their tests or were changed; with
    ``may_be_unbuilt`` a warehouse that was never built is none of these.
    """
    started = time.monotonic()

    def tell(status: str, message: str = "", *, ended: bool = True) -> None:
        for listener in _listeners:
            listener(TaskEvent(dag, task, status, message, time.monotonic() - started if ended else None))

    tell("running", ended=False)
    try:
        marts = sound_marts(may_be_unbuilt=may_be_unbuilt) if reads_marts else nullcontext()
        with task_run(role, business_date, dag, task) as note, marts:
            yield note
    except BaseException as error:
        tell("stopped by gate" if isinstance(error, StoppedByGate) else "failed", str(error))
        raise
    tell("done" if note.is_new else "nothing new", note.message)
