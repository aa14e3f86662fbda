"""Every gate of methodology §9 met on data that deserve it, and broken on purpose; what it says then."""

import json
import re
from datetime import date

import numpy as np
import polars as pl
import pytest

from scoring.method import load
from scoring.validation import gates, report, run
from scoring.validation.fairness import fairness
from scoring.validation.gates import MET, MISSED, NOT_MEASURED, Aim, Estimate, Why
from scoring.validation.run import Validation

SIZE = 300
SCALE = ("AA", "A", "B")


def town(seed=1, *, old_effect=0.0, local_effect=0.0, size_effect=0.0):
    """Enterprises whose score is quality with a little noise, graded by cut-offs."""
    rng = np.random.default_rng(seed)
    quality = rng.uniform(0, 1, SIZE)
    old, local, projects = rng.uniform(0, 1, SIZE), rng.random(SIZE) < 0.8, rng.integers(1, 40, SIZE)
    score = 60 + 30 * quality + rng.normal(0, 2, SIZE)
    score = score + old_effect * (old - 0.5) + local_effect * local + size_effect * (projects > 20)
    grade = np.where(score >= 85, "AA", np.where(score >= 70, "A", "B"))
    return pl.DataFrame(
        {
            "uscc": [f"U{number:03d}" for number in range(SIZE)],
            "score": score,
            "grade": grade,
            "old_share": old,
            "is_local": local,
            "project_count": projects,
            "household_months": projects * 3000.0,
            "caps": pl.Series([[]] * SIZE, dtype=pl.List(pl.String)),
            "quality": quality,
        }
    )


def happened(firms, chance, seed=2):
    hit = np.random.default_rng(seed).random(firms.height) < chance
    return firms.filter(pl.Series(hit)).select(
        "uscc", pl.lit("penalty").alias("kind"), pl.lit("2027-01-05").alias("on")
    )


def by_code(found):
    return {gate.code: gate for gate in found}


def test_predictive__events_follow_quality__is_met():
    firms = town()
    found = by_code(gates.predictive(firms, happened(firms, 0.9 - 0.8 * firms["quality"].to_numpy()), SCALE))
    assert {gate.status for gate in found.values()} == {MET}
    rates = [entry["rate"] for entry in found["trend"].details["rates"].values()]
    assert rates == sorted(rates)


def test_predictive__events_at_random__is_missed_and_says_why():
    firms = town()
    found = by_code(gates.predictive(firms, happened(firms, 0.5), SCALE))
    assert {gate.status for gate in found.values()} == {MISSED}
    assert "size" in found["auc"].reason_en and "规模" in found["auc"].reason_zh
    assert "rise" in found["trend"].reason_en


def test_trend__significant_but_not_rising_at_every_step__is_missed():
    firms = town()
    chance = firms["grade"].replace_strict({"AA": 0.3, "A": 0.1, "B": 0.9}, return_dtype=pl.Float64).to_numpy()
    gate = by_code(gates.predictive(firms, happened(firms, chance), SCALE))["trend"]
    assert gate.estimate.value < 0.05 and gate.status == MISSED


def test_predictive__few_events__is_not_measured():
    firms = town()
    found = gates.predictive(firms, happened(firms, 1.0).head(3), SCALE)
    assert {gate.status for gate in found} == {NOT_MEASURED} and "only 3" in found[0].reason_en


def test_reliability__noise_between_weeks__breaks_it():
    firms, rng = town(), np.random.default_rng(3)
    market = firms["score"].to_numpy()
    steady = gates.reliability(firms, (market, market + rng.normal(0, 2, SIZE)), ["M01"])
    noisy = gates.reliability(firms, (market + rng.normal(0, 9, SIZE), market + rng.normal(0, 9, SIZE)), ["M01"])
    assert (steady.status, noisy.status) == (MET, MISSED) and "Half the weeks" in noisy.reason_en


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
    fair, unfair = town(), town(**effect)
    quality = dict(zip(fair["uscc"], fair["quality"], strict=True))
    assert by_code(fairness(fair, quality))[code].status == MET
    gate = by_code(fairness(unfair, quality))[code]
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
    found = [
        *gates.predictive(few, happened(few, 0.5), SCALE), *fairness(few), *gates.stability(few, few),
        *gates.spread(few, {}, SCALE), *gates.sensitivity(few, [("a", "甲", "a", few)]),
        gates.reliability(few, (few["score"].to_numpy(), few["score"].to_numpy()), []),
    ]  # fmt: skip
    assert {gate.status for gate in found} == {NOT_MEASURED} and all(gate.reason_zh for gate in found)


