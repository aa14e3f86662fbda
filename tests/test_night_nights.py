"""Which night a run computes: by the command line, the clock, a backfill, a hand, an event, or again after midnight."""

import json
from datetime import date, datetime, timedelta

import pytest
from own_warehouse import register_build

from property_credit.night import nights
from property_credit.night.nights import (
    AFTER,
    FIRST,
    LAST,
    Ended,
    Ledger,
    NoNightError,
    RefusedNightError,
    Run,
    choose,
    night_of,
    read_ledger,
    to_wake,
)
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect

D = date(2026, 11, 1)
NIGHTS = [D + timedelta(days=number) for number in range(-3, 1)]  # the last of them is tonight's


def clock(text, *, night=D):
    """An instant of the morning after ``night``, in Shanghai."""
    hour, minute = map(int, text.split(":"))
    return datetime(night.year, night.month, night.day, hour, minute, tzinfo=ZONE) + timedelta(days=1)


def done(night, *dag_ids, at="02:30"):
    return {(night, dag_id): Ended(clock(at, night=night), clock(at, night=night)) for dag_id in dag_ids}


def ledger(*finished, opened=(), ended=(), standing=None):
    """A ledger in which the nights ``finished`` are done from end to end."""
    records = {}
    for night in finished:
        records |= done(night, *AFTER)
    return Ledger(
        {night: clock("02:00", night=night) for night in (*finished, *opened)},
        records | dict(ended),
        standing=standing or (max(finished) if finished else None),
    )


def woken(dag_id):
    return Run(dag_id, "asset__1", "asset")


def timed(dag_id, at, *, night=D, kind="scheduled"):
    return Run(dag_id, "scheduled__1", kind, interval_ends_at=clock(at, night=night))


def test_woken__leftovers_of_another_night_among_the_events__takes_the_night_that_is_due():
    """26 feeds of tonight and one event that an older night left: whatever the events say, tonight is built."""
    known = ledger(D - timedelta(days=1), opened=[D], ended=done(D, FIRST, *nights.EVENT_DAGS))
    assert choose(woken("build_warehouse"), known, clock("02:40")) == D


def test_woken__twice_or_with_nothing_left__is_skipped():
    known = ledger(D)
    for dag_id in AFTER:
        with pytest.raises(NoNightError, match="every night is done"):
            choose(woken(dag_id), known, clock("02:40"))


def test_woken__a_feed_is_missing__waits_until_the_deadline_and_then_goes_on():
    known = ledger(D - timedelta(days=1), opened=[D], ended=done(D, FIRST, *nights.EVENT_DAGS[1:]))
    with pytest.raises(NoNightError, match=f"{D} waits for ingest_complaints"):
        choose(woken("build_warehouse"), known, clock("03:59"))
    assert choose(woken("build_warehouse"), known, clock("04:00")) == D


def test_woken__something_changed_after_it_was_done__does_the_night_again():
    known = ledger(D, ended={(D, "build_warehouse"): Ended(clock("09:00"), clock("09:00"))})
    assert choose(woken("grade_enterprises"), known, clock("09:01")) == D
    nothing_new = ledger(D, ended={(D, "build_warehouse"): Ended(clock("09:00"), clock("02:30"))})
    with pytest.raises(NoNightError):
        choose(woken("grade_enterprises"), nothing_new, clock("09:01"))


def test_by_the_clock__computes_the_shanghai_day_before__whenever_it_really_runs():
    known = ledger(D - timedelta(days=1), opened=[D], ended=done(D, FIRST, *nights.EVENT_DAGS))
    for now in ("04:00", "11:00", "23:59"):
        assert choose(timed("build_warehouse", "04:00"), known, clock(now)) == D


def test_by_the_clock__begun_late_and_nothing_loaded_yet__leaves_the_night_to_be_woken():
    known = ledger(D - timedelta(days=1), opened=[D])
    assert choose(timed("build_warehouse", "04:00"), known, clock("04:01")) == D  # in time: with what is there
    late = ledger(D - timedelta(days=1))
    with pytest.raises(NoNightError, match="waits for ingest_registers"):
        choose(timed("build_warehouse", "04:00"), late, clock("09:00"))


