"""The figures of validation against what is known of them: hand counts, limits, and simulated truth."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from scoring.validation import statistics as st

RNG = np.random.default_rng(5)


def test_auc__ties_and_order__is_the_chance_of_a_higher_risk():
    risk, event = np.array([1.0, 2, 2, 3]), np.array([False, True, False, True])
    assert st.auc(risk, event) == pytest.approx(3.5 / 4)
    risk, event = RNG.normal(size=200), RNG.random(200) < 0.3
    u = mannwhitneyu(risk[event], risk[~event]).statistic
    assert st.auc(risk, event) == pytest.approx(u / (event.sum() * (~event).sum()))


def test_auc__one_kind_only__has_no_answer():
    assert np.isnan(st.auc(np.arange(3.0), np.ones(3, dtype=bool)))


def test_auc_within__groups_differ_in_risk_and_rate__sees_only_what_is_inside():
    group = np.repeat([0, 1], 500)
    event = RNG.random(1000) < np.where(group == 0, 0.2, 0.8)
    risk = group * 10 + RNG.normal(size=1000)  # knows the group and nothing else
    assert st.auc(risk, event) > 0.75 and st.auc_within(risk, event, group) == pytest.approx(0.5, abs=0.06)


def test_ks__separated_and_equal__are_one_and_nought():
    event = np.array([False, False, True, True])
    assert st.ks(np.arange(4.0), event) == 1 and st.ks(np.zeros(4), event) == 0
    assert st.ks(-np.arange(4.0), event) == 0  # perfectly wrong


def test_null__noise__lies_inside_it_and_a_real_difference_beyond():
    event = np.arange(400) % 10 == 0
    noise = [st.null(st.ks, RNG.normal(size=400), event, draws=200).p for _ in range(40)]
    assert sum(p < 0.05 for p in noise) <= 6 and np.mean(noise) == pytest.approx(0.5, abs=0.15)
    assert st.null(st.ks, RNG.normal(size=400) + event, event, draws=200).p < 0.01


def test_share_of_attainable__of_nothing__has_no_answer():
    assert st.share_of_attainable(0.6, 0.7, nothing=0.5) == pytest.approx(0.5)
    assert np.isnan(st.share_of_attainable(0.6, 0.45, nothing=0.5))


def test_trend_power__more_rows__sees_more():
    level, event = np.arange(100) % 3, np.arange(100) % 10 == 0
    small, large = (st.trend_power(np.tile(level, n), np.tile(event, n), auc_aim=0.65, draws=100) for n in (1, 8))
    assert small < 0.8 < large


def test_trend_p__rising_flat_and_falling_rates__tells_them_apart():
    level = np.repeat([0, 1, 2], 60)
    rising = RNG.random(180) < np.array([0.2, 0.5, 0.8])[level]
    assert st.trend_p(level, rising) < 1e-4 and st.trend_p(2 - level, rising) > 0.999
    assert np.isnan(st.trend_p(level, np.zeros(180)))


def test_trend_p__against_the_formula_by_hand():
    level, event = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 1, 1])
    z = 2.0 / np.sqrt(0.25 * 4)  # Σ(y − ½)·level = 2; Σ(level − 1)² = 4
    assert st.trend_p(level, event) == pytest.approx(1 - norm.cdf(z))


def test_icc__agreement_not_correlation():
    first = RNG.normal(70, 8, 300)
    assert st.icc(first, first) == pytest.approx(1)
    assert st.icc(first, first + 16) < 0.2  # perfectly correlated, and yet no agreement
    noisy = [first + RNG.normal(0, 8, 300) for _ in range(2)]
    assert st.icc(*noisy) == pytest.approx(0.5, abs=0.12)


def test_psi__same_and_shifted_scores():
    scores = RNG.normal(75, 7, 5000)
    edges = st.quantile_edges(scores)
    assert st.psi(scores, scores, edges) == 0
    assert st.psi(scores, RNG.normal(75, 7, 5000), edges) < 0.01 < 0.25 < st.psi(scores, scores + 7, edges)


def test_bootstrap__interval__covers_as_often_as_it_says():
    inside = 0
    for seed in range(120):
        sample = np.random.default_rng(seed).normal(3, 1, 60)
        estimate = st.bootstrap(np.mean, sample, draws=200, seed=seed)
        inside += estimate.low <= 3 <= estimate.high
    assert inside / 120 > 0.88


def test_bootstrap__distance__is_not_pushed_off_nought():
    group = np.repeat([0, 1], 100)
    values = np.tile(RNG.normal(size=100), 2)  # the two groups are the same
    plain = st.bootstrap(st.largest_gap, values, group)
    honest = st.bootstrap(st.largest_gap, values, group, is_distance=True)
    assert plain.value == pytest.approx(0, abs=1e-12) and honest.high < plain.high


def test_proportion__nobody_and_everybody__still_have_an_interval():
    assert st.proportion(0, 20).high == pytest.approx(0.168, abs=0.001)
    assert st.proportion(20, 20).low == pytest.approx(0.832, abs=0.001)
    assert st.proportion(0, 0).value is None


def test_correlation__interval__is_fishers():
    estimate = st.correlation(np.arange(100.0), np.arange(100.0) + RNG.normal(0, 60, 100))
    half = (np.arctanh(estimate.high) - np.arctanh(estimate.low)) / 2
    assert half == pytest.approx(1.96 / np.sqrt(97), abs=1e-3)
