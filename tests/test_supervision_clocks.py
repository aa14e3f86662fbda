"""Clocks night by night: before, at and after each limit, across holidays, with late and corrected rows, run again."""

import json
from datetime import date, timedelta

import httpx
import polars as pl
import psycopg
import pytest
from delivery_world import QUICK, use_sandbox
from own_warehouse import builder, register_build
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.night import supervision_tasks
from property_credit.publishing.notices import queue_notices
from property_credit.publishing.relay import deliver
from property_credit.supervision.clocks import SCHEMA, keep_clocks, states
from property_credit.warehouse import working_days
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from simulation import sandbox_process

USCC = "91350100M000100Y43"
MART = """
create table marts.mart_supervision__clock_subjects (clock_id text, clock_kind_code text, subject_type_code text,
  subject_id text, case_code text, uscc text, region_code text, level_code text, started_on date, limit_count integer,
  unit_code text, is_duty boolean, done_on date, label_zh text, label_en text, source_clause text,
  is_decided_by_original_officer boolean)
"""
LIMITS = {  # kind and case: limit, unit, is it a duty
    ("mark", "any"): (1, "working_days", True),
    ("forward", "any"): (2, "working_days", True),
    ("decide", "own"): (5, "working_days", True),
    ("decide", "other"): (7, "working_days", True),
    ("decide", "complex"): (20, "working_days", True),
    ("review", "any"): (15, "working_days", True),
    ("freeze", "any"): (20, "working_days", False),
    ("preview", "any"): (10, "working_days_before", False),
    ("earliest_repair", "minor"): (0, "months", False),
    ("earliest_repair", "general"): (3, "months", False),
    ("earliest_repair", "serious"): (12, "months", False),
}


def subject(kind="decide", case="own", started=date(2026, 9, 28), **changes):
    """One row of the mart: an objection to own data filed on the Monday before National Day."""
    limit, unit, is_duty = LIMITS[kind, case]
    return {
        "clock_id": f"{kind}/Y1",
        "clock_kind_code": kind,
        "subject_type_code": "objection",
        "subject_id": "Y1",
        "case_code": case,
        "uscc": USCC,
        "region_code": "150203",
        "level_code": "city",
        "started_on": started,
        "limit_count": limit,
        "unit_code": unit,
        "is_duty": is_duty,
        "done_on": None,
        "label_zh": "异议",
        "label_en": "objection",
        "source_clause": "§8",
        "is_decided_by_original_officer": False,
        **changes,
    }


def state(night, **changes):
    clocks = states(pl.DataFrame([subject(**changes)], schema=SCHEMA), night)
    return clocks["due_on"][0], clocks["status_code"][0], clocks["occasion"][0]


@pytest.mark.parametrize(
    ("kind", "case", "started", "due"),
    [
        ("mark", "any", date(2026, 9, 30), date(2026, 10, 8)),  # 1-7 October are holidays
        ("forward", "any", date(2026, 9, 30), date(2026, 10, 9)),
        ("decide", "own", date(2026, 9, 28), date(2026, 10, 10)),  # 29, 30, 8, 9 and the make-up Saturday
        ("decide", "other", date(2026, 9, 28), date(2026, 10, 13)),
        ("decide", "complex", date(2026, 9, 28), date(2026, 10, 30)),
        ("review", "any", date(2026, 2, 10), date(2026, 3, 9)),  # the Spring Festival with two make-up Saturdays
        ("freeze", "any", date(2026, 10, 20), date(2026, 11, 17)),
        ("preview", "any", date(2027, 1, 1), date(2026, 12, 18)),
        ("preview", "any", date(2026, 10, 1), date(2026, 9, 17)),  # the Mid-Autumn Festival, a worked Sunday
        ("earliest_repair", "minor", date(2026, 8, 31), date(2026, 8, 31)),
        ("earliest_repair", "general", date(2026, 11, 30), date(2027, 2, 28)),
        ("earliest_repair", "serious", date(2026, 2, 1), date(2027, 2, 1)),
    ],
)
def test_due__of_every_clock__is_the_day_its_limit_says(kind, case, started, due):
    assert state(date(2026, 1, 1), kind=kind, case=case, started=started)[0] == due


DUTIES = [key for key, (_, _, is_duty) in LIMITS.items() if is_duty]


