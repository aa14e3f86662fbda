"""The 码上办 clocks on a timeline: minutes before, at and after each limit, and every way rows and ticks can come."""

import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import psycopg
import pytest
import yaml
from clock_world import ARRIVED, at, deliver, notices, raised, ticks

from property_credit.supervision.errors import SupervisionError
from property_credit.supervision.limits import DEFAULT, load
from property_credit.supervision.tick import tick
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from scoring.method import load as load_method
from scoring.method import warehouse_variables

pytestmark = pytest.mark.usefixtures("warehouse_database")

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "submitted",
    ["10-30 08:00", "10-30 23:30", "09-30 23:59", "10-01 10:00", "10-24 22:15"],
    ids=["a working day", "over midnight", "into the National Day week", "in it", "a Saturday night"],
)
@pytest.mark.parametrize(("kind", "hours"), [("response", 2), ("handling", 12), ("resolution", 24)])
def test_limit__a_minute_before_and_exactly_at_it__is_in_time_and_a_minute_after_is_not(submitted, kind, hours):
    start = at(submitted)
    due = start + timedelta(hours=hours)
    deliver({"complaint_id": "T1", "submitted_at": start})
    for instant in (start, due - timedelta(minutes=1), due):
        tick(instant)
        assert kind not in raised()
    assert tick(due + timedelta(minutes=1)).raised_count == 1
    assert raised()[kind] == (f"{due + timedelta(minutes=1):%m-%d %H:%M}", None, True)
    tick(due + timedelta(minutes=2))
    assert notices().count(f"escalation_raised {kind}/1") == 1


def test_level__each_kind__goes_to_the_office_of_its_level():
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00"), "region_code": "150203"})
    deliver({"complaint_id": "T2", "submitted_at": at("10-30 08:00"), "region_code": None, "community_id": None})
    ticks("10-30 10:05", "10-30 20:05", "10-31 08:05")
    with connect("pc_publishing") as connection:
        told = connection.execute(
            "select subject_id, level_code, region_code from supervision.notices order by 1"
        ).fetchall()
    assert told == [
        ("T1/handling", "city", "150200"),
        ("T1/resolution", "region", "150000"),
        ("T1/response", "district", "150203"),
        ("T2/handling", "city", "150000"),
        ("T2/resolution", "region", "150000"),
        ("T2/response", "district", "150000"),
    ]


def test_matter__reported_twice__escalates_once_and_ends_when_either_report_is_solved():
    first = {"complaint_id": "T1", "submitted_at": at("10-30 08:00")}
    second = {"complaint_id": "T2", "submitted_at": at("10-30 09:00"), "same_matter_as_id": "T1"}
    deliver(first)
    deliver(second)
    ticks("10-30 10:05", "10-30 11:05")
    assert (set(raised("T1")), raised("T2")) == ({"response"}, {})
    deliver({**second, "responded_at": at("10-30 11:10"), "handled_at": at("10-30 12:00")})
    ticks("10-30 20:05")
    assert set(raised("T1")) == {"response"}  # who took up either report took up the matter
    deliver(first)  # nothing new of it: what was done about the other report still counts
    ticks("10-30 20:10", "10-31 08:05")
    assert set(raised("T1")) == {"response", "resolution"}
    deliver({**second, "resolved_at": at("10-31 09:00")}, known_on=date(2026, 10, 31))
    ticks("10-31 09:05")
    assert {reason for _when, reason, _told in raised("T1").values()} == {"solved"}


def test_matter__whose_first_report_was_withdrawn_or_never_came__runs_by_itself():
    second = {"complaint_id": "T2", "submitted_at": at("10-30 09:00"), "same_matter_as_id": "T1"}
    deliver(second)
    ticks("10-30 11:05")
    assert set(raised("T2")) == {"response"}
    first = {"complaint_id": "T3", "submitted_at": at("10-30 08:00")}
    deliver(first, {**second, "complaint_id": "T4", "same_matter_as_id": "T3"})
    deliver({**first, "status_code": "withdrawn"})
    ticks("10-30 21:05")
    assert set(raised("T4")) == {"response", "handling"}


