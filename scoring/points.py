"""From counts to points: the one code path, for the grade, for the bootstrap and for what is explained.

Every function works on NumPy arrays of Decimal objects (grades: exact, rounded once by ``round_points``) and of float64
(draws of the bootstrap) alike. Owns the arithmetic of §3 and §5. Knows nothing of enterprises, tables or grades.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.special import betaincinv, gammaincinv, ndtr

from scoring.formulas import Bonus, Deduction, Formula, NormalScore, Rate, Ratio, RelativeRisk, State
from scoring.method import Indicator, Method

Array = np.ndarray[Any, Any]


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


def share(indicator: Indicator, values: Array) -> Array:
    """Return the share of the maximum points, 0-1, that ``values`` (any shape) earn, linear between knots."""
    match indicator.formula:
        case Bonus(points_each=each):
            knots: tuple[tuple[Decimal, Decimal], ...] = (
                (Decimal(0), Decimal(0)),
                (indicator.max_points / each, Decimal(1)),
            )
        case Deduction() | State() | NormalScore():
            knots = ((Decimal(0), Decimal(0)), (Decimal(1), Decimal(1)))
        case formula:
            knots = formula.curve
    zero, one = like(values, 0), like(values, 1)
    result = values * zero + like(values, knots[0][1])
    for (start, share_before), (end, share_after) in zip(knots, knots[1:], strict=False):
        way = (values - like(values, start)) / like(values, end - start)
        result = result + like(values, share_after - share_before) * np.minimum(np.maximum(way, zero), one)
    return result


def round_points(exact: Array, quantum: Decimal) -> Array:
    """Round Decimal points half up to ``quantum``: the only rounding between counts and a score."""
    return np.array([point.quantize(quantum, rounding=ROUND_HALF_UP) for point in exact], dtype=object)


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


def posterior(formula: Formula, *, counted: Array, exposure: Array, prior: Array, shrinkage: Decimal) -> Posterior:
    """Return the model behind a shrunk ``value``: Beta(x + m·p0, n − x + m·(1 − p0)), or Gamma(O + k, E + k)."""
    x, n, p0 = (array.astype(float) for array in (counted, exposure, prior))
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
    return shape * np.maximum(1 - third + z * np.sqrt(third), 0) ** 3


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
