"""What one graded region adds to a validation, as plain frames: regions pool by laying them one under another.

Owns what is measured of a night before any gate judges it. A province of one seed often cannot tell; several do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from scoring import indicators
from scoring.misclassification import misclassification
from scoring.signals import signals
from scoring.validation import coverage, peers, simulated
from scoring.validation.night import Night, Truth
from scoring.validation.rescoring import pillar_share, regrade, shares, variants
from scoring.validation.statistics import Array
from scoring.validation.verdicts import rated

LEAST_RATED = 20  # below it thirds of size say nothing
Changed = tuple[str, str, str, pl.DataFrame]  # code, zh, en, grades under one change of the method


@dataclass(frozen=True)
class Measures:
    """One region, or several pooled.

    Attributes:
        firms: ``Night.firms`` with half_first and half_second (M points of even and odd weeks, 0-100), the peers'
            columns and size (household-months), event and kinds where outcomes are known, quality where a truth is,
            attainable where the truth says what the record allows.
        later: grades of a quarter later; None: there is no such run.
        shares: share of the points earned, by indicator that could be scored, in the order of ``firms``.
        pits: ``coverage.pits``.
        base: grades without hysteresis; changed: the same under each change of the method.
        dated: market indicators whose events have days of their own.
        floods: what bought complaints did to each victim.
        known: ``simulated.known_of``, where a truth is known.
        signals: share (0-1) of each indicator's spread that tells enterprises apart, where it is a sample.
        misclassified: share (0-1) of rated enterprises whose true score lies beyond a boundary, as the method models
            it, by ``boundary size``.
    """

    firms: pl.DataFrame
    later: pl.DataFrame | None
    shares: dict[str, Array]
    pits: pl.DataFrame
    base: pl.DataFrame
    changed: list[Changed]
    dated: list[str]
    floods: list[dict[str, Any]]
    known: pl.DataFrame
    signals: dict[str, float] = field(default_factory=dict)
    misclassified: dict[str, float] = field(default_factory=dict)


def measure(
    night: Night,
    *,
    events: pl.DataFrame | None,
    later: pl.DataFrame | None,
    truth: Truth | None,
    is_varied: bool = True,
) -> Measures:
    """Return what ``night`` adds.

    Args:
        night: the run.
        events: what happened in the six months after it (uscc, kind, on); None: not known yet.
        later: ``firms`` of the run a quarter later; None: there is none.
        truth: of a simulated region; None: a real one.
        is_varied: grade the night under each change of the method as well, for sensitivity.
    """
    method = night.method.method
    market = [code for code in method.members(pillar="market") if code in night.dated]
    halves = [np.array(pillar_share(night, counts, market)) for counts in night.halves]
    firms = night.firms.with_columns(
        pl.col("household_months").alias("size"),
        pl.Series("half_first", halves[0]), pl.Series("half_second", halves[1])
    ).hstack(peers.simplest(night))  # fmt: skip
    if events is not None:
        firms = with_events(firms, events)
    if truth:
        quality = np.array([truth.quality.get(uscc, np.nan) for uscc in firms["uscc"]], dtype=float)
        firms = firms.with_columns(pl.Series("quality", quality).fill_nan(None))
        if truth.best_guess:
            guesses = [truth.best_guess.get(uscc, float("nan")) for uscc in firms["uscc"]]
            firms = firms.with_columns(pl.Series("attainable", guesses, dtype=pl.Float64))
    changed = [
        (one.code, one.zh, one.en, regrade(night, method=one.method, fit=one.fit))
        for one in (variants(method, night.fit) if is_varied else ())
    ]
    return Measures(
        firms=firms,
        later=later,
        shares=shares(night),
        pits=coverage.pits(night),
        base=regrade(night),
        changed=changed,
        dated=market,
        floods=simulated.floods(night, truth.bought) if truth else [],
        known=simulated.known_of(night) if truth else night.firms.select("uscc"),
        signals=_signals(night),
        misclassified=_misclassified(night),
    )


def _signals(night: Night) -> dict[str, float]:
    method = night.method.method
    told = signals(method, night.fit, indicators.score(method, night.fit, night.inputs))
    return {one.indicator_code: one.share for one in told if one.share is not None}


def _misclassified(night: Night) -> dict[str, float]:
    method = night.method.method
    is_rated = (night.firms["grade"].is_not_null() & night.firms["score"].is_not_null()).to_numpy()
    rows = np.flatnonzero(is_rated)
    if len(rows) < LEAST_RATED:
        return {}
    scored = indicators.score(method, night.fit, night.inputs)
    households = night.firms["household_months"].to_numpy()[rows]
    return {f"{one.boundary} {one.size}": one.share for one in misclassification(method, scored, rows, households)}


def _mean(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: float(np.mean([table[name] for table in tables if name in table])) for name in names}


def with_events(firms: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return ``firms`` with event (whether one followed) and kinds (of those that did, each once)."""
    kinds = events.group_by("uscc").agg(pl.col("kind").unique().sort().alias("kinds"))
    joined = firms.join(kinds, on="uscc", how="left", maintain_order="left")
    return joined.with_columns(pl.col("kinds").is_not_null().alias("event"))


def pooled(regions: Sequence[Measures]) -> Measures:
    """Return several regions as one; an enterprise is then named by its region's number and its code."""
    if len(regions) == 1:
        return regions[0]
    every = {code for one in regions for code in one.shares}
    later = [_named(one.later, at) for at, one in enumerate(regions) if one.later is not None]
    return Measures(
        firms=_stacked([_named(one.firms, at) for at, one in enumerate(regions)]),
        later=_stacked(later) if len(later) == len(regions) else None,
        shares={
            code: np.concatenate([one.shares.get(code, np.zeros(one.firms.height)) for one in regions])
            for code in sorted(every)
        },
        pits=_stacked([_named(one.pits, at) for at, one in enumerate(regions)]),
        base=_stacked([_named(one.base, at) for at, one in enumerate(regions)]),
        changed=[
            (code, zh, en, _stacked([_named(one.changed[place][3], at) for at, one in enumerate(regions)]))
            for place, (code, zh, en, _) in enumerate(regions[0].changed)
        ],
        dated=sorted({code for one in regions for code in one.dated}),
        known=_stacked([_named(one.known, at) for at, one in enumerate(regions)]),
        floods=[row | {"uscc": f"{at}/{row['uscc']}"} for at, one in enumerate(regions) for row in one.floods],
        signals=_mean([one.signals for one in regions]),
        misclassified=_mean([one.misclassified for one in regions]),
    )


def _named(frame: pl.DataFrame, region: int) -> pl.DataFrame:
    return frame.with_columns(pl.format("{}/{}", pl.lit(region), "uscc").alias("uscc"))


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal_relaxed")


def rated_rows(measures: Measures) -> list[dict[str, Any]]:
    """Return one row a rated enterprise for the report's pictures."""
    names = ("uscc", "score", "grade", "old_share", "household_months", "is_local", "event", "quality")
    return rated(measures.firms).select(name for name in names if name in measures.firms.columns).to_dicts()
