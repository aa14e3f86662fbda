"""Events of one visit go together: design effects, intervals that hold on real halves, estimates that are unsure."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from scoring_marts import BAD, GOOD, NEW, OLD, Firm, a_fit, inputs_of

from scoring import certainty, fit, indicators, moments, points
from scoring.assessment import point_rows
from scoring.formulas import Ratio
from scoring.method import load
from scoring.points import Spread

METHOD = load("2026.2").method
RATIO = Ratio(kind="ratio", shrinkage_m=10, family="count", curve=[(Decimal("0.02"), 1), (Decimal("0.20"), 0)])
ITEMS = 58  # of a visit, by the form of that city


def cluster_sums(x: np.ndarray, n: np.ndarray, prior: float) -> dict[str, np.ndarray]:
    """Sums over the clusters of each enterprise; x and n of shape (enterprises, clusters)."""
    expected = n * prior
    return {
        "numerator": x.sum(1),
        "denominator": n.sum(1),
        "numerator_square_sum": (x**2).sum(1),
        "product_sum": (x * n).sum(1),
        "denominator_square_sum": (n**2).sum(1),
        "expected": expected.sum(1),
        "expected_product": (x * expected).sum(1),
        "expected_square": (expected**2).sum(1),
    }


@pytest.mark.parametrize(("correlation", "wanted"), [(0.0, 1.0), (0.1, 2.9)])
def test_design_effect__visits_with_a_known_correlation__is_found(correlation, wanted):
    rng = np.random.Generator(np.random.PCG64(3))
    firms, visits, items = 1500, 6, 20
    rate = rng.uniform(0.1, 0.3, (firms, 1)) * np.ones((1, visits))
    if correlation:
        strength = 1 / correlation - 1
        rate = rng.beta(rate * strength, (1 - rate) * strength)
    x, n = rng.binomial(items, rate).astype(float), np.full((firms, visits), float(items))
    effect = moments.design_effect(**cluster_sums(x, n, 0.2), is_proportion=True)
    assert effect == pytest.approx(wanted, rel=0.06)


def test_design_effect__means_of_scores__is_below_one_and_never_below_the_methods_least():
    """Answers between 0 and 1 that lie within 0.15 of their mean: yes and no would differ nine times as much."""
    rng = np.random.Generator(np.random.PCG64(5))
    firms, surveys, answers = 60, 8, 25
    mean = rng.uniform(0.65, 0.80, (firms, 1))
    for sd, wanted in ((0.15, 0.11), (0.01, 0.1)):
        n = np.full((firms, surveys), float(answers))
        x = n * (mean + rng.normal(0, sd / np.sqrt(answers), (firms, surveys)))
        sums = cluster_sums(x, n, 0.72)
        clusters = pl.DataFrame(
            {
                **{"uscc": [f"{at:03d}" for at in range(firms)], "indicator_code": ["M06"] * firms},
                **{
                    "window_months": ["12"] * firms,
                    "stratum_code": ["s"] * firms,
                    "cluster_kind": ["assessment"] * firms,
                },
                **{"cluster_count": [str(surveys)] * firms},
                **{name: [f"{number:.6f}" for number in sums[name]] for name in fit.CLUSTER_SUMS if name in sums},
            }
        )
        told = fit.design_effect(METHOD, "M06", clusters, {"all": 0.72})
        assert float(told["value"]) == pytest.approx(wanted, abs=0.02)
        rule = METHOD.risk.overdispersion.model_copy(update={"least": Decimal(1)})
        cautious = METHOD.model_copy(update={"risk": METHOD.risk.model_copy(update={"overdispersion": rule})})
        assert float(fit.design_effect(cautious, "M06", clusters, {"all": 0.72})["value"]) == 1


def halves(folder) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Points that inspectors took off per visit: of both halves of each business's visits, and of all."""
    visits = (
        pl.read_csv(folder / "inspections_sf_lives" / "inspections.csv", infer_schema=False)
        .filter((pl.col("type") == "routine") & (pl.col("score").fill_null("") != ""))
        .select("business_id", "date", (100 - pl.col("score").cast(pl.Float64)).alias("x"))
        .unique(["business_id", "date"])
        .sort("business_id", "date")
        .with_columns((pl.int_range(pl.len()).over("business_id") % 2).alias("half"))
    )
    sums = [pl.len().cast(pl.Float64).alias("visits"), pl.col("x").sum(), (pl.col("x") ** 2).sum().alias("squares")]
    by_half = visits.group_by("business_id", "half").agg(sums)
    both = by_half.filter(pl.col("half") == 0).join(
        by_half.filter(pl.col("half") == 1), on="business_id", suffix="_later"
    )
    return both.sort("business_id"), visits.group_by("business_id").agg(sums).sort("business_id")


