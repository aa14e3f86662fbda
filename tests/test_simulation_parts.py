"""A region in parts: nothing is lost or named twice between them, and every part is what its seed makes it."""

import json

import polars as pl
import pytest

from property_credit.ingestion import profile as profiles
from simulation.complaints_api import read_store
from simulation.parameters import SimulationError, Size, load_place, load_preset
from simulation.parts import divide
from simulation.region import THROUGH, make_region, simulate

SMALL = Size(communities=400, enterprises=60, months=6)


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    out = tmp_path_factory.mktemp("region")
    seen = []
    simulate(preset="region", seed=3, out=out, size=SMALL, on_part=lambda *progress: seen.append(progress))
    return out, seen


def exports(out, profile):
    files = sorted((out / "landing" / str(THROUGH) / profile).glob("*.csv"))
    return pl.concat([pl.read_csv(file, infer_schema=False) for file in files])


@pytest.mark.parametrize(("preset", "firms", "communities"), [("region", 6000, 20000), ("nation", 200_000, 300_000)])
def test_divide__large_preset__parts_add_up_to_it_and_stay_small(preset, firms, communities):
    want = load_preset(preset)
    parts = divide(want, load_place(want.place), seed=1)
    assert sum(part.preset.communities.count for part in parts) == communities
    assert sum(part.preset.enterprises.count for part in parts) == firms
    assert max(part.preset.communities.count for part in parts) <= want.communities_per_part
    assert {part.code[:4] for part in parts} == {district.code[:4] for district in load_place(want.place).districts}
    assert len({part.seed for part in parts}) == len({part.code for part in parts}) == len(parts)


def test_simulate__in_parts__every_identifier_is_unique_and_every_reference_is_met(region):
    out, seen = region
    communities, firms = exports(out, "nmg_communities"), exports(out, "nmg_enterprises")
    contracts = exports(out, "nmg_contracts")
    sound = communities.filter(pl.col("小区编码").str.contains(r"^15\d{4}-\d{4}$"))
    assert sound["小区编码"].n_unique() == 400
    true = contracts.filter(~pl.col("合同编号").str.starts_with("DZ")).unique()
    kept = true.filter(pl.col("服务等级").fill_null("").str.contains("待核").not_())
    assert kept["合同编号"].n_unique() == kept.height
    assert set(kept["小区编码"]) <= set(communities["小区编码"]) and set(kept["统一社会信用代码"]) <= set(
        firms["统一社会信用代码"]
    )
    assert [done for done, _, _ in seen] == list(range(1, seen[-1][1] + 1))
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    truths = [json.loads(path.read_text("utf-8")) for path in sorted((out / "truth").glob("*.json"))]
    assert sum(delivery["rows"] for delivery in manifest["deliveries"]) == seen[-1][2]
    assert sum(len(truth["true_quality"]) for truth in truths) >= 60


def test_simulate__in_parts_side_by_side__gives_the_same_bytes(region, tmp_path):
    out, _ = region
    simulate(preset="region", seed=3, out=tmp_path, size=SMALL, processes=2)
    names = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert all((tmp_path / name).read_bytes() == (out / name).read_bytes() for name in names)


def test_simulate__in_parts__every_file_has_a_profile_that_reads_it(region):
    out, _ = region
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    for delivery in manifest["deliveries"]:
        profile = profiles.get(delivery["profile"])
        assert profile.format == "json_api" or profile.reads(delivery["file"]), delivery


def test_store__records_over_many_files__are_found_by_their_number(region):
    out, _ = region
    store = read_store(out / "complaints_api")
    every = [
        line for path in sorted((out / "complaints_api").glob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]
    assert len(store) == len(every) > 1000
    first_file = store.starts[1]
    assert store.lines(first_file - 3, first_file + 4) == every[first_file - 3 : first_file + 4]
    assert store.lines(0, len(store)) == every
    assert store.lines(len(store), len(store) + 10) == []


def test_make_region__in_parts__is_refused():
    with pytest.raises(SimulationError, match="made in parts"):
        make_region("region", seed=1, through=THROUGH)


def test_simulate__another_size__is_another_region(region):
    with pytest.raises(SimulationError, match="already holds another region"):
        simulate(preset="region", seed=3, out=region[0], size=Size(communities=401))


def test_simulate__parts_too_small_for_planted_cases__says_so_instead_of_looking_for_ever(tmp_path):
    with pytest.raises(SimulationError, match="ask for more communities"):
        simulate(preset="region", seed=2026, out=tmp_path, size=Size(communities=40))
