"""The sample region through the real loader: exactly the manifest's rows are refused, no other and none less."""

import json
from datetime import date

import pytest

from simulation.complaints_api import running
from simulation.offices import OFFICES
from simulation.region import simulate

FEEDS = list(dict.fromkeys(office.feed for office in OFFICES))  # registers first: the others refer to them


@pytest.fixture
def loaded(warehouse_database, monkeypatch):
    """A hamlet with one more night, loaded night by night; gives the manifest and {(date, profile): report}."""
    from ingestion.load import no_check
    from ingestion.night import ingest_feed
    from warehouse.settings import get_settings

    simulate(preset="hamlet", seed=7, out=warehouse_database, nights=1, dirt=True)
    manifest = json.loads((warehouse_database / "manifest.json").read_text("utf-8"))
    reports = {}
    with running(warehouse_database / "complaints_api") as url:
        monkeypatch.setenv("COMPLAINTS_API_URL", url)
        get_settings.cache_clear()
        for day in sorted({delivery["date"] for delivery in manifest["deliveries"]}):
            for feed in FEEDS:
                for report in ingest_feed(feed, date.fromisoformat(day), check=no_check):
                    if report.status != "seen before":
                        reports[day, report.profile] = report
    return manifest, reports


def refused_rows(reports):
    from warehouse import connection

    where = {report.batch_id: key for key, report in reports.items()}
    with connection.connect("pc_ingestion") as opened:
        rows = opened.execute("select batch_id, row_number, reason_code from quarantine.rejected_rows").fetchall()
    return sorted((*where[batch_id], number, code) for batch_id, number, code in rows)


def complaints_known_anew():
    from warehouse import connection

    with connection.connect("pc_ingestion") as opened:
        return opened.execute(
            "select complaint_id from raw.complaints group by 1 having count(distinct known_on) > 1"
        ).fetchall()


def test_simulation__loaded_by_the_real_loader__gives_exactly_what_the_manifest_says(loaded):
    manifest, reports = loaded

    planted = sorted((row["date"], row["profile"], row["row_number"], row["reason_code"]) for row in manifest["dirt"])
    assert refused_rows(reports) == planted
    assert len({code for *_, code in planted}) >= 10  # the dirt is of many kinds

    for row in manifest["deliveries"]:
        report = reports.pop((row["date"], row["profile"]))
        counted = (report.status, report.rows_in, report.rows_rejected, report.rows_duplicate, report.rows_accepted)
        accepted = row["rows"] - row["refused"] - row["duplicates"]
        assert counted == ("loaded", row["rows"], row["refused"], row["duplicates"], accepted), row
    assert not reports

    assert complaints_known_anew()  # a complaint that moved on came again as a new version
