"""Every gate of methodology §9 met on data that deserve it, and broken on purpose; what it says then."""

import html
import json
import re
from datetime import date

import numpy as np
import polars as pl
import pytest

from scoring.method import load
from scoring.validation import coverage, gates, peers, predictive, report, run, simulated
from scoring.validation import statistics as st
from scoring.validation.fairness import fairness
from scoring.validation.measures import with_events
from scoring.validation.run import Validation
from scoring.validation.statistics import Estimate
from scoring.validation.verdicts import CANNOT_TELL, MET, MISSED, NOT_MEASURED, Aim, Why, judge

SIZE = 3000
SCALE = ("AA", "A", "B")


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(st, "DRAWS", 200)


def town(seed=1, *, size=SIZE, noise=2.0, old_effect=0.0, local_effect=0.0, size_effect=0.0):
    """Enterprises whose score is quality with a little noise, graded by cut-offs."""
    rng = np.random.default_rng(seed)
    quality = rng.uniform(0, 1, size)
    old, local, projects = rng.uniform(0, 1, size), rng.random(size) < 0.8, rng.integers(1, 40, size)
    score = 60 + 30 * quality + rng.normal(0, noise, size)
    score = score + old_effect * (old - 0.5) + local_effect * local + size_effect * (projects > 20)
    grade = np.where(score >= 85, "AA", np.where(score >= 70, "A", "B"))
    return pl.DataFrame(
        {
            "uscc": [f"U{number:05d}" for number in range(size)],
            "score": score,
            "public_pct": score,
            "market_pct": score,
            "grade": grade,
            "old_share": old,
            "is_local": local,
            "project_count": projects,
            "household_months": projects * 3000.0,
            "size": projects * 3000.0,
            "caps": pl.Series([[]] * size, dtype=pl.List(pl.String)),
            "quality": quality,
        }
    )


def happened(firms, chance, seed=2):
    hit = np.random.default_rng(seed).random(firms.height) < chance
    return firms.filter(pl.Series(hit)).select(
        "uscc", pl.lit("penalty").alias("kind"), pl.lit("2027-01-05").alias("on")
    )


def by_code(judged):
    return {gate.code: gate for gate in judged}


def foretold(firms, chance, seed=2):
    """The predictive gates over events that happen to each enterprise with ``chance``."""
    return by_code(predictive.predictive(with_events(firms, happened(firms, chance, seed)), SCALE))


def rare(quality):
    """Chances of 2 to 30 %, the worse the likelier."""
    return 0.02 + 0.28 * (1 - quality.to_numpy()) ** 2


def upside_down(firms):
    """The same enterprises with a score that says the opposite, graded by its own cut-offs."""
    wrong = (150 - pl.col("score")).alias("score")
    cut = pl.when(pl.col("score") >= 85).then(pl.lit("AA")).when(pl.col("score") >= 70).then(pl.lit("A"))
    return firms.with_columns(wrong).with_columns(cut.otherwise(pl.lit("B")).alias("grade"))


def blind(firms, seed=9):
    """The same enterprises with scores and grades dealt out at random."""
    order = np.random.default_rng(seed).permutation(firms.height)
    return firms.with_columns(firms[name].gather(order).alias(name) for name in ("score", "grade"))


def test_predictive__events_follow_quality__is_met():
    firms = town()
    by_gate = foretold(firms, rare(firms["quality"]))
    assert {gate.status for gate in by_gate.values()} == {MET}, {code: gate.reason_en for code, gate in by_gate.items()}
    rates = [entry["rate"] for entry in by_gate["trend"].details["rates"].values()]
    assert rates == sorted(rates) and by_gate["ks"].details["p"] < 0.01


def test_predictive__score_the_wrong_way_round__is_missed_everywhere_and_says_so():
    firms = town()
    by_gate = foretold(upside_down(firms), rare(firms["quality"]))
    assert {gate.status for gate in by_gate.values()} == {MISSED}
    assert (
        by_gate["ks"].estimate.value < 0.05
        and "wrong way" in by_gate["ks"].reason_en
        and "方向相反" in by_gate["auc"].reason_zh
    )


