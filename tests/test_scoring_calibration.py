"""Anchors and cut-offs proposed from a trial cycle: off the anchors they spread the grades again."""

import numpy as np
import pytest
from scoring_marts import BUSINESS_DATE, GOOD, NEW, Firm, a_fit, inputs_of

from scoring import indicators
from scoring.calibration import propose, proposed_curve, write
from scoring.errors import ScoringError
from scoring.method import load, load_file
from scoring.misclassification import misclassification

LOADED = load("2026.2")


def region(size: int = 160, *, level: float = 1.0):
    """Firms whose figures follow one known quality; ``level`` multiplies every failure rate: 1 lies on the anchors."""
    rng = np.random.Generator(np.random.PCG64(11))
    quality = np.sort(rng.normal(0, 1, size))
    firms = []
    for number, q in enumerate(quality):
        bad = min(level * 0.10 * np.exp(-0.5 * q), 0.95)

        def kept(n, bad=bad):
            return n - int(rng.binomial(n, bad))

        counts = GOOD | {
            "P02": [("all", 24, 900 - kept(900), 900)],
            "P06": [("all", 12, kept(80), 80)],
            "P08": [("all", 24, kept(60), 60)],
            **{code: [(NEW, 12, kept(400), 400)] for code in ("M01", "M02", "M03")},
            "M05": [(NEW, 24, 400 - kept(400), 400)],
            "M06": [("all", 12, 100 - 0.8 * (100 - kept(100)), 100)],
            "M07": [("all", 12, kept(120), 120)],
            "M11": [("all", 12, kept(240), 240)],
        }
        firms.append(Firm(f"91150200{number:09d}A", counts=counts))
    return inputs_of(firms, method=LOADED.method), quality


def shares(counted: dict[str, int]) -> dict[str, float]:
    return {grade: count / sum(counted.values()) for grade, count in counted.items()}


def test_calibrate__levels_far_off_the_anchors__are_spread_over_the_grades_again():
    inputs, _ = region(level=6.0)
    proposal = propose(LOADED, a_fit(LOADED.method), inputs, business_date=BUSINESS_DATE)
    assert shares(proposal.before)["B"] > 0.9
    assert max(shares(proposal.after).values()) <= 0.6 and set(proposal.after) == {"AA", "A", "B"}
    assert sum(proposal.matrix.values()) == sum(proposal.before.values())


def test_calibrate__its_file__is_a_method_with_the_texts_comments_and_only_proposed_numbers_changed(tmp_path):
    inputs, _ = region(level=6.0)
    proposal = propose(LOADED, a_fit(LOADED.method), inputs, business_date=BUSINESS_DATE)
    path = write(proposal, tmp_path, "2027.1")
    made = load_file(path)
    assert made.version == "2027.1" and "# curve: [value, share of the points]" in path.read_text("utf-8")
    for code, curve in proposal.curves.items():
        assert made.method.indicators[code].formula.curve == curve
    assert {grade.code: grade.minima() for grade in made.method.grades[:-1]} == proposal.grades
    assert made.method.certainty == proposal.proposed.certainty
    unchanged = {"version", "indicators", "grades", "certainty"}
    assert made.method.model_dump(exclude=unchanged) == LOADED.method.model_dump(exclude=unchanged)


def test_calibrate__signals__tell_a_figure_that_is_mostly_chance():
    inputs, _ = region()
    proposal = propose(LOADED, a_fit(LOADED.method), inputs, business_date=BUSINESS_DATE)
    signals = {one.indicator_code: one for one in proposal.signals}
    assert signals["P02"].share == pytest.approx(900 / 940) and not signals["P02"].says_little
    assert signals["M15"].share == pytest.approx(20 / 25)
    assert signals["P07"].says_little and signals["P01"].share is None
    assert "P07" not in proposal.curves  # new anchors would only turn its chance into points


def test_curve__of_figures_that_differ_little__keeps_a_third_of_its_width_and_where_most_are_alike_the_old_one():
    curve = LOADED.method.indicators["M03"].formula.curve
    width = float(curve[0][0] - curve[-1][0])
    full, *_, zero = proposed_curve(curve, np.linspace(0.90, 0.90 + width / 4, 50))
    assert float(full[0] - zero[0]) == pytest.approx(width / 3, abs=0.006)
    assert proposed_curve(curve, np.full(50, 0.90)) is None and proposed_curve(curve, np.linspace(0.5, 0.9, 5)) is None


def test_calibrate__too_few_or_impossible_shares__is_refused_with_what_to_do():
    inputs, _ = region(size=10)
    with pytest.raises(ScoringError, match="below 30.*longer cycle"):
        propose(LOADED, a_fit(LOADED.method), inputs, business_date=BUSINESS_DATE)


def test_misclassification__by_boundary_and_size__is_small_far_from_a_boundary_and_a_coins_toss_on_it():
    inputs, _ = region()
    estimates = a_fit(LOADED.method)
    scored = indicators.score(LOADED.method, estimates, inputs)
    rows, households = np.arange(len(inputs.enterprises)), np.linspace(1000, 90000, len(inputs.enterprises))
    told = {(one.boundary, one.size): one for one in misclassification(LOADED.method, scored, rows, households)}
    assert set(told) == {(b, s) for b in ("AA|A", "A|B", "AA↔B") for s in ("all", "small", "middle", "large")}
    assert all(0 <= one.low <= one.share <= one.high <= 0.5 for one in told.values())
    assert told["AA↔B", "all"].share <= 0.01
    places = [at for at, code in enumerate(scored.codes) if LOADED.method.pillar_of(code) != "bonus"]
    near = scored.earned[:, places].sum(axis=1)[40]
    grades = tuple(
        grade.model_copy(update={"min_score": {"AA": near, "A": near - 40}[grade.code]}) if grade.min_score else grade
        for grade in LOADED.method.grades
    )
    on_it = LOADED.method.model_copy(update={"grades": grades})
    [at_boundary] = [
        one
        for one in misclassification(on_it, scored, np.array([40]), np.array([1.0]))
        if (one.boundary, one.size) == ("AA|A", "all")
    ]
    assert 0.2 < at_boundary.share < 0.8
