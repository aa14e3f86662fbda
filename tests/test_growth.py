"""The growth benchmark's verdict: a stage that is worse than n log n is found, one that is not is left alone."""

import math

import pytest

from benchmarks.growth import allowed, draw, exponent

SIZES = [250_000.0, 500_000.0, 1_000_000.0, 2_000_000.0]
WOBBLE = [1.02, 0.97, 1.03, 0.98]


def seconds(cost, startup):
    return [startup + cost(size) * wobble for size, wobble in zip(SIZES, WOBBLE, strict=True)]


@pytest.mark.parametrize(
    ("cost", "grows"),
    [
        (lambda n: n / 50_000, 1.0),
        (lambda n: n * math.log(n) / 1e6, 1.08),
        (lambda n: n**2 / 1e11, 2.0),
        (lambda n: n**1.5 / 1e8, 1.5),
    ],
)
def test_exponent__known_cost__is_found_and_judged(cost, grows):
    curve = exponent(SIZES, seconds(cost, 4.0), 4.0)
    assert curve["exponent"] == pytest.approx(grows, abs=0.05)
    assert (curve["low"] > allowed(SIZES)) == (grows > 1.4)


def test_exponent__stage_that_is_all_start_up__has_none():
    assert exponent(SIZES, [4.0, 4.1, 4.0, 4.2], 4.0)["exponent"] is None


def test_exponent__size_whose_cost_is_start_up__is_left_out():
    assert exponent(SIZES, [1.01, 1.5, 2.0, 3.0], 1.0)["exponent"] == pytest.approx(1.0, abs=0.01)


def test_allowed__is_the_slope_of_n_log_n():
    assert 1.05 < allowed(SIZES) < 1.1


def test_draw__stages__stand_in_the_picture_with_their_exponent(tmp_path):
    stages = ("simulate", "ingest", "build", "gates", "grade", "publish", "pages")
    nights = [{"rows": size, "cpu_seconds": dict.fromkeys(stages, size / 1e5)} for size in SIZES]
    growth = {stage: {"exponent": 1.0} for stage in stages}
    draw(nights, growth, tmp_path / "growth.svg")
    assert "ingest  n^1.00" in (tmp_path / "growth.svg").read_text("utf-8").replace(" ", " ")
