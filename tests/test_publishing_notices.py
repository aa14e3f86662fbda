"""Notices through the real relay and sandbox: each once, to the recipient of its level and region, in order."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime
from itertools import count

import httpx
import psycopg
import pytest
from delivery_world import QUICK, fault, fresh_code, outbox, publish_night, use_sandbox

from property_credit.publishing import recipients, subscribers
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.notices import queue_notices
from property_credit.publishing.reconcile import reconcile
from property_credit.publishing.relay import deliver, deliver_all
from property_credit.warehouse.connection import connect
from simulation import sandbox_process

NIGHT = date(2026, 10, 31)
RAISED_AT = datetime(2026, 10, 31, 2, 5, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return tmp_path_factory.mktemp("default"), tmp_path_factory.mktemp("district")


@pytest.fixture(scope="module")
def urls(homes):
    with sandbox_process.running(homes[0]) as default, sandbox_process.running(homes[1]) as district:
        yield default, district


@pytest.fixture
def two(urls, homes, warehouse_database, monkeypatch):
    """Addresses of the default sandbox and of a district's endpoint (not yet a recipient)."""
    use_sandbox(monkeypatch, homes[0])
    return urls


def tell(*, subject: str | None = None, level="district", region="150203", kind="escalation_raised", body=None) -> str:
    """Write one notice as supervision does; return its id."""
    number = next(_numbers)
    subject = subject or f"E{number}"
    notice_id = f"{kind}/{subject}/{number}"
    content = psycopg.types.json.Jsonb(body or {"n": number})
    with connect("pc_supervision") as connection:
        connection.execute(
            "insert into supervision.notices values (%s, %s, %s, %s, %s, null, %s, %s, %s)",
            (notice_id, kind, subject, level, region, content, NIGHT, RAISED_AT),
        )
    return notice_id


def add(endpoint: str, name="kundulun", *, region="150203", level=None) -> None:
    recipients.add_recipient(
        name, title_zh="昆都仑区住建局", endpoint=endpoint, region_code=region, level_code=level, token_variable=None
    )


def received(url: str, subject: str) -> list[tuple[str, int]]:
    rows = httpx.get(f"{url}/received", params={"subject": subject}, trust_env=False).json()["received"]
    return [(row["idempotency_key"], row["post_count"]) for row in rows]


def holders() -> dict[str, str]:
    with connect() as connection:
        return dict(connection.execute("select notice_id, subscriber from publishing.outbox").fetchall())


def test_notice__without_any_recipient__reaches_the_default_sandbox_once_with_its_envelope(two):
    notice = tell(subject="E-first", body={"due_at": "2026-10-31T02:00:00+00:00"})
    assert queue_notices().queued_count == 1
    assert queue_notices().queued_count == 0
    assert deliver("supervision", policy=QUICK).delivered_count == 1
    assert deliver("supervision", policy=QUICK).delivered_count == 0
    assert received(two[0], "E-first") == [(f"supervision/{notice}", 1)]
    body = httpx.get(f"{two[0]}/received", params={"subject": "E-first"}).json()["received"][0]["body"]
    assert body["notice_id"] == notice and body["kind_code"] == "escalation_raised"
    assert (body["level_code"], body["region_code"]) == ("district", "150203")
    assert body["body"] == {"due_at": "2026-10-31T02:00:00+00:00"}
    assert reconcile("supervision", NIGHT).problem is None


def test_notices__go_to_the_nearest_region_that_takes_their_level(two):
    add(two[1])
    add(two[1], "baotou", region="150200", level="city")
    add(two[1], "baotou_all", region="150200")
    expected = {
        tell(): "kundulun",
        tell(level="street", region="150203001"): "kundulun",
        tell(level="city", region="150200"): "baotou",
        tell(region="150204"): "baotou_all",
        tell(region="150271"): "baotou_all",
        tell(region="150102"): "supervision",
        tell(level="region", region="150000"): "supervision",
    }
    queue_notices()
    assert holders() == expected


def test_notice__never_tried__follows_a_recipient_that_is_added_and_comes_back_when_it_is_removed(two):
    notice = tell()
    queue_notices()
    assert holders() == {notice: "supervision"}
    add(two[1])
    assert queue_notices().moved_count == 1
    assert holders() == {notice: "kundulun"}
    assert f"kundulun/{notice}" in outbox()
    subscribers.remove("kundulun", takes="notices")
    queue_notices()
    assert holders() == {notice: "supervision"}


