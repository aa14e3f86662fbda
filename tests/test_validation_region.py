"""Validation of a small region from its files to its report, and the gates that need a truth, broken on purpose."""

import dataclasses
import json
import os

import polars as pl
import psycopg
import pytest

from property_credit.cli import validation
from property_credit.warehouse import connection
from scoring.errors import ScoringError
from scoring.validation import night as nights
from scoring.validation import report, simulated
from scoring.validation.measures import measure, pooled
from scoring.validation.rescoring import regrade, variants
from scoring.validation.run import validate
from scoring.validation.verdicts import CANNOT_TELL, MET, MISSED, NOT_MEASURED

pytestmark = [pytest.mark.slow, pytest.mark.long]

CODES = {
    "auc", "auc_size", "ks", "trend", "auc_attained", "peers_event", "peers_quality", "icc", "coverage",
    "coverage_small", "coverage_middle", "coverage_large", "psi", "moves", "spread", "dead", "old_share", "size_gap",
    "local_gap", "weights+10", "weights-10", "shrinkage×0.5", "shrinkage×2", "cut-offs score+2", "cut-offs score-2",
    "cut-offs all+2", "cut-offs all-2", "truth", "truth_old_share", "flood", "shadow",
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(migrated_template):
    ours = ("WAREHOUSE_DATABASE", "LANDING_DIR", "ARCHIVE_DIR", "COMPLAINTS_API_URL")
    before = {name: os.environ.get(name) for name in ours}
    region = validation.grade_region(preset="town", seed=2026)
    assert {name: os.environ.get(name) for name in ours} == before
    return region


@pytest.fixture(scope="module")
def validated(graded):
    return validate(
        [graded.measures], [graded.night], region={"kind": "simulated", "preset": "town", "seeds": [2026], "rows": 1}
    )


def test_validate_region__every_gate__is_measured_with_its_interval(validated, tmp_path):
    gates = {gate.code: gate for gate in validated.gates}
    assert set(gates) == CODES
    # of this seed's events even true quality foretells nothing: then nothing can be attained
    assert {code for code, gate in gates.items() if gate.status == NOT_MEASURED} == {"auc_attained", "shadow"}
    assert "nothing to foretell" in gates["auc_attained"].reason_en
    for gate in gates.values():
        if gate.estimate.low is not None:
            assert gate.estimate.low <= gate.estimate.value <= gate.estimate.high or gate.group == "stability"
        assert bool(gate.reason_zh) == bool(gate.reason_en) == (gate.status != MET)
    assert gates["dead"].status == MET and gates["truth"].details["rank_correlation"] > 0.7
    report.write(validated, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["about"]["rated"] > 30


def test_validate_region__afterwards__no_database_and_no_file_is_left(graded):
    with psycopg.connect(**connection.parameters(database="postgres")) as opened:
        assert not opened.execute("select 1 from pg_database where datname like 'validation_%'").fetchall()
    from property_credit.warehouse.settings import get_settings

    assert not list(get_settings().data_dir.glob("validation_*"))


def test_regrade__nothing_changed__gives_the_published_scores(graded):
    base = regrade(graded.night)
    assert base["score"].round(2).to_list() == graded.night.firms["score"].round(2).to_list()
    assert base["grade"].to_list() == graded.night.firms["grade"].to_list()  # a first night holds nothing back


def test_halves__together__are_the_whole_of_what_has_a_day(graded):
    night = graded.night
    whole = night.inputs.counts.filter(pl.col("indicator_code") == "M01")
    halves = [half.filter(pl.col("indicator_code") == "M01") for half in night.halves]
    total = sum(half["denominator"].cast(pl.Float64).sum() for half in halves)
    assert total == pytest.approx(whole["denominator"].cast(pl.Float64).sum(), rel=1e-9)
    assert min(half.height for half in halves) > 0 and "M01" in night.dated and "M13" not in night.dated


def test_check_recount__events_and_mart_disagree__is_refused(graded):
    inputs = graded.night.inputs
    changed = inputs.counts.with_row_index().with_columns(
        pl.when(pl.col("index") == 0).then(pl.lit("77")).otherwise("numerator").alias("numerator")
    )
    with pytest.raises(ScoringError, match="do not add up"):
        nights._check_recount(changed.select(inputs.counts.columns), inputs)


def test_measure__truth_is_shuffled__can_be_recovered_by_nobody(graded):
    usccs = list(graded.truth.quality)
    values = list(graded.truth.quality.values())
    wrong = dict(zip(usccs, values[len(values) // 2 :] + values[: len(values) // 2], strict=True))
    truth = dataclasses.replace(graded.truth, quality=wrong)
    measures = measure(graded.night, events=None, later=None, truth=truth)
    details = simulated.recovered(simulated.with_attainable(measures.firms, measures.known))[0].details
    assert details["rank_correlation"] < 0.5 and details["attainable"] < 0.6
    known = simulated.with_attainable(graded.measures.firms, graded.measures.known)
    assert simulated.recovered(known)[0].details["attainable"] > 0.7


def test_peers__of_a_night__are_made_from_counts_alone(graded):
    firms = graded.measures.firms
    counts = graded.night.inputs.counts.filter(
        (pl.col("indicator_code") == "M04") & (pl.col("window_months") == "12")
    ).with_columns(pl.col("numerator", "denominator").cast(pl.Float64))
    sums = counts.group_by("uscc").agg(pl.col("numerator", "denominator").sum())
    wanted = {uscc: -n / d for uscc, n, d in sums.iter_rows() if d}
    given = {uscc: rate for uscc, rate in firms.select("uscc", "complaints").iter_rows() if rate == rate}
    assert given == pytest.approx(wanted) and len(given) > 30
    failed = {uscc: -share for uscc, share in firms.select("uscc", "last_inspection").iter_rows() if share == share}
    assert 0 <= min(failed.values()) and len(set(failed.values())) > 10
    assert firms["plain_mean"].is_between(0, 1).all()


def test_pooled__the_same_region_twice__has_narrower_intervals_and_the_same_figures(graded, validated):
    twice = validate(
        [graded.measures] * 2,
        [graded.night] * 2,
        region={"kind": "simulated", "preset": "town", "seeds": [1, 2], "rows": 1},
    )
    single, both = ({gate.code: gate for gate in one.gates} for one in (validated, twice))
    assert pooled([graded.measures] * 2).firms["uscc"].is_unique().all()
    assert both["auc"].estimate.value == pytest.approx(single["auc"].estimate.value)
    for code in ("auc", "icc", "weights+10", "coverage"):
        spans = [gate.estimate.high - gate.estimate.low for gate in (single[code], both[code])]
        assert spans[1] < 0.85 * spans[0], code
    assert {gate.status for gate in twice.gates} >= {MET, CANNOT_TELL}


def test_flooded__bought_complaints_that_would_count__lower_the_victim_and_break_the_gate(graded):
    night = graded.night
    victim = night.firms.filter(pl.col("grade") == "A").sort("score")["uscc"][0]
    service = pl.col("indicator_code").is_in(["M01", "M02", "M03", "M07"]) & (pl.col("uscc") == victim)
    drowned = night.inputs.counts.with_columns(
        pl.when(service).then(pl.lit("0")).otherwise("numerator").alias("numerator")
    )
    clean = {"bought": night.inputs.counts}
    flooded = dataclasses.replace(
        night, inputs=dataclasses.replace(night.inputs, counts=drowned), without=clean
    )  # fmt: skip
    gate = simulated.flooded(simulated.floods(flooded, {victim: ["T1"]}), night.method.method)
    assert gate.status == MISSED and victim in gate.reason_en and gate.details["victims"][0]["points"] < -2


def test_variants__weights_and_cut_offs__are_moved_by_what_they_say(graded):
    night = graded.night
    changed = {one.code: one for one in variants(night.method.method, night.fit)}
    assert [pillar.points for pillar in changed["weights+10"].method.pillars.values()] == [60, 40]
    assert [grade.min_score for grade in changed["cut-offs score-2"].method.grades] == [83, 68, None]
    assert changed["shrinkage×2"].fit.shrinkage["M04"] == night.fit.shrinkage["M04"] * 2
    heavier = regrade(night, method=changed["weights+10"].method)
    assert heavier["score"].to_list() != regrade(night)["score"].to_list()


def test_grade_region__on_a_server_of_ones_own__is_refused(monkeypatch):
    from property_credit.warehouse.settings import get_settings

    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/none")
    get_settings.cache_clear()
    with pytest.raises(validation.ValidationError, match="unset it"):
        validation.grade_region(preset="hamlet", seed=1)
    monkeypatch.undo()
    get_settings.cache_clear()
