"""The predictive gates of methodology §9: does a grade foretell what happens after it.

Owns AUC, KS, the trend over grades, and what of them a score from the true parameters would reach on the same data.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from scoring.validation import statistics as st
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

AUC_AIM = 0.65
ATTAINED = Aim(0.90, "at_least")  # of what the true parameters reach on the same data
NAMES = {
    "auc": ("预测区分度 AUC", "AUC for an event in the next 6 months"),
    "auc_size": ("预测区分度 AUC（同规模档内）", "AUC for an event, among enterprises of like size"),
    "ks": ("预测区分度 KS（有方向）", "KS for an event in the next 6 months, in the right direction"),
    "trend": ("事件率随等级递增", "event rate rises from grade to grade (Cochran–Armitage p)"),
    "auc_attained": (
        "预测区分度占可达水平的比例",
        "(AUC − ½) ÷ that of a score from the true parameters, within size bands",
    ),
}
AIMS = {
    "auc": Aim(AUC_AIM, "at_least"),
    "auc_size": Aim(AUC_AIM, "at_least"),
    "ks": Aim(0.20, "at_least"),
    "trend": Aim(0.05, "below"),
    "auc_attained": ATTAINED,
}
CODES = ("auc", "auc_size", "ks", "trend")  # auc_attained needs a truth


def unmeasured(zh: str, en: str, *, with_truth: bool = False) -> list[Gate]:
    """Return the gates as not measured, with the reason."""
    codes = (*CODES, "auc_attained") if with_truth else CODES
    return [not_measured(code, "predictive", NAMES[code], str(AIMS[code]), zh, en) for code in codes]


def size_bands(size: Array) -> Array:
    """Return 0, 1, 2: the third of size that each enterprise belongs to."""
    return np.searchsorted(np.quantile(size, [1 / 3, 2 / 3]), size)


def predictive(firms: pl.DataFrame, scale: Sequence[str]) -> list[Gate]:
    """AUC, AUC inside size bands, KS and the trend over grades; with ``quality`` also the share of the attainable.

    Args:
        firms: uscc, score, grade, size, event (whether one followed), kinds (list of text, of its events),
            and quality where a truth is known.
        scale: grades, best first.
    """
    firms, with_truth = rated(firms), "quality" in firms.columns
    event = firms["event"].to_numpy()
    if reason := few(firms) or few_events(event):
        return unmeasured(*reason, with_truth=with_truth)
    risk, size = -firms["score"].to_numpy(), firms["size"].to_numpy()
    band = size_bands(size)
    figures = {
        "auc": st.bootstrap(st.auc, risk, event),
        "auc_size": st.bootstrap(st.auc_within, risk, event, band),
        "ks": st.bootstrap(st.ks, risk, event, is_distance=True),
    }
    true = firms["quality"].to_numpy() if with_truth and firms["quality"].is_not_null().all() else None
    details = _details(firms, risk, event, band, true)
    rows = []
    for code, estimate in figures.items():
        rows.append(
            judge(
                code,
                "predictive",
                NAMES[code],
                AIMS[code],
                estimate,
                details=details,
                why=partial(_why, code, figures, details, risk, event, size),
            )  # fmt: skip
        )
    rows[2] = _not_by_chance(rows[2], st.null(st.ks, risk, event))
    rows.append(_trend(firms, scale))
    if true is not None:
        rows.append(_attained(risk, event, band, true))
    return rows


def _details(firms: pl.DataFrame, risk: Array, event: Array, band: Array, true: Array | None) -> dict[str, Any]:
    kinds = firms["kinds"].explode().drop_nulls().value_counts(sort=True)
    details: dict[str, Any] = {
        "event_rate": float(event.mean()),
        "auc_by_size_band": [st.auc(risk[band == at], event[band == at]) for at in range(3)],
        "auc_of_size_alone": st.auc(firms["size"].to_numpy(), event),
        "events_by_kind": dict(kinds.sort("kinds").iter_rows()),
    }
    if true is not None:
        details["auc_of_true_parameters"] = st.auc(-true, event)
        details["auc_of_true_parameters_within_size_bands"] = st.auc_within(-true, event, band)
    return details


def _why(
    code: str, figures: dict[str, Estimate], details: dict[str, Any], risk: Array, event: Array, size: Array
) -> Why:
    """Return what the data say of a weak figure: each sentence stands only where its own figures bear it out."""
    why = Why()
    auc, within = figures["auc"], figures["auc_size"]
    if auc.high is not None and auc.high < 0.5:
        why += Why(
            f"方向相反：分数越高，事件越多（AUC {auc.value:.2f}）。",
            f"It points the wrong way: higher scores have more events (AUC {auc.value:.2f}).",
        )
    elif auc.low is not None and auc.low <= 0.5:
        why += Why(
            f"与无信息的分数无法区分：AUC {auc.value:.2f}，区间含 0.5。",
            f"It cannot be told from a score that knows nothing: AUC {auc.value:.2f}, and 0.5 lies in its interval.",
        )
    if code != "auc_size":
        gain = st.bootstrap(
            lambda r, e, s: st.auc_within(r, e, size_bands(s)) - st.auc(r, e), risk, event, size, draws=300
        )
        if gain.low is not None and gain.low > 0:
            alone = details["auc_of_size_alone"]
            why += Why(
                f"事件按企业计：仅凭规模的 AUC 为 {alone:.2f}，而评分不得使用规模（§1 T2）；"
                f"同规模档内为 {within.value:.2f}。",
                f"Events are counted by enterprise: size alone has an AUC of {alone:.2f}, which a score must not use "
                f"(§1 T2); among enterprises of like size it is {within.value:.2f}.",
            )
    name = "auc_of_true_parameters" + ("_within_size_bands" if code == "auc_size" else "")
    best = details.get(name)
    if best is not None and code != "ks":
        below = best < AUC_AIM
        why += Why(
            f"真实参数的分数在同样数据上为 {best:.2f}，" + ("目标在此样本上不可达。" if below else "目标可达。"),
            f"A score from the true parameters has {best:.2f} on the same data: the aim is "
            + ("out of reach in this sample." if below else "within reach."),
        )
    return why


def _not_by_chance(gate: Gate, chance: st.Null) -> Gate:
    """Return the KS gate with its null distribution; what chance reaches as well is never met."""
    details = gate.details | {"null_mean": chance.mean, "null_95": chance.high, "p": chance.p}
    noise = Why(
        f"事件随机分配时 KS 平均 {chance.mean:.2f}，95 % 低于 {chance.high:.2f}（p = {chance.p:.2g}）。",
        f"With events dealt out at random KS is {chance.mean:.2f} on average and below {chance.high:.2f} in 95 % "
        f"(p = {chance.p:.2g}).",
    )
    status = CANNOT_TELL if gate.status == MET and chance.p >= 0.05 else gate.status
    if status == MET:
        return Gate(gate.code, gate.group, gate.zh, gate.en, gate.aim, status, gate.estimate, details=details)
    why = Why(gate.reason_zh, gate.reason_en) + noise
    return Gate(gate.code, gate.group, gate.zh, gate.en, gate.aim, status, gate.estimate, why.zh, why.en, details)


def _trend(firms: pl.DataFrame, scale: Sequence[str]) -> Gate:
    """Return whether the event rate rises from grade to grade; a rise that the sample could not see is no miss."""
    rates: dict[str, Any] = {}
    for grade in scale:
        mine = firms.filter(pl.col("grade") == grade)
        share = st.proportion(int(mine["event"].sum()), mine.height)
        rates[grade] = {"rate": share.value, "low": share.low, "high": share.high, "enterprises": share.size}
    level = firms["grade"].replace_strict(
        {code: place for place, code in enumerate(scale)}, return_dtype=pl.Int64
    ).to_numpy()  # fmt: skip
    event = firms["event"].to_numpy()
    p = st.trend_p(level, event)
    estimate = Estimate(p if np.isfinite(p) else None, None, None, firms.height)
    known = [(grade, entry["rate"]) for grade, entry in rates.items() if entry["rate"] is not None]
    shown = "，".join(f"{grade} {rate:.0%}" for grade, rate in known)
    why, status = Why(f"各等级事件率 {shown}。", f"Event rates {shown}."), None
    details: dict[str, Any] = {"rates": rates}
    steps = [(a, b, st.trend_p(1 - (level[pair] == scale.index(b)), event[pair]))
             for (a, before), (b, after) in zip(known, known[1:], strict=False) if after <= before
             for pair in [np.isin(level, [scale.index(a), scale.index(b)])]]  # fmt: skip
    if estimate.value is not None and (estimate.value >= 0.05 or steps or len(known) < 2):
        power = st.trend_power(level, event, auc_aim=AUC_AIM)
        details["chance_to_see_a_rise"] = power
        falls = [f"{a} → {b}" for a, b, against in steps if against < 0.05]
        status = MISSED if p > 0.95 or falls or (p >= 0.05 and power >= 0.8) else CANNOT_TELL
        if falls:
            why += Why(f"{'、'.join(falls)} 显著下降。", f"It falls significantly at {', '.join(falls)}.")
        elif steps:
            at = "、".join(f"{a} → {b}" for a, b, _ in steps)
            why += Why(f"{at} 未上升，但差异不显著。", f"It does not rise at {at}, which may be chance.")
        why += Why(
            f"若评分达到 AUC {AUC_AIM}，此样本有 {power:.0%} 的机会看到上升。",
            f"Had the score an AUC of {AUC_AIM}, this sample would see a rise with a chance of {power:.0%}.",
        )
    return judge(
        "trend", "predictive", NAMES["trend"], AIMS["trend"], estimate, details=details, why=lambda: why, status=status
    )


def _attained(risk: Array, event: Array, band: Array, true: Array) -> Gate:
    def share(risk: Array, event: Array, band: Array, true: Array) -> float:
        ours, best = st.auc_within(risk, event, band), st.auc_within(-true, event, band)
        return st.share_of_attainable(ours, best, nothing=0.5)

    ours, best = st.auc_within(risk, event, band), st.auc_within(-true, event, band)
    if not best > 0.5:
        zh, en = (
            f"真实参数的 AUC 为 {best:.2f}：无可预测",
            f"the true parameters have an AUC of {best:.2f}: nothing to foretell",
        )
        return not_measured("auc_attained", "predictive", NAMES["auc_attained"], str(ATTAINED), zh, en)
    estimate = st.bootstrap(share, risk, event, band, true)
    return judge(
        "auc_attained", "predictive", NAMES["auc_attained"], ATTAINED, estimate,
        details={"auc": ours, "auc_of_true_parameters": best},
        why=lambda: Why(
            f"同规模档内 AUC：评分 {ours:.2f}，真实参数 {best:.2f}。",
            f"Within size bands the score has an AUC of {ours:.2f}, the true parameters {best:.2f}.",
        ),
    )  # fmt: skip
