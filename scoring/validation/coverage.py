"""Do the 90 % intervals hold 90 %: what even weeks lead to expect of odd weeks, against what odd weeks were.

Owns that comparison only. Counts are discrete, so they are judged by a randomised PIT; the intervals are those that the
method shows, with its own m, k, design effects and doubts about them.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from scoring import certainty, indicators
from scoring.formulas import Rate, Ratio
from scoring.schema import Indicator
from scoring.validation import statistics as st
from scoring.validation.night import Night
from scoring.validation.predictive import size_bands
from scoring.validation.statistics import Array, Estimate
from scoring.validation.verdicts import Aim, Gate, Why, few, judge, not_measured

SCHEMA = {"indicator_code": pl.String, "uscc": pl.String, "pit": pl.Float64}
AIM = Aim(0.87, "between", 0.93)
SIZES = {"small": "较小", "middle": "中等", "large": "较大"}


def pits(night: Night) -> pl.DataFrame:
    """Return where each rated enterprise's odd weeks lie in what its even weeks lead to expect, by shrunk indicator.

    Columns: indicator_code, uscc, pit (0-1).
    """
    method = night.method.method
    first, second = (
        indicators.score(
            method, night.fit, replace(night.inputs, counts=counts, counted_codes=night.inputs.counted_codes)
        )
        for counts in night.halves
    )
    is_rated = (night.firms["grade"].is_not_null() & night.firms["score"].is_not_null()).to_numpy()
    frames = []
    for number, code in enumerate(first.codes):
        indicator, before, after = method.indicators[code], first.columns[code], second.columns[code]
        if not indicator.is_shrunk or code not in night.dated:
            continue
        effect = float(before.design_effect)
        exposure = after.exposure.astype(float) / effect
        at = np.flatnonzero(
            (before.status == indicators.SCORED) & (after.status == indicators.SCORED) & is_rated & (exposure > 0)
        )
        if not len(at):
            continue
        true = before.posterior(indicator, at).draw(
            certainty.normals(method.certainty, code, rows=4 if before.spread else 2)
        )
        drawn, step = _drawn(indicator, true, exposure[at], seed=st.SEED + number)
        keep = step > 0
        seen = after.counted[at].astype(float) / effect
        pit = st.randomised_pit(drawn[keep], seen[keep], step=step[keep], seed=st.SEED + number)
        usccs = night.firms["uscc"].gather(at[keep])
        frames.append(pl.DataFrame({"indicator_code": code, "uscc": usccs, "pit": pit}, schema_overrides=SCHEMA))
    return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)


def _drawn(indicator: Indicator, true: Array, exposure: Array, *, seed: int) -> tuple[Array, Array]:
    """Return draws of the counts of the other half, shape (n, draws), and the step between two counts (0: leave out).

    ``exposure`` is in independent events; a proportion of less than half an event says nothing.
    """
    rng = np.random.default_rng(seed)
    if isinstance(indicator.formula, Ratio) and indicator.formula.family == "proportion":
        trials = np.round(exposure)
        step = np.where(trials >= 1, exposure / np.maximum(trials, 1), 0.0)
        return rng.binomial(trials.astype(int)[:, None], np.clip(true, 0, 1)) * step[:, None], step
    per = float(indicator.formula.per) if isinstance(indicator.formula, Rate) else 1.0
    return rng.poisson(true / per * exposure[:, None]).astype(float), np.ones(len(exposure))


def coverage(firms: pl.DataFrame, pit_rows: pl.DataFrame) -> list[Gate]:
    """Share of odd weeks inside the 90 % interval of even weeks: over all, and in each third of size.

    Args:
        firms: uscc, size of rated enterprises.
        pit_rows: ``pits``.
    """
    rows = pit_rows.join(firms.select("uscc"), on="uscc", how="inner").with_columns(
        pl.col("pit").is_between(0.05, 0.95, closed="none").alias("inside")
    )
    names = {
        "coverage": ("区间覆盖率（90 %，单双周）", "coverage of the 90 % intervals, odd weeks from even weeks"),
        **{
            f"coverage_{size}": (f"区间覆盖率：{zh}企业", f"coverage of the 90 % intervals, {size} enterprises")
            for size, zh in SIZES.items()
        },
    }
    each = firms.filter(pl.col("uscc").is_in(rows["uscc"].unique().implode()))
    if reason := few(each):
        return [not_measured(code, "coverage", names[code], str(AIM), *reason) for code in names]
    bands = pl.DataFrame({"uscc": each["uscc"], "band": size_bands(each["size"].to_numpy())})
    rows = rows.join(bands, on="uscc", how="left")
    gates = [_gate("coverage", names["coverage"], rows)]
    for at, size in enumerate(SIZES):
        gates.append(_gate(f"coverage_{size}", names[f"coverage_{size}"], rows.filter(pl.col("band") == at)))
    return gates


def _gate(code: str, names: tuple[str, str], rows: pl.DataFrame) -> Gate:
    firms = rows.group_by("uscc").agg(pl.col("inside").sum(), pl.len().alias("all")).sort("uscc")
    estimate = (
        st.bootstrap(
            lambda inside, all_: inside.sum() / all_.sum(), firms["inside"].to_numpy(), firms["all"].to_numpy()
        )
        if firms.height
        else Estimate(None, None, None, 0)
    )
    ends = [(pl.col("pit") <= 0.05).mean().alias("below"), (pl.col("pit") >= 0.95).mean().alias("above")]
    by_code = rows.group_by("indicator_code").agg(pl.col("inside").mean(), *ends).sort("indicator_code")
    details = {
        row["indicator_code"]: {name: round(row[name], 3) for name in ("inside", "below", "above")}
        for row in by_code.iter_rows(named=True)
    }

    def why() -> Why:
        far = sorted(details, key=lambda one: -abs(details[one]["inside"] - 0.90))[:4]
        far = [one for one in far if not AIM.holds(details[one]["inside"])]
        shown_zh = "，".join(f"{one} {details[one]['inside']:.0%}" for one in far)
        shown = ", ".join(f"{one} {details[one]['inside']:.0%}" for one in far)
        return Why(f"偏离最大：{shown_zh}。", f"Furthest off: {shown}.") if far else Why()

    return judge(code, "coverage", names, AIM, estimate, details=details, why=why)
