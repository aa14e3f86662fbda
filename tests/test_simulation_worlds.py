"""Worlds: a truth that owes nothing to a method, hostile effects that show where they should, files read strictly."""

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from simulation.complaints_api import running
from simulation.offices import OFFICES
from simulation.parameters import SimulationError, load_place, months_before
from simulation.parts import Part
from simulation.region import THROUGH
from simulation.truth import bought_complaints, future_events
from simulation.worlds import region as worlds_region
from simulation.worlds.attainable import best_guesses
from simulation.worlds.conduct import quality_of
from simulation.worlds.region import grounds, make_world, simulate_world
from simulation.worlds.world import AREAS, MECHANISMS, TYPES, load_world, names

EVENTS_A_HALF_YEAR = (0.05, 0.15)


@cache
def made(name, firms=120, communities=360, seed=3):
    """Return the world, its region and its truth, with small holdings: quick to make."""
    world = load_world(name)
    ground = grounds(world, firms=firms, communities=communities)
    return world, *make_world(
        world, name, Part("", ground, load_place(ground.place), seed), through=THROUGH, is_guessed=False
    )


def column(truth, *path):
    """Return a value of every firm of a truth as an array."""
    values = []
    for firm in truth["firms"].values():
        for key in path:
            firm = firm[key]
        values.append(firm)
    return np.array(values)


def ranks(values):
    return np.argsort(np.argsort(values, axis=0), axis=0)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_simulate_world__same_seed__gives_the_same_bytes_and_another_seed_others(tmp_path):
    for folder, seed in (("one", 3), ("two", 3), ("other", 4)):
        simulate_world("base", seed=seed, out=tmp_path / folder, firms=4, communities=30, months=3)
    one, two, other = (files(tmp_path / folder) for folder in ("one", "two", "other"))
    assert one == two and one != other and len(one) > 20


def test_truth__of_the_base__has_what_the_format_promises():
    world, region, truth = made("base")
    assert truth["format"] == 1 and truth["night"] == str(THROUGH) and truth["hostile"] == []
    assert truth["areas"] == list(AREAS) and set(truth["mechanisms"]) == set(MECHANISMS)
    firm = next(iter(truth["firms"].values()))
    assert set(firm["areas"]) == set(AREAS) and set(firm["mechanisms"]) == set(MECHANISMS)
    assert json.loads(json.dumps(truth)) == truth
    quality = column(truth, "quality")
    assert 0 < quality.min() and quality.max() < 1 and 0.1 < quality.std() < 0.2


def test_areas__of_one_firm__correlate_only_weakly():
    _, _, truth = made("base", firms=400, communities=800)
    areas = np.array([list(firm["areas"].values()) for firm in truth["firms"].values()])
    between = np.corrcoef(areas.T)[np.triu_indices(len(AREAS), 1)]
    assert 0.02 < between.mean() < 0.35 and np.abs(between).max() < 0.45


def test_mechanisms__of_the_firms__none_equals_another_nor_quality():
    _, _, truth = made("base", firms=400, communities=800)
    values = np.array([list(firm["mechanisms"].values()) for firm in truth["firms"].values()])
    together = np.corrcoef(ranks(np.column_stack([values, column(truth, "quality")])).T)
    np.fill_diagonal(together, 0)
    assert np.abs(together).max() < 0.93


def test_quality__is_neither_linear_nor_additive():
    want = load_world("base").quality
    young, alone = np.zeros(1, dtype=bool), np.ones(1)

    def quality(old=young, held=alone, **areas):
        return quality_of(want, np.array([[areas.get(name, 0.0) for name in AREAS]]), old=old, held=held)[0]

    even = quality()
    assert (
        quality(upkeep=-1.5, daily=1.5) < even < quality(upkeep=0.5)
    )  # good at one thing does not make up for another
    assert quality(money=-2) - quality(money=-1) != pytest.approx(quality(money=1) - quality(money=2), abs=0.01)
    assert quality(old=~young, upkeep=-1) < quality(upkeep=-1) and quality(old=~young, upkeep=1) > quality(upkeep=1)
    loss = [quality(held=alone * 60, people=people) / quality(people=people) for people in (-1.0, 0.0, 1.0)]
    assert loss == sorted(loss) and loss[0] < 0.9 < loss[-1] < 1  # outgrown firms lose, those short of people most
    assert quality(held=alone * 10) == even


