"""How sure a best grade is: Pr(S_true ≥ 82) by a seeded parametric bootstrap (§7), and the intervals that are shown.

Every enterprise is drawn with the same standard normals: a grade then depends neither on who else is graded nor on
their order, and two nights differ by their data only. float64 throughout; nothing here changes a point.
"""

import hashlib
from typing import Any

import numpy as np
from scipy.special import ndtri

from scoring import points
from scoring.indicators import AVAILABLE, SCORED, Points
from scoring.schema import Certainty, Method

Array = np.ndarray[Any, Any]
BLOCK = 2000  # enterprises at once: 2,000 × 500 draws of float64 are 8 MB


def normals(certainty: Certainty, code: str, *, rows: int = 2) -> Array:
    """Return the standard normals of one indicator, shape (rows, draws): from the seed and the code alone.

    Rows 0 and 1 are the enterprise's own chance, 2 and 3 what the fit is unsure of: the same draw for everybody.
    """
    key = int.from_bytes(hashlib.sha256(code.encode()).digest()[:8], "big")
    raw = np.random.PCG64([certainty.seed, key]).random_raw(rows * certainty.draws)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return ndtri(uniform).reshape(rows, certainty.draws)


def probability(method: Method, scored: Points, rows: Array, *, counts_bonus: bool) -> Array:
    """Return Pr(S_true ≥ certainty.min_score) of the enterprises at ``rows``, shape (len(rows),), 0-1.

    Indicators with shrinkage are drawn from their model; states, deductions and full counts stand as they are.
    """
    result = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        totals = drawn_scores(method, scored, block, counts_bonus=counts_bonus)
        result[start : start + BLOCK] = (totals >= float(method.certainty.min_score)).mean(axis=1)
    return result


def drawn_scores(method: Method, scored: Points, block: Array, *, counts_bonus: bool) -> Array:
    """Return draws of the true S of the enterprises at ``block``, shape (len(block), draws)."""
    totals = np.zeros((len(block), method.certainty.draws))
    if method.certainty.quarter_drift_points is not None:  # until the quarter in which the grade binds
        drift = normals(method.certainty, "quarter in which the grade binds", rows=1)
        totals += float(method.certainty.quarter_drift_points) * drift
    for place, code in enumerate(scored.codes):
        indicator, column = method.indicators[code], scored.columns[code]
        if method.pillar_of(code) == "bonus" and not counts_bonus:
            continue
        fixed = scored.earned[block, place].astype(float)
        status = column.status[block]
        drawn = (status == SCORED) & indicator.is_shrunk
        totals[~drawn & np.isin(status, AVAILABLE)] += fixed[~drawn & np.isin(status, AVAILABLE), None]
        if drawn.any():
            at = block[drawn]
            rows = 2 if column.spread is None else 4
            values = column.posterior(indicator, at).draw(normals(method.certainty, code, rows=rows))
            totals[drawn] += scored.maximum[at, place].astype(float)[:, None] * points.share(indicator, values)
    return totals


def shown_interval(method: Method, scored: Points, code: str) -> Array:
    """Return the interval of an indicator's true value at ``interval_level``, shape (enterprises, 2); NaN: none."""
    column, indicator = scored.columns[code], method.indicators[code]
    result = np.full((len(column.status), 2), np.nan)
    at = np.flatnonzero(column.status == SCORED)
    if indicator.is_shrunk and len(at):
        model, tail = column.posterior(indicator, at), (1 - float(method.risk.interval_level)) / 2
        if isinstance(model, points.Posterior):
            result[at] = np.column_stack([model.quantile(tail), model.quantile(1 - tail)])
        else:
            z = normals(method.certainty, code, rows=4)
            for start in range(0, len(at), BLOCK):
                part = column.posterior(indicator, at[start : start + BLOCK])
                result[at[start : start + BLOCK]] = np.quantile(part.draw(z), [tail, 1 - tail], axis=1).T
    return result
