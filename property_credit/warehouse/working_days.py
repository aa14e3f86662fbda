"""Working days as the State Council arranges them: the one place in the house that knows holidays and make-up workdays.

Owns how a limit in working days is counted. A year's arrangement is published in November of the year before. What the
library does not know yet, the region's own holidays and late changes are dated entries of ``holidays.yml``, laid over
the library. Past the last year that is known, Monday to Friday are working days and what is counted there is
provisional: say so where a person reads it (``is_provisional``), call nobody late by it, and count again once the year
is announced.

Every function takes ``known_on``, a business date: entries announced later do not count. None: all count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from chinese_calendar import constants

from property_credit.warehouse.settings import get_settings

_FIRST = date(2004, 1, 1)  # the library's first year
_BEYOND_YEARS = 40  # so far past the last known year weekends are laid out
_SEED = Path(__file__).with_name("holidays.yml")


class HolidaysError(ValueError):
    """The file of holidays cannot be used; the message names the file, the entry and the key."""


@dataclass(frozen=True)
class Arrangement:
    """What was announced on a day: days off, make-up workdays, and the year they arrange when it is a whole one."""

    announced_on: date
    year: int | None
    off: tuple[date, ...]
    work: tuple[date, ...]


def last_known_year(*, known_on: date | None = None) -> int:
    """Return the last year whose holidays and make-up workdays are known."""
    announced = [one.year for one in _known(known_on) if one.year]
    return max([*(day.year for day in constants.holidays), *announced])


def is_provisional(day: date, *, known_on: date | None = None) -> bool:
    """Say whether ``day`` was counted without knowing its year's arrangement: it may still move."""
    return day.year > last_known_year(known_on=known_on)


def is_working_day(day: date, *, known_on: date | None = None) -> bool:
    """Say whether offices work on ``day``.

    >>> is_working_day(date(2026, 10, 7)), is_working_day(date(2026, 10, 10))  # National Day; a make-up Saturday
    (False, True)
    """
    return bool(np.is_busday(np.datetime64(day), busdaycal=calendar(known_on=known_on)))


def after(day: date, count: int, *, known_on: date | None = None) -> date:
    """Return the ``count``-th working day after ``day`` (0: ``day`` itself, or the last working day before it).

    >>> after(date(2026, 9, 30), 1), after(date(2026, 9, 30), 3)  # 1-7 October are holidays, Saturday the 10th is not
    (datetime.date(2026, 10, 8), datetime.date(2026, 10, 10))
    """
    day_after = np.busday_offset(np.datetime64(day), count, roll="backward", busdaycal=calendar(known_on=known_on))
    return day_after.astype(date)


def before(day: date, count: int, *, known_on: date | None = None) -> date:
    """Return the ``count``-th working day before ``day`` (0: ``day`` itself, or the first working day after it).

    >>> before(date(2026, 10, 1), 1), before(date(2027, 1, 1), 10)
    (datetime.date(2026, 9, 30), datetime.date(2026, 12, 18))
    """
    day_before = np.busday_offset(np.datetime64(day), -count, roll="forward", busdaycal=calendar(known_on=known_on))
    return day_before.astype(date)


def calendar(*, known_on: date | None = None) -> np.busdaycalendar:
    """Return the arrangement as numpy's calendar, for whole columns of days (``numpy.busday_offset``).

    Every day of the week counts, and every day off stands among the holidays: a make-up Saturday cannot be said
    otherwise.
    """
    return _calendar(_known(known_on))


@lru_cache(maxsize=8)
def _calendar(known: tuple[Arrangement, ...]) -> np.busdaycalendar:
    years = [*(day.year for day in constants.holidays), *(one.year for one in known if one.year)]
    last = date(max(years) + _BEYOND_YEARS, 12, 31)
    works: dict[date, bool] = {}  # whether offices work; a later announcement has the last word
    for one in known:
        works |= dict.fromkeys(one.off, False) | dict.fromkeys(one.work, True)

    def is_off(day: date) -> bool:
        if day in works:
            return not works[day]
        return day not in constants.workdays and (day in constants.holidays or day.weekday() >= 5)

    days = (_FIRST + timedelta(days=number) for number in range((last - _FIRST).days + 1))
    return np.busdaycalendar(weekmask="1111111", holidays=np.array([d for d in days if is_off(d)], "datetime64[D]"))


def _known(known_on: date | None) -> tuple[Arrangement, ...]:
    """Return what was announced by ``known_on``, oldest first."""
    every = _arrangements(get_settings().holidays_file or _SEED)
    return tuple(one for one in every if known_on is None or one.announced_on <= known_on)


@lru_cache(maxsize=4)
def _arrangements(path: Path) -> tuple[Arrangement, ...]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["arrangements"] or []
        arrangements = [
            _arrangement(entry, f"{path.name}, entry {number}") for number, entry in enumerate(entries, start=1)
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise HolidaysError(f"{path}: it must hold `arrangements`, a list ({error})") from error
    return tuple(sorted(arrangements, key=lambda one: one.announced_on))


def _arrangement(entry: dict[str, Any], where: str) -> Arrangement:
    if unknown := sorted(set(entry) - {"announced_on", "source", "year", "holidays", "workdays"}):
        raise HolidaysError(f"{where}: unknown {', '.join(unknown)}")
    announced_on, year = entry.get("announced_on"), entry.get("year")
    if not isinstance(announced_on, date) or not entry.get("source"):
        raise HolidaysError(f"{where}: announced_on (yyyy-mm-dd) and source are needed: what is announced has both")
    off, work = (tuple(_days(entry.get(key) or [], f"{where}, {key}")) for key in ("holidays", "workdays"))
    if both := sorted(set(off) & set(work)):
        raise HolidaysError(f"{where}: {both[0]} is a holiday and a workday")
    if year is not None and not any(day.year == year for day in off):
        raise HolidaysError(f"{where}: year {year} is said to be arranged and has no holiday")
    return Arrangement(announced_on, year, off, work)


def _days(values: list[Any], where: str) -> Iterator[date]:
    for value in values:
        if isinstance(value, date):
            yield value
            continue
        try:
            first, last = (date.fromisoformat(part.strip()) for part in str(value).split("/"))
        except ValueError as error:
            raise HolidaysError(f"{where}: {value!r} is neither yyyy-mm-dd nor yyyy-mm-dd/yyyy-mm-dd") from error
        if not timedelta(0) <= last - first <= timedelta(days=31):
            raise HolidaysError(f"{where}: {value!r} does not end within a month of its beginning")
        yield from (first + timedelta(days=number) for number in range((last - first).days + 1))
