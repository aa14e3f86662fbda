"""Readers: who may sign in to the pages, with a password hashed by Argon2id and the one area they may see.

Owns the tables scorecards.readers and scorecards.sessions, as role pc_pages. A password is shown once and stored
nowhere; a session is a row here, of which the browser holds a random name: signing out deletes it, and a copy of the
cookie opens nothing. A reader that is removed, or whose password changes, is signed out everywhere.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pyotp
from psycopg.rows import dict_row

from property_credit.scorecards.areas import LEVELS
from property_credit.scorecards.errors import ScorecardError
from property_credit.warehouse import sign_in
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

LONGEST_NAME = 40
ISSUER = "物业服务企业信用评价 监管月报"
SIGN_INS = sign_in.SignIns("pc_pages", ("scorecards", "readers"), ("scorecards", "sessions"), "reader_name")


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
    password = _usable(password, name)
    with connect("pc_pages") as connection:
        _check_area(connection, area_code)
        now = arrival()
        try:
            connection.execute(
                "insert into scorecards.readers "
                "(reader_name, area_code, password_hash, is_active, created_at, changed_at) "
                "values (%s, %s, %s, true, %s, %s)",
                (name, area_code, sign_in.hashed(password), now, now),
            )
        except psycopg.errors.UniqueViolation as error:
            message = f"a reader {name} is there already: `readers password {name}` gives a new password"
            raise ScorecardError(message) from error
    return password


def set_password(name: str, password: str | None = None) -> str:
    """Give an existing reader a new password (and let a removed one in again); return it."""
    password = _usable(password, name)
    _update(name, is_active=True, password_hash=sign_in.hashed(password))
    return password


def remove(name: str) -> None:
    """Sign ``name`` out everywhere and let it in no more; ScorecardError when there is no such reader."""
    _update(name, is_active=False, password_hash=None)


def listed() -> list[dict[str, Any]]:
    """Return every reader with the area it may see; no hash."""
    with connect("pc_pages") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select reader_name, area_code, is_active, totp_secret is not null as has_second_factor, created_at, "
            "changed_at from scorecards.readers order by reader_name"
        ).fetchall()


def find(name: str) -> Reader | None:
    """Return an active reader by name."""
    with connect("pc_pages") as connection:
        row = connection.execute(
            "select area_code, changed_at from scorecards.readers where reader_name = %s and is_active", (name,)
        ).fetchone()
    return Reader(name, row[0], row[1]) if row else None


def check(name: str, password: str, code: str = "") -> Reader | None:
    """Return the reader when ``password`` is its own, and ``code`` too where it has a second factor.

    None, after the same time, when not; which of the two was wrong is not told. A code is taken once.
    """
    return find(name) if SIGN_INS.check(name, password, code) else None


def add_second_factor(name: str) -> str:
    """Ask ``name`` for a code of an authenticator app from now on; return the address that the app reads, shown once.

    An earlier factor is replaced and the reader is signed out everywhere. ScorecardError when there is no such reader.
    """
    secret = pyotp.random_base32()
    _set_factor(name, secret)
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def remove_second_factor(name: str) -> None:
    """Ask ``name`` for its password alone; ScorecardError when there is no such reader."""
    _set_factor(name, None)


def open_session(name: str) -> str:
    """Sign ``name`` in; return what its browser holds."""
    return SIGN_INS.open_session(name)


def of_session(token: str) -> Reader | None:
    """Return whose session a browser holds; None when it is over, unknown, or the reader has changed since."""
    with connect("pc_pages") as connection:
        name = SIGN_INS.holder(connection, token)
    return find(name) if name else None


def close_session(token: str) -> None:
    """End a session: whoever holds a copy of its cookie is signed out as well."""
    SIGN_INS.close_session(token)


def _set_factor(name: str, secret: str | None) -> None:
    with connect("pc_pages") as connection:
        changed = connection.execute(
            "update scorecards.readers set totp_secret = %s, totp_last_step = 0, changed_at = %s "
            "where reader_name = %s and is_active",
            (secret, arrival(), name),
        )
        if changed.rowcount == 0:
            raise ScorecardError(f"no reader {name}: `readers list` shows them all")
        SIGN_INS.end_all(connection, name)


def _usable(password: str | None, name: str) -> str:
    try:
        return sign_in.usable(password, name)
    except sign_in.SignInError as error:
        raise ScorecardError(str(error)) from error


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
        updated = connection.execute(
            "update scorecards.readers set is_active = %s, password_hash = coalesce(%s, password_hash), "
            "changed_at = %s where reader_name = %s",
            (is_active, password_hash, arrival(), name),
        )
        if updated.rowcount == 0:
            raise ScorecardError(f"no reader {name}: `readers list` shows them all")
        SIGN_INS.end_all(connection, name)
