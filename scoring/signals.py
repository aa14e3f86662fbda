"""How much of each indicator's spread tells enterprises apart, and how much is chance.

A figure of one enterprise is n independent events shrunk towards the region with strength m; of the spread of such
figures n ÷ (n + m) is what enterprises truly differ by. An indicator that says little is pooled, re-scaled or dropped,
for that reason and never for what one simulated region shows alone. States and deductions are decided acts and no
sample: they have no such share. Owns the figure only; changes nothing.
"""

from dataclasses import dataclass

import numpy as np

from scoring.fit import Fit
from scoring.formulas import NormalScore, Rate, Ratio, RelativeRisk
from scoring.indicators import SCORED, Points
from scoring.schema import Method

LEAST_SHARE = 0.30


@dataclass(frozen=True)
class Signal:
    """One indicator: share of its spread (0-1) that tells enterprises apart; None where it is no sample.

    Attributes:
        enterprise_count: with exposure.
        exposure: median of their independent events, in units of m or k.
        strength: m or k in force; design_effect: how many events are worth one independent one.
        spread_points: standard deviation of the points earned.
    """

    indicator_code: str
    share: float | None
    enterprise_count: int
    exposure: float | None
    strength: float | None
    design_effect: float
    spread_points: float

    @property
    def says_little(self) -> bool:
        """Whether less than ``LEAST_SHARE`` of the spread tells enterprises apart."""
        return self.share is not None and self.share < LEAST_SHARE


def signals(method: Method, estimates: Fit, scored: Points) -> list[Signal]:
    """Return the signal of every indicator that earns points, in the method's order.

    Args:
        method: the method.
        estimates: the fit that ``scored`` was made with.
        scored: the points of a region.
    """
    rows = []
    for place, code in enumerate(scored.codes):
        indicator, column = method.indicators[code], scored.columns[code]
        at = np.flatnonzero(column.status == SCORED)
        exposure = column.exposure[at].astype(float)
        strength: float | None = float(column.shrinkage) or None
        match indicator.formula:
            case RelativeRisk():
                events = exposure
            case Rate():
                events = exposure * column.prior[at].astype(float)
            case Ratio(shrinkage_m=None):
                events, strength = exposure, None
            case Ratio() | NormalScore():
                events = exposure
            case _:
                events, strength = exposure, None
        events = events / float(column.design_effect)
        known = events[events > 0]
        is_sample = strength is not None and len(known) > 0
        rows.append(
            Signal(
                indicator_code=code,
                share=float(np.mean(known / (known + strength))) if is_sample and strength else None,
                enterprise_count=len(known) if is_sample else len(at),
                exposure=float(np.median(known)) if is_sample else None,
                strength=strength if is_sample else None,
                design_effect=float(estimates.design_effects.get(code, 1)),
                spread_points=float(np.std(scored.earned[at, place].astype(float))) if len(at) else 0.0,
            )
        )
    return rows