@pytest.mark.parametrize(("kind", "case"), DUTIES)
@pytest.mark.parametrize("started", [date(2026, 9, 28), date(2026, 2, 11), date(2026, 11, 3)])
def test_duty__day_by_day__is_told_before_at_and_after_its_limit(kind, case, started):
    due = working_days.after(started, LIMITS[kind, case][0])
    remind = working_days.before(due, 1)
    seen = {}
    night = started
    while night <= due + timedelta(days=3):
        seen[night] = state(night, kind=kind, case=case, started=started)[1:]
        night += timedelta(days=1)
    for night, (status, occasion) in seen.items():
        if night < due:
            assert (status, occasion) == ("running", "before" if night >= remind else None), night
        elif night == due:
            assert (status, occasion) == ("due", "at")
        else:
            assert (status, occasion) == ("overdue", "overdue")


@pytest.mark.parametrize(("kind", "case"), DUTIES)
def test_duty__done_on_the_limit_or_a_day_later__is_in_time_or_late(kind, case):
    started = date(2026, 9, 28)
    due = working_days.after(started, LIMITS[kind, case][0])
    for done, status in ((due, "done"), (due + timedelta(days=1), "done_late")):
        assert state(due + timedelta(days=5), kind=kind, case=case, started=started, done_on=done)[1:] == (status, None)


def test_day_that_informs__has_come__is_told_for_a_month_and_is_never_late():
    night = date(2026, 11, 17)
    assert state(night, kind="freeze", case="any", started=date(2026, 10, 20))[1:] == ("passed", "at")
    assert state(night, kind="freeze", case="any", started=date(2026, 10, 21))[1:] == ("running", "before")
    old = state(date(2027, 6, 1), kind="earliest_repair", case="serious", started=date(2026, 2, 1))
    assert old == (date(2027, 2, 1), "passed", None)  # nobody is told in June what was known in February


def test_earliest_repair__first_seen__is_told_at_once():
    told = state(date(2026, 2, 3), kind="earliest_repair", case="serious", started=date(2026, 2, 1))
    assert told == (date(2027, 2, 1), "running", "before")


def test_due__in_a_year_not_arranged_yet__is_provisional():
    night = date(working_days.last_known_year(), 12, 30)
    clocks = states(
        pl.DataFrame([subject(started=night), subject(started=night, case="complex")], schema=SCHEMA), night
    )
    assert clocks["is_due_provisional"].to_list() == [True, True]
    early = states(pl.DataFrame([subject()], schema=SCHEMA), night)
    assert early["is_due_provisional"].to_list() == [False]


def test_preview__of_the_first_day_of_a_year_not_arranged_yet__rests_on_days_that_are_known():
    """Only days before it are counted: whether offices work on 1 January or later does not move it."""
    first = date(working_days.last_known_year() + 1, 1, 1)
    rows = pl.DataFrame(
        [subject("preview", "any", first), subject("preview", "any", first.replace(day=2))], SCHEMA, orient="row"
    )
    due = working_days.before(first, 10)
    clocks = states(rows, due)
    assert clocks["is_due_provisional"].to_list() == [False, True]
    assert clocks.select("due_on", "status_code", "occasion").row(0) == (due, "passed", "at")
    assert clocks["status_code"][1] == "running" and clocks["occasion"][1] != "at"


def test_overdue__across_a_spring_festival_that_is_not_announced__is_nobody_until_it_is(monkeypatch, tmp_path):
    """A limit of 20 days from 20 January counts to mid-February, through days on which no office will work."""
    started = date(working_days.last_known_year() + 1, 1, 20)
    rows = pl.DataFrame([subject(started=started, case="complex")], schema=SCHEMA)
    done = pl.DataFrame([subject(started=started, case="complex", done_on=started.replace(month=6))], schema=SCHEMA)
    for days in (10, 29, 40, 90):
        clocks = states(rows, started + timedelta(days=days))
        assert clocks.select("status_code", "is_due_provisional").row(0) == ("running", True)
    assert "overdue" not in clocks["occasion"].to_list()
    assert states(done, started.replace(month=6))["status_code"].to_list() == ["done"]
    year, announced_on = started.year, started.replace(month=2, day=1)
    path = tmp_path / "holidays.yml"
    path.write_text(
        f"arrangements: [{{announced_on: {announced_on}, source: late, year: {year}, "
        f"holidays: [{year}-02-05/{year}-02-13]}}]"
    )
    monkeypatch.setenv("HOLIDAYS_FILE", str(path))
    get_settings.cache_clear()
    try:
        due = states(rows, announced_on)["due_on"][0]
        assert due > states(rows, announced_on - timedelta(days=1))["due_on"][0]
        assert states(rows, due + timedelta(days=1))["status_code"].to_list() == ["overdue"]
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


