"""Tonight's indicators: counts of every enterprise brought together, valued, and turned into points.

Owns which indicator can be scored for whom, and why not. The arithmetic is ``scoring.points``.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import polars as pl

from scoring import points
from scoring.fit import EVERYWHERE, Fit
from scoring.formulas import Bonus, Deduction, RelativeRisk, State
from scoring.inputs import Inputs, decimals, indicator_rows
from scoring.points import Spread
from scoring.schema import Indicator, Method

Array = np.ndarray[Any, Any]

SCORED = "scored"
NO_EXPOSURE = "no_exposure"  # nothing to count: full or zero points, as the method says
NOT_APPLICABLE = "not_applicable"  # points go to the domain's others
FEED_MISSING = "feed_missing"  # likewise, never delivered or silent, and it counts against sufficiency
NO_ESTIMATE = "no_estimate"  # likewise: the fit in force is older than the feed
AVAILABLE = (SCORED, NO_EXPOSURE)


@dataclass(frozen=True)
class Column:
    """One indicator of every enterprise; arrays of shape (enterprises,), numbers are Decimal objects.

    Attributes:
        code: the indicator.
        status: one of the codes above.
        counted: numerator; exposure: denominator; prior: the region's mean for this mix of strata.
        shrinkage: m or k in force, 0 if none.
        design_effect: how many events are worth one independent one, at least 1.
        spread: how unsure the fit is of its own estimates; None: they are taken as true.
        value: as the curve reads it; 0 where the status is not ``scored``.
        window: months counted (0: the state on the business date).
    """

    code: str
    status: Array
    counted: Array
    exposure: Array
    prior: Array
    shrinkage: Decimal
    value: Array
    window: Array
    design_effect: Decimal = Decimal(1)
    spread: Spread | None = None

    def earned(self, indicator: Indicator, maximum: Array) -> Array:
        """Return the points, shape (enterprises,), in the units that ``maximum`` is given in; exact, rounded once."""
        units = np.zeros(len(self.status), dtype=np.int32)
        scored = self.status == SCORED
        units[scored] = points.earned(indicator, self.value[scored], maximum[scored])
        if indicator.no_exposure == "full":
            full = self.status == NO_EXPOSURE
            units[full] = maximum[full]
        return units

    def share(self, indicator: Indicator) -> Array:
        """Return the share of the maximum points, 0-1, float64 and not rounded: to compare, not to grade."""
        shares = np.zeros(len(self.status))
        scored = self.status == SCORED
        shares[scored] = points.share(indicator, self.value[scored].astype(float))
        if indicator.no_exposure == "full":
            shares[self.status == NO_EXPOSURE] = 1.0
        return shares

    def posterior(self, indicator: Indicator, rows: Array) -> points.Posterior | points.UncertainPosterior:
        """Return the model of the true value of the enterprises at ``rows``; the indicator must be a shrunk one."""
        return points.posterior(
            indicator.formula,
            counted=self.counted[rows] / self.design_effect,
            exposure=self.exposure[rows] / self.design_effect,
            prior=self.prior[rows],
            shrinkage=self.shrinkage,
            spread=self.spread,
        )


@dataclass(frozen=True)
class Points:
    """Points of every enterprise; arrays of shape (enterprises, indicators) of Decimal objects.

    Attributes:
        codes: indicator codes, the order of the second axis.
        columns: the indicators, by code.
        maximum: after redistribution; earned: rounded once, 0 ≤ earned ≤ maximum.
        lost: maximum − earned in whole units of the method's quantum, int32.
        available_ratio: by pillar, shape (enterprises,): share of the applicable points that could be scored (§7).
    """

    codes: list[str]
    columns: dict[str, Column]
    maximum: Array
    earned: Array
    lost: Array
    available_ratio: dict[str, Array]


def score(method: Method, fit: Fit, inputs: Inputs) -> Points:
    """Return the points of every enterprise of ``inputs``, in its order."""
    with localcontext(prec=points.PRECISION):
        usccs = inputs.enterprises["uscc"]
        columns = {code: _column(method, fit, inputs, usccs, code) for code in method.indicators}
        codes = list(columns)
        for code, indicator in method.indicators.items():
            _only_with_others(columns, code, indicator)
        available = np.column_stack([np.isin(columns[code].status, AVAILABLE) for code in codes])
        most, maximum = _maxima(method, codes, available)
        got = np.column_stack(
            [columns[code].earned(method.indicators[code], most[:, at]) for at, code in enumerate(codes)]
        )
        as_points = np.array([unit * method.quantum for unit in range(int(most.max(initial=0)) + 1)], dtype=object)
        ratios = {pillar: _available_ratio(method, columns, pillar) for pillar in method.pillars}
    return Points(
        codes=codes,
        columns=columns,
        maximum=maximum,
        earned=as_points[got],
        lost=most - got,
        available_ratio=ratios,
    )


def _only_with_others(columns: dict[str, Column], code: str, indicator: Indicator) -> None:
    """Take "nothing happened" out of the points where nothing else of the kind was looked at: it is no news there."""
    if indicator.only_with:
        column = columns[code]
        alone = ~np.any([columns[other].status == SCORED for other in indicator.only_with], axis=0)
        column.status[alone & (column.status == SCORED) & (column.value == 1).astype(bool)] = NOT_APPLICABLE
        column.status[alone & (column.status == NO_EXPOSURE)] = NOT_APPLICABLE


def _maxima(method: Method, codes: list[str], available: Array) -> tuple[Array, Array]:
    """Return the maxima after redistribution: in whole quanta, int32, and as the points that are written.

    Few patterns of availability exist, each is worked out once. The points keep the decimals that the method gives
    them (0, 1, 2.50): what was frozen stays byte for byte.
    """
    patterns, which = np.unique(available, axis=0, return_inverse=True)
    tables = []
    for pattern in patterns:
        maxima = points.redistribute(method, frozenset(np.array(codes)[pattern]))
        tables.append([maxima[code] for code in codes])
    units = np.array([[int(most / method.quantum) for most in table] for table in tables], dtype=np.int32)
    return units[which.ravel()], np.array(tables, dtype=object)[which.ravel()]


def _available_ratio(method: Method, columns: dict[str, Column], pillar: str) -> Array:
    members = method.members(pillar=pillar)
    size = len(columns[members[0]].status) if members else 0
    got, whole = np.full(size, Decimal(0), dtype=object), np.full(size, Decimal(0), dtype=object)
    for code in members:
        status, maximum = columns[code].status, method.indicators[code].max_points
        got[np.isin(status, AVAILABLE)] += maximum
        whole[status != NOT_APPLICABLE] += maximum
    return np.array([a / b if b else Decimal(0) for a, b in zip(got, whole, strict=True)], dtype=object)


def _column(method: Method, fit: Fit, inputs: Inputs, usccs: pl.Series, code: str) -> Column:
    indicator = method.indicators[code]
    size = len(usccs)
    rows = indicator_rows(inputs.counts, code, indicator).filter(pl.col("uscc").is_in(usccs.implode()))
    status = np.full(size, SCORED, dtype="<U16")
    needs = fit.rates if isinstance(indicator.formula, RelativeRisk) else fit.means.get(code)
    if code not in inputs.counted_codes or not inputs.available_feeds.issuperset(indicator.feeds):
        rows = rows.clear()
        status[:] = FEED_MISSING  # the office's feed is not there, or the warehouse does not count this indicator yet
    elif indicator.is_shrunk and not needs:
        status[:] = NO_ESTIMATE
    silent = _silent(inputs, indicator)
    if silent:
        rows = rows.filter(~pl.col("uscc").is_in(list(silent)))
        status[usccs.is_in(list(silent)).to_numpy()] = FEED_MISSING
    has_row, counted, exposure, prior, window = _gather(fit, indicator, code, rows, usccs)
    if isinstance(indicator.formula, Deduction | State | Bonus):
        empty = ~has_row  # these do not divide: a row says something whatever its exposure
    else:
        empty = (exposure == 0).astype(bool)
    idle = empty & (status == SCORED)
    if indicator.no_exposure == "not_applicable":
        status[idle] = NOT_APPLICABLE
    elif indicator.no_exposure != "prior":
        status[idle] = NO_EXPOSURE
    value = np.full(size, Decimal(0), dtype=object)
    scored = status == SCORED
    effect = fit.design_effects.get(code, Decimal(1))
    if scored.any():
        value[scored] = points.value(
            indicator.formula,
            counted=counted[scored] / effect if effect != 1 else counted[scored],
            exposure=exposure[scored] / effect if effect != 1 else exposure[scored],
            prior=prior[scored],
            shrinkage=fit.shrinkage.get(code, Decimal(0)),
        )
    shrinkage = fit.shrinkage.get(code, Decimal(0))
    spread = fit.spreads.get(code)
    return Column(code, status, counted, exposure, prior, shrinkage, value, window, effect, spread)


def _silent(inputs: Inputs, indicator: Indicator) -> set[str]:
    """Return the enterprises of which a feed of the indicator says nothing any more, in any district they serve."""
    return {
        uscc
        for uscc, silences in inputs.silences.items()
        if any(one.is_silent and one.feed in indicator.feeds for one in silences)
    }


def _gather(
    fit: Fit, indicator: Indicator, code: str, rows: pl.DataFrame, usccs: pl.Series
) -> tuple[Array, Array, Array, Array, Array]:
    """Return has_row, counted, exposure, prior and window of every enterprise, strata summed."""
    if isinstance(indicator.formula, RelativeRisk):
        formula = indicator.formula
        short = _sums(rows.filter(pl.col("window_months") == str(indicator.window_months)), usccs, fit.rates)
        long = _sums(rows.filter(pl.col("window_months") == str(formula.long_window_months)), usccs, fit.rates)
        swap = (short[3] < formula.long_window_below_expected).astype(bool) & long[0]
        counted, expected = np.where(swap, long[1], short[1]), np.where(swap, long[3], short[3])
        window = np.where(swap, formula.long_window_months, indicator.window_months or 0)
        return short[0] | long[0], counted, expected, np.full(len(usccs), Decimal(1), dtype=object), window
    means = fit.means.get(code, {})
    has_row, counted, exposure, weighted = _sums(rows, usccs, means)
    prior = np.full(len(usccs), means.get(EVERYWHERE, Decimal(0)), dtype=object)
    some = (exposure > 0).astype(bool)
    prior[some] = weighted[some] / exposure[some]
    return has_row, counted, exposure, prior, np.full(len(usccs), indicator.window_months or 0)


def _sums(rows: pl.DataFrame, usccs: pl.Series, by_stratum: dict[str, Decimal]) -> tuple[Array, Array, Array, Array]:
    """Return has_row, Σ numerator, Σ denominator and Σ denominator·by_stratum of every enterprise; exact."""
    size = len(usccs)
    sums = [np.full(size, Decimal(0), dtype=object) for _ in range(3)]
    has_row = np.zeros(size, dtype=bool)
    if rows.is_empty():
        return has_row, sums[0], sums[1], sums[2]
    everywhere = by_stratum.get(EVERYWHERE, Decimal(0))
    weight = np.array([by_stratum.get(code, everywhere) for code in rows["stratum_code"]], dtype=object)
    numerator, denominator = decimals(rows["numerator"]), decimals(rows["denominator"])
    owner = rows["uscc"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))  # rows are sorted by enterprise
    position = usccs.to_frame().with_row_index().join(pl.DataFrame({"uscc": owner[starts]}), on="uscc", how="inner")
    place = dict(zip(position["uscc"], position["index"], strict=True))
    at = np.array([place[uscc] for uscc in owner[starts]])
    has_row[at] = True
    for total, values in zip(sums, (numerator, denominator, denominator * weight), strict=True):
        total[at] = np.add.reduceat(values, starts)
    return has_row, sums[0], sums[1], sums[2]
