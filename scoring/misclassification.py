"""How often a grade would be another one if the true score were known, by boundary and size, as the method models it.

Says what the intervals of one region amount to; whether they hold is measured elsewhere, on halves of real data. Owns
the figure only.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from scoring import certainty
from scoring.indicators import Points
from scoring.schema import Method

Array = np.ndarray[Any, Any]
SIZES = ("small", "middle", "large")
RESAMPLES = 400


@dataclass(frozen=True)
class Misclassification:
    """Share (0-1) of enterprises whose true score lies on the other side of a boundary, with its 90 % interval.

    Attributes:
        boundary: ``AA|A`` between neighbours; ``AA↔B`` for two steps at once.
        size: small, middle or large, thirds by household-months; ``all``.
    """

    boundary: str
    size: str
    share: float
    low: float
    high: float
    enterprise_count: int


def misclassification(method: Method, scored: Points, rows: Array, household_months: Array) -> list[Misclassification]:
    """Return the shares by boundary and size.

    Args:
        method: the method; its minima of the score alone are boundaries here, without pillars, caps and hysteresis.
        scored: points of a region.
        rows: places of the rated enterprises in it, shape (n,).
        household_months: of those enterprises, shape (n,).
    """
    true = certainty.drawn_scores(method, scored, rows, counts_bonus=False)
    places = [place for place, code in enumerate(scored.codes) if method.pillar_of(code) != "bonus"]
    score = scored.earned[rows][:, places].sum(axis=1).astype(float)
    minima = np.array([float(grade.min_score or 0) for grade in method.grades[:-1]])
    given = (score[:, None] < minima).sum(axis=1)
    truly = (true[:, :, None] < minima).sum(axis=2)
    chances = {
        f"{a.code}|{b.code}": ((truly <= at) != (given[:, None] <= at)).mean(axis=1)
        for at, (a, b) in enumerate(pairwise(method.grades))
    }
    if len(method.grades) > 2:
        chances[f"{method.scale[0]}↔{method.scale[-1]}"] = (np.abs(truly - given[:, None]) >= len(minima)).mean(axis=1)
    band = np.searchsorted(np.quantile(household_months, [1 / 3, 2 / 3]), household_months, side="left")
    shares = []
    for boundary, chance in chances.items():
        for size, members in (("all", band >= 0), *((name, band == at) for at, name in enumerate(SIZES))):
            if members.any():
                shares.append(_share(boundary, size, chance[members], method.certainty.seed))
    return shares


def _share(boundary: str, size: str, chance: Array, seed: int) -> Misclassification:
    rng = np.random.Generator(np.random.PCG64(seed))
    means = chance[rng.integers(0, len(chance), (RESAMPLES, len(chance)))].mean(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    return Misclassification(boundary, size, float(chance.mean()), float(low), float(high), len(chance))
