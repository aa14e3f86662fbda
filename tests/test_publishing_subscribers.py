"""Many subscribers: their fields, an outage that delays nobody else, the circuit, dead letters, reconciled receipts."""

import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from delivery_world import QUICK, fault, fresh_code, outbox, publish_night, received, use_sandbox

from property_credit.publishing import subscribers
from property_credit.publishing.circuit import Circuit, CircuitPolicy
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.reconcile import reconcile
from property_credit.publishing.relay import deliver, deliver_all
from property_credit.warehouse.connection import connect
from simulation import sandbox_process
from simulation.sandbox_process import folder

NIGHT = date(2026, 10, 31)
NOBODY = "http://127.0.0.1:9"
FIELDS = ["grade", "status_code"]


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return tmp_path_factory.mktemp("tendering"), tmp_path_factory.mktemp("department")


@pytest.fixture(scope="module")
def urls(homes):
    with sandbox_process.running(homes[0]) as tendering, sandbox_process.running(homes[1]) as department:
        yield tendering, department


@pytest.fixture
def two(urls, homes, warehouse_database, monkeypatch):
    """Addresses of the tendering system (a subscriber) and of a department (not yet one)."""
    use_sandbox(monkeypatch, homes[0])
    return urls


def add(endpoint: str, name: str = "department") -> int:
    return subscribers.add(name, title_zh="市场监督管理局", endpoint=endpoint, fields=FIELDS)


def test_subscriber__added_later__gets_what_stands_in_its_fields_only(two):
    code = fresh_code()
    publish_night(0, {code: "A"})
    publish_night(1, {code: "AA"})
    assert add(two[1]) == 1
    publish_night(2, {code: "B"})
    assert [report.delivered_count for report in deliver_all(policy=QUICK, takes="grades")] == [2, 3]
    rows = httpx.get(f"{two[1]}/received", params={"uscc": code}).json()["received"]
    assert [row["body"] for row in rows] == [
        {"uscc": code, "grade": "AA", "status_code": "rated"},
        {"uscc": code, "grade": "B", "status_code": "rated"},
    ]
    assert rows[0]["idempotency_key"] == f"department/{code}/2"


def test_deliver_all__one_receiver_slow_and_one_away__the_third_is_not_delayed(two):
    code = fresh_code()
    add(two[1])
    add(NOBODY, name="nobody")
    publish_night(0, {code: "A"})
    fault(two[1], "slow", seconds=1.5)
    by_name = {report.subscriber: report for report in deliver_all(policy=replace(QUICK, answer_timeout_seconds=5))}
    assert by_name["tendering"].delivered_count == by_name["department"].delivered_count == 1
    assert (by_name["nobody"].pending_count, "no connection" in by_name["nobody"].problem) == (1, True)
    with connect() as connection:
        at = dict(connection.execute("select subscriber, delivered_at from publishing.outbox").fetchall())
    assert at["department"] - at["tendering"] > timedelta(seconds=1)


def test_subscriber__removed__gets_nothing_more_and_can_come_back(two):
    code = fresh_code()
    add(two[1])
    subscribers.remove("department")
    publish_night(0, {code: "A"})
    assert [report.subscriber for report in deliver_all(policy=QUICK, takes="grades")] == ["tendering"]
    with pytest.raises(PublishingError, match="no active subscriber"):
        deliver("department", policy=QUICK)
    assert add(two[1]) == 1
    assert deliver("department", policy=QUICK).delivered_count == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "Gov 1"}, "small letters"),
        ({"name": "tendering"}, "already"),
        ({"endpoint": "receiver"}, "endpoint looks like"),
        ({"fields": ["grade", "score"]}, "unknown fields score"),
    ],
)
def test_subscriber__that_cannot_be__is_refused_with_what_to_do(warehouse_database, wrong, says):
    given = {"name": "department", "title_zh": "测试", "endpoint": NOBODY, "fields": FIELDS, **wrong}
    with pytest.raises(PublishingError, match=says):
        subscribers.add(given.pop("name"), **given)


def test_subscriber__token_variable_not_set__waits_and_says_which(two):
    publish_night(0, {fresh_code(): "A"})
    subscribers.add("department", title_zh="测试", endpoint=two[1], fields=FIELDS, token_variable="DEPARTMENT_TOKEN")
    report = deliver_all(policy=QUICK, takes="grades")[0]
    assert report.pending_count == 1 and "DEPARTMENT_TOKEN" in report.problem


