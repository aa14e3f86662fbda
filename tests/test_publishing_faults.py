"""Delivery under every fault the sandbox knows: the receiver ends with each version once and in order."""

import time
from dataclasses import replace

import httpx
import pytest
from delivery_world import FIRST, QUICK, fault, fresh_code, outbox, publish_night, received, use_sandbox

from property_credit.publishing.body import canonical_bytes, sha256
from property_credit.publishing.reconcile import reconcile
from property_credit.publishing.relay import deliver
from property_credit.publishing.subscribers import replay
from simulation import sandbox, sandbox_process

# fault → how often at least the first delivery reached the receiver's store: a slow machine may time out and repeat one
# (test_publishing_relay has exit_after_storing)
END = {
    "answer_500": 1,
    "answer_500_after_storing": 2,
    "refuse_422": 1,
    "cut_before_storing": 1,
    "cut_after_storing": 2,
    "exit_after_storing": 2,
    "slow": 2,
    "answer_twice": 1,
    "down": 1,
}


@pytest.fixture(scope="module")
def sandbox_home(tmp_path_factory):
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def url(sandbox_home, warehouse_database, monkeypatch):
    with sandbox_process.running(sandbox_home) as address:
        use_sandbox(monkeypatch, sandbox_home)
        yield address


@pytest.fixture(scope="module", autouse=True)
def kept_running(sandbox_home):
    with sandbox_process.running(sandbox_home):
        yield


def deliver_until_done(policy=QUICK) -> None:
    """Rounds as nights and retries would make them; a person replays what is dead and restarts what has died."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        report = deliver(policy=policy)
        for key, (status, _) in outbox().items():
            if status == "dead":
                replay(key)
        if not report.pending_count and not report.dead_count:
            return
        if "no connection" in str(report.problem):
            time.sleep(0.2)
    pytest.fail(f"never done: {report}")


def test_faults__all_of_the_sandbox__are_in_the_table():
    assert set(END) == set(sandbox.FAULTS)


@pytest.mark.parametrize("kind", [kind for kind in END if kind != "exit_after_storing"])
def test_deliver__under_a_fault__ends_with_each_version_once_and_in_order(url, kind):
    first, second = sorted((fresh_code(), fresh_code()))
    publish_night(0, {first: "A", second: "B"})
    publish_night(1, {first: "AA", second: "B"})
    fault(url, kind, seconds=3 if kind == "slow" else 0.5)
    deliver_until_done(replace(QUICK, answer_timeout_seconds=1) if kind == "slow" else QUICK)
    stored_first, stored_second = received(url, first), received(url, second)
    assert [row[:2] for row in stored_first] == [(f"tendering/{first}/1", "A"), (f"tendering/{first}/2", "AA")]
    assert stored_first[0][2] >= END[kind]
    assert [row[:2] for row in stored_second] == [(f"tendering/{second}/1", "B")]
    rows = httpx.get(f"{url}/received", params={"uscc": first}, timeout=30).json()["received"]
    stored = {row["idempotency_key"]: sha256(canonical_bytes(row["body"])) for row in rows}
    ours = outbox()
    assert {status for status, _ in ours.values()} == {"delivered"}
    assert stored == {key: digest for key, (_, digest) in ours.items() if first in key}


def test_deliver__one_fault_after_another__ends_with_each_version_once_and_in_order(url):
    codes = [fresh_code() for _ in range(3)]
    night = 0
    for kind in (kind for kind in END if kind not in ("exit_after_storing", "slow")):
        publish_night(night, {code: "A" if night % 2 else "B" for code in codes})
        fault(url, kind, count=2, seconds=0.2)
        deliver(policy=QUICK)
        night += 1
    deliver_until_done()
    for code in codes:
        keys = [key for key, _, _ in received(url, code)]
        assert keys == [f"tendering/{code}/{version}" for version in range(1, night + 1)]


def test_sandbox__unsigned_or_altered_delivery__is_refused_once_it_knows_the_key(url):
    code = fresh_code()
    publish_night(0, {code: "A"})
    deliver(policy=QUICK)
    body = canonical_bytes({"uscc": code, "grade": "AA"})
    headers = {"Idempotency-Key": f"tendering/{code}/2", "Content-Type": "application/json"}
    answer = httpx.post(f"{url}/v1/grades", content=body, headers=headers)
    assert answer.status_code == 401 and "signature" in answer.json()["detail"]
    assert [key for key, _, _ in received(url, code)] == [f"tendering/{code}/1"]
    report = reconcile("tendering", FIRST)
    assert not report.missing and not report.different and not report.out_of_order
