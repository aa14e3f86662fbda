"""Delivery through the real sandbox process: every fault ends with exactly one delivery a version, in order."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import date, timedelta

import httpx
import pytest
from grade_rows import add_run, by_veto, uscc

from property_credit.publishing import messages, sending, signing
from property_credit.publishing.body import canonical_bytes, sha256
from property_credit.publishing.circuit import CircuitPolicy
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.publishing.relay import RetryPolicy, deliver
from property_credit.publishing.sending import sandbox_address
from property_credit.publishing.subscribers import replay
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from simulation import sandbox_process

FIRST = date(2026, 10, 30)
A, B, C = uscc(1), uscc(2), uscc(3)
QUICK = RetryPolicy(
    first_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    jitter_seconds=0.01,
    answer_timeout_seconds=60,
    circuit=CircuitPolicy(cool_down_seconds=0),
)


@pytest.fixture
def sandbox_home(warehouse_database, monkeypatch, tmp_path):
    """A DATA_DIR of its own for the sandbox; the warehouse stays where the session's server runs."""
    monkeypatch.setattr(sending, "sandbox_address", lambda _data_dir: sandbox_address(tmp_path))
    return tmp_path


@pytest.fixture
def sandbox(sandbox_home):
    with sandbox_process.running(sandbox_home) as url:
        yield url


def publish_night(day: int, grades: dict[str, str]) -> None:
    on = FIRST + timedelta(days=day)
    publish(add_run(on, {code: by_veto(grade, f"V{day}") for code, grade in grades.items()}), on)


def received(url: str) -> list[tuple[str, str, int]]:
    rows = httpx.get(f"{url}/received", timeout=60, trust_env=False).json()["received"]
    return [(row["idempotency_key"], row["body"]["grade"], row["post_count"]) for row in rows]


def fault(url: str, kind: str, **more) -> None:
    httpx.post(f"{url}/faults", json={"kind": kind, **more}, timeout=60, trust_env=False).raise_for_status()


def outbox() -> list[tuple]:
    with connect() as connection:
        return connection.execute(
            "select idempotency_key, status, attempt_count from publishing.outbox order by outbox_id"
        ).fetchall()


def test_deliver__two_nights__each_version_once_in_order_with_its_receipt(sandbox):
    publish_night(0, {A: "A", B: "B"})
    publish_night(1, {A: "AA", B: "B"})
    report = deliver(policy=QUICK)
    assert (report.delivered_count, report.pending_count, report.dead_count, report.problem) == (3, 0, 0, None)
    assert received(sandbox) == [
        (f"tendering/{A}/1", "A", 1),
        (f"tendering/{B}/1", "B", 1),
        (f"tendering/{A}/2", "AA", 1),
    ]
    with connect() as connection:
        receipts = connection.execute(
            "select body, body_sha256, receipt_no from publishing.receipts "
            "join publishing.outbox using (idempotency_key)"
        ).fetchall()
    assert len(receipts) == 3
    assert all(digest == sha256(canonical_bytes(body)) and number for body, digest, number in receipts)
    assert deliver(policy=QUICK).delivered_count == 0
    assert [count for _, _, count in received(sandbox)] == [1, 1, 1]


def test_deliver__sandbox_down_then_up__rows_wait_and_nothing_is_lost(sandbox_home):
    publish_night(0, {A: "A", B: "B"})
    with pytest.raises(PublishingError, match="has no address to deliver to"):
        deliver(policy=QUICK)
    with sandbox_process.running(sandbox_home):
        pass  # its address stays behind, nobody listens there any more
    for _ in range(5):
        report = deliver(policy=QUICK)
    assert (report.delivered_count, report.pending_count, report.dead_count) == (0, 2, 0)
    assert "no connection to" in report.problem
    with sandbox_process.running(sandbox_home) as url:
        assert deliver(policy=QUICK).delivered_count == 2
        assert [key for key, _, _ in received(url)] == [f"tendering/{A}/1", f"tendering/{B}/1"]


@pytest.mark.parametrize(
    ("kind", "posts_stored"), [("cut_after_storing", 2), ("cut_before_storing", 1), ("answer_500", 1)]
)
def test_deliver__passing_fault__retried_and_stored_once(sandbox, kind, posts_stored):
    publish_night(0, {A: "A"})
    fault(sandbox, kind)
    assert deliver(policy=QUICK).delivered_count == 1
    assert received(sandbox) == [(f"tendering/{A}/1", "A", posts_stored)]
    assert outbox() == [(f"tendering/{A}/1", "delivered", 2)]


def test_deliver__sandbox_killed_after_storing__restarted_it_knows_the_delivery(sandbox_home):
    publish_night(0, {A: "A", B: "B"})
    process = sandbox_process.start(sandbox_home)
    fault(sandbox_address(sandbox_home), "exit_after_storing")
    assert deliver(policy=QUICK).delivered_count == 0
    assert process.wait(timeout=30) == 9
    with sandbox_process.running(sandbox_home) as url:
        assert deliver(policy=QUICK).delivered_count == 2
        assert received(url) == [(f"tendering/{A}/1", "A", 2), (f"tendering/{B}/1", "B", 1)]


