"""Carry the outbox to a subscriber: in order per enterprise, exactly once at the receiver, never losing a row.

Owns sending, retrying and what becomes of a row. Must not decide what is published.

Three kinds of failure, told apart because they ask for different things:
- *unavailable*: nobody answers, or the receiver refuses us altogether (401, 403, 404). The round ends, rows wait.
- *faltering*: a lost connection, 408, 425, 429, 5xx, a receipt that does not fit. Retried with backoff and jitter;
  after ``tries_until_dead`` tries over all rounds the row is dead.
- *refused*: any other 4xx: the receiver will never take these bytes. Dead at once.

A dead row stays in the outbox with its error and holds back later rows of its enterprise (a newer grade never
overtakes an older one) until a person replays it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import stamina
from psycopg.rows import dict_row
from pydantic import AwareDatetime, BaseModel, ValidationError

from publishing import sandbox_process
from publishing.body import canonical_bytes, sha256
from publishing.errors import PublishingError
from warehouse.business_date import arrival
from warehouse.connection import connect
from warehouse.settings import get_settings

GRADES_PATH = "/v1/grades"
_RELAY_LOCK = 20260502
_TRANSIENT_STATUS = {408, 425, 429}
_SHUT_OUT_STATUS = {401, 403, 404, 405, 407}


@dataclass(frozen=True)
class RetryPolicy:
    """How patient the relay is. Times in seconds, tries are posts of one row."""

    tries_per_round: int = 4
    tries_until_dead: int = 12
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0
    jitter_seconds: float = 0.5
    answer_timeout_seconds: float = 10.0
    failing_rows_until_pause: int = 3


@dataclass(frozen=True)
class DeliveryReport:
    """What a round did and what is left. Counts are outbox rows of ``subscriber``.

    ``held_back_count`` rows wait behind a dead or failing row of their enterprise; they are part of ``pending_count``.
    ``problem`` says why rows are left, None when none is.
    """

    subscriber: str
    delivered_count: int
    pending_count: int
    dead_count: int
    held_back_count: int
    problem: str | None


class _Receipt(BaseModel):
    idempotency_key: str
    receipt_no: str
    received_at: AwareDatetime
    body_sha256: str


class _Failure(Exception):
    """One post failed."""


class _Unavailable(_Failure):
    pass


class _Faltering(_Failure):
    pass


class _Refused(_Failure):
    pass


@dataclass
class _Round:
    """What one round has seen so far."""

    delivered_count: int = 0
    held_back_count: int = 0
    blocked: set[str] = field(default_factory=set)
    failing_in_a_row: int = 0
    problem: str | None = None


def deliver(subscriber: str = "tendering", *, policy: RetryPolicy | None = None) -> DeliveryReport:
    """Send every pending row of ``subscriber`` once, oldest first; return what was delivered and what is left.

    The receiver is TENDERING_URL, or the local sandbox that runs under DATA_DIR. A receiver that is down is no error:
    the rows wait and the report says so. One relay per subscriber works at a time; another one waits for it.

    Raises PublishingError when there is no receiver to talk to.
    """
    policy = policy or RetryPolicy()
    with _locked(subscriber) as connection:
        queue = _queue(connection, subscriber)
        state = _Round()
        if any(row["status"] == "pending" for row in queue):
            with _client(policy) as client:
                _send_queue(connection, client, queue, policy, state)
        return _report(connection, subscriber, state)


def replay(idempotency_key: str) -> None:
    """Put a dead row back into the queue with its tries forgotten; PublishingError when it is not dead."""
    with connect("pc_publishing") as connection:
        revived = connection.execute(
            "update publishing.outbox set status = 'pending', attempt_count = 0 "
            "where idempotency_key = %s and status = 'dead'",
            (idempotency_key,),
        )
        if revived.rowcount == 0:
            raise PublishingError(f"no dead delivery {idempotency_key!r}: `publishing.outbox` lists them by status")


@contextmanager
def _locked(subscriber: str) -> Iterator[psycopg.Connection]:
    """A connection that holds the subscriber's lock; PostgreSQL gives it back when the process dies."""
    with connect("pc_publishing", autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s, hashtext(%s))", (_RELAY_LOCK, subscriber))
        connection.execute("set synchronous_commit = off")  # a receipt lost in a crash is asked for again by its key
        yield connection


def _client(policy: RetryPolicy) -> httpx.Client:
    settings = get_settings()
    url = settings.tendering_url or sandbox_process.address(settings.data_dir)
    if url is None:
        raise PublishingError(
            "grades wait in publishing.outbox and there is nobody to deliver them to: "
            "start the sandbox (`python -m publishing.sandbox`) or set TENDERING_URL"
        )
    is_remote = settings.tendering_url is not None  # a proxy of the environment is for the world outside
    headers = {"Content-Type": "application/json"}
    if settings.tendering_token:
        headers["Authorization"] = f"Bearer {settings.tendering_token.get_secret_value()}"
    return httpx.Client(base_url=url, headers=headers, timeout=policy.answer_timeout_seconds, trust_env=is_remote)


