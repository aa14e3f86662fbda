"""Four nights on a small region through the real DAGs.

clean (10-31) → dirty, with one feed's gate failing (11-01) → late and corrected rows (11-02) → 11-01 again.
"""

import json
import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import pytest
from night_world import state, warehouse, with_offices

from property_credit.night.nightly import run_night
from property_credit.warehouse.connection import connect
from simulation.region import simulate

pytestmark = pytest.mark.slow
CLEAN, DIRTY, LATE = date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)
SEED = 16  # of a small region whose second day after its history brings both a correction and a late row


@dataclass
class World:
    """What the nights of this module share, and what was seen after each of them."""

    landing: Path
    manifest: dict
    dirt: dict
    sandbox: str
    exit_codes: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)
    deliveries: dict = field(default_factory=dict)
    statuses: dict = field(default_factory=dict)  # of the tasks of the last of them


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """A clean region with two days after its history, and the same region with known dirt."""
    folder = tmp_path_factory.mktemp("region")
    simulate(preset="hamlet", seed=SEED, out=folder / "clean", through=CLEAN, nights=2, dirt=False)
    simulate(preset="hamlet", seed=SEED, out=folder / "dirty", through=CLEAN, nights=0, dirt=True)
    return folder


@pytest.fixture(scope="module")
def nights(region, migrated_template, tmp_path_factory):
    """Run the four nights once, in this process."""
    home = tmp_path_factory.mktemp("nights")
    with with_offices(warehouse(migrated_template, home), region / "clean", home) as sandbox:
        world = World(
            landing=home / "landing",
            manifest=json.loads((region / "clean" / "manifest.json").read_text()),
            dirt=json.loads((region / "dirty" / "manifest.json").read_text()),
            sandbox=sandbox,
        )
        broken = _deliver_dirt(region / "dirty" / "landing" / CLEAN.isoformat(), world.landing / DIRTY.isoformat())
        _run(world, "clean", CLEAN)
        _run(world, "dirty", DIRTY)
        broken.unlink()  # the bank withdraws its broken export
        _run(world, "late", LATE)
        _run(world, "again", DIRTY)
        _run(world, "last", LATE)
        world.statuses = dict(_rows("select task, status from ops.task_runs where business_date = %s", LATE))
        yield world


def _deliver_dirt(dirty, day):
    """Deliver the whole history again with known dirt in it, and a ledger of which half the dates are unreadable."""
    shutil.rmtree(day / "bank_ledger", ignore_errors=True)
    for folder in dirty.iterdir():
        for path in folder.iterdir():
            target = day / folder.name / path.name.replace("20261031", "20261101_重报")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (broken,) = (day / "bank_ledger").glob("*重报*")
    lines = broken.read_bytes().split(b"\r\n" if b"\r\n" in broken.read_bytes() else b"\n")
    torn = [line.replace(b",202", b",2O2", 1) if number % 2 else line for number, line in enumerate(lines)]
    broken.write_bytes(b"\n".join(torn))
    return broken


def _run(world, name, business_date):
    world.exit_codes[name] = run_night(business_date)
    world.states[name] = state()
    world.deliveries[name] = httpx.get(f"{world.sandbox}/received", trust_env=False).json()["received"]


def _rows(query, *parameters):
    with connect() as opened:
        return opened.execute(query, parameters).fetchall()


def test_clean_night__every_stage__is_done_and_everything_is_delivered(nights):
    assert nights.exit_codes["clean"] == 0
    assert _rows(
        "select count(*) from quarantine.rejected_rows r join ops.batches b using (batch_id) "
        "where b.business_date = %s",
        CLEAN,
    ) == [(0,)]
    graded = _rows("select count(*) from scoring.grades where business_date = %s", CLEAN)[0][0]
    keys = [post["idempotency_key"] for post in nights.deliveries["clean"]]
    assert graded == sum(key.startswith("tendering/") for key in keys) > 0
    told = _rows("select count(*) from supervision.notices where business_date = %s", CLEAN)[0][0]
    assert told == sum(key.startswith("supervision/") for key in keys) > 0
    assert all(post["post_count"] == 1 for post in nights.deliveries["clean"])


def test_clean_night__rows_in__are_what_the_offices_wrote(nights):
    written = {
        entry["profile"]: entry["rows"] for entry in nights.manifest["deliveries"] if entry["date"] == CLEAN.isoformat()
    }
    read = dict(_rows("select source_profile, rows_in from ops.batches where business_date = %s", CLEAN))
    assert read == written


def test_dirty_night__planted_rows__are_refused_exactly(nights):
    planted = {
        (entry["profile"], entry["row_number"], entry["reason_code"])
        for entry in nights.dirt["dirt"]
        if entry["profile"] not in ("mashangban_api", "bank_ledger")
    }
    refused = set(
        _rows(
            """
            select source_profile, row_number, reason_code
            from quarantine.rejected_rows join ops.batches using (batch_id) where business_date = %s
            """,
            DIRTY,
        )
    )
    assert planted and refused == planted


def test_dirty_night__one_feeds_gate_fails__the_night_goes_on_and_yesterday_stays(nights):
    assert nights.exit_codes["dirty"] == 1
    assert nights.states["dirty"]["raw.funds"] == nights.states["clean"]["raw.funds"]
    status = dict(_rows("select dag || ' ' || task, status from ops.task_runs where business_date = %s", DIRTY))
    ((gate,),) = _rows(
        "select refusal from ops.batches where feed = 'funds' and status = 'refused' and business_date = %s", DIRTY
    )
    assert "batch_rejected_ratio_is_tolerable" in gate and "账户交易明细" in gate
    assert status["build_scorecards build_pages"] in ("done", "nothing new")
    assert _rows("select count(*) from publishing.publications where business_date = %s", DIRTY) == [(1,)]


def test_late_night__corrected_and_late_rows__are_new_versions(nights):
    assert nights.exit_codes["late"] == 0
    tables = {
        "baotou_disclosures": ("disclosures", "disclosure_id"),
        "bank_ledger": ("funds", "entry_id"),
        "hotline_backlog": ("complaints", "complaint_id"),
        "mashangban_api": ("complaints", "complaint_id"),
        "baotou_inspections": ("inspections", "inspection_id"),
    }
    for kind, least in (("corrections", 2), ("late", 1)):
        entries = [entry for entry in nights.manifest[kind] if entry["date"] == LATE.isoformat()]
        assert entries
        for entry in entries:
            feed, key = tables[entry["profile"]]
            known = _rows(f"select known_on from raw.{feed} where {key} = %s order by known_on", entry["key"][0])
            assert known[-1] == (LATE,) and len(known) >= least


def test_night_again__an_earlier_night__leaves_every_table_and_delivers_nothing(nights):
    assert nights.exit_codes["again"] == 0
    assert nights.states["again"] == nights.states["late"]
    assert nights.deliveries["again"] == nights.deliveries["late"]


def test_night_again__the_newest_night__changes_nothing_and_every_task_says_so(nights):
    assert nights.exit_codes["last"] == 0
    assert nights.states["last"] == nights.states["late"]
    assert nights.deliveries["last"] == nights.deliveries["late"]
    assert len(nights.statuses) > 20 and set(nights.statuses.values()) == {"nothing new"}
