"""A sandbox for the delivery tests: one process a module, its address found by the relay, enterprises of one's own."""

from datetime import date, timedelta
from itertools import count

import httpx
from grade_rows import add_run, by_veto, uscc

from property_credit.publishing import sending
from property_credit.publishing.circuit import CircuitPolicy
from property_credit.publishing.publish import publish
from property_credit.publishing.relay import RetryPolicy
from property_credit.publishing.sending import sandbox_address
from property_credit.warehouse.connection import connect

FIRST = date(2026, 10, 30)
QUICK = RetryPolicy(
    first_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    jitter_seconds=0.01,
    answer_timeout_seconds=60,  # a busy machine answers late; who waits for a time-out asks for a shorter one
    circuit=CircuitPolicy(cool_down_seconds=0),
)
_numbers = count(5000)


def fresh_code() -> str:
    """Return a credit code that no other test uses: they share a sandbox, each has a warehouse of its own."""
    return uscc(next(_numbers))


def publish_night(day: int, grades: dict[str, str]) -> None:
    """Publish the grades of a night."""
    on = FIRST + timedelta(days=day)
    publish(add_run(on, {code: by_veto(grade, f"V{day}") for code, grade in grades.items()}), on)


def received(url: str, code: str) -> list[tuple[str, str, int]]:
    """Return key, grade and number of posts of what a sandbox holds of one enterprise, in order of arrival."""
    with _patient_client() as client:
        rows = client.get(f"{url}/received", params={"uscc": code}).json()["received"]
    return [(row["idempotency_key"], row["body"].get("grade"), row["post_count"]) for row in rows]


def fault(url: str, kind: str, **more) -> None:
    """Let the sandbox fail."""
    with _patient_client() as client:
        client.post(f"{url}/faults", json={"kind": kind, **more}).raise_for_status()


def _patient_client() -> httpx.Client:
    """A client that tries again while nobody listens: a sandbox that was told to be down comes up by itself."""
    return httpx.Client(transport=httpx.HTTPTransport(retries=6), timeout=30, trust_env=False)


def outbox() -> dict[str, tuple[str, str | None]]:
    """Return status and body hash of the receipt of every delivery."""
    with connect() as connection:
        rows = connection.execute(
            "select idempotency_key, status, body_sha256 from publishing.outbox "
            "left join publishing.receipts using (idempotency_key) order by outbox_id"
        ).fetchall()
    return {key: (status, digest) for key, status, digest in rows}


def use_sandbox(monkeypatch, home) -> None:
    """Let the relay find the sandbox of ``home``; the warehouse stays where the session's server runs."""
    monkeypatch.setattr(sending, "sandbox_address", lambda _data_dir: sandbox_address(home))
