"""Cursors: where a list or a stream of changes goes on, as text that only this API reads."""

import base64
import binascii
import json
from datetime import date

from property_credit.publishing import parameters
from property_credit.publishing.problems import ProblemError
from property_credit.warehouse.credit_codes import problem_with

LARGEST = 2**62
_NOT_OURS = (
    "不是本接口给出的游标，请原样使用上一页给出的",
    "it is not a cursor of this API; take the one of the page before, unchanged",
)


def write(*parts: int | str | None) -> str:
    """Return a cursor of these parts."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_page(cursor: str, as_of: date | None, newest: int, today: date) -> tuple[int, date, str]:
    """Return (publication, day, last credit code) of a list's cursor; a problem document says what is wrong.

    Args:
        cursor: as the page before gave it.
        as_of: the day that is asked for beside it; None: the cursor's.
        newest: number of the newest publication.
        today: the last day for which grades are known; no page before was for a later one.
    """
    publication, day, after = _read("cursor", cursor, 3)
    try:
        parsed = date.fromisoformat(str(day))
    except ValueError as error:
        raise _bad("cursor", *_NOT_OURS) from error
    if parsed.isoformat() != day or parsed > today:
        raise _bad("cursor", *_NOT_OURS)
    if as_of and as_of != parsed:
        raise _bad(
            "cursor",
            f"它接续 {parsed} 的名单，而不是 {as_of} 的；请不带 as_of，或重新开始",
            f"it continues a list as of {parsed}, not {as_of}; leave `as_of` out or start a new list",
        )
    return _publication("cursor", publication, newest), parsed, _code("cursor", after)


def read_since(since: str, newest: int) -> tuple[int, str]:
    """Return (publication, last credit code) of a cursor of changes; ``newest`` is the newest publication's number."""
    publication, after = _read("since", since, 2)
    return _publication("since", publication, newest), _code("since", after)


def _bad(parameter: str, zh: str, en: str) -> ProblemError:
    return parameters.bad(parameter, zh, en, kind="invalid-cursor")


def _read(parameter: str, cursor: str, length: int) -> list[object]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _bad(parameter, *_NOT_OURS) from error
    if not isinstance(content, list) or len(content) != length:
        raise _bad(parameter, *_NOT_OURS)
    return content


def _publication(parameter: str, value: object, newest: int) -> int:
    if type(value) is not int or not 0 < value < LARGEST:
        raise _bad(parameter, *_NOT_OURS)
    if value > newest:
        raise _bad(
            parameter,
            f"它指向第 {value} 次发布，而最新为第 {newest} 次；数据可能已从备份恢复，请从头读取",
            f"it is of publication {value}, and the newest is {newest}: the data may come from a backup; start anew",
        )
    return value


def _code(parameter: str, value: object) -> str:
    if not isinstance(value, str) or problem_with(value):
        raise _bad(parameter, *_NOT_OURS)
    return value
