"""How strongly to shrink: m and k by the method of moments (§5), from how far enterprises lie from what is expected.

Owns the statistics only; knows nothing of marts or methods. With z² the squared distance of an enterprise from what
its strata lead to expect, in units of the variance that chance gives, each model says E(z²) = 1 + leverage / strength:
chance, plus what enterprises truly differ by. Summed over enterprises, that is one equation in the strength.

Decayed or weighted counts vary less, or more, by chance than whole ones; the marts hold sums only, so that is not
corrected: m of a decayed proportion comes out somewhat large (cautious), of a severity-weighted count somewhat small.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Strength:
    """An estimate of m or k.

    Attributes:
        value: clipped to the method's bounds; ``raw`` as the equation gives it (None: enterprises differ by no more
            than chance, so that every bound is too weak and the upper one is taken).
        enterprise_count: how many enterprises it was learned from.
    """

    value: float
    raw: float | None
    enterprise_count: int


def proportion_strength(counted: Array, exposure: Array, prior: Array, *, bounds: tuple[float, float]) -> Strength:
    """Return m of a Beta prior around ``prior``: E(z²) = 1 + (n − 1)/(m + 1).

    Args:
        counted: x, shape (n,); exposure: n, shape (n,), > 0; prior: the mean of the enterprise's strata, 0-1 exclusive.
        bounds: least and greatest m.
    """
    expected = exposure * prior
    chance = expected * (1 - prior)
    strength = _strength((counted - expected) ** 2 / chance, np.maximum(exposure - 1, 0))
    return _clip(None if strength is None else strength - 1, bounds, len(counted))


def count_strength(counted: Array, expected: Array, *, leverage: Array, bounds: tuple[float, float]) -> Strength:
    """Return the strength of a Gamma prior on counts: E(z²) = 1 + leverage / strength.

    Args:
        counted: O, shape (n,); expected: E, shape (n,), > 0.
        leverage: E where the strength is k, in cases expected; the exposure where it is m, in units of exposure.
        bounds: least and greatest strength.
    """
    return _clip(_strength((counted - expected) ** 2 / expected, leverage), bounds, len(counted))


def normal_strength(total: Array, count: Array, *, bounds: tuple[float, float]) -> Strength:
    """Return m of a normal prior on the mean of ``count`` standard scores that add up to ``total``: E(z²) = 1 + n/m."""
    return _clip(_strength(total**2 / count, count), bounds, len(total))


def design_effect(
    *,
    numerator: Array,
    denominator: Array,
    numerator_square_sum: Array,
    product_sum: Array,
    denominator_square_sum: Array,
    expected: Array,
    expected_product: Array,
    expected_square: Array,
    is_proportion: bool,
) -> float:
    """Return by how much clusters of an enterprise differ more from its own mean than independent events would.

    With r the enterprise's own ratio to what is expected, a cluster v lies x_v − r·e_v off; for independent events the
    squares add up to Σ φ·(e − Σe_v²/e), φ the variance of one event. The design effect is what they add up to instead,
    over all enterprises; 1 or less: nothing goes together.

    Args:
        numerator, denominator, expected: sums over the enterprise's clusters, shape (n,), expected > 0.
        numerator_square_sum, product_sum, denominator_square_sum: Σx², Σxn, Σn² over its clusters.
        expected_product, expected_square: Σxe and Σe² likewise.
        is_proportion: variance p(1 − p) of an event, else that of a Poisson count.
    """
    if is_proportion:
        mean = (numerator + 1e-9) / (denominator + 2e-9)
        # half an event towards the mean of all, or an enterprise without a failure would have no variance at all
        overall = numerator.sum() / denominator.sum()
        drawn = (numerator + 0.5 * overall) / (denominator + 0.5)
        squares = numerator_square_sum - 2 * mean * product_sum + mean**2 * denominator_square_sum
        chance = drawn * (1 - drawn) * (denominator - denominator_square_sum / denominator)
    else:
        ratio = numerator / expected
        drawn = (numerator + 0.5) / (expected + 0.5)
        squares = numerator_square_sum - 2 * ratio * expected_product + ratio**2 * expected_square
        chance = drawn * (expected - expected_square / expected)
    usable = chance > 0
    total = float(np.sort(chance[usable]).sum())
    return float(np.sort(squares[usable]).sum()) / total if total > 0 else 1.0


def _strength(squares: Array, leverage: Array) -> float | None:
    excess = float(np.sort(squares).sum()) - len(squares)  # sorted: a sum must not depend on the order of enterprises
    return float(np.sort(leverage).sum()) / excess if excess > 0 else None


def _clip(raw: float | None, bounds: tuple[float, float], size: int) -> Strength:
    low, high = bounds
    return Strength(high if raw is None else float(min(max(raw, low), high)), raw, size)
