"""Versions only go forward: replayed deliveries, enterprises that no run names, and the divisions of the day."""

import sqlite3
from datetime import date

import pytest
from delivery_world import QUICK, fault, fresh_code, outbox, publish_night, received, use_sandbox
from fastapi.testclient import TestClient
from grade_rows import add_run, by_veto, make_publishing_marts, uscc
from own_warehouse import builder, register_build

from property_credit.night.publishing_tasks import publish_grades
from property_credit.publishing import api, api_keys, service, subscribers
from property_credit.publishing.publish import publish
from property_credit.publishing.reconcile import reconcile
from property_credit.publishing.relay import deliver
from property_credit.warehouse.connection import connect
from simulation import sandbox_process
from simulation.sandbox_process import folder

NIGHT, NEXT, LIST_NIGHT = date(2026, 10, 30), date(2026, 10, 31), date(2026, 12, 31)
A, B, C = uscc(1), uscc(2), uscc(3)
DISTRICT, OTHER = "150203", "150204"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("sandbox")
    with sandbox_process.running(path):
        yield path


@pytest.fixture
def url(home, warehouse_database, monkeypatch):
    use_sandbox(monkeypatch, home)
    with sandbox_process.running(home) as address:
        yield address


def lose(home, *keys: str) -> None:
    """Let the receiver lose deliveries."""
    with sqlite3.connect(folder(home) / "received.sqlite") as store:
        for key in keys:
            store.execute("delete from received where idempotency_key = ?", (key,))
    store.close()


def grades_in_order(url: str, code: str) -> list[str]:
    return [grade for _, grade, _ in received(url, code)]


def test_replay__older_version_that_was_lost__is_followed_by_the_newest(url, home):
    code = fresh_code()
    publish_night(0, {code: "A"})
    publish_night(1, {code: "B"})
    deliver(policy=QUICK)
    lose(home, f"tendering/{code}/1")
    assert reconcile("tendering", NIGHT).missing == (f"tendering/{code}/1",)
    subscribers.replay(f"tendering/{code}/1")
    deliver(policy=QUICK)
    assert grades_in_order(url, code) == ["B", "A", "B"]
    assert [key for key, _, _ in received(url, code)][-1] == f"tendering/{code}/2/2"
    report = reconcile("tendering", NIGHT)
    assert not report.missing and not report.out_of_order and not report.different


def test_replay__a_newer_version_is_refused_meanwhile__the_receiver_still_ends_with_the_newest_it_took(url, home):
    code = fresh_code()
    publish_night(0, {code: "A"})
    publish_night(1, {code: "B"})
    deliver(policy=QUICK)
    lose(home, f"tendering/{code}/1")
    reconcile("tendering", NIGHT)
    subscribers.replay(f"tendering/{code}/1")
    publish_night(2, {code: "AA"})
    with connect("pc_publishing") as connection:  # the receiver will refuse version 3
        connection.execute("update publishing.outbox set status = 'dead' where version_no = 3")
    deliver(policy=QUICK)
    assert grades_in_order(url, code) == ["B", "A", "B"]


def test_replay__the_process_dies_between_the_two__the_newer_one_still_follows(url, home):
    code = fresh_code()
    publish_night(0, {code: "A"})
    publish_night(1, {code: "B"})
    deliver(policy=QUICK)
    lose(home, f"tendering/{code}/1")
    reconcile("tendering", NIGHT)
    subscribers.replay(f"tendering/{code}/1")
    with pytest.raises(Exception, match="dead"):  # a second replay has nothing to revive and queues no second copy
        subscribers.replay(f"tendering/{code}/1")
    assert [key for key, (status, _) in outbox().items() if status == "pending"] == [
        f"tendering/{code}/1",
        f"tendering/{code}/2/2",
    ]
    fault(url, "cut_after_storing")
    deliver(policy=QUICK)
    assert grades_in_order(url, code) == ["B", "A", "B"]