def test_by_hand__without_a_date__is_refused_and_with_one_computes_it():
    with pytest.raises(RefusedNightError, match="business_date"):
        choose(Run(FIRST, "manual__1", "manual"), ledger(D), clock("12:00"))
    assert choose(Run(FIRST, "manual__1", "manual", asked=D), ledger(), clock("12:00")) == D


def test_backfill__four_days__computes_each_and_refuses_what_lacks_its_inputs():
    known = ledger(NIGHTS[0])
    for night in NIGHTS:
        assert choose(timed(FIRST, "02:00", night=night, kind="backfill"), known, clock("12:00")) == night
    with pytest.raises(RefusedNightError, match=f"{D} cannot be backfilled here before ingest_registers"):
        choose(timed("build_warehouse", "04:00", kind="backfill"), known, clock("12:00"))


def test_catch_up__a_scheduler_that_was_down_for_three_nights__does_them_in_order_and_each_whole():
    """From the restart on, only the picking decides; each DAG that is chosen does its night at once."""
    known, now, order = ledger(NIGHTS[0]), clock("09:00"), []
    with pytest.raises(NoNightError, match=f"night of {NIGHTS[1]} comes first"):
        choose(timed(FIRST, "02:00"), known, now)  # the one run that Airflow itself makes up
    opened, ended = dict(known.opened), dict(known.ended)
    for _ in range(100):
        standing = max((night for night, dag_id in ended if dag_id == "build_warehouse"), default=None)
        known = Ledger(opened, ended, standing=standing)
        chosen = to_wake(known, now)
        if not chosen:
            break
        for dag_id, night in chosen.items():
            order.append((night, dag_id))
            opened.setdefault(night, now)
            ended[night, dag_id] = Ended(now, now)
            for earlier in AFTER[dag_id]:
                assert known.end_of(night, earlier)
            now += timedelta(minutes=1)
    assert [night for night, dag_id in order if dag_id == LAST] == NIGHTS[1:]
    assert [night for night, _ in order] == sorted(night for night, _ in order)  # no night begins within another
    assert len(order) == 3 * len(AFTER)


def test_catch_up__more_than_a_week_is_missing__is_not_done_unasked():
    known = ledger(D - timedelta(days=9))
    assert len(known.missing(D)) == 8 and known.to_catch_up(D) == []
    assert choose(timed(FIRST, "02:00"), known, clock("02:00")) == D


def test_missed__a_later_night_stands__is_not_taken_up_any_more():
    known = ledger(NIGHTS[0], D)
    assert known.missing(D) == [] and to_wake(known, clock("10:00")) == {}
    for dag_id in AFTER:
        with pytest.raises(NoNightError):
            choose(woken(dag_id), known, clock("10:00"))


def test_paused__a_dag_that_sleeps_for_days__does_not_hold_the_others_back_for_ever():
    asleep = {key: end for key, end in ledger(NIGHTS[2]).ended.items() if key[1] != "close_month"}
    known = Ledger({NIGHTS[2]: clock("02:00", night=NIGHTS[2]), D: clock("02:00")}, asleep | done(D, FIRST))
    assert not known.is_ready(D, "build_warehouse", clock("02:40", night=NIGHTS[2]))
    assert known.is_over(NIGHTS[2], clock("02:40"))


def test_night_of__a_task_that_is_cleared_after_midnight__has_the_night_it_had(warehouse_database, monkeypatch):
    run = timed(FIRST, "02:00")
    monkeypatch.setattr(nights, "arrival", lambda: clock("02:00"))
    assert night_of(run) == D
    monkeypatch.setattr(nights, "arrival", lambda: clock("02:00", night=D + timedelta(days=2)))
    assert night_of(run) == D
    later = Run("grade_enterprises", "asset__1", "asset")
    for _ in range(2):  # what was skipped stays skipped: half a run never computes another night
        with pytest.raises(NoNightError):
            night_of(later)
        record(D, "build_warehouse", "build_models")
    assert night_of(Run("grade_enterprises", "asset__2", "asset")) == D


