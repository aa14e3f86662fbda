"""The estimators pass scikit-learn's own checks and say what statistics says."""

import numpy as np
import pytest
from scipy import stats
from sklearn.utils.estimator_checks import parametrize_with_checks

from scoring.estimators import PoissonRate, StratumMeans


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([StratumMeans(), PoissonRate()])
def test_estimator__scikit_learn_check__passes(estimator, check):
    check(estimator)


def test_stratum_means__thin_category__is_drawn_to_the_overall_mean():
    strata, ratios, exposure = [[0.0], [1.0]], [0.10, 0.50], [950, 50]
    means = StratumMeans(prior_weight=50).fit(strata, ratios, sample_weight=exposure)
    assert means.overall_ == pytest.approx(0.12)
    assert means.transform([[1.0]])[0, 0] == pytest.approx((50 * 0.50 + 50 * 0.12) / 100)
    assert means.transform([[7.0]])[0, 0] == pytest.approx(0.12)


def test_stratum_means__no_exposure_or_negative_weight__is_refused():
    with pytest.raises(ValueError, match="at least one non-zero"):
        StratumMeans().fit([[0.0]], [0.1], sample_weight=[0])
    with pytest.raises(ValueError, match="prior_weight"):
        StratumMeans(prior_weight=-1).fit([[0.0], [1.0]], [0.1, 0.2])


def test_poisson_rate__known_rates__are_found_again():
    rng = np.random.default_rng(5)
    old, lift = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    exposure = rng.uniform(1000, 100_000, 400)
    events = stats.poisson(exposure * 0.003 * np.where(old, 1.8, 1.0) * np.where(lift, 1.2, 1.0)).rvs(random_state=rng)
    rate = PoissonRate().fit(np.column_stack([old, lift]), events, exposure=exposure)
    plain, aged = rate.predict([[0.0, 0.0], [1.0, 0.0]])
    assert plain == pytest.approx(0.003, rel=0.02) and aged / plain == pytest.approx(1.8, rel=0.02)


def test_poisson_rate__exposure_of_zero__is_refused():
    with pytest.raises(ValueError, match="exposure must be positive"):
        PoissonRate().fit([[0.0], [1.0]], [1, 2], exposure=[0, 5])
