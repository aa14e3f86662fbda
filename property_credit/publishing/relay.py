"""Carry the outbox to its subscribers: in order per subject, exactly once at each receiver, never losing a row.

A row is a grade version (its subject: the enterprise) or a notice (its subject: the escalation, alert or objection).
Owns retrying and what becomes of a row. Must not decide what is published. Every subscriber has a relay of its own, in
a thread of its own, under an advisory lock: an outage of one never delays another.

A row that a receiver refuses, or that failed ``tries_until_dead`` times over all rounds, is dead: it stays in the
outbox with its error and holds back later rows of its subject (a newer grade never overtakes an older one) until a
person replays it. A receiver that keeps failing opens its circuit: rows wait and no try is spent on them.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
import stamina
from psycopg.rows import dict_row

from property_credit.publishing import circuit, signing
from property_credit.publishing.body import canonical_bytes
from property_credit.publishing.circuit import Circuit, CircuitPolicy
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.sending import (
    GRADES_PATH,
    NOTICES_PATH,
    Failure,
    Receipt,
    Refused,
    TransientError,
    Unavailable,
    client,
    post,
)
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.outbound import Outbound

RELAY_LOCK = 20260502  # with hashtext(subscriber): one relay, or one that moves its rows, at a time
Takes = Literal["grades", "notices"]
MOST_RELAYS = 16  # at once: each has a connection of its own


@dataclass(frozen=True)
class RetryPolicy:
    """How patient the relay is. Times in seconds, tries are posts of one row."""

    tries_per_round: int = 4
    tries_until_dead: int = 12
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0
    jitter_seconds: float = 0.5
    answer_timeout_seconds: float = 10.0  # of one whole exchange, however the receiver spreads it
    round_seconds: float = 120.0  # then what is left waits: a receiver may be slow, but it holds up nobody else
    circuit: CircuitPolicy = CircuitPolicy()


@dataclass(frozen=True)
class DeliveryReport:
    """What a round did and what is left. Counts are outbox rows of ``subscriber``.

    ``held_back_count`` rows wait behind a dead or failing row of their subject; they are part of ``pending_count``.
    ``problem`` says why rows are left, None when none is.
    """

    subscriber: str
    delivered_count: int
    pending_count: int
    dead_count: int
    held_back_count: int
    problem: str | None


@dataclass
class _Round:
    """One round of one subscriber: its tools, and what it has seen so far."""

    connection: psycopg.Connection
    http: Outbound
    ends_at: float  # time.monotonic()
    key: signing.SigningKey
    policy: RetryPolicy
    subscriber: str
    circuit: Circuit
    delivered_count: int = 0
    held_back_count: int = 0
    blocked: set[str] = field(default_factory=set)
    problem: str | None = None


def deliver_all(
    *, policy: RetryPolicy | None = None, is_asked: bool = False, takes: Takes | None = None
) -> list[DeliveryReport]:
    """Run the relay of every active subscriber (those of one kind with ``takes``) side by side; return their reports.

    A relay that cannot work at all (no address, no token) says so in its report. With ``is_asked`` a person wants a
    try now: an open circuit is treated as half open.
    """
    with connect("pc_publishing") as connection:
        names = [
            str(row[0])
            for row in connection.execute(
                "select subscriber from publishing.subscribers "
                "where is_active and takes = coalesce(%s, takes) order by subscriber",
                (takes,),
            )
        ]
    if not names:
        return []

    def relay(name: str) -> DeliveryReport:
        try:
            return deliver(name, policy=policy, is_asked=is_asked)
        except PublishingError as error:
            with connect("pc_publishing") as connection:
                return _report(connection, name, problem=str(error))

    with ThreadPoolExecutor(max_workers=min(len(names), MOST_RELAYS), thread_name_prefix="relay") as threads:
        return list(threads.map(relay, names))


def deliver(
    subscriber: str = "tendering", *, policy: RetryPolicy | None = None, is_asked: bool = False
) -> DeliveryReport:
    """Send every pending row of ``subscriber`` once, oldest first; return what was delivered and what is left.

    A receiver that is down is no error: the rows wait and the report says so. One relay per subscriber works at a
    time; another one waits for it.

    Raises PublishingError when there is no such subscriber, no receiver to talk to, or no key to sign with.
    """
    policy = policy or RetryPolicy()
    with _locked(subscriber) as connection:
        about = _subscriber(connection, subscriber)
        queue = _queue(connection, subscriber)
        if not any(row["status"] == "pending" for row in queue):
            return _report(connection, subscriber)
        known = circuit.read(connection, subscriber)
        state = known.state(arrival(), policy.circuit)
        if state == "open" and not is_asked:
            again = known.tries_again_at(policy.circuit)
            return _report(
                connection, subscriber, problem=f"the circuit is open until {again:%H:%M:%S}: {_last_error(queue)}"
            )
        key = signing.current(connection)
        with client(about, deadline_seconds=policy.answer_timeout_seconds) as http:
            work = _Round(connection, http, time.monotonic() + policy.round_seconds, key, policy, subscriber, known)
            _send_queue(work, queue)
        return _report(
            connection,
            subscriber,
            delivered_count=work.delivered_count,
            held_back_count=work.held_back_count,
            problem=work.problem,
        )


@contextmanager
def _locked(subscriber: str) -> Iterator[psycopg.Connection]:
    """A connection that holds the subscriber's lock; PostgreSQL gives it back when the process dies."""
    with connect("pc_publishing", autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s, hashtext(%s))", (RELAY_LOCK, subscriber))
        connection.execute("set synchronous_commit = off")  # a receipt lost in a crash is asked for again by its key
        yield connection


