"""A night that is killed again and again, between its stages and inside them, ends as an unbroken one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import date

import httpx
import pytest
from night_world import state, warehouse, with_offices

from property_credit.ingestion import feeds
from property_credit.ingestion import profile as profiles
from property_credit.night.nightly import run_night
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import PROJECT_ROOT
from simulation.region import simulate

NIGHT = date(2026, 10, 31)
PATIENCE_SECONDS = 900  # until a night comes to a place: one minute on cores of its own, five on shared ones
ARRIVALS = (  # when something happened, and numbers that count tries: a killed night differs in these alone
    "received_at",
    "arrived_at",
    "known_until",
    "decided_until",
    "recorded_at",
    "published_at",
    "head",  # signed with published_at in it; its root and its document are compared by themselves
    "head_signature",
    "delivered_at",
    "raised_at",
    "look_from",
    "receipt_no",
    "body_sha256",  # of what was sent, raised_at in it
    "outbox_id",
    "waiting_id",
    "tick_id",
    "attempt_count",
    "gate_result_id",
)
# Killed with SIGKILL: where · the step that must be done before · the lock that then holds the night there, if any
KILLS = (
    ("inside ingestion, rows copied, refused rows not yet", None, "quarantine.rejected_rows in share mode"),
    ("inside the models", "funds", "raw.inspections in access exclusive mode"),
    ("between the models and the input gate", "build_models", None),
    ("inside supervision, alerts raised, notices not yet", None, "supervision.notices in share mode"),
    ("inside a tick, escalations raised, notices not yet", "keep_clocks", "supervision.notices in share mode"),
    ("inside grading, run written, grades not yet", None, "scoring.grades in share mode"),
    ("inside publishing, grades written, outbox not yet", None, "publishing.outbox in share mode"),
    ("inside delivery, sent, receipt not yet written", None, "publishing.receipts in share mode"),
)
# a night, not the server's own vacuum
WAITS = """
select 1 from pg_locks join pg_stat_activity using (pid)
where not granted and relation = %s::regclass and backend_type = 'client backend'
"""


@pytest.mark.slow
@pytest.mark.long
def test_night__killed_between_and_inside_stages__ends_as_an_unbroken_one(migrated_template, tmp_path):
    region = tmp_path / "region"
    simulate(preset="hamlet", seed=16, out=region, through=NIGHT, nights=0, dirt=True)
    homes = [tmp_path / "unbroken", tmp_path / "broken"]
    unbroken = night_of_processes(warehouse(migrated_template, homes[0]), region, homes[0], kills=())
    broken = night_of_processes(warehouse(migrated_template, homes[1]), region, homes[1], kills=KILLS)
    assert broken[0] == unbroken[0]
    assert broken[1] == unbroken[1]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(7200)  # 29 nights that are begun: an hour and a half on two shared cores
def test_night__killed_inside_each_register__ends_as_an_unbroken_one(migrated_template, tmp_path):
    """What refers to a register that came to half waits or comes back: no row of an event is lost for good."""
    region = tmp_path / "region"
    simulate(preset="hamlet", seed=16, out=region, through=NIGHT, nights=0, dirt=True)
    delivered = {profiles.get(folder.name).feed for folder in (region / "landing" / NIGHT.isoformat()).iterdir()}
    brought = [feed for feed in feeds.REGISTERS if feed in delivered]
    assert len(brought) >= 20
    kills = [(f"inside {feed}", None, f"raw.{feed} in share mode") for feed in brought]
    homes = [tmp_path / "unbroken", tmp_path / "broken"]
    unbroken = night_of_processes(warehouse(migrated_template, homes[0]), region, homes[0], kills=())
    broken = night_of_processes(warehouse(migrated_template, homes[1]), region, homes[1], kills=kills)
    assert broken[0] == unbroken[0]
    assert broken[1] == unbroken[1]


def night_of_processes(made, region, home, *, kills):
    """Run the dirty region's first night in the warehouse that ``made`` gives; return what it left and what arrived.

    It is killed at every place of ``kills`` and finished by other processes.
    """
    home.mkdir()
    with with_offices(made, region, home) as sandbox:
        for place, step, lock in kills:
            _start_and_kill(home, place, step, lock)
        if kills:
            finished = _process(home)
            code, log = finished.wait(timeout=PATIENCE_SECONDS), (home / "night.log").read_text(errors="replace")
            assert code == 0, log[-3000:]
        else:
            assert run_night(NIGHT) == 0
        received = httpx.get(f"{sandbox}/received", trust_env=False).json()["received"]
        return state(without=ARRIVALS), {row["idempotency_key"]: row["body"] | {"raised_at": None} for row in received}


def _process(home):
    with open(home / "night.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "property_credit.cli.main", "nightly", "--business-date", NIGHT.isoformat()],
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=log,
            env=dict(os.environ),
            start_new_session=True,
        )


def _start_and_kill(home, place, step, lock):
    process = _process(home)

    def wait_until(query, parameter):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not watcher.execute(query, (parameter,)).fetchone():
            assert process.poll() is None, f"{place}: ended before\n{(home / 'night.log').read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"{place}: never came there"
            time.sleep(0.02)

    try:
        with connect() as holder, connect(autocommit=True) as watcher:
            if step:
                wait_until("select 1 from ops.task_runs where task = %s and status in ('done', 'nothing new')", step)
            if lock:
                holder.execute(f"lock table {lock}")
                wait_until(WAITS, lock.split()[0])
            os.killpg(process.pid, signal.SIGKILL)  # while the lock still holds it there
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