def test_life__of_a_slow_complaint__raised_at_its_limits_and_closed_when_solved():
    born = {"complaint_id": "T1", "submitted_at": at("10-30 08:00")}
    deliver(born)
    ticks("10-30 09:55", "10-30 10:05")
    deliver(responded := {**born, "responded_at": at("10-30 10:30")})
    ticks("10-30 10:35", "10-30 19:55", "10-30 20:05")
    deliver(handled := {**responded, "handled_at": at("10-30 21:00")})
    ticks("10-30 21:05", "10-31 08:00", "10-31 08:05")
    deliver({**handled, "resolved_at": at("10-31 15:00")}, known_on=date(2026, 10, 31))
    assert [report.closed_count for report in ticks("10-31 14:55", "10-31 15:00", "10-31 15:05")] == [0, 3, 0]
    assert raised() == {
        "response": ("10-30 10:05", "solved", True),
        "handling": ("10-30 20:05", "solved", True),
        "resolution": ("10-31 08:05", "solved", True),
    }
    assert notices() == [
        "escalation_raised response/1",
        "escalation_raised handling/1",
        "escalation_raised resolution/1",
        "escalation_closed handling/2",
        "escalation_closed resolution/2",
        "escalation_closed response/2",
    ]
    with connect("pc_supervision") as connection:
        row = connection.execute(
            "select responded_at, handled_at, resolved_at, closed_at from supervision.escalations "
            "where escalation_id = 'T1/response'"
        ).fetchone()
        left = connection.execute("select count(*) from supervision.open_complaints").fetchone()
    assert row == (at("10-30 10:30"), at("10-30 21:00"), at("10-31 15:00"), at("10-31 15:00"))
    assert left == (0,)


def test_complaint__prompt_all_along__raises_nothing_and_is_forgotten():
    deliver(
        {
            "complaint_id": "T1",
            "submitted_at": at("10-30 08:00"),
            "responded_at": at("10-30 10:00"),
            "handled_at": at("10-30 20:00"),
            "resolved_at": at("10-31 08:00"),
        }
    )
    ticks("10-30 10:05", "10-30 20:05", "10-31 08:05", "11-05 00:00")
    assert raised() == {}
    with connect("pc_supervision") as connection:
        assert connection.execute("select count(*) from supervision.open_complaints").fetchone() == (0,)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"handled_at": "10-30 09:00"}, {"resolution"}),
        ({"resolved_at": "10-30 09:00"}, set()),
        ({"closed_at": "10-30 09:00"}, set()),
        ({"responded_at": "10-30 09:00"}, {"handling", "resolution"}),
        ({"responded_at": "10-30 11:00", "handled_at": "10-30 09:30"}, {"resolution"}),
        ({"status_code": "withdrawn", "updated_at": "10-30 09:00"}, set()),
    ],
    ids=["handled", "solved", "closed", "responded", "handled first", "withdrawn"],
)
def test_evidence__of_a_later_state__proves_the_earlier_one(evidence, expected):
    read = {name: value if name == "status_code" else at(value) for name, value in evidence.items()}
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00"), **read})
    ticks("11-01 00:00")
    assert set(raised()) == expected


def test_withdrawn__after_an_escalation__closes_it_as_withdrawn():
    born = {"complaint_id": "T1", "submitted_at": at("10-30 08:00")}
    deliver(born)
    ticks("10-30 10:05")
    deliver({**born, "status_code": "withdrawn", "updated_at": at("10-30 11:00")})
    ticks("10-30 11:05")
    assert raised()["response"] == ("10-30 10:05", "withdrawn", True)


