"""m and k by the method of moments: truth that is known is found again, and too little data changes nothing."""

import numpy as np
import pytest
from scoring_marts import BUSINESS_DATE, NEW, Firm, read, write_marts

from scoring import moments
from scoring.fit import fit

SIZE = 4000
RNG = np.random.Generator(np.random.PCG64(7))


def test_proportion_strength__beta_binomial_with_known_m__is_found():
    n = RNG.integers(20, 400, SIZE)
    prior = RNG.choice([0.8, 0.9], SIZE)
    x = RNG.binomial(n, RNG.beta(50 * prior, 50 * (1 - prior)))
    strength = moments.proportion_strength(x, n, prior, bounds=(5, 200))
    assert strength.value == pytest.approx(50, rel=0.1) and strength.enterprise_count == SIZE


def test_count_strength__gamma_poisson_with_known_k__is_found():
    expected = RNG.uniform(1, 80, SIZE)
    counted = RNG.poisson(expected * RNG.gamma(4, 1 / 4, SIZE))
    assert moments.count_strength(counted, expected, leverage=expected, bounds=(2, 20)).value == pytest.approx(
        4, rel=0.1
    )


def test_normal_strength__known_spread_of_enterprises__is_found():
    count = RNG.integers(1, 30, SIZE)
    total = count * RNG.normal(0, 0.5, SIZE) + RNG.normal(0, 1, SIZE) * np.sqrt(count)
    assert moments.normal_strength(total, count, bounds=(1, 200)).value == pytest.approx(4, rel=0.15)


def test_strength__enterprises_that_differ_by_chance_only__is_the_upper_bound():
    n = np.full(400, 50)
    strength = moments.proportion_strength(np.full(400, 45), n, np.full(400, 0.9), bounds=(5, 200))
    assert (strength.value, strength.raw) == (200, None)


def test_strength__enterprises_that_differ_wildly__is_the_lower_bound():
    x = np.where(np.arange(400) % 2, 0, 50)
    strength = moments.proportion_strength(x, np.full(400, 50), np.full(400, 0.5), bounds=(5, 200))
    assert strength.value == 5 and strength.raw < 5


def firms(size):
    qualities = RNG.gamma(4, 1 / 4, size)
    return [
        Firm(f"91150200{at:010d}", counts={"M04": [(NEW, 12, int(RNG.poisson(72 * q)), 24000), (NEW, 24, 0, 30000)]})
        for at, q in enumerate(qualities)
    ]


@pytest.mark.parametrize(("size", "basis"), [(19, "start"), (40, "moments")])
def test_fit__few_or_enough_enterprises__keeps_the_start_value_or_estimates(warehouse_database, size, basis):
    write_marts(firms(size))
    stored = fit(BUSINESS_DATE)
    [(stated,)] = read("select parameters -> 'shrinkage_basis' -> 'M04' from scoring.fits")
    assert stated["basis"] == basis and str(stored.shrinkage["M04"]) == stated["value"]
    assert (stated["value"] == "5") == (basis == "start") and 2 <= stored.shrinkage["M04"] <= 20
