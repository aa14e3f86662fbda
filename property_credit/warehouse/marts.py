"""What the marts hold, and whether anybody may read them: the one place that decides for every consumer.

Marts are sound when the newest build of the warehouse ended well, made all of the models, and every table is still what
it left (``ops.changed_tables``). Grades, alerts, clocks, notices, targets and pages come from sound marts alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import psycopg

from property_credit.warehouse.connection import connect
from property_credit.warehouse.locks import reading_marts

SHOWN = 5  # changed tables that a message names


class UnsoundMartsError(RuntimeError):
    """The marts are torn, failed their tests or were changed by another hand; the message says which and what to do."""


@dataclass(frozen=True)
class Marts:
    """What stands: the build that made it, its business date, and what is wrong with it (empty: nothing)."""

    build_id: int | None
    business_date: date | None
    problem: str

    @property
    def is_sound(self) -> bool:
        """True when consumers may read the marts."""
        return not self.problem


def standing() -> Marts:
    """Return what the marts hold now. Hold ``reading_marts`` when what follows relies on it."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select build_id, business_date, mode, status from ops.builds order by build_id desc limit 1"
        ).fetchone()
        if row is None:
            return Marts(None, None, "the warehouse is not built yet: run a night first (`property-credit nightly`)")
        build_id, night, mode, status = row
        problem = _problem(night, mode, status) or changed_by_another_hand(connection)
    if problem:
        problem += f": `property-credit nightly --business-date {night}` makes every table anew"
    return Marts(build_id, night, problem)


def _problem(night: date, mode: str, status: str) -> str:
    if status == "failed":
        return f"the build of {night} failed, a model or a test said no (`property-credit models`); once that is mended"
    if status != "done":
        return f"the build of {night} is running or was interrupted"
    if mode == "partial":
        return f"the build of {night} made some of the models only"
    return ""


def changed_by_another_hand(connection: psycopg.Connection) -> str:
    """Return which tables are not what the last build left, and how each changed; empty when all are."""
    rows = connection.execute(
        "select schema_name || '.' || table_name || ' ' || change from ops.changed_tables() order by 1"
    ).fetchall()
    if not rows:
        return ""
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"tables are not what the last build left ({'; '.join(text for (text,) in rows[:SHOWN])}{more})"


@contextmanager
def sound_marts(*, may_be_unbuilt: bool = False) -> Iterator[Marts]:
    """Hold the marts as they are while the block reads them, like ``reading_marts``.

    Raises UnsoundMartsError when they are not sound; with ``may_be_unbuilt`` not before the first build.
    """
    with reading_marts():
        build = standing()
        if not build.is_sound and not (may_be_unbuilt and build.build_id is None):
            raise UnsoundMartsError(build.problem)
        yield build