def test_judge__interval_across_the_aim__says_that_the_sample_cannot_tell():
    aim = Aim(0.65, "at_least")
    unsure = gates.judge(
        "x", "fairness", ("甲", "x"), aim, Estimate(0.6, 0.5, 0.7, 50), why=lambda: Why("因。", "Why.")
    )
    sure = gates.judge("x", "fairness", ("甲", "x"), aim, Estimate(0.5, 0.4, 0.6, 50), why=lambda: Why("因。", "Why."))
    assert unsure.status == sure.status == MISSED
    assert "cannot tell" in unsure.reason_en and "cannot tell" not in sure.reason_en and sure.is_sure


@pytest.mark.parametrize(
    ("aim", "value", "holds"),
    [(Aim(0.1, "at_most"), 0.1, True), (Aim(0.1, "below"), 0.1, False), (Aim(0.7, "at_least"), 0.7, True)],
)
def test_aim__at_the_bound__is_as_the_text_says(aim, value, holds):
    assert aim.holds(value) is holds


def test_change_control__one_quarter_of_shadow__is_missed_and_none_not_measured():
    assert [run._change_control(quarters).status for quarters in (0, 1, 2)] == [NOT_MEASURED, MISSED, MET]


def validation():
    firms = town()
    found = [
        *gates.predictive(firms, happened(firms, 0.5), SCALE),
        *fairness(firms),
        run._change_control(0),
    ]
    rows = firms.select("uscc", "score", "grade", "old_share", "quality").to_dicts()
    about = {
        "region": {"kind": "simulated", "preset": "town", "seed": 1, "rows": 5}, "business_date": "2026-10-31",
        "run_id": "r1", "fit_id": "f1", "method_version": "2026.1", "method_sha256": load().sha256, "fingerprint": "x",
        "enterprises": SIZE, "rated": SIZE, "grades": {"AA": 1, "A": 2, "B": 3}, "statuses": {},
        "indicators": {code: "counted" for code in load().method.indicators} | {"P10": "missing feed lifts"},
    }  # fmt: skip
    return Validation(found, {"enterprises": rows, "later_scores": [70.0, 80.0]}, about)


def test_report__missed_aims__stand_first_with_their_reason_in_both_languages(tmp_path):
    found = validation()
    report.write(found, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    for gate in found.gates:
        assert gate.zh in page
    for gate in found.missed:
        assert gate.reason_zh in page
    assert page.index("未达到的目标") < page.index("更多数字")
    assert page.count("<svg") == 4 and "http://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {gate["code"]: gate["status"] for gate in document["gates"]} == {g.code: g.status for g in found.gates}


def test_report__written_twice__is_the_same_to_the_byte(tmp_path):
    for name in ("a", "b"):
        report.write(validation(), tmp_path / name)
    for file in ("report.html", "report.json", "model-card.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_model_card__says_use_data_factors_metrics_and_caveats_of_this_run(tmp_path):
    found = validation()
    report.write(found, tmp_path)
    card = (tmp_path / "model-card.html").read_text("utf-8")
    for heading in ("intended use", "data", "factors", "metrics", "caveats"):
        assert heading in card
    assert load().sha256 in card and "P10（missing feed lifts）" in card
    assert all(gate.reason_zh in card for gate in found.missed)


def test_summary_and_month_end():
    assert run.summary(validation()).endswith("1 not measured")
    assert run.month_end(date(2026, 8, 31), 6) == date(2027, 2, 28)