def test_reconcile__older_after_newer_and_nothing_follows__is_out_of_order(url, home):
    code = fresh_code()
    publish_night(0, {code: "A"})
    publish_night(1, {code: "B"})
    deliver(policy=QUICK)
    with sqlite3.connect(folder(home) / "received.sqlite") as store:
        store.execute(
            "update received set sequence = (select max(sequence) + 1 from received) where idempotency_key = ?",
            (f"tendering/{code}/1",),
        )
    store.close()
    assert reconcile("tendering", NIGHT).out_of_order == (f"tendering/{code}/1",)


def standing(code: str) -> dict:
    with connect("pc_publishing") as connection:
        return connection.execute("select body from publishing.current_grades where uscc = %s", (code,)).fetchone()[0]


def test_absent__from_later_runs__leaves_the_next_list_with_a_reason(warehouse_database):
    publish(add_run(NIGHT, {A: {"grade": "AA"}, B: {"grade": "AA"}}), NIGHT)
    report = publish(add_run(NEXT, {A: {"grade": "AA"}}), NEXT)
    assert (report.absent_count, report.left_count, standing(B)["grade"]) == (1, 0, "AA")  # a quarter is not rewritten
    report = publish(add_run(LIST_NIGHT, {A: {"grade": "AA"}}), LIST_NIGHT)
    assert (report.list_id, report.left_count, report.unchanged_count) == ("2027-Q1", 1, 1)
    entry = standing(B)
    assert (entry["grade"], entry["status_code"], entry["valid_from"]) == (None, "not_rated", "2027-01-01")
    assert [reason["code"] for reason in entry["reasons"]] == ["NOT_EVALUATED"] and entry["supersedes"]["grade"] == "AA"
    with connect("pc_publishing") as connection:
        entries = connection.execute(
            "select entry::json ->> 'uscc', entry::json ->> 'grade' from publishing.log_leaves "
            "where list_id = '2027-Q1' order by 1"
        ).fetchall()
        queued = connection.execute(
            "select body ->> 'status_code' from publishing.outbox where uscc = %s order by version_no desc limit 1",
            (B,),
        ).fetchone()
    assert entries == [(A, "AA"), (B, None)] and queued == ("not_rated",)
    again = publish(add_run(date(2027, 3, 31), {A: {"grade": "AA"}}), date(2027, 3, 31))
    assert again.left_count == 0
    back = date(2027, 4, 2)
    publish(add_run(back, {A: {"grade": "AA"}, B: {"grade": "A"}}), back)
    assert standing(B)["grade"] == "A"  # as a first grade: it binds the next day


def test_absent__the_night__says_how_many_and_how_many_leave(warehouse_database):
    publish(add_run(NIGHT, {A: {"grade": "AA"}, B: {"grade": "AA"}}), NIGHT)
    for night_of in (NEXT, LIST_NIGHT):
        add_run(night_of, {A: {"grade": "AA"}})
        register_build(night_of)
        publish_grades(night_of)
    with connect() as connection:
        said = [
            row[0]
            for row in connection.execute(
                "select message from ops.task_runs where task = 'publish_grades' order by business_date"
            )
        ]
    assert "1 published enterprises are not in tonight's run" in said[0] and "leave" not in said[0]
    assert "1 of them leave the list" in said[1]


def test_absent__serious_dishonesty__stays(warehouse_database):
    dishonest = {"grade": None, "status_code": "serious_dishonesty"}
    publish(add_run(NIGHT, {A: {"grade": "AA"}, B: dishonest}), NIGHT)
    publish(add_run(LIST_NIGHT, {A: {"grade": "AA"}}), LIST_NIGHT)
    assert standing(B)["status_code"] == "serious_dishonesty"


@pytest.fixture
def served(warehouse_database, monkeypatch):
    make_publishing_marts()
    monkeypatch.setattr(service.CURRENT, "service", service.Service(today=lambda: date(2027, 1, 5), max_age_seconds=0))
    with TestClient(api.served, raise_server_exceptions=False) as opened:
        yield opened
    service.service().close()


