"""Who gets grades pushed, and what waits for whom: the commands behind `property-credit subscribers` and `deliveries`.

Owns the table of subscribers. Secrets are not in it: a token stays in the environment variable that the row names.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.publishing.content import FIELDS
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import queue_bodies
from property_credit.publishing.signing import PUBLISH_LOCK
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

Takes = Literal["grades", "notices"]

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_URL = re.compile(r"https?://[^/\s]+[^\s]*")


def subscribers() -> list[dict[str, Any]]:
    """Return every subscriber with what was delivered, waits and is dead."""
    with connect("pc_publishing") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select subscriber, title_zh, endpoint, token_variable, fields, is_active, failure_count, opened_at,
              count(outbox_id) filter (where status = 'delivered') as delivered_count,
              count(outbox_id) filter (where status = 'pending') as pending_count,
              count(outbox_id) filter (where status = 'dead') as dead_count
            from publishing.subscribers left join publishing.outbox using (subscriber)
            where takes = 'grades'
            group by subscriber order by subscriber
            """
        ).fetchall()


def add(name: str, *, title_zh: str, endpoint: str, fields: Sequence[str], token_variable: str | None = None) -> int:
    """Add a subscriber (or take a removed one back) and queue what stands for it; return how many rows were queued.

    Raises PublishingError when the name, the address or a field is not possible, or the name is taken.
    """
    check_name(name)
    _check(endpoint=endpoint, fields=fields)
    with connect("pc_publishing") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (PUBLISH_LOCK,))  # no publication slips between
        known = connection.execute(
            "select is_active, takes from publishing.subscribers where subscriber = %s", (name,)
        ).fetchone()
        if known and (known[0] or known[1] != "grades"):
            raise PublishingError(
                f"{name} is a subscriber already: `property-credit subscribers set` changes it"
                if known[1] == "grades"
                else f"{name} is the name of a recipient of notices: choose another"
            )
        connection.execute(
            "insert into publishing.subscribers (subscriber, title_zh, endpoint, token_variable, fields, recorded_at) "
            "values (%s, %s, %s, %s, %s, %s) on conflict (subscriber) do update set title_zh = excluded.title_zh, "
            "endpoint = excluded.endpoint, token_variable = excluded.token_variable, fields = excluded.fields, "
            "is_active = true, failure_count = 0, opened_at = null, opening_count = 0",
            (name, title_zh, endpoint, token_variable, list(fields), arrival()),
        )
        return _queue_missing(connection, name, list(fields))


def _queue_missing(connection: Connection, name: str, fields: list[str]) -> int:
    standing = connection.execute(
        "select publication_id, body from publishing.current_grades as grade where not exists "
        "(select from publishing.outbox as row where row.subscriber = %s and row.uscc = grade.uscc "
        "and row.version_no = grade.version_no) order by uscc",
        (name,),
    ).fetchall()
    queue_bodies(connection, [(row[0], row[1]) for row in standing], [(name, fields)])
    return len(standing)


def change(
    name: str,
    *,
    title_zh: str | None = None,
    endpoint: str | None = None,
    fields: Sequence[str] | None = None,
    token_variable: str | None = None,
    takes: Takes = "grades",
) -> None:
    """Change what is given; rows that wait keep the fields they were queued with. PublishingError when unknown."""
    _check(endpoint=endpoint, fields=fields)
    with connect("pc_publishing") as connection:
        changed = connection.execute(
            "update publishing.subscribers set title_zh = coalesce(%s, title_zh), endpoint = coalesce(%s, endpoint), "
            "fields = coalesce(%s, fields), token_variable = coalesce(%s, token_variable), failure_count = 0, "
            "opened_at = null, opening_count = 0 where subscriber = %s and takes = %s and is_active",
            (title_zh, endpoint, list(fields) if fields else None, token_variable, name, takes),
        )
        if changed.rowcount == 0:
            raise PublishingError(_unknown(name, takes))


def remove(name: str, takes: Takes = "grades") -> None:
    """Stop delivering to a subscriber; its deliveries and receipts stay. PublishingError when unknown."""
    with connect("pc_publishing") as connection:
        removed = connection.execute(
            "update publishing.subscribers set is_active = false where subscriber = %s and takes = %s and is_active",
            (name, takes),
        )
        if removed.rowcount == 0:
            raise PublishingError(_unknown(name, takes))


