"""Points worked out by hand for every kind of formula, at the anchors, and what must hold whatever the counts are."""

import dataclasses
from decimal import ROUND_HALF_UP, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scoring_marts import FEEDS, GOOD, NEW, OLD, Firm, a_fit, decide, inputs_of

from scoring import indicators, points
from scoring.method import load

METHOD = load().method
USCC = "91150200AAAAAAAAA1"

# indicator, rows (stratum, window, x, n), points of the table's own maximum by hand
BY_HAND = [
    # 1 - D/10: D = 2.5 -> 0.75 of 10
    ("P01", [("all", 36, "2.5", 20)], "7.50"),
    ("P01", [("all", 36, 0, 20)], "10.00"),
    ("P01", [("all", 36, 10, 20)], "0.00"),
    ("P01", [("all", 36, 23, 20)], "0.00"),
    # (x + 40·0.05) / (n + 40): (9 + 2) / 200 = 0.055 -> (0.20 - 0.055) / 0.18 = 0.80556 of 6 = 4.8333
    ("P02", [("all", 24, 9, 160)], "4.83"),
    ("P02", [("all", 24, 0, 60)], "6.00"),  # exactly 2 %
    ("P02", [("all", 24, 30, 120)], "0.00"),  # exactly 20 %
    ("P02", [("all", 24, "29.9982", 120)], "0.00"),  # a hair inside: 0.0003 of a point
    ("P02", [("all", 24, 0, 0)], "5.00"),  # nothing inspected: the region's 5 %
    ("P03", [("all", 12, 1, 5)], "2.14"),  # (1 + 0.5) / 10 = 0.15 -> 0.15 / 0.28 of 4
    ("P04", [("all", 36, 3, 12)], "3.50"),
    ("P05", [("all", 12, 17, 20)], "1.50"),  # 85 % is halfway from 100 % to 70 %
    ("P05", [("all", 12, 14, 20)], "0.00"),
    ("P06", [("all", 12, 84, 100)], "2.00"),
    ("P06", [("all", 12, 98, 100)], "4.00"),
    ("P06", [("all", 12, 0, 80)], "0.00"),  # due, and not reported by the firm: zero
    ("M13", [("all", 12, 0, 0)], "0.00"),  # the firm reported no staff: zero
    # E = 20,000·0.0001 = 2; (1 + 5) / (2 + 5)·0.1 = 0.085714 per 1,000 -> 1 - 0.171429 of 2
    ("P07", [("all", 24, 1, 20000)], "1.66"),
    ("P08", [("all", 12, 89, 100)], "2.00"),
    ("P09", [("all", 36, "0.5", 1)], "1.50"),
    ("P09", [("all", 36, "-1.5", 1)], "0.00"),
    ("P11", [("all", 0, 0, 1)], "0.00"),
    ("P12", [("all", 12, "0.5", 1)], "0.75"),
    ("M01", [(NEW, 12, 413, 450)], "2.73"),  # (413 + 45) / 500 = 0.916 -> 0.116 / 0.17 = 0.68235 of 4
    ("M03", [(NEW, 12, 412, 507)], "2.39"),  # 452 / 557 = 0.811490 -> 0.161490 / 0.27 = 0.59811 of 4
    ("M04", [(NEW, 12, 31, 10000), (NEW, 24, 0, 20000)], "2.91"),  # 36 / 35 = 1.028571 -> 0.6·0.971429 of 5
    ("M04", [(NEW, 12, 30, 10000)], "3.00"),  # θ = 1: 60 % of the points
    ("M04", [(NEW, 12, 65, 10000)], "0.00"),  # θ = 2
    ("M04", [(NEW, 12, 16, 10000)], "5.00"),  # θ = 0.6
    ("M04", [(NEW, 12, 2, 1000), (NEW, 24, 10, 5000)], "4.25"),  # E = 3 < 5: 24 months, θ = 15 / 20
    ("M06", [("all", 12, 201, 270)], "3.00"),  # (201 + 24) / 300 = 0.75: halfway from 0.90 to 0.60
    ("M08", [("all", 24, 1, 40)], "1.85"),  # 1.5 / 50 = 0.03 -> 0.12 / 0.13 of 2
    ("M14", [("all", 24, 1, 1)], "1.00"),
    ("M15", [("all", 24, 0, 0)], "1.07"),  # no agreement: the region's 85 % -> 0.25 / 0.35 of 1.5
]


def own_points(code, rows, fit=None):
    """Points of one indicator on its own maximum, before any redistribution."""
    column = indicators.score(METHOD, fit or a_fit(), inputs_of([Firm(USCC, counts={code: rows})])).columns[code]
    units = int(METHOD.indicators[code].max_points / METHOD.quantum)
    return int(column.earned(METHOD.indicators[code], np.array([units]))[0]) * METHOD.quantum


@pytest.mark.parametrize(("code", "rows", "expected"), BY_HAND)
def test_points__by_hand__are_the_same(code, rows, expected):
    assert own_points(code, rows) == Decimal(expected)


