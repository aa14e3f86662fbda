"""Quarters, by which lists of grades take effect: on the first day, previewed ten working days before (§2, §8.1)."""

from datetime import date

from property_credit.warehouse import working_days

PREVIEW_WORKING_DAYS = 10


def quarter_of(day: date) -> str:
    """Return the quarter of a day.

    >>> quarter_of(date(2026, 11, 1))
    '2026-Q4'
    """
    return f"{day.year}-Q{(day.month + 2) // 3}"


def next_quarter_on(day: date) -> date:
    """Return the first day of the quarter after that of ``day``.

    >>> next_quarter_on(date(2026, 12, 31)), next_quarter_on(date(2027, 1, 1))
    (datetime.date(2027, 1, 1), datetime.date(2027, 4, 1))
    """
    month = (day.month - 1) // 3 * 3 + 4
    return date(day.year + month // 13, (month - 1) % 12 + 1, 1)


def preview_from(first_day: date) -> date:
    """Return from when enterprises preview the list that takes effect on ``first_day``.

    >>> preview_from(date(2027, 1, 1))
    datetime.date(2026, 12, 18)
    """
    return working_days.before(first_day, PREVIEW_WORKING_DAYS)