def _subscriber(connection: psycopg.Connection, name: str) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select subscriber, endpoint, token_variable, is_active from publishing.subscribers where subscriber = %s",
            (name,),
        ).fetchone()
    if row is None or not row["is_active"]:
        raise PublishingError(f"there is no active subscriber {name!r}: `property-credit subscribers list` shows them")
    return row


def _queue(connection: psycopg.Connection, subscriber: str) -> list[dict[str, Any]]:
    """Return what waits or is dead. What was never tried leaves without records that were repaired meanwhile."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select outbox_id, idempotency_key, subject_id, notice_id is not null as is_notice, status, attempt_count, "
            "last_error, case when attempt_count = 0 then publishing.without_withdrawn(body) else body end as body "
            "from publishing.outbox "
            "where subscriber = %s and status in ('pending', 'dead') order by coalesce(replays, outbox_id), outbox_id",
            (subscriber,),
        ).fetchall()


def _last_error(queue: list[dict[str, Any]]) -> str:
    return next((row["last_error"] for row in reversed(queue) if row["last_error"]), "its receiver failed before")


def _send_queue(work: _Round, queue: list[dict[str, Any]]) -> None:
    for row in queue:
        if time.monotonic() > work.ends_at:
            work.problem = work.problem or (
                f"the receiver is slow: {work.delivered_count} delivered in {work.policy.round_seconds:g} s, "
                "the others wait for the next round"
            )
            return
        if row["status"] == "dead":
            work.blocked.add(row["subject_id"])
        elif row["subject_id"] in work.blocked:
            work.held_back_count += 1
        elif not _send_row(work, row):
            return


def _send_row(work: _Round, row: dict[str, Any]) -> bool:
    """Send one row and record what became of it; False when the round should end."""
    policy = work.policy
    is_probe = work.circuit.opened_at is not None
    attempts = max(1, min(policy.tries_per_round, policy.tries_until_dead - row["attempt_count"]))
    content = canonical_bytes(row["body"])
    path = NOTICES_PATH if row["is_notice"] else GRADES_PATH
    tries = 0
    try:
        for attempt in stamina.retry_context(
            on=(TransientError, Unavailable),
            attempts=1 if is_probe else attempts,
            timeout=max(0.0, work.ends_at - time.monotonic()),
            wait_initial=policy.first_wait_seconds,
            wait_max=policy.longest_wait_seconds,
            wait_jitter=policy.jitter_seconds,
        ):
            with attempt:
                tries = attempt.num
                receipt = post(work.http, path, row["idempotency_key"], content, work.key)
    except Failure as failure:
        return _failed(work, row, failure, tries=tries)
    _record_delivery(work.connection, row, tries=tries, receipt=receipt)
    work.delivered_count += 1
    _set_circuit(work, Circuit())
    return True


def _failed(work: _Round, row: dict[str, Any], failure: Failure, *, tries: int) -> bool:
    is_dead = isinstance(failure, Refused) or (
        isinstance(failure, TransientError) and row["attempt_count"] + tries >= work.policy.tries_until_dead
    )
    _record_failure(work.connection, row, tries=tries, error=str(failure), is_dead=is_dead)
    work.problem = f"{row['idempotency_key']}: {failure}"
    work.blocked.add(row["subject_id"])
    if isinstance(failure, Refused):  # the receiver is well, the row is not
        _set_circuit(work, Circuit())
        return True
    is_outage = isinstance(failure, Unavailable)
    _set_circuit(work, work.circuit.failed(arrival(), work.policy.circuit, is_outage=is_outage))
    return work.circuit.opened_at is None


def _set_circuit(work: _Round, state: Circuit) -> None:
    if state != work.circuit:
        work.circuit = replace(state)
        circuit.store(work.connection, work.subscriber, state)


def _record_delivery(connection: psycopg.Connection, row: dict[str, Any], *, tries: int, receipt: Receipt) -> None:
    with connection.transaction():
        connection.execute(
            "update publishing.outbox set status = 'delivered', attempt_count = attempt_count + %s, "
            "last_error = null, delivered_at = %s where outbox_id = %s",
            (tries, arrival(), row["outbox_id"]),
        )
        connection.execute(  # a replayed row has its first receipt already
            "insert into publishing.receipts (idempotency_key, receipt_no, received_at, body_sha256) "
            "values (%s, %s, %s, %s) on conflict (idempotency_key) do nothing",
            (receipt.idempotency_key, receipt.receipt_no, receipt.received_at, receipt.body_sha256),
        )


def _record_failure(
    connection: psycopg.Connection, row: dict[str, Any], *, tries: int, error: str, is_dead: bool
) -> None:
    connection.execute(
        "update publishing.outbox set status = %s, attempt_count = attempt_count + %s, last_error = %s "
        "where outbox_id = %s",
        ("dead" if is_dead else "pending", tries, error[:1000], row["outbox_id"]),
    )


def _report(
    connection: psycopg.Connection,
    subscriber: str,
    *,
    delivered_count: int = 0,
    held_back_count: int = 0,
    problem: str | None = None,
) -> DeliveryReport:
    pending_count, dead_count, earliest = connection.execute(
        "select count(*) filter (where status = 'pending'), count(*) filter (where status = 'dead'), "
        "(array_agg(idempotency_key || ': ' || last_error order by outbox_id) filter (where status = 'dead'))[1] "
        "from publishing.outbox where subscriber = %s",
        (subscriber,),
    ).fetchone() or (0, 0, None)
    return DeliveryReport(
        subscriber=subscriber,
        delivered_count=delivered_count,
        pending_count=pending_count,
        dead_count=dead_count,
        held_back_count=held_back_count,
        problem=problem or earliest,
    )