def record(night, dag_id, task, status="done"):
    with connect("pc_gatekeeper") as connection:
        connection.execute("select ops.record_task(%s, %s, %s, %s, '', 1, null, null)", (night, dag_id, task, status))


def test_read_ledger__what_any_hand_did__is_what_every_run_sees(warehouse_database):
    registers = nights.TASKS[FIRST]
    for feed in registers[:-1]:
        record(D, FIRST, feed)
    assert read_ledger().end_of(D, FIRST) is None and read_ledger().end_of(D, f"{FIRST}.communities")
    record(D, FIRST, registers[-1], "failed")  # a feed that fails is an end as well
    for feed in ("complaints", "inspections", "funds"):
        record(D, f"ingest_{feed}", feed, "nothing new")
    assert choose(woken("build_warehouse"), read_ledger(), clock("02:40")) == D
    record(D, "build_warehouse", "build_models")
    register_build(D)
    record(D, "grade_enterprises", "check_score_inputs", "stopped by gate")
    known = read_ledger()
    assert known.standing == D and known.end_of(D, "grade_enterprises").changed_at is None
    assert choose(woken("publish_grades"), known, clock("02:50")) == D  # what waits from before is delivered
    with pytest.raises(NoNightError):
        choose(woken("grade_enterprises"), known, clock("02:50"))
    record(D, "watch_complaints", "judge_complaints")
    record(D + timedelta(days=9), "watch_complaints", "judge_complaints")  # a tick begins no night
    assert set(read_ledger().opened) == {D}


@pytest.mark.parametrize("dag_id", AFTER)
def test_airflow__runs_of_a_backfill_and_of_the_clock__name_the_day_that_is_over(dags, dag_id):
    import pendulum
    from airflow.models.backfill import _get_info_list
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dags[dag_id]))
    first = pendulum.datetime(2026, 11, 1, tz="Asia/Shanghai")
    made = _get_info_list(from_date=first, to_date=first.add(days=4, seconds=-1), reverse=False, dag=dag)
    days = [nights.date_of_interval(one.data_interval.end) for one in made]
    assert days == [date(2026, 10, 31) + timedelta(days=number) for number in range(4)]


@pytest.fixture(scope="module")
def dags(migrated_template):
    from property_credit.night import airflow_environment, nightly

    airflow_environment.prepare()
    return nightly.load_dags()


def test_wake__a_night_whose_event_was_lost__is_woken_again(dags, warehouse_database):
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    record(D, "build_warehouse", "build_models")
    register_build(D)
    run = dags["wake_nights"].test()
    assert str(run.state) == "success"
    with create_session() as session:
        events = set(session.scalars(select(AssetModel.name).join(AssetEvent, AssetEvent.asset_id == AssetModel.id)))
    assert {"wake/grade_enterprises", "wake/supervise_region"} <= events and "wake/publish_grades" not in events


def test_run__started_by_hand_without_a_date__fails_and_computes_nothing(dags, warehouse_database):
    run = dags["build_warehouse"].test()
    assert str(run.state) == "failed"
    with connect("pc_gatekeeper") as connection:
        assert connection.execute("select count(*) from ops.task_runs").fetchone() == (0,)


def test_nights__listed__names_what_failed_and_what_nobody_began(warehouse_database, monkeypatch):
    from typer.testing import CliRunner

    from property_credit.cli.main import app
    from property_credit.warehouse import business_date

    monkeypatch.setattr(business_date, "last_closed", lambda: D + timedelta(days=1))
    record(D, FIRST, "communities")
    record(D, "build_warehouse", "build_models", "failed")
    said = CliRunner().invoke(app, ["nights", "--format", "json"]).output
    rows = json.loads(said)
    assert [(row["night"], row["state"]) for row in rows] == [
        ((D + timedelta(days=1)).isoformat(), "nobody began it"),
        (D.isoformat(), "with troubles"),
    ]
    assert rows[1]["troubles"] == "build_warehouse.build_models failed"