def test_predictive__noise_in_a_large_sample__is_missed_and_says_what_it_is():
    firms = town()
    by_gate = foretold(blind(firms), rare(firms["quality"]))
    assert {gate.status for gate in by_gate.values()} == {MISSED}
    assert "knows nothing" in by_gate["auc"].reason_en and "dealt out at random" in by_gate["ks"].reason_en
    assert by_gate["trend"].details["chance_to_see_a_rise"] > 0.95


def test_predictive__noise_in_a_region_of_109__passes_no_gate_more_often_than_its_error():
    passed = []
    for seed in range(8):
        firms = town(seed, size=109)
        by_gate = foretold(blind(firms, seed), rare(firms["quality"]), seed)
        passed += [code for code, gate in by_gate.items() if gate.status == MET]
    assert len(passed) <= 2 and {code: passed.count(code) for code in passed}.get("ks", 0) <= 2


def test_predictive__good_score_in_a_region_of_109__cannot_tell_and_says_so():
    firms = town(size=109)
    by_gate = foretold(firms, rare(firms["quality"]))
    assert MISSED not in {gate.status for gate in by_gate.values()}
    assert by_gate["auc"].status == by_gate["auc_attained"].status == CANNOT_TELL
    assert "cannot tell" in by_gate["auc"].reason_en and "不足以定论" in by_gate["auc"].reason_zh


def test_predictive__reasons__stand_only_where_their_figures_bear_them_out():
    firms = town()
    weak = firms.with_columns(pl.Series("score", 60 + np.random.default_rng(4).normal(firms["quality"] * 2, 1.5)))
    by_quality = foretold(weak, rare(firms["quality"]))["auc"]
    assert by_quality.status == MISSED and "size" not in by_quality.reason_en and "within reach" in by_quality.reason_en
    size = firms["project_count"].to_numpy() / 40
    large = firms.with_columns(pl.Series("score", firms["score"].to_numpy() + 25 * size))  # favours who has more events
    by_size = foretold(large, 0.02 + 0.6 * size * (1 - firms["quality"].to_numpy()))["auc"]
    assert by_size.status == MISSED and "size alone" in by_size.reason_en


def test_trend__significant_but_falling_at_one_step__is_missed():
    firms = town()
    chance = firms["grade"].replace_strict({"AA": 0.3, "A": 0.1, "B": 0.9}, return_dtype=pl.Float64).to_numpy()
    gate = foretold(firms, chance)["trend"]
    assert gate.estimate.value < 0.05 and gate.status == MISSED and "AA → A" in gate.reason_en


def test_predictive__few_events__is_not_measured():
    firms = town()
    judged = predictive.predictive(with_events(firms, happened(firms, 1.0).head(3)), SCALE)
    assert {gate.status for gate in judged} == {NOT_MEASURED} and "only 3" in judged[0].reason_en


def with_peers(firms, *, best):
    """Peers that know quality with much noise, and one with ``best`` (0-1) of it."""
    rng, quality = np.random.default_rng(7), firms["quality"].to_numpy()
    return firms.with_columns(
        pl.Series("plain_mean", best * quality + (1 - best) * rng.uniform(0, 1, len(quality))),
        pl.Series("complaints", 0.2 * quality + rng.uniform(0, 1, len(quality))),
    )


@pytest.mark.parametrize(("size", "best", "status"), [(SIZE, 0.3, MET), (SIZE, 1.0, MISSED), (109, 0.53, CANNOT_TELL)])
@pytest.mark.parametrize("against", ["quality", "event"])
def test_peers__weaker_better_and_too_close_to_tell__is_said(against, size, best, status):
    firms = with_peers(town(size=size, noise=8.0), best=best)
    firms = with_events(firms, happened(firms, 0.9 - 0.8 * firms["quality"].to_numpy()))
    gate = peers.beats(firms, against=against)
    assert gate.status == status, gate
    assert status == MET or "plain mean" in gate.reason_en and "平均" in gate.reason_zh


