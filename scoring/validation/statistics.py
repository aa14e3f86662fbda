"""The figures of validation: discrimination, trend, reliability, stability, each with an interval.

Owns statistics only; knows no enterprise, table or method. float64; bootstraps are seeded: a report repeats.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta, norm, rankdata

Array = np.ndarray[Any, Any]
LEVEL = 0.95
DRAWS = 1000
SEED = 20260101


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval at LEVEL; None where it cannot be computed. ``size`` is the number of rows used."""

    value: float | None
    low: float | None
    high: float | None
    size: int


def bootstrap(
    statistic: Callable[..., float],
    *arrays: Array,
    draws: int | None = None,
    seed: int = SEED,
    is_distance: bool = False,
) -> Estimate:  # fmt: skip
    """Return ``statistic(*arrays)`` with a percentile interval from resampled rows; arrays share their first axis.

    A distance (never negative: a PSI, a gap) is larger in resamples than it is, by their own noise: ``is_distance``
    takes that mean excess off the interval, and 0 is its least.

    Draws (DRAWS if not given) in which the statistic is not finite (no event drawn, say) are left out.
    """
    draws = draws or DRAWS
    size = len(arrays[0])
    value = float(statistic(*arrays)) if size else float("nan")
    if not np.isfinite(value):
        return Estimate(None, None, None, size)
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(draws):
        rows = rng.integers(0, size, size)
        resampled.append(float(statistic(*(array[rows] for array in arrays))))
    finite = np.array(resampled)[np.isfinite(resampled)]
    if len(finite) < draws / 2:
        return Estimate(value, None, None, size)
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if is_distance:
        excess = float(finite.mean()) - value
        low, high = max(low - excess, 0.0), max(high - excess, 0.0)
    return Estimate(value, float(low), float(high), size)


def proportion(count: int, size: int) -> Estimate:
    """Return count / size with the exact (Clopper and Pearson) interval."""
    if not size:
        return Estimate(None, None, None, 0)
    tail = (1 - LEVEL) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, size - count + 1))
    high = 1.0 if count == size else float(beta.ppf(1 - tail, count + 1, size - count))
    return Estimate(count / size, low, high, size)


def auc(risk: Array, event: Array) -> float:
    """Return the chance that a row with the event has the higher risk, ties half; nan without both kinds.

    >>> auc(np.array([1.0, 2.0, 3.0]), np.array([False, False, True]))
    1.0
    """
    event = event.astype(bool)
    with_event, without = int(event.sum()), int((~event).sum())
    if not with_event or not without:
        return float("nan")
    ranks = rankdata(risk)
    return float((ranks[event].sum() - with_event * (with_event + 1) / 2) / (with_event * without))


def auc_within(risk: Array, event: Array, group: Array) -> float:
    """Return the AUC over pairs of the same ``group`` only; nan when no group has both kinds."""
    total = pairs = 0.0
    for name in np.unique(group):
        mine = group == name
        count = float(event[mine].sum()) * float((~event[mine].astype(bool)).sum())
        if count:
            total += auc(risk[mine], event[mine]) * count
            pairs += count
    return total / pairs if pairs else float("nan")


def ks(risk: Array, event: Array) -> float:
    """Return the largest excess, over all thresholds, of the share of rows with the event at or above it.

    It has a direction: a score that points the wrong way has about 0, not 1. nan without both kinds.

    >>> ks(np.array([1.0, 2.0, 3.0]), np.array([False, False, True]))
    1.0
    >>> ks(np.array([3.0, 2.0, 1.0]), np.array([False, False, True]))
    0.0
    """
    event = event.astype(bool)
    if event.all() or not event.any():
        return float("nan")
    points = np.unique(risk)
    below = [np.searchsorted(np.sort(risk[part]), points, side="left") / part.sum() for part in (~event, event)]
    return float((below[0] - below[1]).max())


@dataclass(frozen=True)
class Null:
    """What a statistic is when risk and event have nothing to do with each other, in samples like this one.

    Attributes:
        mean: over the shuffles; high: what 95 % of them stay below.
        p: share of shuffles that reach the statistic, itself counted among them.
    """

    mean: float
    high: float
    p: float


def null(
    statistic: Callable[[Array, Array], float], risk: Array, event: Array, *, draws: int | None = None, seed: int = SEED
) -> Null:
    """Return the null distribution of ``statistic(risk, event)`` with the events dealt out at random (one-sided)."""
    draws = draws or DRAWS
    rng = np.random.default_rng(seed)
    value = statistic(risk, event)
    shuffled = np.array([statistic(risk, rng.permutation(event)) for _ in range(draws)])
    return Null(
        float(shuffled.mean()),
        float(np.quantile(shuffled, LEVEL)),
        float((1 + (shuffled >= value).sum()) / (1 + draws)),
    )


def share_of_attainable(attained: float, attainable: float, *, nothing: float = 0.0) -> float:
    """Return (attained − nothing) ÷ (attainable − nothing); nan where nothing can be attained.

    ``nothing`` is what a score without any information reaches: 0 for a correlation, ½ for an AUC.
    """
    return (attained - nothing) / (attainable - nothing) if attainable > nothing else float("nan")