def test_complaint__whose_every_version_is_taken_back__is_open_no_more_and_comes_back_with_a_version():
    batch_id = deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")})
    ticks("10-30 10:05")
    with connect() as connection:
        connection.execute(
            "insert into raw.withdrawn_rows (feed, batch_id, row_number, by_batch_id, known_on, received_at)"
            " values ('complaints', %s, 0, 'W1', '2026-10-30', %s)",
            (batch_id, at("10-30 11:00")),
        )
        connection.execute(
            "insert into ops.batches (batch_id, feed, source_profile, source_file, archive_path, content_sha256, kind,"
            " content_bytes, business_date, received_at, status, rows_in, rows_accepted, rows_rejected, rows_duplicate)"
            " values ('W1', 'complaints', 'mashangban_api', '', '', '', 'withdrawal', 0, '2026-10-30', %s, 'loaded',"
            " 0, 0, 0, 0)",
            (ARRIVED + timedelta(days=1),),
        )
    ticks("10-30 20:05", "11-05 00:00")
    assert raised() == {"response": ("10-30 10:05", "withdrawn", True)}
    with connect("pc_supervision") as connection:
        assert connection.execute("select count(*) from supervision.open_complaints").fetchone() == (0,)
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")}, arrived=ARRIVED + timedelta(days=2))
    ticks("11-05 00:05")
    assert set(raised()) == {"response", "handling", "resolution"}


def test_late_row__unsolved__is_raised_by_the_tick_that_reads_it_and_one_solved_meanwhile_is_recorded_untold():
    ticks("10-31 00:00")
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")}, known_on=date(2026, 10, 31))
    deliver(
        {"complaint_id": "T2", "submitted_at": at("10-30 08:00"), "resolved_at": at("10-31 09:00")},
        known_on=date(2026, 10, 31),
    )
    ticks("10-31 09:05")
    when = "10-31 09:05"
    assert raised("T1") == {kind: (when, None, True) for kind in ("response", "handling", "resolution")}
    assert raised("T2") == {kind: (when, "solved", False) for kind in ("response", "handling", "resolution")}
    assert notices("T2") == []


def test_corrected_row__in_time_after_all__closes_as_corrected_and_the_office_is_told():
    born = {"complaint_id": "T1", "submitted_at": at("10-30 08:00")}
    deliver(born)
    ticks("10-30 10:05")
    deliver({**born, "responded_at": at("10-30 09:59")})
    ticks("10-30 10:10", "10-30 10:15")
    assert raised() == {"response": ("10-30 10:05", "corrected", True)}
    assert notices() == ["escalation_raised response/1", "escalation_closed response/2"]
    deliver({**born, "responded_at": at("10-30 10:01")})
    ticks("10-30 10:20")
    assert raised() == {"response": ("10-30 10:05", None, True)}
    assert notices()[-1] == "escalation_reopened response/3"


def test_corrected_row__submitted_later_than_said__closes_and_is_raised_again_at_the_new_limit():
    born = {"complaint_id": "T1", "submitted_at": at("10-30 08:00")}
    deliver(born)
    ticks("10-30 10:05")
    deliver({**born, "submitted_at": at("10-30 10:00")})
    ticks("10-30 10:10", "10-30 12:00")
    assert raised()["response"][1] == "corrected"
    ticks("10-30 12:05")
    assert raised()["response"] == ("10-30 10:05", None, True)


def test_reopened__a_version_without_its_solution__opens_the_same_escalations_again_once():
    born = {"complaint_id": "T1", "submitted_at": at("10-30 08:00"), "handled_at": at("10-30 09:00")}
    deliver(born)
    ticks("10-31 08:05")
    deliver({**born, "resolved_at": at("10-31 09:00")}, known_on=date(2026, 10, 31))
    ticks("10-31 09:05")
    deliver(born, known_on=date(2026, 10, 31))
    report, again = ticks("10-31 09:10", "10-31 09:15")
    assert (report.reopened_count, again.reopened_count) == (1, 0)
    assert raised() == {"resolution": ("10-31 08:05", None, True)}
    assert notices() == [
        "escalation_raised resolution/1",
        "escalation_closed resolution/2",
        "escalation_reopened resolution/3",
    ]


