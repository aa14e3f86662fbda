"""Working days: holidays, make-up workdays, and the years nobody has arranged yet."""

import doctest
from datetime import date

import numpy as np
import pytest

from warehouse import working_days


def test_examples__of_the_module__hold():
    assert doctest.testmod(working_days).failed == 0


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        (date(2026, 2, 13), 1, date(2026, 2, 14)),  # a make-up Saturday before the Spring Festival
        (date(2026, 2, 14), 1, date(2026, 2, 24)),  # the festival lasts to 23 February
        (date(2026, 2, 18), 1, date(2026, 2, 24)),  # filed on a holiday: the next working day is the first
        (date(2026, 4, 30), 4, date(2026, 5, 9)),  # Labour Day, then a make-up Saturday
        (date(2026, 10, 31), 1, date(2026, 11, 2)),  # a Saturday
        (date(2026, 10, 30), 0, date(2026, 10, 30)),
    ],
)
def test_after__across_holidays_and_make_up_days__counts_what_offices_work(day, count, expected):
    assert working_days.after(day, count) == expected


def test_before__ten_working_days__comes_back_over_them():
    for day in (date(2026, 1, 1), date(2026, 4, 1), date(2026, 7, 1), date(2026, 10, 1)):
        first = working_days.before(day, 10)
        worked = sum(
            working_days.is_working_day(date.fromordinal(n)) for n in range(first.toordinal(), day.toordinal())
        )
        assert worked == 10 and working_days.is_working_day(first)


def test_year__not_arranged_yet__is_monday_to_friday_and_says_so():
    year = working_days.last_known_year() + 1
    assert working_days.is_provisional(date(year, 1, 1)) and not working_days.is_provisional(date(year - 1, 12, 31))
    monday = date(year, 3, 1)
    monday = date.fromordinal(monday.toordinal() - monday.weekday() + 7)
    assert working_days.after(monday, 5) == date.fromordinal(monday.toordinal() + 7)


def test_calendar__a_column_of_days__is_what_single_days_say():
    days = np.arange("2026-01-01", "2026-12-31", dtype="datetime64[D]")
    found = np.busday_offset(days, 3, roll="backward", busdaycal=working_days.calendar())
    assert [day.astype(date) for day in found] == [working_days.after(day.astype(date), 3) for day in days]
