"""Readers: who may sign in to the pages, with a password hashed by Argon2id and the one area they may see.

Owns the table scorecards.readers, as role pc_pages. A password is shown once and stored nowhere; a reader that is
removed, or whose password changes, is signed out everywhere.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.rows import dict_row

from scorecards.areas import LEVELS
from scorecards.errors import ScorecardError
from warehouse.business_date import arrival
from warehouse.connection import connect

SHORTEST, LONGEST_NAME = 12, 40
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash(secrets.token_hex(16))  # an unknown name takes as long to refuse as a wrong password


@dataclass(frozen=True)
class Reader:
    """A reader that may sign in. ``changed_at``: sessions opened before are over."""

    name: str
    area_code: str
    changed_at: datetime


def add(name: str, area_code: str, password: str | None = None) -> str:
    """Let ``name`` read the pages of ``area_code`` and below; return the password, generated when none is given.

    Raises ScorecardError when the name is taken or not usable, the area is unknown, or the password is too short.
    """
    if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= LONGEST_NAME:
        raise ScorecardError(f"a reader's name has 1 to {LONGEST_NAME} readable characters, without blanks around it")
    password = _usable(password)
    with connect("pc_pages") as connection:
        _check_area(connection, area_code)
        now = arrival()
        try:
            connection.execute(
                "insert into scorecards.readers values (%s, %s, %s, true, %s, %s)",
                (name, area_code, _HASHER.hash(password), now, now),
            )
        except psycopg.errors.UniqueViolation as error:
            said = f"a reader {name} is there already: `readers password {name}` gives a new password"
            raise ScorecardError(said) from error
    return password


def set_password(name: str, password: str | None = None) -> str:
    """Give an existing reader a new password (and let a removed one in again); return it."""
    password = _usable(password)
    _update(name, is_active=True, password_hash=_HASHER.hash(password))
    return password


def remove(name: str) -> None:
    """Sign ``name`` out everywhere and let it in no more; ScorecardError when there is no such reader."""
    _update(name, is_active=False, password_hash=None)


def listed() -> list[dict[str, Any]]:
    """Return every reader with the area it may see; no hash."""
    with connect("pc_pages") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select reader_name, area_code, is_active, created_at, changed_at from scorecards.readers "
            "order by reader_name"
        ).fetchall()


def find(name: str) -> Reader | None:
    """Return an active reader by name."""
    with connect("pc_pages") as connection:
        row = connection.execute(
            "select area_code, changed_at from scorecards.readers where reader_name = %s and is_active", (name,)
        ).fetchone()
    return Reader(name, row[0], row[1]) if row else None


def check(name: str, password: str) -> Reader | None:
    """Return the reader when ``password`` is its own; None, after the same time, when not."""
    with connect("pc_pages") as connection:
        row = connection.execute(
            "select area_code, changed_at, password_hash from scorecards.readers where reader_name = %s and is_active",
            (name,),
        ).fetchone()
    try:
        _HASHER.verify(row[2] if row else _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return None
    return Reader(name, row[0], row[1]) if row else None


def _usable(password: str | None) -> str:
    if password is None:
        return secrets.token_urlsafe(12)
    if len(password) < SHORTEST:
        raise ScorecardError(f"a password has at least {SHORTEST} characters")
    return password


def _check_area(connection: psycopg.Connection, area_code: str) -> None:
    try:
        row = connection.execute(
            "select level_code from marts.mart_scorecards__areas where area_code = %s", (area_code,)
        ).fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise ScorecardError("the areas are not known yet: run a night first (`make run`)") from error
    if row is None:
        levels = "、".join(LEVELS.values())
        raise ScorecardError(f"no area {area_code}: give the code of a {levels}, such as 150000, 150200 or 150203")


def _update(name: str, *, is_active: bool, password_hash: str | None) -> None:
    with connect("pc_pages") as connection:
        found = connection.execute(
            "update scorecards.readers set is_active = %s, password_hash = coalesce(%s, password_hash), "
            "changed_at = %s where reader_name = %s",
            (is_active, password_hash, arrival(), name),
        )
        if found.rowcount == 0:
            raise ScorecardError(f"no reader {name}: `readers list` shows them all")