def test_change_and_remove__one_that_takes_something_else__is_not_found(two):
    add(two[1])
    for name, takes, command in (
        ("tendering", "notices", "recipients list"),
        ("kundulun", "grades", "subscribers list"),
    ):
        for call in (subscribers.remove, subscribers.change):
            with pytest.raises(PublishingError, match=command):
                call(name, takes=takes)


def test_notice__tried_before__stays_with_its_recipient(two):
    notice = tell(subject="E-tried")
    queue_notices()
    fault(two[0], "cut_after_storing", count=99)
    deliver("supervision", policy=QUICK)
    fault(two[0], "slow", count=0)
    add(two[1])
    assert queue_notices().moved_count == 0
    assert deliver("supervision", policy=QUICK, is_asked=True).delivered_count == 1
    assert [key for key, _ in received(two[0], "E-tried")] == [f"supervision/{notice}"]
    assert received(two[1], "E-tried") == []


def test_notices__of_one_subject__wait_for_the_earlier_one_and_others_do_not(two):
    first, second, other = tell(subject="S1"), tell(subject="S1", kind="escalation_closed"), tell(subject="S2")
    queue_notices()
    fault(two[0], "refuse_422")
    report = deliver("supervision", policy=QUICK)
    assert (report.delivered_count, report.dead_count, report.held_back_count) == (1, 1, 1)
    subscribers.replay(f"supervision/{first}")
    assert deliver("supervision", policy=QUICK).delivered_count == 2
    assert [key for key, _ in received(two[0], "S1")] == [f"supervision/{first}", f"supervision/{second}"]
    assert [key for key, _ in received(two[0], "S2")] == [f"supervision/{other}"]


def test_recipient_that_is_away__holds_back_neither_grades_nor_other_offices(two):
    code = fresh_code()
    publish_night(0, {code: "A"})
    add("http://127.0.0.1:9")
    tell()
    tell(region="150204")
    queue_notices()
    by_name = {report.subscriber: report for report in deliver_all(policy=QUICK)}
    assert (by_name["tendering"].delivered_count, by_name["supervision"].delivered_count) == (1, 1)
    assert (by_name["kundulun"].delivered_count, by_name["kundulun"].pending_count) == (0, 1)
    assert {report.subscriber for report in deliver_all(policy=QUICK, takes="grades")} == {"tendering"}


def test_queue__two_at_once__each_notice_has_one_place(two):
    told = {tell() for _ in range(200)}
    threads = [threading.Thread(target=queue_notices) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect() as connection:
        queued = connection.execute("select notice_id from publishing.outbox").fetchall()
    assert sorted(row[0] for row in queued) == sorted(told)


def test_queue__killed_before_its_commit__leaves_the_notice_waiting(two):
    notice = tell()
    with connect() as connection:  # holds the outbox, so that the killed process stands right before it
        connection.execute("lock table publishing.outbox in access exclusive mode")
        code = "from property_credit.publishing.notices import queue_notices; queue_notices()"
        process = subprocess.Popen([sys.executable, "-c", code])
        waiting = "select pid from pg_locks where not granted and relation = 'publishing.outbox'::regclass"
        with connect(autocommit=True) as other:
            while (pid := other.execute(waiting).fetchone()) is None:
                assert process.poll() is None
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            other.execute("select pg_terminate_backend(%s, 10000)", pid)  # its server side dies with it
    assert holders() == {}
    assert queue_notices().queued_count == 1
    assert holders() == {notice: "supervision"}


def test_notice__nobody_takes_it__waits_and_is_counted(two):
    subscribers.remove("supervision", takes="notices")
    tell()
    assert queue_notices().unclaimed_count == 1
    add(two[1])
    assert queue_notices().queued_count == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"region": "1502"}, "6 digits"),
        ({"level": "country"}, "a level is one of"),
        ({"name": "tendering"}, "is taken"),
        ({"name": "second"}, "have a recipient already"),
    ],
)
def test_recipient__impossible__is_refused_with_words(two, wrong, words):
    add(two[1])
    with pytest.raises(PublishingError, match=words):
        add(two[1], **{"name": "other", "region": "150203", **wrong})


def test_supervision__cannot_take_a_notice_back_nor_touch_the_outbox(two):
    notice = tell()
    for statement in (
        "delete from supervision.notices",
        "update supervision.notices set level_code = 'city'",
        "delete from publishing.waiting_notices",
        "insert into publishing.outbox (idempotency_key) values ('x')",
    ):
        with connect("pc_supervision") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    with pytest.raises(psycopg.errors.UniqueViolation), connect("pc_supervision") as connection:
        connection.execute(
            "insert into supervision.notices select %s, kind_code, subject_id, level_code, region_code, uscc, body, "
            "business_date, raised_at from supervision.notices",
            (notice,),
        )
