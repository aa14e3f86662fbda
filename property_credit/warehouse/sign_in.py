"""Signing in: passwords, second factors, sessions that end on the server, waits after wrong tries, forms' tokens.

Owns how a password is kept (Argon2id), which are taken, when a code of an authenticator app counts, and what a session
is: a row, of which the browser holds a random name. Signing out deletes it, and a copy of the cookie opens nothing. Who
signs in, and what for, is the business of the package that owns the table (scorecards' readers, the workbench's
accounts).
"""

import hashlib
import hmac
import os
import secrets
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import LiteralString

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg import Connection, sql
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import Role, connect
from property_credit.warehouse.settings import get_settings

SHORTEST = 12
LEAST_SCORE = 3  # of zxcvbn's 0 to 4: at least 10**8 guesses
SESSION_SECONDS = 8 * 3600
TRIES = {"name": 5, "name everywhere": 20}  # wrong passwords of one name, at one address and in all
TRY_SECONDS = 300
MOST_NAMES = 20_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; "
    "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_HASHER = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(4)  # a hash takes 64 MiB: a crowd of guesses waits its turn
_NOBODY = _HASHER.hash(secrets.token_hex(16))  # an unknown name takes as long to refuse as a wrong password


class SignInError(Exception):
    """A password or a name cannot be used; the message says what to do."""


class Tries:
    """Wrong passwords of the last minutes. A try counts from its beginning, so that many at once count like as many.

    A name waits at the address its wrong tries came from, and after many of them everywhere but where its owner has
    signed in before. An address by itself never waits: a whole office, or everybody behind a proxy, may share one.
    """

    def __init__(self) -> None:
        self._begun: dict[tuple[str, ...], deque[float]] = {}
        self._known: dict[str, str] = {}  # name → where it last signed in
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> int:
        """Count a try of ``name`` from ``address`` and return 0, or return how many seconds it has to wait."""
        now = time.monotonic()
        keys: dict[tuple[str, ...], int] = {(name, address): TRIES["name"]}
        if self._known.get(name) != address:
            keys[(name,)] = TRIES["name everywhere"]
        with self._lock:
            self._forget(now)
            waits = [0.0]
            for key, limit in keys.items():
                times = self._begun.get(key, deque())
                while times and times[0] <= now - TRY_SECONDS:
                    times.popleft()
                if len(times) >= limit:
                    waits.append(times[-limit] + TRY_SECONDS - now)
            if max(waits) > 0:
                return int(max(waits)) + 1
            self._begun.setdefault((name, address), deque()).append(now)
            self._begun.setdefault((name,), deque()).append(now)
            return 0

    def succeeded(self, name: str, address: str) -> None:
        """Take back what ``begin`` counted: the password was right."""
        with self._lock:
            self._begun.pop((name, address), None)
            if everywhere := self._begun.get((name,)):
                everywhere.pop()
            self._known[name] = address

    def _forget(self, now: float) -> None:
        """Keep memory bounded: names may be made up without end."""
        if len(self._begun) < MOST_NAMES:
            return
        for key in [key for key, times in self._begun.items() if not times or times[-1] <= now - TRY_SECONDS]:
            del self._begun[key]
        while len(self._begun) >= MOST_NAMES:
            del self._begun[next(iter(self._begun))]