def coverage(both: pl.DataFrame, effect: float) -> np.ndarray:
    """Whether each later half lies in the 90 % interval that the first half leads to expect; randomised PIT."""
    x, n = (both[name].to_numpy() for name in ("x", "visits"))
    later, later_n = both["x_later"].to_numpy(), both["visits_later"].to_numpy() * ITEMS
    x, n = x / effect, n * ITEMS / effect
    prior = np.full(len(x), x.sum() / n.sum())
    m = moments.count_strength(x, n * prior, leverage=n, bounds=(2, 2000)).value
    model = points.posterior(RATIO, counted=x, exposure=n, prior=prior, shrinkage=Decimal(m))
    true = model.draw(certainty.normals(METHOD.certainty, "P02"))
    rng = np.random.Generator(np.random.PCG64(5))
    drawn = rng.poisson(true * (later_n / effect)[:, None]) * effect
    below = (drawn < later[:, None] - effect / 2).mean(1)
    upto = (drawn < later[:, None] + effect / 2).mean(1)
    pit = below + (upto - below) * rng.random(len(x))
    return (pit > 0.05) & (pit < 0.95)


def test_interval__of_real_inspections__holds_nine_in_ten_later_halves_in_every_size_band(real_data_dir):
    both, every = halves(real_data_dir)
    every = every.filter(pl.col("visits") >= 2)
    x, squares, visits = (every[name].to_numpy() for name in ("x", "squares", "visits"))
    prior = x.sum() / (visits.sum() * ITEMS)
    sums = {"numerator": x, "denominator": visits * ITEMS, "numerator_square_sum": squares, "product_sum": x * ITEMS}
    sums |= {"denominator_square_sum": visits * ITEMS**2, "expected": visits * ITEMS * prior}
    sums |= {"expected_product": x * ITEMS * prior, "expected_square": visits * (ITEMS * prior) ** 2}
    effect = moments.design_effect(**sums, is_proportion=False)
    assert coverage(both, 1.0).mean() < 0.80  # every item taken as independent
    held, size = coverage(both, effect), both["visits"].to_numpy()
    assert 0.87 <= held.mean() <= 0.93
    for visits_of_band in (1, 2, 3):
        assert 0.87 <= held[size == visits_of_band].mean() <= 0.93


def unsure(effect: str = "1", spread: Spread | None = None):
    base = a_fit(METHOD)
    effects = {code: Decimal(effect) for code in base.shrinkage}
    spreads = {code: spread for code in base.shrinkage} if spread else {}
    return fit.Fit(base.fit_id, base.rates, base.means, base.shrinkage, effects, spreads)


def scored(estimates, firms):
    return indicators.score(METHOD, estimates, inputs_of(firms, method=METHOD))


A, B = Firm("91150200AAAAAAAAA1", counts=dict(GOOD)), Firm("91150200BBBBBBBBB2", counts=dict(BAD))


def test_design_effect__of_an_indicator__shrinks_more_and_widens_the_interval():
    plain, grouped = scored(unsure(), [A, B]), scored(unsure("4"), [A, B])
    assert grouped.columns["P02"].value[0] > plain.columns["P02"].value[0]  # 4 of 800 are 1 of 200
    assert grouped.columns["P02"].value[0] == (Decimal(1) + 40 * Decimal("0.05")) / (200 + 40)
    told = {
        row[1]: row[-1] for row in point_rows(METHOD, inputs_of([A, B], method=METHOD), grouped) if row[0] == A.uscc
    }
    assert "weighted failed items 4 / items 800, worth 200 independent ones, shrunk" in told["P02"]
    narrow, wide = (certainty.shown_interval(METHOD, one, "M03")[0] for one in (plain, grouped))
    assert wide[1] - wide[0] > 1.3 * (narrow[1] - narrow[0])


