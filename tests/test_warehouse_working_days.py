"""Working days: holidays, make-up workdays, and the years nobody has arranged yet."""

import doctest
from datetime import date

import numpy as np
import pytest

from property_credit.warehouse import working_days
from property_credit.warehouse.settings import get_settings


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


SEED = """
arrangements:
  - {announced_on: 2026-11-12, source: a circular, year: 2027, holidays: [2027-01-01/2027-01-03, 2027-02-05/2027-02-12],
     workdays: [2027-02-20]}
  - {announced_on: 2027-05-20, source: the region, holidays: [2027-06-01]}
  - {announced_on: 2027-05-25, source: withdrawn again, workdays: [2027-06-01]}
"""


@pytest.fixture
def seed(monkeypatch, tmp_path):
    """Write a file of holidays and use it."""

    def write(text):
        path = tmp_path / f"holidays-{len(list(tmp_path.iterdir()))}.yml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("HOLIDAYS_FILE", str(path))
        get_settings.cache_clear()

    yield write
    monkeypatch.undo()
    get_settings.cache_clear()


def test_seed__laid_over_the_library__counts_from_the_day_it_was_announced(seed):
    start = date(2027, 1, 20)
    assert working_days.is_provisional(working_days.after(start, 20))
    unknown = working_days.after(start, 20)
    seed(SEED)
    assert working_days.last_known_year() == 2027
    assert not working_days.is_provisional(working_days.after(start, 20))
    assert working_days.after(start, 20) == date(2027, 2, 24) != unknown  # six weekdays off, one Saturday worked
    before = date(2026, 11, 11)  # the night before it was announced computes as it did
    assert working_days.after(start, 20, known_on=before) == unknown
    assert working_days.is_provisional(unknown, known_on=before)
    june = date(2027, 6, 1)
    answers = [working_days.is_working_day(june, known_on=date(2027, 5, day)) for day in (19, 20, 25)]
    assert answers == [True, False, True]  # a later announcement has the last word


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrangements: [{announced_on: 2026-11-12, holidays: [2027-01-01]}]", "source"),
        ("arrangements: [{announced_on: soon, source: x}]", "announced_on"),
        ("arrangements: [{announced_on: 2026-11-12, source: x, holiday: [2027-01-01]}]", "unknown holiday"),
        ("arrangements: [{announced_on: 2026-11-12, source: x, holidays: [1 May]}]", "neither yyyy-mm-dd"),
        (
            "arrangements: [{announced_on: 2026-11-12, source: x, holidays: [2027-05-01/2026-05-03]}]",
            "does not end within",
        ),
        (
            "arrangements: [{announced_on: 2026-11-12, source: x, holidays: [2027-05-01], workdays: [2027-05-01]}]",
            "a holiday and a workday",
        ),
        ("arrangements: [{announced_on: 2026-11-12, source: x, year: 2027, holidays: [2026-05-01]}]", "has no holiday"),
        ("days: []", "must hold `arrangements`"),
    ],
)
def test_seed__that_cannot_be_used__says_where_and_why(seed, text, said):
    seed(text)
    with pytest.raises(working_days.HolidaysError, match=said):
        working_days.calendar()


def test_calendar__a_column_of_days__is_what_single_days_say():
    days = np.arange("2026-01-01", "2026-12-31", dtype="datetime64[D]")
    shifted = np.busday_offset(days, 3, roll="backward", busdaycal=working_days.calendar())
    assert [day.astype(date) for day in shifted] == [working_days.after(day.astype(date), 3) for day in days]