@dataclass(frozen=True)
class SignIns:
    """The accounts of one table and their sessions, written as ``role``.

    ``accounts`` has the columns ``<name>`` (key), password_hash, is_active, changed_at, totp_secret, totp_last_step;
    ``sessions`` has session_digest (key), ``<name>``, opened_at, ends_at. An account that is put out of use, or whose
    ``changed_at`` is set, is signed out everywhere.
    """

    role: Role
    accounts: tuple[str, str]
    sessions: tuple[str, str]
    name: str

    def check(self, name: str, password: str, code: str = "") -> bool:
        """Say whether ``password`` is the account's own, and ``code`` too where it has a second factor.

        False, after the same time, when not; which of the two was wrong is not told. A code is taken once.
        """
        with connect(self.role) as connection:
            row = connection.execute(
                self._text("select password_hash, totp_secret from {accounts} where {name} = %s and is_active"), (name,)
            ).fetchone()
        try:
            with _AT_ONCE:
                _HASHER.verify(row[0] if row and row[0] else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
        return row is not None and bool(row[0]) and (not row[1] or self.take_code(name, row[1], code))

    def take_code(self, name: str, secret: str, code: str) -> bool:
        """Take a code of now, or of half a minute before or after, unless it or a later one was taken already."""
        known = step_of(secret, code)
        if known is None:
            return False
        with connect(self.role) as connection:
            taken = connection.execute(
                self._text(
                    "update {accounts} set totp_last_step = %s where {name} = %s and totp_last_step < %s returning 1"
                ),
                (known, name, known),
            )
            return taken.fetchone() is not None

    def open_session(self, name: str) -> str:
        """Sign ``name`` in; return what its browser holds. Sessions that are over are taken away."""
        token, now = secrets.token_urlsafe(32), arrival()
        with connect(self.role) as connection:
            connection.execute(self._text("delete from {sessions} where ends_at <= %s"), (now,))
            connection.execute(
                self._text(
                    "insert into {sessions} (session_digest, {name}, opened_at, ends_at) values (%s, %s, %s, %s)"
                ),
                (digest(token), name, now, now + timedelta(seconds=SESSION_SECONDS)),
            )
        return token

    def holder(self, connection: Connection, token: str) -> str | None:
        """Return the name whose session a browser holds; None when it is over, unknown, or the account has changed."""
        row = connection.execute(
            self._text(
                "select {name} from {sessions} join {accounts} using ({name}) "
                "where session_digest = %s and ends_at > %s and is_active and opened_at >= changed_at"
            ),
            (digest(token), arrival()),
        ).fetchone()
        return str(row[0]) if row else None

    def close_session(self, token: str) -> None:
        """End a session: whoever holds a copy of its cookie is signed out as well."""
        with connect(self.role) as connection:
            connection.execute(self._text("delete from {sessions} where session_digest = %s"), (digest(token),))

    def end_all(self, connection: Connection, name: str) -> None:
        """Sign ``name`` out everywhere, in the transaction of ``connection``."""
        connection.execute(self._text("delete from {sessions} where {name} = %s"), (name,))

    def _text(self, text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(
            accounts=sql.Identifier(*self.accounts),
            sessions=sql.Identifier(*self.sessions),
            name=sql.Identifier(self.name),
        )


def digest(token: str) -> bytes:
    """Return what is kept of a random token: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


def step_of(secret: str, code: str) -> int | None:
    """Return the half-minute whose code ``code`` is: of now, the one before or the one after; None: of none."""
    totp = pyotp.TOTP(secret)
    given = code.strip().replace(" ", "").encode()
    step = int(time.time()) // totp.interval
    for known in (step - 1, step, step + 1):
        if hmac.compare_digest(totp.at(known * totp.interval).encode(), given):
            return known
    return None


def hashed(password: str) -> str:
    """Return the Argon2id hash to keep of ``password``."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def usable(password: str | None, name: str) -> str:
    """Return ``password``, or a generated one for None; SignInError when it is too short, stolen or soon guessed."""
    if password is None:
        return secrets.token_urlsafe(12)
    if len(password) < SHORTEST:
        raise SignInError(f"a password has at least {SHORTEST} characters")
    if password.lower() in breached():
        raise SignInError("this password stands in lists of stolen ones: choose another")
    if zxcvbn(password[:72], user_inputs=[name])["score"] < LEAST_SCORE:
        raise SignInError(
            "this password is soon guessed (a word, a date, a row of keys or a stolen one with something added): "
            "choose several words that have nothing to do with one another"
        )
    return password


@lru_cache(maxsize=1)
def breached() -> frozenset[str]:
    """Return the passwords that were found in breaches, as zxcvbn ships them."""
    return frozenset(FREQUENCY_LISTS["passwords"])


def is_token(expected: str, given: str) -> bool:
    """Say whether a form was sent from a page of this session: ``given`` is the session's own token."""
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode())


def session_secret(name: str) -> str:
    """Return what the sessions of service ``name`` are signed with.

    The setting ``<name>_session_secret``, else the file ``<name>-session.secret`` in KEYS_DIR, that only we can read.
    """
    settings = get_settings()
    given = getattr(settings, f"{name}_session_secret")
    if given:
        return str(given.get_secret_value())
    folder = settings.keys_dir
    assert folder
    path = folder / f"{name}-session.secret"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, partial = tempfile.mkstemp(dir=folder)  # mode 0600
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32))
        try:
            os.link(partial, path)  # the first of two that start at once wins
        except FileExistsError:
            pass
        finally:
            os.unlink(partial)
    return path.read_text(encoding="utf-8").strip()