@pytest.fixture
def office(warehouse_database):
    """An empty mart of clocks; ``know`` puts what a night's warehouse would say."""
    with builder() as connection:
        connection.execute(MART)

    def know(night, *rows):
        with builder() as connection, connection.cursor() as cursor:
            cursor.execute("delete from marts.mart_supervision__clock_subjects")
            for row in rows:
                cursor.execute(
                    "insert into marts.mart_supervision__clock_subjects values (" + ", ".join(["%s"] * len(row)) + ")",
                    list(row.values()),
                )
        return keep_clocks(night)

    return know


def notices():
    with connect("pc_supervision") as connection:
        return connection.execute(
            "select kind_code, body ->> 'occasion_code', body ->> 'due_on', business_date from supervision.notices "
            "order by business_date, notice_id"
        ).fetchall()


def clock(name="decide/Y1"):
    with connect("pc_supervision") as connection:
        return connection.execute(
            "select due_on, done_on, status_code from supervision.clocks where clock_id = %s", (name,)
        ).fetchone()


DUE = date(2026, 10, 10)  # of ``subject()``


def test_timeline__every_night_run_twice__tells_each_occasion_once(office):
    night = date(2026, 9, 28)
    while night <= DUE + timedelta(days=4):
        office(night, subject())
        assert not office(night, subject()).told
        night += timedelta(days=1)
    assert notices() == [
        ("clock_reminder", "before", "2026-10-10", date(2026, 10, 9)),
        ("clock_reminder", "at", "2026-10-10", DUE),
        ("clock_overdue", "overdue", "2026-10-10", date(2026, 10, 11)),
    ]
    assert clock() == (DUE, None, "overdue")


def test_timeline__done_before_its_limit__tells_nobody_any_more(office):
    office(date(2026, 10, 9), subject())
    for day in range(10, 16):
        office(date(2026, 10, day), subject(done_on=date(2026, 10, 9)))
    assert [row[1] for row in notices()] == ["before"]
    assert clock() == (DUE, date(2026, 10, 9), "done")


def test_late_row__first_known_after_its_limit__is_overdue_at_once_and_never_reminded(office):
    office(DUE + timedelta(days=20), subject())
    assert [row[:2] for row in notices()] == [("clock_overdue", "overdue")]


