"""API keys: issuing, rotating, revoking. A key is shown once; the table keeps its SHA-256 and what it may see.

A key is ``pc_<id>_<secret>`` with 256 random bits, so that a plain hash cannot be searched.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.publishing.content import FIELDS
from property_credit.publishing.errors import PublishingError
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.credit_codes import problem_with

SCOPES = ("tendering", "department", "regulator", "enterprise")
DEFAULT_DAYS, DEFAULT_RATE, GRACE_DAYS = 365, 600, 7


@dataclass(frozen=True)
class IssuedKey:
    """A key just made: ``text`` is shown once and stored nowhere."""

    key_id: str
    text: str
    expires_at: datetime


def digest_of(text: str) -> bytes:
    """Return what the table keeps of a key."""
    return hashlib.sha256(text.encode()).digest()


def issue(
    *,
    scope: str,
    name: str,
    region_code: str | None = None,
    uscc: str | None = None,
    fields: Sequence[str] | None = None,
    days: int = DEFAULT_DAYS,
    rate_per_minute: int = DEFAULT_RATE,
) -> IssuedKey:
    """Issue a key.

    Args:
        scope: tendering (grades), department (its ``fields`` of them), regulator (``region_code`` and below, with
            details), enterprise (``uscc`` alone, with details).
        name: who holds it, for people.
        region_code: a division the regulator answers for.
        uscc: the enterprise itself.
        fields: what a department gets.
        days: until it expires.
        rate_per_minute: requests it may send.

    Raises PublishingError when scope and what it is bound to do not fit together.
    """
    _check(scope, name=name, region_code=region_code, uscc=uscc, fields=fields, days=days, rate=rate_per_minute)
    row = {
        "name": name,
        "scope_code": scope,
        "region_code": region_code,
        "uscc": uscc,
        "fields": list(fields) if fields else None,
        "rate_per_minute": rate_per_minute,
    }
    with connect("pc_publishing") as connection:
        return _insert(connection, row, days=days, replaces=None)


def rotate(key_id: str, *, days: int = DEFAULT_DAYS, grace_days: int = GRACE_DAYS) -> IssuedKey:
    """Issue a key with the same rights; the old one goes on for ``grace_days``. PublishingError when it is
    not valid."""
    with connect("pc_publishing") as connection:
        with connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(
                "select name, scope_code, region_code, uscc, fields, rate_per_minute from publishing.api_keys "
                "where key_id = %s and revoked_at is null and expires_at > %s for update",
                (key_id, arrival()),
            ).fetchone()
        if row is None:
            raise PublishingError(f"no valid key {key_id!r}: `property-credit keys list` shows them")
        connection.execute(
            "update publishing.api_keys set expires_at = least(expires_at, %s) where key_id = %s",
            (arrival() + timedelta(days=grace_days), key_id),
        )
        return _insert(connection, row, days=days, replaces=key_id)


def revoke(key_id: str) -> None:
    """End a key now. PublishingError when there is none, or it was revoked before."""
    with connect("pc_publishing") as connection:
        ended = connection.execute(
            "update publishing.api_keys set revoked_at = %s where key_id = %s and revoked_at is null",
            (arrival(), key_id),
        )
        if ended.rowcount == 0:
            raise PublishingError(f"no key {key_id!r} that could be revoked: `property-credit keys list` shows them")


def issued_keys() -> list[dict[str, Any]]:
    """Return every key without its digest, and when it was last used."""
    with connect("pc_publishing") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select key_id, name, scope_code, coalesce(region_code, uscc, array_to_string(fields, ',')) as bound_to,
              rate_per_minute, expires_at, revoked_at, replaces,
              (select max(logged_at) from publishing.access_log where access_log.key_id = api_keys.key_id) as used_at
            from publishing.api_keys order by recorded_at, key_id
            """
        ).fetchall()


def _insert(connection: Connection, row: dict[str, Any], *, days: int, replaces: str | None) -> IssuedKey:
    key_id = secrets.token_hex(4)
    text = f"pc_{key_id}_{secrets.token_urlsafe(32)}"
    now = arrival()
    expires_at = now + timedelta(days=days)
    connection.execute(
        "insert into publishing.api_keys (key_id, digest, name, scope_code, region_code, uscc, fields, "
        "rate_per_minute, recorded_at, expires_at, replaces) "
        "values (%(key_id)s, %(digest)s, %(name)s, %(scope_code)s, %(region_code)s, %(uscc)s, %(fields)s, "
        "%(rate_per_minute)s, %(now)s, %(expires_at)s, %(replaces)s)",
        {
            **row,
            "key_id": key_id,
            "digest": digest_of(text),
            "now": now,
            "expires_at": expires_at,
            "replaces": replaces,
        },
    )
    return IssuedKey(key_id, text, expires_at)


def _check(
    scope: str,
    *,
    name: str,
    region_code: str | None,
    uscc: str | None,
    fields: Sequence[str] | None,
    days: int,
    rate: int,
) -> None:
    if scope not in SCOPES:
        raise PublishingError(f"scope is one of {', '.join(SCOPES)}, not {scope!r}")
    if not name.strip():
        raise PublishingError("a key needs a name that says who holds it")
    for option, value, owner in (
        ("--region", region_code, "regulator"),
        ("--uscc", uscc, "enterprise"),
        ("--fields", fields, "department"),
    ):
        if bool(value) != (scope == owner):
            raise PublishingError(f"{option} belongs to scope {owner}, and scope {owner} needs it")
    if uscc and problem_with(uscc):
        raise PublishingError(f"--uscc: {problem_with(uscc)}")
    if region_code and not (region_code.isdigit() and len(region_code) == 6):
        raise PublishingError(f"--region is a division's code of 6 digits, such as 150200, not {region_code!r}")
    unknown = sorted(set(fields or ()) - set(FIELDS))
    if unknown:
        raise PublishingError(f"unknown fields {', '.join(unknown)}: choose among {', '.join(FIELDS)}")
    if days < 1 or rate < 1:
        raise PublishingError("--days and --rate are at least 1")
