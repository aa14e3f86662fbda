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
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed
    from property_credit.warehouse.settings import get_settings

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
    from property_credit.warehouse import connection

    where = {report.batch_id: key for key, report in reports.items()}
    with connection.connect("pc_ingestion") as opened:
        rows = opened.execute("select batch_id, row_number, reason_code from quarantine.rejected_rows").fetchall()
    return sorted((*where[batch_id], number, code) for batch_id, number, code in rows)


def complaints_known_anew():
    from property_credit.warehouse import connection

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
        refused = report.rows_rejected + report.rows_waiting
        counted = (report.status, report.rows_in, refused, report.rows_duplicate, report.rows_accepted)
        accepted = row["rows"] - row["refused"] - row["duplicates"]
        assert counted == ("loaded", row["rows"], row["refused"], row["duplicates"], accepted), row
    assert not reports

    assert complaints_known_anew()  # a complaint that moved on came again as a new version


def test_names__in_place_of_numbers__are_linked_as_the_manifest_says_or_wait(warehouse_database):
    from property_credit.entities.linking import candidates, link_mentions
    from property_credit.entities.register import keep
    from property_credit.ingestion import waiting
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed
    from property_credit.warehouse.connection import connect

    simulate(preset="hamlet", seed=7, out=warehouse_database, nights=1, entities=True)
    manifest = json.loads((warehouse_database / "manifest.json").read_text("utf-8"))
    for day in map(date.fromisoformat, sorted({one["date"] for one in manifest["deliveries"]})):
        for feed in ("enterprises", "communities", "enterprise_events", "community_events", "complaints", "funds"):
            ingest_feed(feed, day, check=no_check)
        told = keep(day)
        assert told.event_count > 0 and not told.refused
        link_mentions(day)
        for feed in waiting.feeds_with_names():
            waiting.release(feed, day)
    named = {(one["field"], one["key"]): one for one in manifest["named"]}
    assert len(named) > 60
    with connect("pc_ingestion") as connection:
        loaded = {
            (field, key): number
            for field, query in (
                ("community_id", "select complaint_id, community_id from raw.complaints"),
                ("uscc", "select entry_id, uscc from raw.funds"),
            )
            for key, number in connection.execute(query).fetchall()
        }
        # who was renumbered is linked under the number of the night
        now = {one["number"]: one["other"] for one in manifest["entity_events"] if one["event_code"] in NEW_NUMBER}
    linked = [(one, loaded[place]) for place, one in named.items() if place in loaded]
    wrong = [one for one, number in linked if number not in (one["meant"], now.get(one["meant"]))]
    assert not wrong
    meant = [one for one in named.values() if one["meant"]]
    missed = [(one["kind"], one["written"]) for place, one in named.items() if one["meant"] and place not in loaded]
    assert len(missed) / len(meant) <= 0.05, missed
    with connect("pc_entities") as connection:
        left = candidates(connection, kind=None, outcome=None, office=None, limit=None)
    assert {one["written"] for one in named.values() if not one["meant"]} <= {one["name"] for one in left}


NEW_NUMBER = ("recoded", "renumbered")