@pytest.fixture
def announced_2027(tmp_path):
    """The year 2027 as if it were arranged: announced in the November before it, as every year is."""
    path = tmp_path / "holidays.yml"
    path.write_text(
        "arrangements: [{announced_on: 2026-11-20, source: a test, year: 2027, holidays: [2027-01-01/2027-01-03, "
        "2027-02-05/2027-02-11], workdays: [2027-02-20]}]"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLIDAYS_FILE", str(path))
        get_settings.cache_clear()
        yield date(2026, 11, 20)
    get_settings.cache_clear()


EVERY = [pytest.param(*key, id="/".join(key)) for key in LIMITS]


@pytest.mark.parametrize(("kind", "case"), EVERY)
def test_timeline__of_every_clock__before_at_and_after_with_late_and_corrected_rows_and_reruns(
    office, announced_2027, kind, case
):
    limit, unit, is_duty = LIMITS[kind, case]
    started = date(2027, 1, 1) if kind == "preview" else date(2026, 9, 28)  # National Day and a make-up Saturday follow
    given = {"kind": kind, "case": case, "started": started, "clock_id": f"{kind}/Y1"}
    due = state(date(2026, 1, 1), **given)[0]
    before, after = working_days.before(due, 1), due + timedelta(days=1)
    told = []

    def night_of(night, **changes):
        for _ in range(2):  # every night is run again
            office(night, subject(**{**given, **changes}))
        return [(row[1], row[2]) for row in notices()][len(told) :]

    if due > started or kind == "preview":
        assert night_of(before) == [("before", str(due))]
        told += [0]
    assert night_of(due) == [("at", str(due))]
    told += [0]
    assert night_of(after) == ([("overdue", str(due))] if is_duty else [])
    told += [0] * is_duty
    assert clock(given["clock_id"])[2] == ("overdue" if is_duty else "passed")
    # a late row says that it was done on the day: it closes in time, and nobody is told any more
    assert night_of(after + timedelta(days=1), done_on=due) == []
    assert clock(given["clock_id"]) == (due, due, "done")
    # a corrected row says that it began later and is not done: another limit, told again when it comes
    later = {"started": date(2027, 4, 1) if kind == "preview" else date(2027, 3, 1)}
    again = state(announced_2027, **{**given, **later})[0]
    assert night_of(again, **later) == [("at", str(again))]
    assert clock(given["clock_id"])[0] == again != due


def test_reminders__through_the_relay__reach_their_office_once_whatever_is_run_again(office, tmp_path, monkeypatch):
    with sandbox_process.running(tmp_path) as url:
        use_sandbox(monkeypatch, tmp_path)
        for night in (date(2026, 10, 9), DUE, DUE + timedelta(days=1)):
            for _ in range(2):
                office(night, subject())
                queue_notices()
                deliver("supervision", policy=QUICK)
        rows = httpx.get(f"{url}/received", params={"subject": "Y1"}, trust_env=False).json()["received"]
    assert [row["post_count"] for row in rows] == [1, 1, 1]
    assert {row["idempotency_key"] for row in rows} == {
        "supervision/clock_reminder/decide/Y1/before/2026-10-10",
        "supervision/clock_reminder/decide/Y1/at/2026-10-10",
        "supervision/clock_overdue/decide/Y1/overdue/2026-10-10",
    }


def test_late_row__that_says_it_was_done_in_time__closes_an_overdue_clock(office):
    office(DUE + timedelta(days=1), subject())
    assert clock()[2] == "overdue"
    office(DUE + timedelta(days=2), subject(done_on=DUE))
    assert clock() == (DUE, DUE, "done") and len(notices()) == 1


def test_corrected_row__with_another_start__has_another_limit_and_is_told_of_it(office):
    office(DUE, subject())
    office(date(2026, 10, 11), subject(started=date(2026, 10, 9)))
    assert clock() == (date(2026, 10, 15), None, "running")  # 10 (worked), 12, 13, 14, 15
    office(date(2026, 10, 14), subject(started=date(2026, 10, 9)))
    assert [(row[1], row[2]) for row in notices()] == [("at", "2026-10-10"), ("before", "2026-10-15")]


def test_corrected_row__that_was_a_mistake__leaves_a_void_clock(office):
    office(DUE, subject())
    office(DUE + timedelta(days=1))
    assert clock()[2] == "void" and len(notices()) == 1


def test_night__before_the_newest_one_seen__changes_nothing(office):
    office(DUE + timedelta(days=1), subject())
    report = office(date(2026, 10, 9), subject())
    assert report.is_past and clock()[2] == "overdue" and len(notices()) == 1


def test_skipped_nights__over_the_limit__tell_only_that_it_is_late(office):
    office(date(2026, 10, 8), subject())
    office(date(2026, 10, 12), subject())
    assert [row[1] for row in notices()] == ["overdue"]


def test_decision__by_the_original_officer__is_told_to_the_city_once(office):
    for night in (DUE, DUE + timedelta(days=1)):
        office(night, subject(is_decided_by_original_officer=True))
    with connect("pc_supervision") as connection:
        told = connection.execute(
            "select level_code, region_code, uscc from supervision.notices where kind_code = 'decider_conflict'"
        ).fetchall()
    assert told == [("city", "150200", USCC)]


def test_step__with_the_marts_of_another_night__leaves_the_clocks_alone(office):
    office(DUE, subject())
    for night, status in ((DUE, "due"), (DUE + timedelta(days=1), "overdue")):
        register_build(night)
        supervision_tasks.keep_clocks(DUE + timedelta(days=1))
        assert clock()[2] == status
    with connect("pc_gatekeeper") as connection:
        messages = connection.execute("select message from ops.task_runs where task = 'keep_clocks'").fetchall()
    assert messages == [("1 clocks changed, 1 notices; 0 run, 1 late",)]


def test_command__lists_what_is_open_and_refuses_an_unknown_status(office):
    office(DUE, subject(), subject(kind="mark", case="any", clock_id="mark/Y1", done_on=DUE))
    runner = CliRunner()
    listed = runner.invoke(app, ["clocks", "--region", "150200", "--format", "json"])
    assert [row["clock_id"] for row in json.loads(listed.output)] == ["decide/Y1"]
    assert json.loads(runner.invoke(app, ["clocks", "--region", "1501", "--format", "json"]).output) == []
    late = runner.invoke(app, ["clocks", "--status", "done_late", "--format", "json"])
    assert [row["clock_id"] for row in json.loads(late.output)] == ["mark/Y1"]
    assert runner.invoke(app, ["clocks", "--status", "tired"]).exit_code == 2


def test_roles__only_supervision_writes_clocks(office):
    for role in ("pc_pages", "pc_scoring", "pc_publishing"):
        with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update supervision.clocks set status_code = 'done'")
