"""Days a case is due: the limits of the seed ``clock_limits``, counted in working days from the day it was filed."""

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache

from property_credit.warehouse import working_days
from property_credit.warehouse.settings import PROJECT_ROOT

SEED = PROJECT_ROOT / "dbt_project" / "seeds" / "clock_limits.csv"
STEPS_ZH = {"mark": "标注", "forward": "转办", "decide": "作出决定", "review": "复核"}


@dataclass(frozen=True)
class Clock:
    """A step of a case: when it is due, when it was done (None: not yet), whether it is late on the given day."""

    code: str
    title_zh: str
    limit_days: int
    due_on: date
    done_on: date | None
    is_late: bool
    is_provisional: bool


@cache
def _limits() -> list[tuple[str, str, int, date]]:
    with SEED.open(encoding="utf-8", newline="") as stream:
        return [
            (row["clock_kind_code"], row["case_code"], int(row["limit_count"]), date.fromisoformat(row["valid_from"]))
            for row in csv.DictReader(stream)
        ]


def limit_of(code: str, case_code: str, started_on: date) -> int:
    """Return the limit in working days of a step that runs from ``started_on``: the newest that was in force then."""
    limits = [(from_on, count) for kind, case, count, from_on in _limits() if (kind, case) == (code, case_code)]
    known = [one for one in limits if one[0] <= started_on] or [min(limits)]
    return max(known)[1]


def clock(code: str, case_code: str, started_on: date, done_on: date | None, today: date) -> Clock:
    """Return the clock of step ``code`` that runs from ``started_on``."""
    limit = limit_of(code, case_code, started_on)
    due_on = working_days.after(started_on, limit)
    return Clock(
        code=code,
        title_zh=STEPS_ZH[code],
        limit_days=limit,
        due_on=due_on,
        done_on=done_on,
        is_late=(done_on or today) > due_on,
        is_provisional=working_days.is_provisional(due_on),
    )
