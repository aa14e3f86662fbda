"""Cursors: where a list or a stream of changes goes on, as text that only this API reads."""

import base64
import binascii
import json
from datetime import date

from publishing.problems import ProblemError
from publishing.uscc import problem_with

LARGEST = 2**62


def write(*parts: int | str | None) -> str:
    """Return a cursor of these parts."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_page(cursor: str, as_of: date | None) -> tuple[int, date | None, str]:
    """Return (publication, as_of, last credit code) of a list's cursor; a problem document says what is wrong."""
    newest, day, after = _read(cursor, 3)
    try:
        found = date.fromisoformat(str(day)) if day is not None else None
    except ValueError as error:
        raise bad("it is not a cursor of this API") from error
    if as_of and as_of != found:
        raise bad(f"it continues a list as of {day}, not {as_of}; leave `as_of` out or start a new list")
    return _publication(newest), found, _code(after)


def read_since(since: str) -> tuple[int, str]:
    """Return (publication, last credit code) of a cursor of changes."""
    newest, after = _read(since, 2)
    return _publication(newest), _code(after)


def bad(detail: str) -> ProblemError:
    """A cursor that cannot be used."""
    return ProblemError(422, "invalid-cursor", title="游标无效 invalid cursor", detail=f"cursor: {detail}")


def _read(cursor: str, length: int) -> list[object]:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise bad("it is not a cursor of this API; take the one of the page before, unchanged") from error
    if not isinstance(found, list) or len(found) != length:
        raise bad("it is not a cursor of this kind; take the one of the page before, unchanged")
    return found


def _publication(value: object) -> int:
    if type(value) is not int or not 0 < value < LARGEST:
        raise bad("it is not a cursor of this API")
    return value


def _code(value: object) -> str:
    if not isinstance(value, str) or problem_with(value):
        raise bad("it is not a cursor of this API")
    return value