def snapshot() -> list[tuple]:
    with connect("pc_supervision") as connection:
        return [
            *connection.execute(
                "select escalation_id, raised_at, closed_at, close_reason_code, revision_no, is_told "
                "from supervision.escalations order by 1"
            ),
            *connection.execute("select notice_id, raised_at from supervision.notices order by 1"),
            *connection.execute("select complaint_id, next_at from supervision.open_complaints order by 1"),
        ]


def test_rerun__the_same_and_earlier_instants__change_nothing():
    deliver(*({"complaint_id": f"T{n}", "submitted_at": at(f"10-30 {8 + n:02d}:00")} for n in range(4)))
    ticks("10-30 10:05", "10-30 12:05")
    before = snapshot()
    for report in ticks("10-30 12:05", "10-30 10:05", "10-30 08:00"):
        assert (report.is_new, report.raised_count) == (False, 0)
        assert report.as_of == at("10-30 12:05")
    assert snapshot() == before


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_versions__in_whatever_order_their_batches_are_read__end_in_the_same_state(order):
    born = {"complaint_id": "T1", "submitted_at": at("10-30 08:00")}
    versions = [born, {**born, "responded_at": at("10-30 10:30")}, {**born, "responded_at": at("10-30 09:00")}]
    arrival = datetime(2026, 11, 25, 8, tzinfo=UTC)
    for place in order:
        deliver(versions[place], arrived=arrival + place * timedelta(minutes=1))
        ticks("10-30 10:05")
    assert raised().get("response", ("", "corrected", True))[1] == "corrected"
    ticks("10-30 20:05")
    assert raised()["handling"] == ("10-30 20:05", None, True)


def test_batch__of_a_date_the_tick_does_not_know_yet__waits_however_much_later_it_is_read():
    deliver({"complaint_id": "T2", "submitted_at": at("11-20 08:00")}, arrived=datetime(2026, 11, 1, tzinfo=UTC))
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")}, arrived=datetime(2026, 11, 25, tzinfo=UTC))
    assert [report.batch_count for report in ticks("10-31 00:00", "11-20 00:00")] == [1, 0]
    assert [report.batch_count for report in ticks("11-20 10:05")] == [1]
    assert set(raised("T2")) == {"response"}


def test_first_tick__history__is_recorded_and_only_what_is_unsolved_is_told():
    deliver(
        {"complaint_id": "OLD", "submitted_at": at("05-01 08:00"), "resolved_at": at("05-03 08:00")},
        {"complaint_id": "STUCK", "submitted_at": at("05-01 08:00"), "responded_at": at("05-01 12:00")},
        {"complaint_id": "GOOD", "submitted_at": at("05-01 08:00"), "resolved_at": at("05-01 09:00")},
        {"complaint_id": "CALL", "submitted_at": at("05-01 08:00"), "channel_code": "hotline"},
    )
    (report,) = ticks("10-31 00:00")
    assert (report.is_first, report.raised_count, report.told_count, report.closed_count) == (True, 6, 3, 3)
    assert {told for _, _, told in raised("OLD").values()} == {False}
    assert {told for _, _, told in raised("STUCK").values()} == {True}
    assert raised("GOOD") == raised("CALL") == {}


def test_ticks__two_together__raise_and_tell_once():
    deliver(*({"complaint_id": f"T{n}", "submitted_at": at("10-30 08:00")} for n in range(50)))
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(tick(at("10-30 10:05")))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.raised_count for report in reports) == [0, 0, 0, 50]
    with connect("pc_supervision") as connection:
        assert connection.execute("select count(*) from supervision.notices").fetchone() == (50,)