def stated(inside, firms, seed=3):
    """PITs of which ``inside`` lie between 0.05 and 0.95."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(0.05, 0.95, firms.height)
    ends = np.where(rng.random(firms.height) < 0.5, 0.01, 0.99)
    pit = np.where(rng.random(firms.height) < inside, middle, ends)
    return pl.DataFrame({"indicator_code": "M01", "uscc": firms["uscc"], "pit": pit})


@pytest.mark.parametrize(
    ("size", "inside", "status"),
    [(6000, 0.90, MET), (SIZE, 0.75, MISSED), (SIZE, 0.99, MISSED), (90, 0.90, CANNOT_TELL)],
)
def test_coverage__right_too_narrow_too_wide_and_too_few__is_told_apart(size, inside, status):
    firms = town(size=size)
    gate = by_code(coverage.coverage(firms, stated(inside, firms)))["coverage"]
    assert gate.status == status and (status != MISSED or "M01" in gate.reason_en)


def test_coverage__of_one_size_band_only__is_missed_there():
    firms = town()
    wrong = stated(0.6, firms).filter(firms["household_months"] < 30_000)
    right = stated(0.9, firms).filter(firms["household_months"] >= 30_000)
    by_gate = by_code(coverage.coverage(firms, pl.concat([wrong, right])))
    assert by_gate["coverage_small"].status == MISSED and by_gate["coverage_large"].status == MET


def test_randomised_pit__counts_with_gaps__holds_what_it_says_where_a_plain_interval_flatters():
    rng = np.random.default_rng(6)
    mean = np.full(4000, 0.7)
    seen, drawn = rng.poisson(mean), rng.poisson(mean[:, None], (4000, 500))
    low, high = np.quantile(drawn, [0.05, 0.95], axis=1)
    assert ((seen >= low) & (seen <= high)).mean() > 0.95  # the interval of a discrete count holds more than it says
    pit = st.randomised_pit(drawn.astype(float), seen.astype(float), step=np.ones(4000))
    assert ((pit > 0.05) & (pit < 0.95)).mean() == pytest.approx(0.90, abs=0.015)
    narrow = st.randomised_pit(drawn * 0 + 0.7, seen.astype(float), step=np.ones(4000))
    assert ((narrow > 0.05) & (narrow < 0.95)).mean() < 0.6


def test_recovered__shuffled_truth_and_small_sample__are_missed_and_cannot_tell():
    firms = town(noise=6.0)
    by_who_knows = (pl.col("quality") + 0.3 * pl.col("old_share")).alias("attainable")
    shuffled = firms.with_columns(pl.col("quality").reverse()).with_columns(by_who_knows)
    good = by_code(simulated.recovered(firms.with_columns(by_who_knows), aim=0.8))["truth"]
    wrong = by_code(simulated.recovered(shuffled, aim=0.8))["truth"]
    small = by_code(simulated.recovered(firms.with_columns(by_who_knows).head(40), aim=0.8))["truth"]
    assert (good.status, wrong.status, small.status) == (MET, MISSED, CANNOT_TELL)
    assert "can be reached" in wrong.reason_en and "rank_correlation" in good.details


def test_reliability__noise_between_weeks__breaks_it():
    firms, rng = town(), np.random.default_rng(3)
    market = firms["score"].to_numpy()
    steady = gates.reliability(firms, (market, market + rng.normal(0, 2, SIZE)), ["M01"])
    noisy = gates.reliability(firms, (market + rng.normal(0, 9, SIZE), market + rng.normal(0, 9, SIZE)), ["M01"])
    assert (steady.status, noisy.status) == (MET, MISSED) and "Spearman–Brown" in noisy.reason_en


def test_stability__a_shift_of_scores__breaks_psi():
    firms = town()
    same = by_code(gates.stability(firms, firms))
    shifted = by_code(gates.stability(firms, firms.with_columns(pl.col("score") - 8)))
    assert same["psi"].status == MET and same["moves"].status == MET
    assert shifted["psi"].status == MISSED and shifted["psi"].details["verdict"] == "hold"


def test_stability__moves_without_a_cap__count_and_those_with_one_do_not():
    firms = town()
    down = pl.Series(np.arange(SIZE) % 4 == 0)
    lower = firms.with_columns(pl.when(down).then(pl.lit("B")).otherwise("grade").alias("grade"))
    veto = pl.when(down).then(pl.lit(["V6"])).otherwise("caps").alias("caps")
    assert by_code(gates.stability(firms, lower))["moves"].status == MISSED
    explained = by_code(gates.stability(firms, lower.with_columns(veto)))["moves"]
    assert explained.status == MET and explained.details["explained"] > 20


def test_spread__everybody_in_one_grade_or_an_indicator_that_gives_nobody_anything__is_missed():
    firms = town()
    shares = {"P01": firms["quality"].to_numpy(), "M11": np.zeros(SIZE)}
    sound = by_code(gates.spread(firms, {"P01": shares["P01"]}, SCALE))
    flat = by_code(gates.spread(firms.with_columns(pl.lit("A").alias("grade")), shares, SCALE))
    assert {gate.status for gate in sound.values()} == {MET}
    assert {gate.status for gate in flat.values()} == {MISSED} and "M11" in flat["dead"].reason_en


@pytest.mark.parametrize(
    ("code", "effect"),
    [("old_share", {"old_effect": -12.0}), ("local_gap", {"local_effect": 5.0}), ("size_gap", {"size_effect": 6.0})],
)
def test_fairness__a_score_that_favours_somebody__is_missed(code, effect):
    assert by_code(fairness(town()))[code].status == MET
    assert by_code(fairness(town(size=60)))[code].status == CANNOT_TELL
    gate = by_code(fairness(town(**effect)))[code]
    assert gate.status == MISSED and "equal true quality" in gate.reason_en and "真实质量" in gate.reason_zh


def test_sensitivity__many_flips__is_missed_and_lists_them():
    firms = town().select("uscc", "score", "grade")
    flipped = firms.with_columns(
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("B")).otherwise("grade").alias("grade")
    )
    still, moved = gates.sensitivity(firms, [("a", "甲", "a", firms), ("b", "乙", "b", flipped)])
    assert (still.status, moved.status) == (MET, MISSED) and "→ B" in moved.reason_en


def test_few_enterprises__nothing_is_measured__and_nothing_passes():
    few = town().head(7)
    judged = [
        *predictive.predictive(with_events(few, happened(few, 0.5)), SCALE), *fairness(few), *gates.stability(few, few),
        peers.beats(with_peers(few, best=0.5), against="quality"), *coverage.coverage(few, stated(0.9, few)),
        *gates.spread(few, {}, SCALE), *gates.sensitivity(few, [("a", "甲", "a", few)]),
        gates.reliability(few, (few["score"].to_numpy(), few["score"].to_numpy()), []),
    ]  # fmt: skip
    assert {gate.status for gate in judged} == {NOT_MEASURED} and all(gate.reason_zh for gate in judged)


@pytest.mark.parametrize(
    ("aim", "interval", "status"),
    [
        (Aim(0.65, "at_least"), (0.66, 0.80), MET),
        (Aim(0.65, "at_least"), (0.60, 0.80), CANNOT_TELL),
        (Aim(0.65, "at_least"), (0.40, 0.60), MISSED),
        (Aim(0.10, "at_most"), (0.02, 0.09), MET),
        (Aim(0.10, "at_most"), (0.02, 0.11), CANNOT_TELL),
        (Aim(0.87, "between", 0.93), (0.88, 0.92), MET),
        (Aim(0.87, "between", 0.93), (0.80, 0.99), CANNOT_TELL),
        (Aim(0.87, "between", 0.93), (0.94, 0.99), MISSED),
        (Aim(0.65, "at_least"), (None, None), MET),
    ],
)
def test_judge__interval_against_the_aim__decides_and_a_crossing_one_cannot_tell(aim, interval, status):
    gate = judge("x", "fairness", ("甲", "x"), aim, Estimate(0.7, *interval, 50), why=lambda: Why("因。", "Why."))
    assert gate.status == status and ("cannot tell" in gate.reason_en) == (status == CANNOT_TELL)
    assert bool(gate.reason_zh) == (status != MET)


def test_exit_code__missed_goes_before_cannot_tell_before_met():
    names = {status: gates.judge("x", "spread", ("甲", "x"), Aim(0.5, "at_least"), estimate) for status, estimate in {
        MET: Estimate(0.7, 0.6, 0.8, 9), CANNOT_TELL: Estimate(0.6, 0.4, 0.8, 9), MISSED: Estimate(0.2, 0.1, 0.3, 9),
        NOT_MEASURED: Estimate(None, None, None, 0),
    }.items()}  # fmt: skip
    codes = {
        (MET, NOT_MEASURED): 0, (MET, CANNOT_TELL, NOT_MEASURED): 3, (MET, CANNOT_TELL, MISSED): 1, (MISSED,): 1,
    }  # fmt: skip
    for statuses, code in codes.items():
        validated = Validation([names[status] for status in statuses], {}, {})
        assert validated.exit_code == code
        assert validated.document()["verdict"] == {0: MET, 1: MISSED, 3: CANNOT_TELL}[code]


@pytest.mark.parametrize(
    ("aim", "value", "holds"),
    [(Aim(0.1, "at_most"), 0.1, True), (Aim(0.1, "below"), 0.1, False), (Aim(0.7, "at_least"), 0.7, True)],
)
def test_aim__at_the_bound__is_as_the_text_says(aim, value, holds):
    assert aim.holds(value) is holds


def test_change_control__one_quarter_of_shadow__is_missed_and_none_not_measured():
    assert [run._change_control(quarters).status for quarters in (0, 1, 2)] == [NOT_MEASURED, MISSED, MET]


def validation():
    firms = town(size=300)
    happenings = happened(firms, 0.5)
    judged = [
        *predictive.predictive(with_events(firms, happenings), SCALE),
        *fairness(firms),
        run._change_control(0),
    ]
    rows = firms.select("uscc", "score", "grade", "old_share", "quality").to_dicts()
    about = {
        "region": {"kind": "simulated", "preset": "town", "seeds": [1, 2], "rows": 5}, "business_date": "2026-10-31",
        "run_id": "r1", "fit_id": "f1", "method_version": "2026.1", "method_sha256": load().sha256, "fingerprint": "x",
        "enterprises": 300, "rated": 300, "grades": {"AA": 1, "A": 2, "B": 3}, "statuses": {},
        "indicators": {code: "counted" for code in load().method.indicators} | {"P10": "missing feed lifts"},
    }  # fmt: skip
    return Validation(judged, {"enterprises": rows, "later_scores": [70.0, 80.0]}, about)


def test_report__missed_aims__stand_first_with_their_reason_in_both_languages(tmp_path):
    validated = validation()
    report.write(validated, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    page = html.unescape(page)
    for gate in validated.gates:
        assert gate.zh in page
    assert validated.of(MISSED) and validated.of(CANNOT_TELL)
    for gate in (*validated.of(MISSED), *validated.of(CANNOT_TELL)):
        assert gate.reason_zh in page
    assert page.index("未达到的目标") < page.index("样本不足以定论的目标") < page.index("更多数字")
    assert page.count("<svg") == 4 and "http://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {gate["code"]: gate["status"] for gate in document["gates"]} == {g.code: g.status for g in validated.gates}


def test_report__written_twice__is_the_same_to_the_byte(tmp_path):
    for name in ("a", "b"):
        report.write(validation(), tmp_path / name)
    for file in ("report.html", "report.json", "model-card.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_model_card__says_use_data_factors_metrics_and_caveats_of_this_run(tmp_path):
    validated = validation()
    report.write(validated, tmp_path)
    card = html.unescape((tmp_path / "model-card.html").read_text("utf-8"))
    for heading in ("intended use", "data", "factors", "metrics", "caveats"):
        assert heading in card
    assert load().sha256 in card and "P10（missing feed lifts）" in card
    assert all(gate.reason_zh in card for gate in (*validated.of(MISSED), *validated.of(CANNOT_TELL)))


def test_summary_and_month_end():
    validated = validation()
    counts = [len(validated.of(status)) for status in (MET, MISSED, CANNOT_TELL, NOT_MEASURED)]
    assert run.summary(validated) == "{} gates met, {} missed, {} cannot tell, {} not measured".format(*counts)
    assert run.month_end(date(2026, 8, 31), 6) == date(2027, 2, 28)