def test_points__strata__are_compared_with_their_own_mean():
    means = {"M01": {NEW: Decimal("0.95"), OLD: Decimal("0.80"), "all": Decimal("0.90")}}
    fit = dataclasses.replace(a_fit(), means=a_fit().means | means)
    # 90 of 100 in new, 270 of 300 in old: p0 = (100·0.95 + 300·0.80) / 400 = 0.8375; (360 + 41.875) / 450 = 0.893056
    assert own_points("M01", [(NEW, 12, 90, 100), (OLD, 12, 270, 300)], fit) == Decimal("2.19")


def test_points__normal_score_and_bonus__by_hand():
    ratings = METHOD.indicators["M09"].formula
    values = points.value(
        ratings,
        counted=np.array([Decimal(0), Decimal(8)], dtype=object),
        exposure=np.array([Decimal(6), Decimal(4)], dtype=object),
        prior=np.array([Decimal(0)] * 2, dtype=object),
        shrinkage=Decimal(4),
    )
    assert [round(value, 6) for value in values] == [Decimal("0.5"), Decimal("0.841345")]  # Φ(0), Φ(1)
    items = np.array([Decimal(0), Decimal(1), Decimal(2), Decimal(9)], dtype=object)
    shares = points.share(METHOD.indicators["G02"], items)
    assert list(shares) == [Decimal(0), Decimal("0.5"), Decimal(1), Decimal(1)]


def test_curve__floats_and_decimals__agree():
    for indicator in METHOD.indicators.values():
        grid = [Decimal(step) / 100 for step in range(-20, 260)]
        exact = points.share(indicator, np.array(grid, dtype=object))
        quick = points.share(indicator, np.array(grid, dtype=float))
        assert np.allclose(exact.astype(float), quick, atol=1e-12)


CURVES = sorted(METHOD.indicators)


@given(st.sampled_from(CURVES), st.data())
@settings(max_examples=300, deadline=None)
def test_earned__any_value__is_the_decimal_result_to_the_last_digit(code, data):
    indicator = METHOD.indicators[code]
    maximum = data.draw(st.integers(1, 1500))
    edges = [value for value, _ in points.knots(indicator)]
    exact = st.decimals(min_value=min(edges) - 1, max_value=max(edges) + 1, places=8)
    # values whose points lie in the middle between two units, and as near to it as float64 can tell or cannot
    steps = st.integers(0, 2 * maximum).map(
        lambda half: edges[0] + (edges[-1] - edges[0]) * Decimal(half) / (2 * maximum)
    )
    near = st.tuples(steps, st.sampled_from(["0", "1e-12", "-1e-12", "1e-15", "-1e-15", "1e-20", "-1e-20"]))
    values = np.array(
        data.draw(st.lists(exact | near.map(lambda pair: pair[0] + Decimal(pair[1])), min_size=1, max_size=20)),
        dtype=object,
    )
    with localcontext(prec=points.PRECISION):
        by_hand = [(part * maximum).to_integral_value(ROUND_HALF_UP) for part in points.share(indicator, values)]
    assert points.earned(indicator, values, np.array(maximum)).tolist() == by_hand
    floats = values.astype(float)
    as_they_are = np.array([Decimal(number) for number in floats.tolist()], dtype=object)
    assert np.array_equal(
        points.earned(indicator, floats, np.array(maximum)), points.earned(indicator, as_they_are, np.array(maximum))
    )


def test_earned__a_tie_that_float64_cannot_see__is_rounded_half_up():
    indicator = METHOD.indicators["M03"]
    tie = np.array([Decimal("0.65") + Decimal("0.27") * Decimal("0.57125")], dtype=object)  # 228.5 of 400 units
    assert points.earned(indicator, tie, np.array(400)) == [229]
    assert points.earned(indicator, tie - Decimal("1e-25"), np.array(400)) == [228]


def test_largest_losses__equal_ones__keep_the_order_of_the_indicators():
    lost = np.array([[0, 300, 120, 300, 5], [0, 0, 0, 0, 0]])
    assert points.largest_losses(lost).tolist() == [[1, 3, 2, 4, 0], [0, 1, 2, 3, 4]]


def test_redistribute__missing_indicator__goes_to_its_domain_in_proportion():
    maxima = points.redistribute(METHOD, frozenset(METHOD.indicators) - {"P10"})
    assert (maxima["P10"], maxima["P08"], maxima["P09"]) == (Decimal(0), Decimal("5.71"), Decimal("4.29"))
    assert maxima["P01"] == 10


def test_redistribute__missing_domain__goes_to_the_pillars_other_domains():
    maxima = points.redistribute(METHOD, frozenset(METHOD.indicators) - {"P08", "P09", "P10"})
    assert sum(maxima[code] for code in METHOD.members(pillar="public")) == 50
    assert maxima["P01"] == Decimal("12.50") and maxima["M01"] == 4


