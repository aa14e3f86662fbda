"""Working days as the State Council arranges them: the one place in the house that knows holidays and make-up workdays.

Owns how a limit in working days is counted. A year's arrangement is published in November of the year before; past the
last year the library knows, Monday to Friday are working days and what is counted there is provisional: say so where a
person reads it (``is_provisional``), and count again once the library knows more.
"""

from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from chinese_calendar import constants

_FIRST = date(2004, 1, 1)  # the library's first year
_BEYOND_YEARS = 40  # so far past the last known year weekends are laid out


def last_known_year() -> int:
    """Return the last year whose holidays and make-up workdays are known."""
    return max(day.year for day in constants.holidays)


def is_provisional(day: date) -> bool:
    """Say whether ``day`` was counted without knowing its year's arrangement: it may still move."""
    return day.year > last_known_year()


def is_working_day(day: date) -> bool:
    """Say whether offices work on ``day``.

    >>> is_working_day(date(2026, 10, 7)), is_working_day(date(2026, 10, 10))  # National Day; a make-up Saturday
    (False, True)
    """
    return bool(np.is_busday(np.datetime64(day), busdaycal=calendar()))


def after(day: date, count: int) -> date:
    """Return the ``count``-th working day after ``day`` (0: ``day`` itself, or the last working day before it).

    >>> after(date(2026, 9, 30), 1), after(date(2026, 9, 30), 3)  # 1-7 October are holidays, Saturday the 10th is not
    (datetime.date(2026, 10, 8), datetime.date(2026, 10, 10))
    """
    found = np.busday_offset(np.datetime64(day), count, roll="backward", busdaycal=calendar())
    return found.astype(date)  # type: ignore[no-any-return]


def before(day: date, count: int) -> date:
    """Return the ``count``-th working day before ``day`` (0: ``day`` itself, or the first working day after it).

    >>> before(date(2026, 10, 1), 1), before(date(2027, 1, 1), 10)
    (datetime.date(2026, 9, 30), datetime.date(2026, 12, 18))
    """
    found = np.busday_offset(np.datetime64(day), -count, roll="forward", busdaycal=calendar())
    return found.astype(date)  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def calendar() -> np.busdaycalendar:
    """Return the arrangement as numpy's calendar, for whole columns of days (``numpy.busday_offset``).

    Every day of the week counts, and every day off stands among the holidays: a make-up Saturday cannot be said
    otherwise.
    """
    last = date(last_known_year() + _BEYOND_YEARS, 12, 31)
    days = (_FIRST + timedelta(days=number) for number in range((last - _FIRST).days + 1))
    off = [day for day in days if day not in constants.workdays and (day in constants.holidays or day.weekday() >= 5)]
    return np.busdaycalendar(weekmask="1111111", holidays=np.array(off, dtype="datetime64[D]"))