def test_uncertain_estimates__widen_what_is_drawn_and_nobody_elses_presence_matters():
    doubt = Spread(shrinkage=0.5, prior=0.2)
    a = Firm("91150200AAAAAAAAA1", counts=GOOD | {"M15": [("all", 24, 8, 20)]})
    plain, doubtful = scored(unsure(), [a, B]), scored(unsure(spread=doubt), [a, B])
    assert (doubtful.columns["M03"].value == plain.columns["M03"].value).all()  # points do not move
    narrow, wide = (np.diff(certainty.shown_interval(METHOD, one, "M15"))[0, 0] for one in (plain, doubtful))
    assert wide > narrow
    alone = certainty.probability(METHOD, scored(unsure(spread=doubt), [a]), np.array([0]), counts_bonus=False)
    among = certainty.probability(METHOD, doubtful, np.array([0]), counts_bonus=False)
    assert alone[0] == among[0]


def test_certainty__of_the_quarter_in_which_the_grade_binds__is_less_sure_than_of_tonight():
    of_firms = scored(unsure(), [A])
    usual = certainty.drawn_scores(METHOD, of_firms, np.array([0]), counts_bonus=False).mean()
    just_below = {"quarter_drift_points": None, "min_score": Decimal(f"{usual - 1:.2f}")}
    tonight = METHOD.model_copy(update={"certainty": METHOD.certainty.model_copy(update=just_below)})
    later = tonight.model_copy(
        update={"certainty": tonight.certainty.model_copy(update={"quarter_drift_points": Decimal(3)})}
    )
    now, then = (
        certainty.probability(method, of_firms, np.array([0]), counts_bonus=False)[0] for method in (tonight, later)
    )
    assert 0.5 < then < now


def test_stratum__of_which_one_enterprise_is_more_than_half__borrows_the_regions_mean():
    small = [Firm(f"91150200C{number:08d}C", counts={"M03": [(NEW, 12, 40, 50)]}) for number in range(30)]
    giant = Firm("91150200GGGGGGGGG9", counts={"M03": [(OLD, 12, 100, 1000)]})
    other = Firm("91150200HHHHHHHHH9", counts={"M03": [(OLD, 12, 300, 400)]})
    counts = inputs_of([*small, giant, other]).counts
    borrowed = fit.stratum_means(METHOD, "M03", counts)
    assert borrowed[OLD] == borrowed["all"] and borrowed[NEW] > borrowed["all"]
    own = fit.stratum_means(load("2026.1").method, "M03", counts)
    assert own[OLD] < own["all"]


def test_no_accident__where_nothing_of_safety_was_looked_at__earns_nothing_and_an_accident_still_costs():
    unseen = {code: rows for code, rows in GOOD.items() if code not in ("P08", "P10")}
    unseen |= {"P08": [("all", 24, 0, 0)], "P10": [("all", 12, 0, 0)]}
    hurt = unseen | {"P09": [("all", 36, 0, 1)]}
    looked = GOOD | {"P08": [("all", 24, 30, 30)], "P10": [("all", 12, 0, 0)]}
    firms = [Firm("91150200AAAAAAAAA1", counts=unseen), Firm("91150200BBBBBBBBB2", counts=hurt)]
    firms.append(Firm("91150200CCCCCCCCC3", counts=looked))
    of_firms = scored(unsure(), firms)
    place = of_firms.codes.index("P09")
    assert (
        of_firms.maximum[:, place].tolist()[0] == 0 and of_firms.columns["P09"].status[0] == indicators.NOT_APPLICABLE
    )
    assert of_firms.maximum[1, place] == 10 and of_firms.earned[1, place] == 0
    assert of_firms.earned[2, place] > 0