@given(st.frozensets(st.sampled_from(sorted(METHOD.indicators))))
@settings(max_examples=100, deadline=None)
def test_redistribute__any_pattern__pillars_add_up_exactly(available):
    maxima = points.redistribute(METHOD, available)
    for name, pillar in METHOD.pillars.items():
        members = METHOD.members(pillar=name)
        total = sum(maxima[code] for code in members)
        assert total == (pillar.points if available & set(members) else 0)
    assert all(maximum == 0 for code, maximum in maxima.items() if code not in available)
    assert all(maximum == maximum.quantize(METHOD.quantum) for maximum in maxima.values())


SHARES = [code for code, spec in METHOD.indicators.items() if spec.formula.kind == "ratio" and code in GOOD]


@given(st.sampled_from(SHARES), st.integers(1, 400), st.data())
@settings(max_examples=150, deadline=None)
def test_points__one_more_in_the_numerator__never_moves_the_wrong_way(code, n, data):
    x = data.draw(st.integers(0, n - 1))
    window = METHOD.indicators[code].window_months or 0
    indicator = METHOD.indicators[code]
    rows = [Firm(f"{number:018d}", counts={code: [("all", window, x + number, n)]}) for number in (0, 1)]
    low, high = indicators.score(METHOD, a_fit(), inputs_of(rows)).columns[code].share(indicator)
    more_is_better = indicator.formula.curve[0][0] > indicator.formula.curve[-1][0]
    assert (high >= low) if more_is_better else (high <= low)


counts = st.fixed_dictionaries(
    {
        code: st.tuples(st.integers(0, 500), st.integers(0, 500)).map(
            lambda pair, rows=rows: [(rows[0][0], row[1], min(pair), max(pair)) for row in rows]
        )
        for code, rows in GOOD.items()
    }
)


@given(counts, st.frozensets(st.sampled_from(FEEDS)))
@settings(max_examples=60, deadline=None)
def test_score__any_counts_and_feeds__parts_stay_in_bounds_and_sum_to_it(given_counts, feeds):
    decisions, table = decide([Firm(USCC, counts=given_counts)], feeds=feeds)
    decision = decisions[USCC]
    assert all(0 <= earned <= maximum for earned, maximum in table[USCC].values())
    if decision.score is not None:
        assert sum(earned for earned, _ in table[USCC].values()) == decision.score
        assert 0 <= decision.score <= 103 and decision.score == decision.score.quantize(METHOD.quantum)


@given(st.permutations(range(6)))
@settings(max_examples=20, deadline=None)
def test_score__enterprises_permuted__grades_are_permuted_with_them(order):
    firms = [
        Firm(f"{n:018d}", counts=GOOD | {"M03": [(NEW, 12, 400 + 20 * n, 500)], "P01": [("all", 36, 5 - n, 20)]})
        for n in range(6)
    ]
    together, _ = decide([firms[n] for n in order])
    for firm in firms:
        alone, _ = decide([firm])
        assert alone[firm.uscc] == together[firm.uscc]


def test_posterior__draws__follow_the_exact_distributions():
    z = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    one = np.array([Decimal(1)], dtype=object)
    for x, n, p0 in ((412, 507, "0.80"), (30, 30, "0.85"), (3, 60, "0.10")):
        model = points.posterior(
            METHOD.indicators["M03"].formula,
            counted=one * x,
            exposure=one * n,
            prior=np.array([Decimal(p0)], dtype=object),
            shrinkage=Decimal(50),
        )
        rng = np.random.default_rng(1)
        draws = model.draw(np.array([rng.permutation(z), rng.permutation(z)]))[0]
        exact = stats.beta(x + 50 * float(p0), n - x + 50 * (1 - float(p0)))
        assert abs(draws.mean() - exact.mean()) < 0.001 and abs(draws.std() / exact.std() - 1) < 0.03
        assert abs(model.quantile(0.05)[0] - exact.ppf(0.05)) < 1e-9
    counts_model = points.posterior(
        METHOD.indicators["M04"].formula, counted=one * 12, exposure=one * 9, prior=one, shrinkage=Decimal(5)
    )
    exact = stats.gamma(17, scale=1 / 14)
    assert np.allclose(
        np.quantile(counts_model.draw(np.array([z, z]))[0], [0.1, 0.5, 0.9]), exact.ppf([0.1, 0.5, 0.9]), rtol=0.01
    )


def test_blocks__of_any_size__are_the_cuts_of_the_whole():
    firms = [
        Firm(f"{n:018d}", counts=GOOD | {"M03": [(NEW, 12, 400 + n, 500)], "P01": [("all", 36, n, 20)]})
        for n in range(7)
    ]
    whole = inputs_of(firms)
    for size in (1, 3, 6):
        blocks = list(whole.blocks(size))
        assert [len(block.enterprises) for block in blocks] == [size] * (7 // size) + ([7 % size] if 7 % size else [])
        for start, block in zip(range(0, 7, size), blocks, strict=True):
            cut = whole.cut(whole.enterprises["uscc"].slice(start, size))
            assert block.counts.equals(cut.counts) and block.enterprises.equals(cut.enterprises)
            assert block.evidence.equals(cut.evidence) and block.disputed.equals(cut.disputed)
            assert (block.caps, block.counted_codes) == (cut.caps, cut.counted_codes)
