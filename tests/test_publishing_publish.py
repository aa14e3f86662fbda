"""Publishing a run: what becomes a version, what does not, and what is refused."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date

import pytest
from grade_rows import add_run, by_veto, uscc
from psycopg.types.json import Jsonb

from property_credit.publishing.content import FIELDS
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.warehouse.connection import connect

pytestmark = pytest.mark.usefixtures("warehouse_database")

FIRST, SECOND = date(2026, 10, 30), date(2026, 10, 31)
A, B, C = uscc(1), uscc(2), uscc(3)
LISTED = [{"code": "V1", "effect": "no_grade", "evidence_ids": ["r1"], "decisions": [{}]}]
SERIOUS = {"grade": None, "status_code": "serious_dishonesty", "caps": Jsonb(LISTED)}


def rows(statement: str, *parameters):
    with connect() as connection:
        return connection.execute(statement, parameters).fetchall()


def test_publish__first_run__versions_and_outbox_hold_the_fields_of_the_subscriber_only():
    report = publish(add_run(FIRST, {A: {"grade": "AA"}, B: {"grade": None, "status_code": "not_rated"}}), FIRST)
    assert (report.publication_id, report.is_new, report.change_count, report.correction_count) == (1, True, 2, 0)
    bodies = rows("select body from publishing.outbox order by uscc")
    assert bodies[0][0] == {
        "uscc": A,
        "enterprise_name": "测试物业000001",
        "grade": "AA",
        "status_code": "rated",
        "method_version": "2026.1",
        "valid_from": "2026-10-31",
        "valid_to": None,
        "version_no": 1,
        "is_correction": False,
        "supersedes": None,
        "reasons": [],
        "basis": [],
        "notices": [],
    }
    assert bodies[1][0]["grade"] is None
    assert rows("select idempotency_key from publishing.outbox order by uscc") == [
        (f"tendering/{A}/1",),
        (f"tendering/{B}/1",),
    ]
    whole = rows("select body from publishing.grade_versions order by uscc")
    assert [set(body) for (body,) in whole] == [set(FIELDS) - {"former_names"}] * 2  # nobody had another name


def test_publish__same_run_again__adds_nothing():
    run_id = add_run(FIRST, {A: {}})
    first = publish(run_id, FIRST)
    again = publish(run_id, FIRST)
    assert not again.is_new and again.publication_id == first.publication_id and again.change_count == 1
    assert rows("select (select count(*) from publishing.publications), (select count(*) from publishing.outbox)") == [
        (1, 1)
    ]


@pytest.mark.parametrize(
    "changed",
    [by_veto("B"), SERIOUS, {"enterprise_name": "改名物业"}],
)
def test_publish__one_change__is_the_only_new_version(changed):
    publish(add_run(FIRST, {A: {}, B: {}, C: {}}), FIRST)
    report = publish(add_run(SECOND, {A: {"score": 71.2}, B: changed, C: {}}), SECOND)
    assert (report.change_count, report.unchanged_count, report.correction_count) == (1, 2, 0)
    assert rows("select uscc, version_no, valid_from from publishing.grade_versions where publication_id = 2") == [
        (B, 2, date(2026, 11, 1))
    ]
    assert rows("select valid_to from publishing.grade_history where uscc = %s order by version_no", B) == [
        (date(2026, 11, 1),),
        (None,),
    ]


def test_publish__new_method_version__every_grade_is_a_new_version_of_the_next_list():
    publish(add_run(FIRST, {A: {}, B: {}}), FIRST)
    assert publish(add_run(SECOND, {A: {}, B: {}}, method="2026.2"), SECOND).change_count == 0
    quarter_end = date(2026, 12, 31)
    assert publish(add_run(quarter_end, {A: {}, B: {}}, method="2026.2"), quarter_end).change_count == 2


def test_publish__same_night_recomputed__is_a_correction():
    publish(add_run(FIRST, {A: {}, B: {}}), FIRST)
    report = publish(add_run(FIRST, {A: {"grade": "B"}, B: {}}, salt="late rows"), FIRST)
    assert (report.change_count, report.correction_count) == (1, 1)
    assert rows(
        "select body ->> 'grade', body ->> 'is_correction' from publishing.current_grades where uscc = %s", A
    ) == [("B", "true")]


def test_publish__older_date_than_published__is_refused_and_changes_nothing():
    older = add_run(FIRST, {A: {"grade": "B"}})
    publish(add_run(SECOND, {A: {}}), SECOND)
    with pytest.raises(PublishingError, match=r"older than what is published .*2026-10-31"):
        publish(older, FIRST)
    assert rows("select count(*) from publishing.grade_versions") == [(1,)]


def test_publish__enterprise_missing_from_run__its_grade_stands_and_is_counted():
    publish(add_run(FIRST, {A: {}, B: {}}), FIRST)
    report = publish(add_run(SECOND, {A: {}}), SECOND)
    assert (report.absent_count, report.unchanged_count, report.change_count) == (1, 1, 0)


def test_publish__unknown_wrong_dated_or_incomplete_run__is_refused():
    with pytest.raises(PublishingError, match="there is no scoring run"):
        publish("r-none", FIRST)
    run_id = add_run(FIRST, {A: {}})
    with pytest.raises(PublishingError, match="graded 2026-10-30, not 2026-10-31"):
        publish(run_id, SECOND)
    with connect() as connection:
        connection.execute("update scoring.runs set enterprise_count = 2")
    with pytest.raises(PublishingError, match="names 2 enterprises and holds 1"):
        publish(run_id, FIRST)


def test_publish__two_at_once__one_publication():
    run_id, reports = add_run(FIRST, {uscc(n): {} for n in range(40)}), []
    threads = [threading.Thread(target=lambda: reports.append(publish(run_id, FIRST))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.is_new for report in reports) == [False, False, False, True]
    assert rows("select count(*) from publishing.outbox") == [(40,)]


def test_publish__killed_inside_its_transaction__leaves_nothing_and_runs_again():
    run_id = add_run(FIRST, {A: {}, B: {}})
    with connect() as connection:  # holds the outbox, so that the killed process has written all but that
        connection.execute("lock table publishing.outbox in access exclusive mode")
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from datetime import date; from property_credit.publishing.publish import publish; "
                f"publish({run_id!r}, date.fromisoformat('{FIRST}'))",
            ],
            env={**os.environ},
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            waiting = rows(
                "select count(*) from pg_locks where not granted and relation = 'publishing.outbox'::regclass"
            )
            if waiting == [(1,)]:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the publisher never reached the outbox")
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert publish(run_id, FIRST).is_new
    assert rows("select count(*), max(version_no) from publishing.grade_versions") == [(2, 1)]
    assert rows("select publication_id from publishing.publications") == [(1,)]