def test_deliver__relay_killed_while_it_waits_for_the_receipt__rerun_stores_nothing_twice(sandbox, sandbox_home):
    publish_night(0, {A: "A", B: "B"})
    fault(sandbox, "slow", seconds=60)
    child = subprocess.Popen(
        [sys.executable, "-c", "from property_credit.publishing.relay import deliver; deliver()"],
        env={**os.environ, "TENDERING_URL": sandbox},
    )
    deadline = time.monotonic() + 60
    while not received(sandbox) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert outbox()[0][1] == "pending"
    assert deliver(policy=QUICK).delivered_count == 2
    assert received(sandbox) == [(f"tendering/{A}/1", "A", 2), (f"tendering/{B}/1", "B", 1)]


def test_deliver__refused_message__dead_at_once_holds_back_only_its_enterprise_until_replayed(sandbox):
    publish_night(0, {A: "A", B: "B"})
    publish_night(1, {A: "AA", B: "B"})
    fault(sandbox, "refuse_422")
    report = deliver(policy=QUICK)
    assert (report.delivered_count, report.dead_count, report.held_back_count, report.pending_count) == (1, 1, 1, 1)
    assert "422" in report.problem
    assert "422" in deliver(policy=QUICK).problem  # still told on a later round
    replay(f"tendering/{A}/1")
    assert deliver(policy=QUICK).delivered_count == 2
    assert [key for key, _, _ in received(sandbox)] == [f"tendering/{B}/1", f"tendering/{A}/1", f"tendering/{A}/2"]
    with pytest.raises(PublishingError, match="no dead delivery"):
        replay(f"tendering/{A}/1")


def test_deliver__fault_that_stays__dead_after_n_tries_and_still_visible(sandbox):
    publish_night(0, {A: "A"})
    fault(sandbox, "answer_500", count=1000)
    policy = RetryPolicy(tries_per_round=2, tries_until_dead=5, first_wait_seconds=0.01, jitter_seconds=0.01)
    reports = [deliver(policy=policy) for _ in range(4)]
    assert [report.dead_count for report in reports] == [0, 0, 1, 1]
    assert outbox() == [(f"tendering/{A}/1", "dead", 5)]
    assert received(sandbox) == []


def test_deliver__fault_on_every_row__round_pauses_instead_of_hammering(sandbox):
    publish_night(0, {uscc(n): "A" for n in range(20)})
    fault(sandbox, "answer_500", count=1000)
    deliver(policy=QUICK)
    assert sum(attempts for _, _, attempts in outbox()) == QUICK.tries_per_round * QUICK.circuit.failures_until_open


def test_deliver__wrong_token__rows_wait_and_the_report_says_why(sandbox_home, monkeypatch):
    publish_night(0, {A: "A"})
    monkeypatch.setenv("TENDERING_TOKEN", "right")
    with sandbox_process.running(sandbox_home):
        monkeypatch.setenv("TENDERING_TOKEN", "wrong")
        get_settings.cache_clear()
        report = deliver(policy=QUICK)
        assert (report.pending_count, report.dead_count) == (1, 0) and "TENDERING_TOKEN" in report.problem
        monkeypatch.setenv("TENDERING_TOKEN", "right")
        get_settings.cache_clear()
        assert deliver(policy=QUICK).delivered_count == 1


def test_deliver__two_relays_at_once__each_row_posted_once(sandbox):
    publish_night(0, {uscc(n): "A" for n in range(30)})
    command = [
        sys.executable,
        "-c",
        "from property_credit.publishing.relay import deliver; print(deliver().delivered_count)",
    ]
    children = [
        subprocess.Popen(command, env={**os.environ, "TENDERING_URL": sandbox}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sum(int(child.communicate(timeout=120)[0]) for child in children) == 30
    assert {count for _, _, count in received(sandbox)} == {1}


def signed(url: str, body: dict, key: str = "k") -> httpx.Request:
    content = canonical_bytes(body)
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    request = httpx.Request("POST", f"{url}/v1/grades", content=content, headers=headers)
    with connect("pc_publishing") as connection:
        messages.sign(request, content, signing.current(connection))
    return request


def test_sandbox__repeated_key_with_another_body__is_refused(sandbox):
    def post(grade: str) -> int:
        with httpx.Client() as client:
            return client.send(signed(sandbox, {"uscc": A, "grade": grade})).status_code

    assert [post("A"), post("A"), post("B")] == [201, 200, 409]
    assert received(sandbox) == [("k", "A", 3)]


def test_sandbox__port_taken__says_so(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PublishingError, match="choose another --port"):
            sandbox_process.start(tmp_path, port=taken.getsockname()[1])


def test_sandbox__running_one__is_found_again_not_started_twice(tmp_path):
    with sandbox_process.running(tmp_path) as first, sandbox_process.running(tmp_path) as second:
        assert first == second
