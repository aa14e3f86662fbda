"""How the read API reads parameters: strictly. What it does not know, or what cannot be, is refused by its name.

Owns the types that routes declare and the check of names. A mistyped ``as_of`` that is ignored answers a question about
a bid's opening with the grade of today.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from pydantic import BeforeValidator

from property_credit.publishing.problems import ProblemError, Wrong, invalid

_DAY, _WHOLE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), re.compile(r"[0-9]{1,19}")


class _UnreadableError(ValueError):
    """A value that cannot be read, in the words of a problem document."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise _UnreadableError("应为存在的日期，格式 2026-11-15", "it is an existing day written 2026-11-15")


def _whole(value: object) -> object:
    if type(value) is int or isinstance(value, str) and _WHOLE.fullmatch(value):
        return value
    raise _UnreadableError("应为不带符号的整数", "it is a whole number in digits")


Day = Annotated[date, BeforeValidator(_day)]
in_digits = BeforeValidator(_whole)  # after the bounds of a parameter: `Annotated[int, Query(ge=1), in_digits]`


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from _names(inner)


def check_names(request: Request, names: Iterable[str] = ()) -> None:
    """Refuse a query parameter that the route does not have, or one that is given twice, by its name.

    ``names``: those of a route that declares none by types.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    dependant = getattr(request.scope.get("route"), "dependant", None)
    known = sorted({*names, *(_names(dependant) if dependant else ())})
    zh_known, en_known = "、".join(known) or "无", ", ".join(known) or "none"
    wrong = [
        Wrong(
            parameter=_printable(name),
            zh=f"没有该参数（可用参数：{zh_known}）",
            en=f"there is no such parameter here (there are: {en_known})",
        )
        for name in given
        if name not in known
    ]
    wrong += [
        Wrong(parameter=name, zh=f"出现了 {count} 次，只能出现一次", en=f"it is given {count} times, and must be once")
        for name, count in given.items()
        if name in known and count > 1
    ]
    if wrong:
        raise invalid(
            *wrong, kind="unknown-parameter" if any(one.parameter not in known for one in wrong) else "invalid-request"
        )


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else f"%{ord(c):02X}" for c in name[:60]) or "(无名 unnamed)"


def check_day(as_of: date | None, today: date) -> date:
    """Return the day an answer is for: ``as_of``, or ``today``. A problem document refuses a day to come.

    Args:
        as_of: the day asked for; None: today.
        today: the last day for which grades are known.
    """
    if as_of is not None and as_of > today:
        raise invalid(
            Wrong(
                parameter="as_of",
                zh=f"{as_of} 尚未到来，最晚为 {today}；届时的等级现在无法知道",
                en=f"{as_of} is to come, the last day is {today}: what will bind then is not known yet",
            ),
            kind="day-to-come",
        )
    return as_of or today


def bad(parameter: str, zh: str, en: str, *, kind: str = "invalid-request") -> ProblemError:
    """Return the problem of one parameter."""
    return invalid(Wrong(parameter=parameter, zh=zh, en=en), kind=kind)


def next_day(on: date) -> date:
    """Return the day after: what a night publishes binds from it."""
    return on + timedelta(days=1)


NamesChecked: Any = Depends(check_names)
