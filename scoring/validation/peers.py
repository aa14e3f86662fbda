"""The simplest scores anybody could make from the same night: what a grade has to beat, or be said not to.

Owns those peers and the comparison with them. None of them shrinks, adjusts, weighs or caps; a larger one is better.
"""

from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from scoring import indicators, points
from scoring.formulas import Deduction, NormalScore, Rate, Ratio, RelativeRisk
from scoring.schema import Indicator, Method
from scoring.validation import statistics as st
from scoring.validation.night import Night
from scoring.validation.predictive import size_bands
from scoring.validation.statistics import Array, Estimate
from scoring.validation.verdicts import (
    CANNOT_TELL,
    MET,
    MISSED,
    Aim,
    Gate,
    Why,
    few,
    few_events,
    judge,
    not_measured,
    rated,
)  # fmt: skip

NAMES = {
    "plain_mean": ("各指标原始得分的平均", "plain mean of the indicators' raw shares"),
    "raw_rates": ("原始比率名次的平均", "mean rank of the raw rates"),
    "complaints": ("每千户月投诉", "raw complaint rate"),
    "last_inspection": ("最近一次检查", "the last inspection alone"),
}
COMPLAINTS, INSPECTIONS = "M04", "P02"
BETTER = Aim(0, "above")


def simplest(night: Night) -> pl.DataFrame:
    """Return the peers of every enterprise, columns of NAMES in the order of ``night.firms``; NaN: it has no data."""
    scored = indicators.score(night.method.method, night.fit, night.inputs)
    columns = {"complaints": -_complaint_rate(night), "last_inspection": _last_inspection(night)}
    return plain(night.method.method, scored.columns, len(night.firms)).hstack(_with_data(columns))


def plain(method: Method, columns: dict[str, indicators.Column], size: int) -> pl.DataFrame:
    """Return the peers that counts alone give: plain_mean and raw_rates."""
    shares, ranks = [], []
    for code, column in columns.items():
        indicator = method.indicators[code]
        if method.pillar_of(code) == "bonus" or not (column.status == indicators.SCORED).any():
            continue
        values = raw(indicator, column)
        shares.append(_share(indicator, values))
        ranks.append(_ranks(values, falls=_falls(indicator)))
    return _with_data({"plain_mean": _mean(shares, size), "raw_rates": _mean(ranks, size)})


def _with_data(columns: dict[str, Array]) -> pl.DataFrame:
    return pl.DataFrame({name: values for name, values in columns.items() if np.isfinite(values).any()})


def raw(indicator: Indicator, column: indicators.Column) -> Array:
    """Return the indicator as counted, without shrinkage; NaN where there is nothing to divide by."""
    counted, exposure = column.counted.astype(float), column.exposure.astype(float)
    values = np.full(len(counted), np.nan)
    some = column.status == indicators.SCORED
    match indicator.formula:
        case Ratio() | RelativeRisk() | NormalScore():
            some = some & (exposure > 0)
            values[some] = counted[some] / exposure[some]
        case Rate(per=per):
            some = some & (exposure > 0)
            values[some] = float(per) * counted[some] / exposure[some]
        case Deduction(scale=scale):
            values[some] = 1 - counted[some] / float(scale)
        case _:
            values[some] = counted[some]
    return values


def _share(indicator: Indicator, raw: Array) -> Array:
    share = np.full(len(raw), np.nan)
    known = np.isfinite(raw)
    values = raw[known]
    if isinstance(indicator.formula, NormalScore):
        values = np.clip(0.5 + values / 4, 0, 1)
    share[known] = points.share(indicator, values)
    return share


def _falls(indicator: Indicator) -> bool:
    curve = points.knots(indicator)
    return bool(curve[0][1] > curve[-1][1]) == bool(curve[0][0] < curve[-1][0])


def _ranks(raw: Array, *, falls: bool) -> Array:
    """Return each value's place among those known, 0-1, the best at 1."""
    places = np.full(len(raw), np.nan)
    known = np.isfinite(raw)
    if known.any():
        places[known] = (rankdata(-raw[known] if falls else raw[known]) - 0.5) / known.sum()
    return places


def _mean(columns: list[Array], size: int) -> Array:
    if not columns:
        return np.full(size, np.nan)
    table = np.column_stack(columns)
    known = np.isfinite(table)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, table, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _complaint_rate(night: Night) -> Array:
    rows = night.inputs.counts.filter(pl.col("indicator_code") == COMPLAINTS).with_columns(
        pl.col("numerator", "denominator", "window_months").cast(pl.Float64)
    )
    rows = rows.filter(pl.col("window_months") == pl.col("window_months").min())
    sums = rows.group_by("uscc").agg(pl.col("numerator", "denominator").sum()).filter(pl.col("denominator") > 0)
    return _of(night, sums.select("uscc", pl.col("numerator") / pl.col("denominator")))