def test_reporting__kinds_of_community_complain_more_or_less_readily_of_the_same():
    world, region, _ = made("base")
    equal = world.model_copy(
        update={"reporting": world.reporting.model_copy(update={"readiness": dict.fromkeys(TYPES, 1.0)})}
    )
    part = Part("", region.preset, load_place(region.preset.place), 3)
    alike, _ = make_world(equal, "equal", part, through=THROUGH, is_guessed=False)
    kind = dict(zip(region.communities.ids, region.communities.type, strict=True))

    def told(each):
        frame = each.tables["complaints"].frame
        return np.bincount(frame["_community_id"].replace_strict(kind, return_dtype=pl.Int64).to_numpy(), minlength=6)

    assert told(region) / told(alike) == pytest.approx([world.reporting.readiness[name] for name in TYPES], rel=0.15)


def test_listing__shows_every_world():
    from property_credit.cli.main import app

    result = CliRunner().invoke(app, ["simulate", "--list-worlds", "--format", "json"])
    assert result.exit_code == 0
    assert [row["world"] for row in json.loads(result.stdout)] == names()


def test_load_world__wrong_files__say_file_key_and_what_to_do(tmp_path):
    path = tmp_path / "mine.yml"
    start = "extends: base\ntitle: mine\n"
    wrong = {
        f"{start}flood: {{victims: 0.1}}": "flood: unknown key",
        f"{start}firms: many": "firms:",
        f"{start}firms: 40\nfirms: 50": "firms' is said twice",
        f"{start}mechanisms: {{respond: {{level: -1}}}}": "mechanisms.respond.level must be above 0: hours",
        f"{start}areas: {{correlation: 2}}": "areas.correlation",
        f"{start}missing: {{feeds: [complaints]}}": "complaints cannot be missing",
        f"{start}missing: {{districts: {{personnel: 0.5}}}}": "personnel cannot be missing",
        f"{start}missing: {{districts: {{surveys: 1}}}}": "use feeds",
        f"{start}visits: {{kinds: {{random: -1}}}}": "kinds must be weights",
        f"{start}reporting: {{confirmed: [0.9, 0.1]}}": "the lower first",
        f"{start}events: {{kinds: {{theft: {{weight: 1, areas: {{}}}}}}}}": "unknown theft",
        "title: mine\nwhy: alone": "extends: base",
        "- a list": "extends: base",
        "extends: mine.yml": "extends itself",
        "a: [": "not readable as YAML",
    }
    with pytest.raises(SimulationError, match="no such file"):
        load_world(path)
    for content, said in wrong.items():
        path.write_text(content, "utf-8")
        with pytest.raises(SimulationError) as caught:
            load_world(path)
        assert "mine.yml" in str(caught.value) and said in str(caught.value), content
    path.write_text(f"{start}firms: 40\nareas: {{spread: 1.2}}", "utf-8")
    mine = load_world(str(path))
    assert (mine.firms, mine.areas.spread, mine.areas.correlation) == (40, 1.2, load_world("base").areas.correlation)


def summaries_of(region):
    """Return one row a visit, with its firm as an index."""
    index = {uscc: number for number, uscc in enumerate(region.managers.uscc)}
    visits = region.tables["inspections"].frame.filter(pl.col("line_code") == "TOTAL")
    return visits.with_columns(pl.col("uscc").replace_strict(index, return_dtype=pl.Int64).alias("_firm"))