def deliveries(*, subscriber: str | None = None, status: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return outbox rows without their bodies, newest first."""
    with connect("pc_publishing") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select idempotency_key, status, attempt_count, delivered_at, receipt_no, last_error
            from publishing.outbox left join publishing.receipts using (idempotency_key)
            where (%(subscriber)s::text is null or subscriber = %(subscriber)s)
              and (%(status)s::text is null or status = %(status)s)
            order by outbox_id desc limit %(limit)s
            """,
            {"subscriber": subscriber, "status": status, "limit": limit},
        ).fetchall()


def replay(idempotency_key: str) -> None:
    """Queue a delivery again with its tries forgotten: a dead one, or one that the receiver does not list.

    What was delivered later of the same subject follows it, so that the receiver does not end with the older one.

    Raises PublishingError when it is neither.
    """
    with connect("pc_publishing") as connection:
        revived = connection.execute(
            """
            update publishing.outbox set status = 'pending', attempt_count = 0, delivered_at = null
            where idempotency_key = %(key)s and (status = 'dead' or status = 'delivered' and exists (
              select from publishing.reconciliations as compared where compared.subscriber = outbox.subscriber
                and compared.reconciliation_id = (select max(newest.reconciliation_id)
                  from publishing.reconciliations as newest where newest.subscriber = outbox.subscriber)
                and compared.result -> 'missing' ? %(key)s))
            """,
            {"key": idempotency_key},
        )
        _let_newer_follow(connection, [idempotency_key])
        if revived.rowcount == 0:
            raise PublishingError(
                f"no dead delivery {idempotency_key!r}, nor one that its receiver was found to miss: "
                "`property-credit deliveries list --status dead` shows what can be replayed"
            )


def replay_all(subscriber: str) -> int:
    """Queue every dead delivery of a subscriber again, newer ones of its subject after it; return how many."""
    with connect("pc_publishing") as connection:
        revived = connection.execute(
            "update publishing.outbox set status = 'pending', attempt_count = 0 "
            "where subscriber = %s and status = 'dead' returning idempotency_key",
            (subscriber,),
        ).fetchall()
        _let_newer_follow(connection, [row[0] for row in revived])
    return len(revived)


def _let_newer_follow(connection: Connection, keys: list[str]) -> None:
    """Queue the newest delivered row of each revived one's subject again, under a key that its receiver does not know.

    A receiver takes a key it knows for a repetition, so that the first key would change nothing there.
    """
    connection.execute(
        """
        with newest as (
          select distinct later.outbox_id
          from publishing.outbox as revived
          cross join lateral (
            select outbox_id from publishing.outbox as row
            where row.subscriber = revived.subscriber and row.subject_id = revived.subject_id
              and row.outbox_id > coalesce(revived.replays, revived.outbox_id) and row.replays is null
              and row.status = 'delivered'
            order by row.outbox_id desc limit 1
          ) as later
          where revived.idempotency_key = any (%s) and revived.status = 'pending'
        )
        insert into publishing.outbox (idempotency_key, subscriber, subject_id, uscc, version_no, publication_id,
          notice_id, body, replays)
        select format('%%s/%%s', row.idempotency_key, 2 + count(copy.outbox_id)), row.subscriber, row.subject_id,
          row.uscc, row.version_no, row.publication_id, row.notice_id, row.body, row.outbox_id
        from newest
        join publishing.outbox as row on row.outbox_id = newest.outbox_id
        left join publishing.outbox as copy on copy.subscriber = row.subscriber and copy.subject_id = row.subject_id
          and copy.replays = row.outbox_id
        group by row.outbox_id
        having count(copy.outbox_id) filter (where copy.status <> 'delivered') = 0
        """,
        (keys,),
    )


def check_name(name: str) -> None:
    """Raise PublishingError when a subscriber cannot be called ``name``."""
    if not _NAME.fullmatch(name):
        raise PublishingError(f"a subscriber's name is 2-31 small letters, digits and _, not {name!r}")


def check_endpoint(endpoint: str) -> None:
    """Raise PublishingError when ``endpoint`` is no base address."""
    if not _URL.fullmatch(endpoint):
        raise PublishingError(f"an endpoint looks like https://receiver.example, not {endpoint!r}")


def _check(*, endpoint: str | None, fields: Sequence[str] | None) -> None:
    if endpoint is not None:
        check_endpoint(endpoint)
    unknown = sorted(set(fields or ()) - set(FIELDS))
    if unknown:
        raise PublishingError(f"unknown fields {', '.join(unknown)}: choose among {', '.join(FIELDS)}")


def _unknown(name: str, takes: Takes) -> str:
    one = "subscriber" if takes == "grades" else "recipient"
    return f"there is no active {one} {name!r}: `property-credit {one}s list` shows them"
