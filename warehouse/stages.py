"""What each stage of a night did, how long it took and why it stopped: kept in ``ops.stage_runs``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from warehouse.connection import Role, connect


class StoppedByGate(Exception):
    """A gate said no: the night's other feeds go on, what is published stays. The message names the expectation."""


@dataclass
class StageNote:
    """What a stage says of itself: ``message`` for people, ``is_new`` False when there was nothing to do."""

    message: str = ""
    is_new: bool = True


@contextmanager
def stage(role: Role, business_date: date, name: str, step: str = "all") -> Iterator[StageNote]:
    """Record one step of stage ``name`` as ``role``: its status, message and seconds, also when it fails."""
    note, started = StageNote(), time.monotonic()
    try:
        yield note
    except BaseException as error:
        status = "stopped by gate" if isinstance(error, StoppedByGate) else "failed"
        _record(role, business_date, name, step, status, f"{type(error).__name__}: {error}"[:2000], started)
        raise
    _record(role, business_date, name, step, "done" if note.is_new else "nothing new", note.message, started)


def _record(role: Role, business_date: date, name: str, step: str, status: str, message: str, started: float) -> None:
    with connect(role) as connection:
        connection.execute(
            "select ops.record_stage(%s, %s, %s, %s, %s, %s::numeric)",
            (business_date, name, step, status, message, round(time.monotonic() - started, 3)),
        )