def _last_inspection(night: Night) -> Array:
    passed = night.last_events.filter(pl.col("indicator_code") == INSPECTIONS)
    return _of(night, passed.select("uscc", -pl.col("numerator") / pl.col("denominator")))


def _of(night: Night, pairs: pl.DataFrame) -> Array:
    values = dict(pairs.iter_rows())
    return np.array([values.get(uscc, np.nan) for uscc in night.firms["uscc"]], dtype=float)


def beats(firms: pl.DataFrame, *, against: str) -> Gate:
    """Whether S tells more than each of the simplest peers, on the same enterprises and by an interval.

    Args:
        firms: uscc, score, grade, size, the peers' columns, and what is foretold.
        against: ``event`` (AUC inside size bands) or ``quality`` (rank correlation; simulation only).
    """
    names, code = _words(against), f"peers_{against}"
    firms = rated(firms)
    peers = [name for name in NAMES if name in firms.columns]
    reason = few(firms) or (few_events(firms["event"].to_numpy()) if against == "event" else None)
    if reason is None and not peers:
        reason = ("没有可比的简单分数", "there is nothing to compare with")
    if reason:
        return not_measured(code, "peers", names, str(BETTER), *reason)
    compared = {name: _difference(firms, name, against) for name in peers}
    measured = {name: entry for name, entry in compared.items() if entry[2].value is not None}
    if not measured:
        return not_measured(code, "peers", names, str(BETTER), "没有可比的简单分数", "there is nothing to compare with")
    verdicts = {name: BETTER.verdict(entry[2]) for name, entry in measured.items()}
    order = (MISSED, CANNOT_TELL, MET)
    hardest = min(measured, key=lambda name: (order.index(verdicts[name]), _least(measured[name][2])))
    status = verdicts[hardest]
    details = {
        name: {"score": ours, "peer": theirs, "difference": e.value, "interval": [e.low, e.high], "enterprises": e.size}
        for name, (ours, theirs, e) in measured.items()
    }

    def why() -> Why:
        shown = [(NAMES[name], *measured[name]) for name, verdict in verdicts.items() if verdict != MET]
        zh = "；".join(f"{n[0]} {theirs:.3f}，评分 {ours:.3f}（差 {e.value:+.3f}）" for n, ours, theirs, e in shown)
        en = "; ".join(f"{n[1]} {theirs:.3f}, the score {ours:.3f} ({e.value:+.3f})" for n, ours, theirs, e in shown)
        return Why(f"未证明优于：{zh}。", f"Not shown to beat: {en}.")

    return judge(code, "peers", names, BETTER, measured[hardest][2], details=details, why=why, status=status)


def _least(estimate: Estimate) -> float:
    return estimate.low if estimate.low is not None else float(estimate.value or 0)


def _words(against: str) -> tuple[str, str]:
    if against == "event":
        return ("优于最简单的分数：预测（AUC 之差，最强者）", "AUC inside size bands beyond the best simplest peer")
    if against == "quality":
        return (
            "优于最简单的分数：真实质量（秩相关之差，最强者）",
            "rank correlation with truth beyond the best simplest peer",
        )
    return (
        "优于最简单的分数：后来的数值（秩相关之差，最强者）",
        "rank correlation with what followed beyond the best simplest peer",
    )


def _difference(firms: pl.DataFrame, peer: str, against: str) -> tuple[float, float, Estimate]:
    """Return the score's figure, the peer's, and their difference, over the enterprises that have both."""
    known = firms.filter(pl.col(peer).is_finite() & pl.col(against).is_not_null())
    score, theirs = known["score"].to_numpy(), known[peer].to_numpy()
    target: Array = known[against].to_numpy()
    if against == "event":
        band = size_bands(known["size"].to_numpy()) if known.height else np.zeros(0)
        ours, other = st.auc_within(-score, target, band), st.auc_within(-theirs, target, band)
        gap = st.bootstrap(
            lambda s, p, t, b: st.auc_within(-s, t, b) - st.auc_within(-p, t, b), score, theirs, target, band
        )
    else:
        ours, other = st.spearman(score, target), st.spearman(theirs, target)
        gap = st.bootstrap(lambda s, p, t: st.spearman(s, t) - st.spearman(p, t), score, theirs, target)
    return ours, other, gap


def figures(firms: pl.DataFrame, target: Array) -> dict[str, Any]:
    """Return each peer's rank correlation with ``target``, in the order of ``firms``; None where it has no data."""
    correlations: dict[str, Any] = {}
    for name in NAMES:
        if name in firms.columns:
            values = firms[name].to_numpy()
            known = np.isfinite(values)
            correlations[name] = st.spearman(values[known], target[known]) if known.sum() > 3 else None
    return correlations
