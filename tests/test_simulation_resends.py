"""Backlogs, corrections, lists whole and in parts, other formats: whatever comes again, the truth stands."""

import json
from datetime import date

import pytest
from psycopg import sql

from property_credit.ingestion import profile as profiles
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.warehouse.connection import connect
from property_credit.warehouse.versions import NEWEST_FIRST
from simulation import resends

SHOWN = {
    "complaints": ("complaint_id", "community_id, status_code"),
    "contracts": ("contract_id", "uscc, ended_on::text, end_reason_code"),
    "funds": ("entry_id", "amount::integer"),
}


def register(firms, communities):
    arrived = "'b', 1, date '2026-01-01', now(), 1"
    with connect("pc_ingestion") as connection:
        for code in firms:
            connection.execute(
                "insert into raw.enterprises (uscc, enterprise_name, organisation_type_code, registered_region_code,"
                " is_active, listing_status_code, batch_id, row_number, known_on, received_at, row_hash)"
                f" values (%s, '甲', 'enterprise', '150203', true, 'none', {arrived})",
                (code,),
            )
        for name in communities:
            connection.execute(
                "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
                " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
                f" values (%s, 'n', '150203', 'old', 1, false, {arrived})",
                (name,),
            )


def standing(feed):
    key, shown = SHOWN[feed]
    query = (
        f"select distinct on ({key}) {key}, {shown} from raw.{feed} as versions where not exists (select from"
        f" raw.withdrawn_rows as w where w.feed = '{feed}' and w.batch_id = versions.batch_id"
        f" and w.row_number = versions.row_number) order by {key}, {NEWEST_FIRST}"
    )
    with connect("pc_ingestion") as connection:
        return {key: list(values) for key, *values in connection.execute(sql.SQL(query)).fetchall()}


@pytest.mark.parametrize("seed", [1, 2])
def test_resends__of_eight_nights__end_with_the_truth(warehouse_database, tmp_path, seed):
    resends.write(seed=seed, nights=8, out=tmp_path)
    told = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    register(told["firms"], told["communities"])
    split = dict.fromkeys(("newer", "older", "duplicate", "vanished", "withdrawn"), 0)
    for night in sorted(tmp_path.glob("2026-*")):
        for path in sorted(night.glob("*/*")):
            profile = profiles.load(tmp_path / "profiles" / f"{path.parent.name}.yml")
            report = ingest_file(
                feed=profile.feed,
                profile=profile,
                path=path,
                business_date=date.fromisoformat(night.name),
                check=no_check,
            )
            assert report.status in ("loaded", "seen before"), report.message
            assert (report.rows_rejected, report.rows_waiting) == (0, 0), (path.name, report.examples, report.reasons)
            for name in split:
                split[name] += getattr(report, f"rows_{name}")
    assert min(split.values()) > 0, split  # each kind of sending again was there
    for feed, truth in told["truth"].items():
        assert standing(feed) == truth, feed


def test_resends__same_seed__are_the_same_bytes():
    first, again = (resends.deliveries(seed=3, nights=4) for _time in range(2))
    assert [one.name for one in first[0]] == [one.name for one in again[0]] and first[1] == again[1]
    texts = [[one.content for one in sent if not one.name.endswith(".xlsx")] for sent, *_rest in (first, again)]
    assert texts[0] == texts[1]