@pytest.mark.parametrize("table", ["open_complaints", "escalations", "notices", "read_batches", "ticks"])
def test_tick__killed_before_it_writes_a_table__leaves_nothing_and_the_next_one_does_it_all(table):
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")})
    with connect() as holder:
        holder.execute(f"lock table supervision.{table} in share row exclusive mode")
        code = (
            "from datetime import datetime; from property_credit.supervision.tick import tick; "
            "tick(datetime.fromisoformat('2026-10-30T10:05+08:00'))"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        with connect(autocommit=True) as other:
            waiting = "select pid from pg_locks where not granted and relation = %s::regclass"
            while (pid := other.execute(waiting, (f"supervision.{table}",)).fetchone()) is None:
                assert process.poll() is None
                time.sleep(0.02)
            process.kill()
            process.wait()
            other.execute("select pg_terminate_backend(%s, 10000)", pid)
    assert snapshot() == []
    assert ticks("10-30 10:05")[0].raised_count == 1
    assert notices() == ["escalation_raised response/1"]


def test_limits__tightened__bind_open_complaints_from_the_next_tick_and_loosened_ones_take_nothing_back(
    tmp_path, monkeypatch
):
    def configured(hours: float) -> None:
        stated = yaml.safe_load(DEFAULT.read_text())
        stated["escalations"]["response"]["limit_hours"] = hours
        (tmp_path / "limits.yml").write_text(yaml.safe_dump(stated))
        monkeypatch.setenv("SUPERVISION_LIMITS", str(tmp_path / "limits.yml"))
        get_settings.cache_clear()

    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")})
    ticks("10-30 09:05")
    configured(1)
    ticks("10-30 09:10")
    assert raised()["response"] == ("10-30 09:10", None, True)
    configured(4)
    deliver({"complaint_id": "T2", "submitted_at": at("10-30 08:00")})
    ticks("10-30 10:05")
    assert raised()["response"] == ("10-30 09:10", None, True) and raised("T2") == {}
    ticks("10-30 12:05")
    assert set(raised("T2")) == {"response"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"escalations": {"response": {"limit_hours": 0}}}, "limit_hours"),
        ({"escalations": {"response": {"level": "street"}}}, "level"),
        ({"channels": []}, "channels"),
        ({"extra": 1}, "extra"),
    ],
)
def test_limits__impossible__are_refused_with_the_file_and_the_field(tmp_path, change, words):
    stated = yaml.safe_load(DEFAULT.read_text())
    for key, value in change.items():
        if isinstance(value, dict):
            stated[key]["response"] |= value["response"]
        else:
            stated[key] = value
    path = tmp_path / "limits.yml"
    path.write_text(yaml.safe_dump(stated))
    with pytest.raises(SupervisionError, match=words) as refused:
        load(path)
    assert str(path) in str(refused.value)


def test_limits__as_shipped__are_those_of_the_grading_method():
    method = warehouse_variables(load_method().method)
    for kind, limit in load().escalations.items():
        assert limit.limit_hours == method[f"{kind}_limit_hours"]


def test_tick__without_a_zone__is_refused():
    with pytest.raises(SupervisionError, match="zone"):
        tick(datetime(2026, 10, 31, 8, 5))


@pytest.mark.parametrize("column", ["content", "title", "reply", "reporter_name", "reporter_phone"])
def test_supervision__cannot_read_text_nor_persons(column):
    with connect("pc_supervision") as connection:
        connection.execute("select complaint_id, submitted_at from raw.complaints")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select {column} from raw.complaints")


def test_escalation__cannot_be_deleted_and_its_notice_names_no_person():
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")})
    ticks("10-30 10:05")
    with connect("pc_supervision") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from supervision.escalations")
    with connect("pc_supervision") as connection:
        (body,) = connection.execute("select body from supervision.notices").fetchone()
    assert body["due_at"] == "2026-10-30T10:00:00+08:00" and body["title_zh"] == "超时未响应督促"
    assert "某人" not in str(body) and "电梯坏了" not in str(body)