def trend_power(level: Array, event: Array, *, auc_aim: float, draws: int = 400, seed: int = SEED) -> float:
    """Return the chance that the trend test sees (p < 0.05) a risk that rises over ``level`` as ``auc_aim`` asks.

    Events are drawn as often as in ``event``, each row in proportion to exp(s·z): z is the normal score of its level,
    and s = √2·Φ⁻¹(AUC), the distance of two normal distributions with that AUC.
    """
    rng = np.random.default_rng(seed)
    z = norm.ppf((rankdata(level) - 0.5) / len(level))
    weight = np.exp(np.sqrt(2) * norm.ppf(auc_aim) * z)
    count, seen = int(event.sum()), 0
    for _ in range(draws):
        drawn = np.zeros(len(level))
        drawn[rng.choice(len(level), size=count, replace=False, p=weight / weight.sum())] = 1
        seen += trend_p(level, drawn) < 0.05
    return seen / draws


def randomised_pit(drawn: Array, seen: Array, *, step: Array, seed: int = SEED) -> Array:
    """Return where ``seen`` lies in its predictive distribution, 0-1: uniform when that distribution is right.

    A count has gaps; without the random part inside its step intervals would hold more than they say, and flatter
    (Czado, Gneiting and Held 2009).

    Args:
        drawn: shape (n, draws), of the predictive distribution.
        seen: shape (n,); step: shape (n,), the distance between two possible values.
    """
    low = (drawn < (seen - step / 2)[:, None]).mean(axis=1)
    high = (drawn < (seen + step / 2)[:, None]).mean(axis=1)
    return low + (high - low) * np.random.default_rng(seed).random(len(seen))


def trend_p(level: Array, event: Array) -> float:
    """Return the one-sided p of the Cochran–Armitage test that the event rate rises with ``level``; nan: no answer."""
    event, level = event.astype(float), level.astype(float)
    size, rate = len(event), float(event.mean()) if len(event) else 0.0
    spread = ((level - level.mean()) ** 2).sum() if size else 0.0
    if not size or rate in (0.0, 1.0) or spread == 0:
        return float("nan")
    z = ((event - rate) * level).sum() / np.sqrt(rate * (1 - rate) * spread)
    return float(norm.sf(z))


def icc(first: Array, second: Array) -> float:
    """Return the one-way intraclass correlation of two measurements of each row: agreement, not only correlation."""
    if len(first) < 3:
        return float("nan")
    means = (first + second) / 2
    between = 2 * ((means - means.mean()) ** 2).sum() / (len(first) - 1)
    within = ((first - second) ** 2).sum() / 2 / len(first)
    return float((between - within) / (between + within)) if between + within > 0 else float("nan")


def spearman_brown(half: float) -> float:
    """Return the reliability of the whole from that of one half."""
    return 2 * half / (1 + half)


def quantile_edges(values: Array, *, bins: int = 10) -> Array:
    """Return the inner edges of ``bins`` bins that hold equal parts of ``values``."""
    return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))


def psi(before: Array, after: Array, edges: Array) -> float:
    """Return the population stability index over the bins between ``edges``; an empty bin counts half a row."""
    if not len(before) or not len(after):
        return float("nan")
    shares = []
    for values in (before, after):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).astype(float)
        counts = np.maximum(counts, 0.5)
        shares.append(counts / counts.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def pearson(x: Array, y: Array) -> float:
    """Return the correlation; nan when one of the two does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: Array, y: Array) -> float:
    """Return the rank correlation; nan when one of the two does not vary."""
    return pearson(rankdata(x), rankdata(y))


def correlation(x: Array, y: Array) -> Estimate:
    """Return Pearson's correlation with Fisher's interval."""
    value = pearson(x, y)
    if not np.isfinite(value) or len(x) < 5:
        return Estimate(None, None, None, len(x))
    half = norm.ppf((1 + LEVEL) / 2) / np.sqrt(len(x) - 3)
    middle = np.arctanh(np.clip(value, -0.999999, 0.999999))
    return Estimate(value, float(np.tanh(middle - half)), float(np.tanh(middle + half)), len(x))


def absolute(signed: Estimate) -> Estimate:
    """Return the estimate of |x| from that of x."""
    if signed.value is None or signed.low is None or signed.high is None:
        return Estimate(None if signed.value is None else abs(signed.value), None, None, signed.size)
    low = 0.0 if signed.low <= 0 <= signed.high else min(abs(signed.low), abs(signed.high))
    return Estimate(abs(signed.value), low, max(abs(signed.low), abs(signed.high)), signed.size)


def residual(y: Array, x: Array) -> Array:
    """Return what is left of ``y`` after its straight line on ``x``."""
    if len(x) < 3 or np.ptp(x) == 0:
        return y - y.mean()
    slope, start = np.polyfit(x, y, 1)
    return y - (slope * x + start)


def largest_gap(values: Array, group: Array, *, least: int = 1) -> float:
    """Return the largest difference between group means; groups below ``least`` rows are left out."""
    means = [values[group == name].mean() for name in np.unique(group) if (group == name).sum() >= least]
    return float(max(means) - min(means)) if len(means) > 1 else float("nan")
