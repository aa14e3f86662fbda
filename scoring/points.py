"""From counts to points: the one code path, for the grade, for the bootstrap and for what is explained.

Every function works on NumPy arrays of Decimal objects (exact) and of float64 (fast) alike. Points are exact at the
speed of float64: ``earned`` rounds where float64 leaves no doubt and works out the rest with Decimal. Owns the
arithmetic of §3 and §5. Knows nothing of enterprises, tables or grades.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import betaincinv, gammaincinv, ndtr

from scoring.formulas import Bonus, Deduction, Formula, NormalScore, Rate, Ratio, RelativeRisk, State
from scoring.schema import Indicator, Method

Array = np.ndarray[Any, Any]
PRECISION = 34  # digits of what is worked out with Decimal


def like(array: Array, number: Decimal | int) -> Any:
    """Return ``number`` as the kind of number that ``array`` holds (Decimal or float)."""
    return Decimal(number) if array.dtype == object else float(number)


def value(formula: Formula, *, counted: Array, exposure: Array, prior: Array, shrinkage: Decimal) -> Array:
    """Return the indicator's value before points.

    Args:
        formula: the indicator's formula.
        counted: shape (n,), numerator x, or O.
        exposure: shape (n,), denominator; for relative risk E. Must be > 0 where the formula divides by it alone.
        prior: shape (n,), the region's mean p0 per unit of exposure (unused by formulas without shrinkage).
        shrinkage: m or k in force (unused likewise).

    Returns:
        Shape (n,): a ratio, a rate per ``per``, θ̂, a share or a count of items, as the formula's curve reads it.
    """
    strength = like(counted, shrinkage)
    match formula:
        case Ratio(shrinkage_m=None):
            return counted / exposure
        case Ratio():
            return (counted + strength * prior) / (exposure + strength)
        case Rate(per=per):
            # θ̂ = (O + k) / (E + k) with E = exposure · prior, times the region's rate
            return like(counted, per) * prior * (counted + strength) / (exposure * prior + strength)
        case RelativeRisk():
            return (counted + strength) / (exposure + strength)
        case Deduction(scale=scale):
            return like(counted, 1) - counted / like(counted, scale)
        case NormalScore():
            z = ndtr((counted / (exposure + strength)).astype(float))
            return np.array([Decimal(f"{p:.9f}") for p in z], dtype=object) if counted.dtype == object else z
        case State() | Bonus():
            return counted * like(counted, 1)
    raise TypeError(f"no arithmetic for {formula!r}")


def knots(indicator: Indicator) -> tuple[tuple[Decimal, Decimal], ...]:
    """Return the (value, share) pairs between which the share of the maximum points is linear."""
    match indicator.formula:
        case Bonus(points_each=each):
            return (Decimal(0), Decimal(0)), (indicator.max_points / each, Decimal(1))
        case Deduction() | State() | NormalScore():
            return (Decimal(0), Decimal(0)), (Decimal(1), Decimal(1))
        case formula:
            return formula.curve


def share(indicator: Indicator, values: Array) -> Array:
    """Return the share of the maximum points, 0-1, that ``values`` (any shape) earn, linear between knots."""
    curve = knots(indicator)
    zero, one = like(values, 0), like(values, 1)
    result: Any = like(values, curve[0][1])
    for (start, share_before), (end, share_after) in pairwise(curve):
        way = values - like(values, start)
        way /= like(values, end - start)
        np.maximum(way, zero, out=way)
        np.minimum(way, one, out=way)
        way *= like(values, share_after - share_before)
        way += result
        result = way
    return result


def earned(indicator: Indicator, values: Array, maximum: Array) -> Array:
    """Return the points that ``values`` earn, rounded half up to whole units: the only rounding up to a score.

    Exact, yet as fast as float64: where float64 lands so near the middle between two units that its error could
    decide (``_doubt``), the point is worked out again with Decimal.

    Args:
        indicator: whose curve counts.
        values: shape (n,), as ``value`` returns them; Decimal objects, or float64 taken as the exact numbers they are.
        maximum: shape (n,) or scalar, the indicator's maximum in units of the method's quantum (hundredths).

    Returns:
        Shape (n,), int32 units, 0 ≤ units ≤ maximum.
    """
    quick = share(indicator, values.astype(np.float64, copy=False))
    quick *= maximum
    units = np.floor(quick + 0.5)
    quick -= units
    np.abs(quick, out=quick)  # 0 at a whole unit, 0.5 in the middle between two
    units = units.astype(np.int32)
    sure_below = 0.5 - _doubt(indicator) * float(np.max(maximum, initial=0))
    if quick.max(initial=0) >= sure_below:
        unsure = np.flatnonzero(quick >= sure_below)
        exact = values[unsure] if values.dtype == object else np.array([Decimal(v) for v in values[unsure].tolist()])
        most = np.broadcast_to(maximum, values.shape)[unsure]
        with localcontext(prec=PRECISION):
            shares = share(indicator, exact)
            rounded = [(s * int(m)).to_integral_value(ROUND_HALF_UP) for s, m in zip(shares, most, strict=True)]
        units[unsure] = rounded
    return units


def _doubt(indicator: Indicator) -> float:
    """Return a bound on what float64 can err by in a share between the knots.

    A value v near a knot is off by 2⁻⁵³·|v|, which a step of width w turns into 2⁻⁵³·|v|/w of its share; a handful of
    operations and steps stay below 2⁻⁴⁶ times the worst step. Beyond the last knots a share is exactly 0 or 1.
    """
    curve = knots(indicator)
    steepest = max(max(abs(a), abs(b), abs(b - a)) / abs(b - a) for (a, _), (b, _) in pairwise(curve))
    return float(steepest) * len(curve) * 2.0**-46


def largest_losses(lost: Array) -> Array:
    """Return the indicators' places ordered by points lost, most first; shape and order of ``lost`` (n, indicators).

    ``lost`` is in whole units. Of equal losses the indicator that comes first leads.
    """
    width = lost.shape[1]
    bits = width.bit_length()
    packed = (lost.astype(np.int32) << bits) | np.arange(width - 1, -1, -1, dtype=np.int32)
    packed.sort(axis=1)
    return width - 1 - (packed[:, ::-1] & ((1 << bits) - 1))


@dataclass(frozen=True)
class Spread:
    """How unsure a fit is of what it estimated: standard deviations of the logarithms of m (or k) and of p0 (or λ)."""

    shrinkage: float
    prior: float


@dataclass(frozen=True)
class UncertainPosterior:
    """A ``Posterior`` whose m (or k) and p0 (or λ) are themselves drawn; arrays of shape (n,), float64.

    Attributes:
        formula: the indicator's formula.
        counted, exposure, prior: as ``value`` takes them, in independent events.
        shrinkage: the estimate of m or k; ``spread`` how unsure it and the prior are.
    """

    formula: Formula
    counted: Array
    exposure: Array
    prior: Array
    shrinkage: float
    spread: Spread

    def draw(self, z: Array) -> Array:
        """Return draws of shape (n, draws) from standard normals ``z`` of shape (4, draws)."""
        strength = self.shrinkage * np.exp(self.spread.shrinkage * z[2])[None, :]
        factor = np.exp(self.spread.prior * z[3])[None, :]
        x, n, p0 = self.counted[:, None], self.exposure[:, None], self.prior[:, None]
        match self.formula:
            case Ratio(family="proportion"):
                odds = p0 / np.maximum(1 - p0, 1e-9) * factor
                mean = odds / (1 + odds)
                first = _gamma(x + strength * mean, z[0])
                return first / np.maximum(first + _gamma(np.maximum(n - x, 0) + strength * (1 - mean), z[1]), 1e-12)
            case Ratio():
                return _gamma(x + strength * p0 * factor, z[0]) / (n + strength)
            case Rate(per=per):
                rate = p0 * factor
                return float(per) * rate * _gamma(x + strength, z[0]) / (n * rate + strength)
            case RelativeRisk():
                return _gamma(x + strength, z[0]) / (n * factor + strength)
        raise TypeError(f"{self.formula.kind} is not shrunk")


@dataclass(frozen=True)
class Posterior:
    """Where an indicator's true value lies under its shrinkage model, on the scale of ``value``; float64.

    Beta(first, second) if ``second`` is given, else scale · Gamma(first). All of shape (n,). Its mean is the
    shrunk value.
    """

    first: Array
    second: Array | None
    scale: Array

    def draw(self, z: Array) -> Array:
        """Return draws of shape (n, draws) from standard normals ``z`` of shape (2, draws).

        Gamma by Wilson and Hilferty (1931), Beta as a ratio of two Gammas: a fixed transform of the same normals for
        everybody, and many times faster than exact sampling.
        """
        first = _gamma(self.first[:, None], z[0])
        if self.second is None:
            return self.scale[:, None] * first
        return first / np.maximum(first + _gamma(self.second[:, None], z[1]), 1e-12)

    def quantile(self, level: float) -> Array:
        """Return the exact quantile at ``level`` (0-1), shape (n,)."""
        if self.second is None:
            return self.scale * gammaincinv(self.first, level)
        return betaincinv(self.first, np.maximum(self.second, 1e-9), level)


def posterior(
    formula: Formula,
    *,
    counted: Array,
    exposure: Array,
    prior: Array,
    shrinkage: Decimal,
    spread: Spread | None = None,
) -> Posterior | UncertainPosterior:
    """Return the model behind a shrunk ``value``: Beta(x + m·p0, n − x + m·(1 − p0)), or Gamma(O + k, E + k).

    With ``spread`` m, k and p0 are drawn as well.
    """
    x, n, p0 = (array.astype(float) for array in (counted, exposure, prior))
    if spread is not None:
        return UncertainPosterior(formula, x, n, p0, float(shrinkage), spread)
    strength, one = float(shrinkage), np.ones(len(x))
    match formula:
        case Ratio(family="proportion"):
            return Posterior(x + strength * p0, np.maximum(n - x, 0) + strength * (1 - p0), one)
        case Ratio():
            return Posterior(x + strength * p0, None, 1 / (n + strength))
        case Rate(per=per):
            return Posterior(x + strength, None, float(per) * p0 / (n * p0 + strength))
        case RelativeRisk():
            return Posterior(x + strength, None, 1 / (n + strength))
    raise TypeError(f"{formula.kind} is not shrunk")


def _gamma(shape: Array, z: Array) -> Array:
    shape = np.maximum(shape, 1e-9)
    third = 1 / (9 * shape)
    root = z * np.sqrt(third)
    root += 1 - third
    np.maximum(root, 0, out=root)
    cube = root * root  # a power of three costs ten times as much
    cube *= root
    cube *= shape
    return cube


def redistribute(method: Method, available: frozenset[str]) -> dict[str, Decimal]:
    """Return the maximum points of each indicator when only ``available`` ones can be scored.

    A missing indicator's points go to the others of its domain in proportion to theirs (§2). If a whole domain is
    missing, its points go to the pillar's other domains likewise, which is what "points ÷ available points" (§3) says;
    whether that is enough to be rated is decided on the points before redistribution (§7). A pillar always adds up to
    its points exactly: shares are cut to ``points_decimals`` and the rest goes to the largest remainders.
    A missing bonus is not made up for.
    """
    maxima = {code: Decimal(0) for code in method.indicators}
    for code in method.members(pillar="bonus"):
        if code in available:
            maxima[code] = method.indicators[code].max_points
    for name, pillar in method.pillars.items():
        exact: dict[str, Fraction] = {}
        for domain in method.domains:
            members = [code for code in method.members(pillar=name, domain=domain)]
            present = [code for code in members if code in available]
            if present:
                whole = sum(Fraction(method.indicators[code].max_points) for code in members)
                kept = sum(Fraction(method.indicators[code].max_points) for code in present)
                for code in present:
                    exact[code] = Fraction(method.indicators[code].max_points) * whole / kept
        if exact:
            maxima |= _apportion(exact, total=pillar.points, quantum=method.quantum)
    return maxima


def _apportion(exact: dict[str, Fraction], *, total: Decimal, quantum: Decimal) -> dict[str, Decimal]:
    units = Fraction(total) / Fraction(quantum)
    whole = sum(exact.values())
    scaled = {code: part / whole * units for code, part in exact.items()}
    cut = {code: int(part) for code, part in scaled.items()}
    left = int(units) - sum(cut.values())
    for code in sorted(scaled, key=lambda code: (cut[code] - scaled[code], code))[:left]:
        cut[code] += 1
    return {code: count * quantum for code, count in cut.items()}