def test_circuit__outage__open_spends_no_try_and_half_open_tries_one_row_once(two):
    publish_night(0, {fresh_code(): "A" for _ in range(3)})
    add(NOBODY)
    patient = replace(QUICK, circuit=CircuitPolicy(cool_down_seconds=600))

    def tries() -> int:
        with connect() as connection:
            return connection.execute(
                "select sum(attempt_count) from publishing.outbox where subscriber = 'department'"
            ).fetchone()[0]

    deliver("department", policy=patient)
    assert tries() == QUICK.tries_per_round
    report = deliver("department", policy=patient)
    assert (tries(), report.pending_count) == (QUICK.tries_per_round, 3) and "circuit is open" in report.problem
    deliver("department", policy=QUICK)  # its cool-down is over at once: half open
    assert tries() == QUICK.tries_per_round + 1
    deliver("department", policy=patient, is_asked=True)  # a person asks: half open
    assert tries() == QUICK.tries_per_round + 2
    subscribers.change("department", endpoint=two[1])  # closes it
    assert deliver("department", policy=patient).delivered_count == 3
    with connect() as connection:
        state = connection.execute("select failure_count, opened_at from publishing.subscribers order by 1").fetchall()
    assert set(state) == {(0, None)}


def test_circuit__opens_again_and_again__waits_longer_up_to_a_limit():
    policy = CircuitPolicy(cool_down_seconds=10, longest_cool_down_seconds=35)
    now, circuit, waits = datetime(2026, 11, 1, tzinfo=UTC), Circuit(), []
    for _ in range(4):
        circuit = circuit.failed(now, policy, is_outage=True)
        waits.append((circuit.tries_again_at(policy) - now).seconds)
    assert waits == [10, 20, 35, 35]
    assert circuit.state(now, policy) == "open"
    assert circuit.state(now + timedelta(seconds=35), policy) == "half open"


def test_deliveries__dead__are_listed_with_their_error_and_replayed_together(two):
    codes = [fresh_code() for _ in range(2)]
    publish_night(0, dict.fromkeys(codes, "A"))
    fault(two[0], "refuse_422", count=2)
    deliver(policy=QUICK)
    dead = subscribers.deliveries(status="dead")
    assert {row["idempotency_key"] for row in dead} == {f"tendering/{code}/1" for code in codes}
    assert all("422" in row["last_error"] for row in dead)
    assert subscribers.replay_all("tendering") == 2
    assert deliver(policy=QUICK).delivered_count == 2


def test_reconcile__receiver_lost_changed_or_invented_a_delivery__says_which_and_the_lost_one_can_be_replayed(
    two, homes
):
    lost, changed, kept = sorted(fresh_code() for _ in range(3))
    publish_night(0, dict.fromkeys((lost, changed, kept), "A"))
    deliver(policy=QUICK)
    with sqlite3.connect(folder(homes[0]) / "received.sqlite", timeout=10) as store:
        store.execute("delete from received where idempotency_key not like ?", (f"%{lost[:11]}%",))
        store.execute("delete from received where subject not in (?, ?, ?)", (lost, changed, kept))
    assert reconcile("tendering", NIGHT).is_clean
    with sqlite3.connect(folder(homes[0]) / "received.sqlite", timeout=10) as store:
        store.execute("delete from received where subject = ?", (lost,))
        store.execute("update received set body_sha256 = 'x' where subject = ?", (changed,))
        store.execute(
            "insert into received (idempotency_key, subject, body, body_sha256, receipt_no, received_at) "
            "values (?, ?, '{}', 'x', 'R', '2026-11-01')",
            (f"tendering/{kept}/9", kept),
        )
    store.close()
    report = reconcile("tendering", NIGHT)
    assert (report.missing, report.different, report.unknown) == (
        (f"tendering/{lost}/1",),
        (f"tendering/{changed}/1",),
        (f"tendering/{kept}/9",),
    )
    assert "1 missing" in report.summary()
    reconcile("tendering", NIGHT)
    with connect() as connection:
        assert connection.execute("select count(*) from publishing.reconciliations").fetchone() == (2,)
    subscribers.replay(f"tendering/{lost}/1")
    with pytest.raises(PublishingError, match="nor one that its receiver"):
        subscribers.replay(f"tendering/{kept}/1")
    assert deliver(policy=QUICK).delivered_count == 1
    assert received(two[0], lost) == [(f"tendering/{lost}/1", "A", 1)]
    assert not reconcile("tendering", NIGHT).missing


def test_reconcile__receiver_away__is_a_problem_and_no_difference(two):
    add(NOBODY)
    report = reconcile("department", NIGHT)
    assert not report.is_clean and "not compared" in report.summary() and not report.missing
    assert outbox() == {}