def complaints_of(region):
    """Return the complaints that have a manager, with it as an index."""
    frame = region.tables["complaints"].frame
    place = {name: number for number, name in enumerate(region.communities.ids)}
    where = frame["_community_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    days = frame["submitted_at"].dt.date().cast(pl.Int32).cast(pl.Int64).to_numpy()
    return frame.with_columns(pl.Series("_firm", region.tenures.manager_of(where, days))).filter(pl.col("_firm") >= 0)


def marked(region, truth, key):
    """Return the indexes of the firms of which the truth says ``key``."""
    return [number for number, uscc in enumerate(region.managers.uscc) if truth["firms"].get(uscc, {}).get(key)]


def calm(world):
    """Return the world without any effect but chance itself: what over-dispersion is measured against."""
    still = {"own": 0.0, "community": 0.0, "week": 0.0, "age": 0.0, "areas": {}}
    mechanisms = {name: each.model_copy(update=still) for name, each in world.mechanisms.items()}
    single = {name: each.model_copy(update={"cluster": 1.0}) for name, each in world.categories.items()}
    return world.model_copy(
        update={
            "mechanisms": mechanisms,
            "categories": single,
            "visits": world.visits.model_copy(update={"visit": 0.0, "inspector": 0.0}),
        }
    )


def visits_beyond_binomial(region):
    """Return the variance of failed items between visits over what a binomial share of each community allows."""
    visits = summaries_of(region).select("community_id", "checked_item_count", "failed_item_count")
    pooled = visits.with_columns(
        (pl.col("failed_item_count").sum() / pl.col("checked_item_count").sum()).over("community_id").alias("share"),
        pl.len().over("community_id").alias("visits"),
    ).filter((pl.col("visits") > 1) & (pl.col("share") > 0))
    expected = pl.col("checked_item_count") * pl.col("share") * (1 - pl.col("share"))
    distance = (pl.col("failed_item_count") - pl.col("checked_item_count") * pl.col("share")) ** 2 / expected
    squares = pooled.select(distance.sum()).item()
    return squares / (pooled.height - pooled["community_id"].n_unique())


def weeks_beyond_poisson(region):
    """Return the variance over the mean of a community's complaints a week, within the heating season of one winter."""
    frame = region.tables["complaints"].frame.filter(pl.col("submitted_at").dt.month().is_in([11, 12, 1, 2]))
    weeks = frame.group_by("_community_id", pl.col("submitted_at").dt.truncate("1w")).len()
    count = weeks.group_by("_community_id").agg(pl.col("len").sum().alias("n"), (pl.col("len") ** 2).sum().alias("n2"))
    length = frame["submitted_at"].dt.truncate("1w").n_unique()
    mean, square = count["n"] / length, count["n2"] / length
    return ((square - mean**2).sum() / mean.sum()) * length / (length - 1)


def test_over_dispersion__of_the_base__is_really_there__and_gone_without_its_effects():
    world, region, _ = made("base")
    ground = region.preset
    still, _ = make_world(
        calm(world), "calm", Part("", ground, load_place(ground.place), 3), through=THROUGH, is_guessed=False
    )
    assert visits_beyond_binomial(region) > 1.5 > 1.1 > visits_beyond_binomial(still)
    assert weeks_beyond_poisson(region) > 1.4 > 1.15 > weeks_beyond_poisson(still)


@pytest.mark.parametrize("name", [name for name in names() if name != "original"])
def test_events__of_half_a_year__happen_to_a_realistic_share_of_the_firms(name):
    _, region, truth = made(name)
    low, high = EVENTS_A_HALF_YEAR
    struck = {event["uscc"] for event in future_events(region, months=6)}
    assert low < len(struck) / len(truth["firms"]) < high
    assert low < column(truth, "event_chance").mean() < high


def test_events__follow_from_conduct_and_not_from_the_record():
    _, region, truth = made("base", firms=400, communities=800)
    chance, quality = column(truth, "event_chance"), column(truth, "quality")
    assert np.corrcoef(ranks(np.column_stack([chance, quality])).T)[0, 1] < -0.3
    struck = {event["uscc"] for event in future_events(region, months=6)}
    happened = np.array([uscc in struck for uscc in truth["firms"]])
    assert quality[happened].mean() < quality[~happened].mean() - 0.05
    assert {event["kind"] for event in future_events(region, months=6)} >= {"penalty", "major_finding", "dismissal"}


def test_base__is_hostile_in_nothing():
    _, region, truth = made("base")
    assert not region.tables["complaints"].frame["_is_bought"].any() and not truth["missing"]
    for key in ("is_flooded", "hushes", "buys_inspections", "closes_on_paper"):
        assert not column(truth, key).any()


# feeds an effect must change, and may: inspectors go where complaints are, objections are about what is there
OBJECTED = {"objections", "public_credit"}
TOUCHED = {
    "floods": ({"complaints"}, OBJECTED),
    "hushing": ({"complaints"}, {"inspections", *OBJECTED}),
    "bought_inspections": ({"inspections"}, OBJECTED),
    "paper_closing": ({"complaints"}, OBJECTED),
    "missing_offices": (
        {"surveys", "standard_assessments", "street_ratings", "inspections", "disclosures", "mediations"}, OBJECTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOUCHED)
def test_hostile_effect__changes_the_feeds_it_should_and_no_other(name):
    base, here = (made(world)[1].tables for world in ("base", name))
    changed = {feed for feed, table in here.items() if not table.frame.equals(base[feed].frame)}
    must, may = TOUCHED[name]
    assert must <= changed <= must | may


def test_floods__ten_times_a_month_within_days__two_fifths_confirmed():
    world, region, truth = made("floods")
    bought = bought_complaints(region)
    assert set(bought) == {uscc for uscc, firm in truth["firms"].items() if firm["is_flooded"]}
    assert len(bought) == pytest.approx(world.floods.victims * len(truth["firms"]), abs=1.5)
    flood = region.tables["complaints"].frame.filter("_is_bought")
    assert 0.3 < flood["is_confirmed"].mean() < 0.5
    victims = marked(region, truth, "is_flooded")
    theirs = complaints_of(region).filter(pl.col("_firm").is_in(victims))
    months = theirs.filter(~pl.col("_is_bought")).height / 30  # of 24 months and half a year
    assert flood.height > 7 * months
    spans = (
        theirs.filter("_is_bought").group_by("_firm").agg(pl.col("submitted_at").max() - pl.col("submitted_at").min())
    )
    assert spans["submitted_at"].max().days <= world.floods.days


def test_hushing__their_complaints_are_not_made__and_nothing_else_changes():
    world, region, truth = made("hushing")
    hushing = marked(region, truth, "hushes")
    counted = [
        complaints_of(each).group_by(pl.col("_firm").is_in(hushing).alias("hushes")).len().sort("hushes")["len"]
        for each in (made("base")[1], region)
    ]
    assert counted[1][1] / counted[0][1] == pytest.approx(world.hushing.rate, abs=0.06)
    assert counted[1][0] / counted[0][0] == pytest.approx(1, abs=0.05)
    assert column(truth, "quality")[column(truth, "hushes")].mean() < column(truth, "quality").mean()


def test_bought_inspections__fewer_failed_items_and_more_visits__complaints_as_before():
    world, region, truth = made("bought_inspections")
    buyers = marked(region, truth, "buys_inspections")
    base, here = (
        summaries_of(each)
        .group_by(pl.col("_firm").is_in(buyers).alias("buys"))
        .agg(
            pl.col("failed_item_count").sum() / pl.col("checked_item_count").sum(),
            (pl.col("inspection_type_code") == "routine").sum().alias("routine"),
        )
        .sort("buys")
        for each in (made("base")[1], region)
    )
    lowered = here["failed_item_count"] / base["failed_item_count"]
    assert lowered[1] < 0.4 and lowered[0] == pytest.approx(1, abs=0.15)
    assert here["routine"][1] > 4 * base["routine"][1]


def test_missing_offices__send_no_file_and_no_row__and_raise_no_alert(tmp_path):
    world, region, truth = made("missing_offices")
    for feed in world.missing.feeds:
        assert region.tables[feed].frame.height == 0 < made("base")[1].tables[feed].frame.height
    for feed in world.missing.districts:
        silent, code = truth["missing"][feed], pl.col("community_id").str.slice(0, 6)
        sent = set(region.tables[feed].frame.select(code)["community_id"])
        assert silent and not sent & set(silent) and sent
    simulate_world("missing_offices", seed=3, out=tmp_path, firms=5, months=6)
    assert not list(tmp_path.rglob("*满意度*")) and list(tmp_path.rglob("*检查问题*"))
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    quiet = [alert.split("/")[1][:6] for alert in manifest["alerts"][str(THROUGH)]["due"] if "undisclosed" in alert]
    assert quiet and not set(quiet) & set(manifest["truth"]["missing"]["disclosures"])


def test_regime_change__the_record_breaks_on_its_day_and_some_firms_are_new():
    world, region, truth = made("regime_change")
    changed = date.fromisoformat(truth["changed_on"])

    def broken(each):
        told = each.tables["complaints"].frame.with_columns(
            (pl.col("submitted_at").dt.date() >= changed).alias("after")
        )
        wait = (pl.col("responded_at") - pl.col("submitted_at")).dt.total_minutes().median()
        told = told.group_by("after").agg(pl.len() / pl.col("submitted_at").dt.date().n_unique(), wait.alias("wait"))
        seen = summaries_of(each).group_by((pl.col("inspected_on") >= changed).alias("after"))
        seen = seen.agg(pl.col("failed_item_count").sum() / pl.col("checked_item_count").sum())
        before, after = told.join(seen, on="after").sort("after").rows()
        return np.array(after[1:]) / np.array(before[1:])

    more, shorter, stricter = broken(region) / broken(made("base")[1])
    assert 1.8 < more < 2.6 and 0.4 < shorter < 0.65 and 1.3 < stricter < 2.2
    firms = region.managers.kind == 0
    conduct = region.managers.conduct
    new = (conduct.earlier[:-1] != conduct.areas[:-1]).any(axis=1)
    assert new[firms].mean() == pytest.approx(world.regime_change.renewed_firms, abs=0.12) and not new[~firms].any()


def test_paper_closing__the_clocks_are_perfect_and_the_fault_comes_back():
    _, region, truth = made("paper_closing")
    closers = marked(region, truth, "closes_on_paper")
    figures = []
    for each in (made("base")[1], region):
        told = complaints_of(each).filter(pl.col("_firm").is_in(closers))
        wait = (pl.col("resolved_at") - pl.col("submitted_at")).dt.total_minutes()
        figures.append(
            told.select(
                wait.median(), pl.col("repeat_of_id").is_not_null().mean(),
                (pl.col("callback_result_code") == "satisfied").mean(),
            ).row(0)
        )  # fmt: skip
    base, paper = figures
    assert paper[0] < 0.3 * base[0] and paper[1] > 1.5 * base[1]


def test_sorted__poor_firms_hold_old_communities__which_complain_more_readily():
    _, region, truth = made("sorted", firms=120, communities=600)
    _, usual, base = made("base", firms=120, communities=600)

    def leaning(truth):
        held = [(firm["old_share"], firm["quality"]) for firm in truth["firms"].values() if firm["communities"] > 2]
        return np.corrcoef(ranks(np.array(held)).T)[0, 1]

    assert leaning(truth) < -0.35 < -0.2 < leaning(base)

    def told(region):
        counted = region.tables["complaints"].frame["_community_id"].value_counts()
        frame = region.communities.table.frame.join(counted, left_on="community_id", right_on="_community_id")
        rate = pl.col("count").sum() / pl.col("household_count").sum()
        rates = dict(frame.group_by("community_type_code").agg(rate).rows())
        return rates["old"] / rates["commercial"]

    assert told(region) > 3 * told(usual)


def test_levels_wide_and_three_communities__are_what_their_names_say():
    base = made("base")[2]
    for name in ("fabric_incidents", "respond", "items"):
        moved = np.median(column(made("levels")[2], "mechanisms", name))
        assert moved > 2.5 * np.median(column(base, "mechanisms", name))
    assert np.array_equal(column(made("levels")[2], "quality"), column(base, "quality"))
    assert column(made("wide")[2], "quality").std() == pytest.approx(0.25, abs=0.04)
    small = load_world("three_communities")
    ground = grounds(small)
    assert ground.communities.count * 0.84 / ground.enterprises.count == pytest.approx(3, abs=0.05)


def test_original__is_the_old_simulator_with_its_quality_and_its_events():
    _, region, truth = made("original")
    quality = dict(zip(region.managers.uscc, np.round(region.managers.quality, 6), strict=True))
    assert all(firm["quality"] == quality[uscc] and firm["areas"] == {} for uscc, firm in truth["firms"].items())
    struck = {event["uscc"] for event in future_events(region, months=6)}
    assert len(struck) / len(truth["firms"]) > 0.4  # which no world of its own reaches


def test_manifest__of_a_world__keeps_truth_and_deliveries(tmp_path):
    report = simulate_world("floods", seed=8, out=tmp_path, firms=8, communities=60, months=3, nights=1)
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["parameters"]["world"] == "floods" and sum(report.rows.values()) == sum(
        row["rows"] for row in manifest["deliveries"]
    )
    truth = manifest["truth"]
    assert {uscc: firm["quality"] for uscc, firm in truth["firms"].items()}.items() <= manifest["true_quality"].items()
    assert set(manifest["bought_complaints"]) == {uscc for uscc, firm in truth["firms"].items() if firm["is_flooded"]}
    assert {row["date"] for row in manifest["deliveries"]} == {str(THROUGH), str(THROUGH + timedelta(days=1))}
    with pytest.raises(SimulationError, match="already holds another region"):
        simulate_world("base", seed=8, out=tmp_path, firms=8, months=6)


def guessed(name, *, record_of=None):
    """Return quality and best guess of the firms; ``record_of``: made from the record of another seed."""
    world = load_world(name)
    ground = grounds(world, firms=60, communities=360)
    first, last = months_before(THROUGH, ground.months), THROUGH + timedelta(days=ground.horizon_days)
    part = Part("", ground, load_place(ground.place), 3)
    scene, events, households = worlds_region.make_scene(world, part, through=THROUGH, first=first, last=last)
    told = scene
    if record_of is not None:  # other conduct under the same names
        other = replace(part, seed=record_of)
        told = worlds_region.make_scene(world, other, through=THROUGH, first=first, last=last)[0]
        told = replace(told, managers=replace(told.managers, uscc=scene.managers.uscc), communities=scene.communities)
    tables = worlds_region.make_tables(told, events, {"first": first, "last": last})
    seen = replace(told, managers=scene.managers)
    guess = best_guesses(seen, tables, events, households, first=first, through=THROUGH)
    firms = np.flatnonzero((scene.managers.kind == 0) & ~np.isnan(guess))
    return scene.managers.quality[firms], guess[firms]


def test_best_guess__is_close_to_quality_and_as_sure_as_it_says__and_nothing_without_the_right_record():
    quality, guess = guessed("base")
    assert np.corrcoef(ranks(np.column_stack([quality, guess])).T)[0, 1] > 0.8
    assert np.polyfit(guess, quality, 1)[0] == pytest.approx(1, abs=0.2)  # the expectation of quality, not more
    assert guess.mean() == pytest.approx(quality.mean(), abs=0.04)
    quality, guess = guessed("base", record_of=4)
    assert abs(np.corrcoef(ranks(np.column_stack([quality, guess])).T)[0, 1]) < 0.35


def test_simulate_world__above_one_piece__is_made_in_parts_of_which_the_manifest_tells_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(worlds_region, "AT_ONCE", 100)
    monkeypatch.setattr(worlds_region, "PART", 60)
    seen = []
    simulate_world(
        "missing_offices", seed=3, out=tmp_path, firms=12, communities=180, months=6,
        on_part=lambda done, of, rows: seen.append((done, of)),
    )  # fmt: skip
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert len(seen) > 2 and seen[-1][0] == seen[-1][1] == len(list((tmp_path / "truth").glob("*.json")))
    firms = manifest["truth"]["firms"]
    assert len(firms) >= 12 and firms.keys() <= manifest["true_quality"].keys()
    on = [event["on"] for event in manifest["future_events"]]
    assert on == sorted(on)
    parts = [json.loads(path.read_text("utf-8")) for path in (tmp_path / "truth").glob("*.json")]
    assert all(part["dirt"] and "truth" not in part for part in parts)
    assert {row["profile"] for row in manifest["deliveries"]} >= {"nmg_inspections", "mashangban_api"}


def test_simulate_world__a_file_kept_elsewhere__is_a_world_like_the_others_until_it_is_changed(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("extends: floods\ntitle: mine\nhushing: {share: 0.5, rate: 0.1}\n", "utf-8")
    made_of = {"seed": 3, "out": tmp_path / "out", "firms": 5, "months": 3}
    simulate_world(path, **made_of)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["truth"]["world"] == manifest["parameters"]["world"] == "mine"
    assert manifest["truth"]["hostile"] == ["floods", "hushing"] and str(tmp_path) not in json.dumps(manifest)
    simulate_world(path, **made_of)
    path.write_text("extends: floods\ntitle: mine\nhushing: {share: 0.5, rate: 0.2}\n", "utf-8")
    with pytest.raises(SimulationError, match="already holds another region"):
        simulate_world(path, **made_of)


EVERYTHING_AT_ONCE = """
extends: base
title: everything at once
why: files that others keep may ask for anything that is allowed
areas: {spread: 3, correlation: 0.9}
quality: {weakest_link: -8, strain: 0.99, strain_from: 1}
events: {share: 0.7}
floods: {victims: 0.5, multiple: 10, least: 5, days: 14, within_days: 40, confirmed: 1}
hushing: {share: 1, rate: 0}
bought_inspections: {share: 0.5, failures: 0, majors: 0, extra_a_year: 5}
regime_change: {months_before: 30, complaints: 0.2, failures: -3, respond: 0.1, renewed_firms: 1}
paper_closing: {share: 1, solve: 0.01, recurs: 4, pleased: -4}
missing:
  feeds: [inspections, personnel, mediations, lifts, street_ratings, standard_assessments, reporting_records,
          project_honours, public_credit]
  districts: {surveys: 0.5, disclosures: 0.9}
"""


@pytest.mark.filterwarnings("error")
def test_simulate_world__everything_that_is_allowed_at_once__still_is_a_region(tmp_path):
    (tmp_path / "all.yml").write_text(EVERYTHING_AT_ONCE, "utf-8")
    simulate_world(tmp_path / "all.yml", seed=2, out=tmp_path / "out", firms=4, communities=20, months=1)
    firms = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["truth"]["firms"]
    assert all(0 < firm["quality"] < 1 and 0 < firm["best_guess"] < 1 for firm in firms.values())
    assert not list((tmp_path / "out").rglob("*检查问题*")) and list((tmp_path / "out").rglob("*合同备案*"))


@pytest.fixture
def delivered(warehouse_database, monkeypatch):
    """A function that simulates a world and loads it with the real loader; gives manifest and reports by profile."""
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed
    from property_credit.warehouse.settings import get_settings

    def load(name, feeds=None, **size):
        simulate_world(name, seed=3, out=warehouse_database, **size)
        manifest = json.loads((warehouse_database / "manifest.json").read_text("utf-8"))
        reports = {}
        with running(warehouse_database / "complaints_api") as url:
            monkeypatch.setenv("COMPLAINTS_API_URL", url)
            get_settings.cache_clear()
            for feed in feeds or dict.fromkeys(office.feed for office in OFFICES):  # registers first
                reports |= {report.profile: report for report in ingest_feed(feed, THROUGH, check=no_check)}
        return manifest, reports

    return load


def refusals_as_planted(manifest, reports):
    """Return whether every row of the deliveries that were loaded ended as the manifest says."""
    for row in (each for each in manifest["deliveries"] if each["profile"] in reports):
        report = reports[row["profile"]]
        refused = report.rows_rejected + report.rows_waiting
        counted = (report.status, report.rows_in, refused, report.rows_duplicate)
        assert counted == ("loaded", row["rows"], row["refused"], row["duplicates"]), row
    return True


def test_world__through_the_real_loader__is_refused_only_what_is_dirt(delivered):
    made_here = (
        "enterprises", "communities", "contracts", "complaints", "inspections", "disclosures", "public_credit",
        "surveys", "street_ratings", "standard_assessments",
    )  # fmt: skip
    manifest, reports = delivered("floods", feeds=made_here, firms=4, communities=20, months=2)
    assert len(reports) >= len(made_here) and refusals_as_planted(manifest, reports)


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_world__through_the_whole_chain__grades_its_firms(name, delivered):
    import psycopg

    from property_credit.warehouse import connection
    from property_credit.warehouse.transformation import build
    from scoring.method import load, warehouse_variables
    from scoring.run import grade

    manifest, reports = delivered(name, firms=12)
    assert refusals_as_planted(manifest, reports)
    build(THROUGH, variables=warehouse_variables(load().method))
    grade(THROUGH)
    with psycopg.connect(**connection.parameters()) as opened:
        rows = opened.execute("select uscc, score from scoring.grades where score is not null").fetchall()
    assert {uscc for uscc, _ in rows} <= manifest["truth"]["firms"].keys() and len(rows) > 6
