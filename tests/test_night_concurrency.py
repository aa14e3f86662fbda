"""Many hands at once: builds, readers, deliveries. Nobody reads half a night or waits for ever."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from datetime import date, timedelta

import psycopg
import pytest
from small_town import FIRM, NIGHT, OTHER, complaint, counts, insert
from test_ingestion_load import HEADER, deliver, office, row, versions  # noqa: F401

from property_credit.night import lock, nightly
from property_credit.warehouse import transformation
from property_credit.warehouse.connection import connect, parameters
from property_credit.warehouse.locks import LockedError, building_marts, reading_marts
from property_credit.warehouse.settings import PROJECT_ROOT
from property_credit.warehouse.transformation import build

pytestmark = pytest.mark.slow
NEXT = NIGHT + timedelta(days=1)


def nights_seen():
    """Return the business dates that a mart of the beginning and one of the end of a build speak of."""
    with connect("pc_gatekeeper") as connection:
        return connection.execute(
            "select (select max(ends_on) from intermediate.int_spells__resolved),"
            " (select max(actual_on) from marts.mart_scorecards__kpis)"
        ).fetchone()


def test_lock__held_by_others__is_waited_for_only_so_long_and_says_by_whom(warehouse_database):
    with reading_marts(), reading_marts():
        with pytest.raises(LockedError, match=r"cannot be built: after 50ms server processes \d+ still hold them"):
            with building_marts(wait="50ms"):
                pass
    with building_marts(), pytest.raises(LockedError, match=r"cannot be read: after 50ms server processes \d+ still"):
        with reading_marts(wait="50ms"):
            pass


def test_roles__every_one__gives_up_waiting_for_a_lock(warehouse_database):
    for role in ("pc_ingestion", "pc_dbt", "pc_scoring", "pc_publishing", "pc_supervision", "pc_pages", "pc_api"):
        with connect(role) as connection:
            assert connection.execute("show lock_timeout").fetchone() == ("30min",)
            assert connection.execute("show idle_in_transaction_session_timeout").fetchone() == ("4h",)


def test_build__read_and_delivered_to_while_it_runs__one_night_is_seen_and_the_next_takes_the_rows_in(
    built_town, monkeypatch
):
    invoke = transformation._invoke

    def deliver_first(*arguments, **keywords):
        insert("complaints", [complaint(5, complaint_id="T5")], known_on=NEXT, batch_id="late")
        monkeypatch.setattr(transformation, "_invoke", invoke)
        return invoke(*arguments, **keywords)

    monkeypatch.setattr(transformation, "_invoke", deliver_first)
    before = counts()
    with _reading() as seen:
        build(NEXT, is_incremental=True)
    assert seen <= {(NIGHT, NIGHT), (NEXT, NEXT)}
    assert nights_seen() == (NEXT, NEXT)
    build(NEXT, is_incremental=True)
    with connect("pc_dbt") as connection:
        modes = [mode for (mode,) in connection.execute("select mode from ops.builds order by build_id")]
    assert modes == ["full", "incremental", "incremental"]
    assert counts() == {FIRM: before[FIRM], OTHER: tuple(count + 1 for count in before[OTHER])}


@contextlib.contextmanager
def _reading():
    """Read the marts over and over for the length of the block; gives the pairs of nights that were seen."""
    seen, is_over = set(), threading.Event()

    def read():
        while not is_over.is_set():
            with reading_marts():
                seen.add(nights_seen())
            is_over.wait(0.02)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        is_over.set()
        reader.join()


def test_ingest__a_backfill_beside_a_night__each_row_becomes_one_version(office):  # noqa: F811
    """Both deliver the same keys at once: whoever comes second sees the other's rows and adds only what differs."""
    same = "".join(row(f"S{number}") for number in range(2000))
    (office / "night.csv").write_text(HEADER + same + row("N1"), encoding="utf-8")
    (office / "backfill.csv").write_text(HEADER + same + row("B1"), encoding="utf-8")
    start, reports = threading.Barrier(2), []

    def load(name):
        start.wait(timeout=30)
        reports.append(deliver(office, None, name=name))

    threads = [threading.Thread(target=load, args=(name,)) for name in ("night.csv", "backfill.csv")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [report.status for report in reports] == ["loaded", "loaded"]
    assert sum(report.rows_accepted for report in reports) == 2002 == len(versions())
    assert sum(report.rows_duplicate for report in reports) == 2000


def test_nightly__two_started_together__one_works_and_the_other_says_so(warehouse_database):
    command = [
        sys.executable,
        "-m",
        "property_credit.cli.main",
        "nightly",
        "--business-date",
        date(2026, 10, 31).isoformat(),
    ]
    with nightly.exclusive():
        other = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert other.returncode == 2
    assert "another night or a scheduler" in other.stdout + other.stderr


def _end_connections_of_the_lock():
    with connect() as opened:
        return opened.execute(
            "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and objid = %s "
            "and granted and database = (select oid from pg_database where datname = current_database())",
            (lock.NIGHT_LOCK,),
        ).fetchone()[0]


def _holders(*, is_granted=True):
    with connect() as opened:
        return opened.execute(
            "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and granted = %s "
            "and database = (select oid from pg_database where datname = current_database())",
            (lock.NIGHT_LOCK, is_granted),
        ).fetchone()[0]


def test_night_lock__its_connection_is_lost__no_second_night_begins_and_it_is_taken_again(
    warehouse_database, monkeypatch
):
    monkeypatch.setattr(lock, "WATCH_SECONDS", 0.2)
    with nightly.exclusive() as held:
        assert _end_connections_of_the_lock() == 1
        with pytest.raises(nightly.NightError, match="another night"), nightly.exclusive():
            pass
        deadline = time.monotonic() + 20
        while not _holders():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        held.check()
    assert _holders() == 0
    with nightly.exclusive():
        pass


def test_night_lock__taken_by_another_machine_meanwhile__this_night_ends(warehouse_database, monkeypatch):
    """Also of a night in the background, whose shell lets it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(lock, "WATCH_SECONDS", 0.2)
    try:
        _lose_the_lock_to_another()
    finally:
        signal.signal(signal.SIGINT, before)


def _lose_the_lock_to_another():
    with psycopg.connect(**parameters("pc_gatekeeper"), autocommit=True) as other:
        queued = threading.Thread(target=other.execute, args=("select pg_advisory_lock(%s)", (lock.NIGHT_LOCK,)))
        with pytest.raises(nightly.NightError, match="another night took this warehouse"), nightly.exclusive():
            queued.start()  # it waits in the server's queue: the lock is its own the moment the night's connection ends
            while not _holders(is_granted=False):
                time.sleep(0.01)
            assert _end_connections_of_the_lock() == 1
            time.sleep(60)
        queued.join()