def serve(**districts: str) -> None:
    """Set where each enterprise serves (a, b, c → divisions)."""
    with builder() as connection:
        connection.execute("delete from marts.mart_publishing__regions")
        for name, district in districts.items():
            for code in ("150000", "150200", *district.split()):
                connection.execute(
                    "insert into marts.mart_publishing__regions values (%s, %s)",
                    ({"a": A, "b": B, "c": C}[name], code),
                )


def regulator(client, district: str):
    key = api_keys.issue(scope="regulator", name="测试", region_code=district).text

    def ask(path: str, **params):
        return client.get(path, params=params, headers={"Authorization": f"Bearer {key}"})

    return ask


def night(on: date, **grades) -> None:
    codes = {"a": A, "b": B, "c": C}
    publish(add_run(on, {codes[name]: grade for name, grade in grades.items()}), on)


def test_regions__of_the_day__decide_lists_and_changes(served):
    serve(a=DISTRICT, b=OTHER)
    night(NIGHT, a={"grade": "AA"}, b={"grade": "A"})
    ask = regulator(served, DISTRICT)
    since = ask("/v1/grades/changes").json()["next_since"]
    serve(a=OTHER, b=f"{DISTRICT} {OTHER}")
    night(NEXT, a={"grade": "AA"}, b={"grade": "A"})  # no grade changes: no version
    first = ask("/v1/grades/changes", since=since).json()
    assert [(one["uscc"], one["grade"]) for one in first["changes"]] == [(B, "A")]
    assert first["departures"] == [{"uscc": A, "left_on": "2026-11-01"}] and not first["has_more"]
    pages, since = [], ask("/v1/grades/changes", limit=1).json()["next_since"]
    while since and len(pages) < 9:
        page = ask("/v1/grades/changes", since=since, limit=1).json()
        pages.append(page)
        since = page["next_since"] if page["has_more"] else None
    assert sorted(str(page["changes"] or page["departures"])[:1] for page in pages) == ["[", "["]

    def listed(**params):
        return [one["uscc"] for one in ask("/v1/grades", **params).json()["grades"]]

    assert (listed(as_of="2026-10-31"), listed(as_of="2026-11-01"), listed()) == ([A], [B], [B])
    assert ask(f"/v1/grades/{A}").status_code == 403
    assert ask(f"/v1/grades/{A}", as_of="2026-10-31").status_code == 200
    assert ask(f"/v1/grades/{A}", as_of="2026-11-01").status_code == 403
    for path, more in ((f"/v1/grades/{A}/certificate", {}), ("/v1/certificates", {"codes": f"{A},{B}"})):
        assert ask(path, **more, as_of="2026-11-01").status_code == 403
        assert ask(path, **(more and {"codes": A}), as_of="2026-10-31").status_code == 200
    night(date(2026, 11, 1), a=by_veto("B"), b={"grade": "A"})
    assert ask("/v1/grades/changes", since=first["next_since"]).json()["changes"] == []


def test_regions__absent_enterprise__its_regulator_sees_it_leave(served):
    serve(a=DISTRICT, b=DISTRICT)
    night(NIGHT, a={"grade": "AA"}, b={"grade": "A"})
    ask = regulator(served, DISTRICT)
    since = ask("/v1/grades/changes").json()["next_since"]
    serve(a=DISTRICT)
    night(LIST_NIGHT, a={"grade": "AA"})
    changes = ask("/v1/grades/changes", since=since).json()["changes"]
    assert [(one["uscc"], one["status_code"]) for one in changes] == [(B, "not_rated")]
    answer = ask(f"/v1/enterprises/{B}")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (404, "no-detail")


def test_regions__roles__cannot_be_changed_by_hand(warehouse_database):
    for role in ("pc_publishing", "pc_api"):
        with connect(role) as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute("delete from publishing.enterprise_regions")