def _queue(connection: psycopg.Connection, subscriber: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select outbox_id, idempotency_key, uscc, status, attempt_count, body from publishing.outbox "
            "where subscriber = %s and status in ('pending', 'dead') order by outbox_id",
            (subscriber,),
        ).fetchall()


def _send_queue(
    connection: psycopg.Connection,
    client: httpx.Client,
    queue: list[dict[str, Any]],
    policy: RetryPolicy,
    state: _Round,
) -> None:
    for row in queue:
        if row["status"] == "dead":
            state.blocked.add(row["uscc"])
        elif row["uscc"] in state.blocked:
            state.held_back_count += 1
        elif not _send_row(connection, client, row, policy, state):
            return


def _send_row(
    connection: psycopg.Connection, client: httpx.Client, row: dict[str, Any], policy: RetryPolicy, state: _Round
) -> bool:
    """Send one row and record what became of it; False when the round should end."""
    tries = 0
    attempts = max(1, min(policy.tries_per_round, policy.tries_until_dead - row["attempt_count"]))
    content = canonical_bytes(row["body"])
    try:
        for attempt in stamina.retry_context(
            on=(_Faltering, _Unavailable),
            attempts=attempts,
            timeout=None,
            wait_initial=policy.first_wait_seconds,
            wait_max=policy.longest_wait_seconds,
            wait_jitter=policy.jitter_seconds,
        ):
            with attempt:
                tries = attempt.num
                receipt = _post(client, row["idempotency_key"], content)
    except _Failure as failure:
        is_dead = isinstance(failure, _Refused) or (
            isinstance(failure, _Faltering) and row["attempt_count"] + tries >= policy.tries_until_dead
        )
        _record_failure(connection, row, tries=tries, error=str(failure), is_dead=is_dead)
        state.problem = f"{row['idempotency_key']}: {failure}"
        state.blocked.add(row["uscc"])
        if isinstance(failure, _Unavailable):
            return False
        state.failing_in_a_row = 0 if isinstance(failure, _Refused) else state.failing_in_a_row + 1
        return state.failing_in_a_row < policy.failing_rows_until_pause
    _record_delivery(connection, row, tries=tries, receipt=receipt)
    state.delivered_count += 1
    state.failing_in_a_row = 0
    return True


def _post(client: httpx.Client, key: str, content: bytes) -> _Receipt:
    """Post one body; return its receipt or raise the kind of failure it met."""
    try:
        answer = client.post(GRADES_PATH, content=content, headers={"Idempotency-Key": key})
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise _Unavailable(f"no connection to {client.base_url}: {error}") from error
    except httpx.TransportError as error:
        raise _Faltering(f"the connection broke before the receipt: {type(error).__name__}: {error}") from error
    said = f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code in _SHUT_OUT_STATUS:
        raise _Unavailable(f"the receiver does not let us in (address or TENDERING_TOKEN?): {said}")
    if answer.status_code in _TRANSIENT_STATUS or not (answer.is_success or answer.is_client_error):
        raise _Faltering(f"the receiver answered {said}")
    if answer.is_client_error:
        raise _Refused(f"the receiver refused it: {said}")
    try:
        receipt = _Receipt.model_validate_json(answer.content)
    except ValidationError as error:
        raise _Faltering(f"the receiver answered without a receipt: {said}") from error
    if receipt.idempotency_key != key or receipt.body_sha256 != sha256(content):
        raise _Faltering(f"the receipt is for something else: {said}")
    return receipt


def _record_delivery(connection: psycopg.Connection, row: dict[str, Any], *, tries: int, receipt: _Receipt) -> None:
    with connection.transaction():
        connection.execute(
            "update publishing.outbox set status = 'delivered', attempt_count = attempt_count + %s, "
            "last_error = null, delivered_at = %s where outbox_id = %s",
            (tries, arrival(), row["outbox_id"]),
        )
        connection.execute(
            "insert into publishing.receipts (idempotency_key, receipt_no, received_at, body_sha256) "
            "values (%s, %s, %s, %s)",
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


def _report(connection: psycopg.Connection, subscriber: str, state: _Round) -> DeliveryReport:
    pending_count, dead_count, earliest = connection.execute(
        "select count(*) filter (where status = 'pending'), count(*) filter (where status = 'dead'), "
        "(array_agg(idempotency_key || ': ' || last_error order by outbox_id) filter (where status = 'dead'))[1] "
        "from publishing.outbox where subscriber = %s",
        (subscriber,),
    ).fetchone() or (0, 0, None)
    return DeliveryReport(
        subscriber=subscriber,
        delivered_count=state.delivered_count,
        pending_count=pending_count,
        dead_count=dead_count,
        held_back_count=state.held_back_count,
        problem=state.problem or earliest,
    )
