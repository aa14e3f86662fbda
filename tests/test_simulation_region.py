"""The sample region itself: the same bytes every time, nights that only add, and offices that know no future."""

import hashlib
import json
from datetime import timedelta

import httpx
import polars as pl
import pytest

from simulation import credit_codes
from simulation.complaints_api import read_store, running
from simulation.parameters import SimulationError, load_place, load_preset
from simulation.region import THROUGH, make_region, simulate


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.fixture(scope="module")
def hamlet(tmp_path_factory):
    out = tmp_path_factory.mktemp("hamlet")
    simulate(preset="hamlet", seed=3, out=out, nights=2)
    return out


@pytest.fixture(scope="module")
def region():
    return make_region("hamlet", seed=3, through=THROUGH)


def test_simulate__same_seed__gives_the_same_bytes(hamlet, tmp_path):
    simulate(preset="hamlet", seed=3, out=tmp_path, nights=2)
    assert digests(tmp_path) == digests(hamlet)
    assert (tmp_path / "manifest.json").read_bytes() == (hamlet / "manifest.json").read_bytes()


def test_simulate__another_seed__gives_other_bytes(hamlet, tmp_path):
    simulate(preset="hamlet", seed=4, out=tmp_path)
    same, other = digests(hamlet), digests(tmp_path)
    assert all(same[name] != digest for name, digest in other.items())


def test_simulate__more_nights__only_adds_files(hamlet, tmp_path):
    simulate(preset="hamlet", seed=3, out=tmp_path)
    before = digests(tmp_path)
    simulate(preset="hamlet", seed=3, out=tmp_path, nights=2)
    after = digests(tmp_path)
    assert {name: after[name] for name in before} == before
    assert after == digests(hamlet)


def test_simulate__folder_of_another_region__is_refused(hamlet):
    with pytest.raises(SimulationError, match="already holds another region"):
        simulate(preset="hamlet", seed=99, out=hamlet)


def test_simulate__more_nights_than_the_horizon__is_refused(tmp_path):
    with pytest.raises(SimulationError, match="nights must be 0 to 184"):
        simulate(preset="hamlet", seed=3, out=tmp_path, nights=185)


def test_simulate__without_dirt__plants_none(tmp_path):
    simulate(preset="hamlet", seed=3, out=tmp_path, dirt=False)
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert not manifest["dirt"] and not manifest["duplicates"] and not manifest["earlier_versions"]


PLANNED = {"starts_on", "ends_on", "due_on", "valid_until", "order_due_on", "shown_from", "ended_on"}  # may lie ahead


def test_region__known_on_a_day__holds_nothing_that_happened_later(region):
    for table in region.tables.values():
        known = table.as_known(THROUGH)
        for name, kind in known.schema.items():
            if kind in (pl.Date, pl.Datetime("us")) and not name.startswith("_") and name not in PLANNED:
                latest = known[name].cast(pl.Date).max()
                assert latest is None or latest <= THROUGH, (table.feed, name)


def test_region__deliveries_of_two_nights__add_up_to_what_is_known(region):
    table = region.tables["complaints"]
    first = table.delivered(THROUGH, since=None)
    night = table.delivered(THROUGH + timedelta(days=1), since=THROUGH)
    merged = pl.concat([first, night]).unique("complaint_id", keep="last").sort("complaint_id")
    assert merged.equals(table.as_known(THROUGH + timedelta(days=1)).sort("complaint_id"))


def test_region__better_firm__has_fewer_late_answers():
    region = make_region("city", seed=5, through=THROUGH)
    better, worse = region.managers.quality.argmax(), region.managers.quality.argmin()
    span = region.preset.complaints.response_on_time
    days = pl.Series([20000]).to_numpy()
    chance = [region.managers.chance("response", pl.Series([who]).to_numpy(), days, span)[0] for who in (better, worse)]
    assert chance[0] > chance[1]
    assert 50_000 < region.tables["complaints"].as_known(THROUGH).height < 70_000


def test_managers__codes__are_valid_and_distinct(region):
    codes = list(region.managers.uscc)
    assert len(set(codes)) == len(codes)
    assert all(code[17] == credit_codes.check_character(code[:17]) for code in codes)
    assert credit_codes.spoil(codes[0]) != codes[0]


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110000802100433B", "91440300708461136T"])
def test_check_character__published_codes__agree(code):
    assert credit_codes.check_character(code[:17]) == code[17]


def test_place__shares__are_whole_and_streets_lie_in_their_district():
    place = load_place("baotou")
    assert sum(district.share for district in place.districts) == pytest.approx(1)
    assert all(code.startswith(district.code) for district in place.districts for code in district.streets)


def test_preset__unknown_key__is_refused_with_the_file_and_the_key(tmp_path, monkeypatch):
    from simulation import parameters

    (tmp_path / "presets").mkdir()
    text = (parameters.FOLDER / "presets" / "city.yml").read_text("utf-8")
    (tmp_path / "presets" / "odd.yml").write_text(text + "\nwether: sunny\n", "utf-8")
    monkeypatch.setattr(parameters, "FOLDER", tmp_path)
    with pytest.raises(SimulationError, match=r"(?s)odd\.yml.*wether"):
        load_preset("odd")
    with pytest.raises(SimulationError, match="known: odd"):
        load_preset("village")


def test_complaints_api__paged_to_a_day__gives_each_record_once_and_nothing_later(hamlet):
    store = read_store(hamlet / "complaints_api")
    with running(hamlet / "complaints_api") as url:
        records, cursor = [], ""
        while True:
            query = {"updated_since": cursor, "until": str(THROUGH), "limit": 333}
            page = httpx.get(f"{url}/v1/complaints", params=query).json()
            if not page["data"]:
                assert page["next_cursor"] is None
                break
            records += page["data"]
            cursor = page["next_cursor"]
        later = httpx.get(f"{url}/v1/complaints", params={"updated_since": cursor, "limit": 5000}).json()["data"]
        wrong = httpx.get(f"{url}/v1/complaints", params={"limit": "many"})
    assert len(records) == store.end(str(THROUGH))
    assert len(records) + len(later) == len(store)
    assert later and all(record["更新时间"] > f"{THROUGH} 23:59" for record in later)
    assert wrong.status_code == 400


def test_complaints_api__no_store__says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="property-credit simulate"):
        read_store(tmp_path / "nothing")
