"""The truth behind the sample region: what distorts the record, what was bought, and what nobody is told yet."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from simulation import complaints, inspections
from simulation.distortions import readiness
from simulation.parameters import SimulationError, load_preset, months_after
from simulation.region import THROUGH, make_region, simulate
from simulation.tables import day_number
from simulation.truth import bought_complaints, future_events

QUARTER = date(2027, 1, 31)


@pytest.fixture(scope="module")
def region():
    return make_region("city", seed=11, through=THROUGH)


def plain(preset, **changes):
    return preset.model_copy(update={"distortions": preset.distortions.model_copy(update=changes)})


def test_future_events__of_six_months__are_known_to_no_office(region):
    events = pl.DataFrame(future_events(region, months=6))
    assert events["on"].min() > str(THROUGH) and events["on"].max() <= str(months_after(THROUGH, 6))
    assert {"penalty", "major_finding", "dismissal", "abandonment"} == set(events["kind"])
    known = region.tables["public_credit"].as_known(THROUGH)
    assert known["decided_on"].max() <= THROUGH


def test_future_events__poorer_half__has_more_of_them(region):
    events = pl.DataFrame(future_events(region, months=6))
    quality = dict(zip(region.managers.uscc, region.managers.quality, strict=True))
    firms = region.managers.quality[region.managers.kind == 0]
    poor = [quality[uscc] < np.median(firms) for uscc in events["uscc"]]
    assert np.mean(poor) > 0.6


def test_bought_complaints__few_are_confirmed__and_all_stand_against_their_victim(region):
    bought = bought_complaints(region)
    assert len(bought) >= 3
    table = region.tables["complaints"].frame
    flood = table.filter(pl.col("_is_bought"))
    assert flood.height == sum(map(len, bought.values()))
    assert flood["is_confirmed"].mean() < 0.2 < table.filter(~pl.col("_is_bought"))["is_confirmed"].mean()
    assert "_is_bought" not in region.preset.model_dump_json()


def test_inspectors__no_spread__makes_them_equal(region):
    place = np.arange(len(region.communities.ids))
    strict = inspections._strictness(region.preset, region.communities, place, seed=1)
    equal = inspections._strictness(plain(region.preset, inspector_spread=0.0), region.communities, place, seed=1)
    assert np.log(strict).std() > 0.15 and (equal == 1).all()


def test_readiness__after_a_takeover__falls_back_to_usual(region):
    preset = plain(region.preset, district_reporting_spread=0.0, hushed_share=0.0)
    said = readiness(preset, region.managers, region.communities, seed=1)
    tenures = region.tenures
    taken = np.flatnonzero(tenures.is_takeover & (tenures.end > tenures.start + 400))[:5]
    where, holder = tenures.community[taken], tenures.manager[taken]
    first = said.at(tenures, where, tenures.start[taken], holder)
    later = said.at(tenures, where, tenures.start[taken] + 365, holder)
    assert first == pytest.approx([region.preset.distortions.takeover_rate] * 5) and (later == 1).all()


def test_hushed__owners_complain_less__whatever_the_quality(region):
    said = readiness(region.preset, region.managers, region.communities, seed=11)
    hushed = said.manager < 1
    assert 0 < hushed.sum() < 0.2 * len(hushed)
    assert set(said.manager[hushed]) == {region.preset.distortions.hushed_rate}


def test_floods__switched_off__leave_no_bought_complaint(region):
    off = plain(region.preset, floods=region.preset.distortions.floods.model_copy(update={"victims_share": 0.0}))
    flood = complaints.make_flood(off, region.managers, region.communities, region.tenures, seed=11)
    assert len(flood.community) == 0


def test_simulate__a_later_delivery__brings_what_changed_since(tmp_path):
    simulate(preset="hamlet", seed=3, out=tmp_path, later=(QUARTER,), dirt=False)
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert {entry["date"] for entry in manifest["deliveries"]} == {str(THROUGH), str(QUARTER)}
    region = make_region("hamlet", seed=3, through=THROUGH)
    table = region.tables["complaints"]
    quarter = table.delivered(QUARTER, since=THROUGH)
    merged = pl.concat([table.delivered(THROUGH, since=None), quarter]).unique("complaint_id", keep="last")
    assert merged.sort("complaint_id").equals(table.as_known(QUARTER).sort("complaint_id"))
    assert manifest["future_events"] and day_number(QUARTER) - day_number(THROUGH) == 92


def test_simulate__a_delivery_after_the_horizon__is_refused(tmp_path):
    last = THROUGH.replace(year=2028)
    with pytest.raises(SimulationError, match="later deliveries must rise"):
        simulate(preset="hamlet", seed=3, out=tmp_path, later=(last,))


def test_preset__every_distortion__is_documented():
    text = (Path(complaints.__file__).parent / "presets" / "city.yml").read_text("utf-8")
    for name in type(load_preset("city").distortions).model_fields:
        assert f"  {name}:" in text


def test_manifest__corrections__are_of_rows_delivered_before(tmp_path):
    simulate(preset="hamlet", seed=7, out=tmp_path, nights=2, dirt=False)
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    region = make_region("hamlet", seed=7, through=THROUGH)
    hotline = [entry for entry in manifest["corrections"] if entry["profile"] == "hotline_backlog"]
    table = region.tables["complaints"].frame
    for entry in hotline:
        row = table.row(by_predicate=pl.col("complaint_id") == entry["key"][0], named=True)
        assert str(row["_corrected_on"]) == entry["date"]


@pytest.mark.parametrize("night", [THROUGH, QUARTER, months_after(THROUGH, 6)])
def test_disclosures__yearly_classes__are_renewed_all_through_the_horizon(region, night):
    known = region.tables["disclosures"].as_known(night)
    lasting = pl.col("published_on").is_between(night - timedelta(days=365), night) & pl.col("is_verified")
    current = known.filter(lasting & ~pl.col("disclosure_class_code").is_in(["c03", "c04"]))
    share = current.unique(["community_id", "disclosure_class_code"]).height / (10 * len(region.communities.ids))
    assert 0.7 < share < 0.95


def test_personnel__continuing_training__goes_on_after_the_history(region):
    trained = region.tables["personnel"].as_known(QUARTER)["continuing_trained_on"]
    assert THROUGH < trained.max() <= QUARTER
