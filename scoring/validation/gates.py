"""The gates of methodology §9: what each measures, what it asks, and why it is not met where it is not.

Owns the thresholds of §9 and nothing that could move them; those of fairness stand in ``fairness``, those that only a
simulation allows in ``simulated``. A gate is met when its figure
is; whether the interval leaves doubt is said beside it. A gate without enough data is not measured, never met.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from scoring.validation import statistics as st
from scoring.validation.statistics import Array, Estimate

MET, MISSED, NOT_MEASURED = "met", "missed", "not_measured"
LEAST_FIRMS = 20  # rated enterprises below which a figure over them says nothing
LEAST_EVENTS = 5  # enterprises with an event, and without one, likewise


@dataclass(frozen=True)
class Gate:
    """One gate and what became of it.

    Attributes:
        code: stable name; group: predictive, reliability, stability, fairness, sensitivity, simulation, change_control.
        aim: the requirement as §9 has it, with its direction.
        status: met, missed or not_measured.
        is_sure: the whole interval lies on the figure's side of the aim.
        reason_zh, reason_en: why it is missed or not measured; empty where it is met.
        details: further figures, shown beside it.
    """

    code: str
    group: str
    zh: str
    en: str
    aim: str
    status: str
    estimate: Estimate
    is_sure: bool
    reason_zh: str = ""
    reason_en: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aim:
    """A threshold: ``at_least`` or ``at_most`` a number; ``below``: strictly under it."""

    number: float
    kind: str

    def __str__(self) -> str:
        """Return it as people write it."""
        return {"at_least": "≥", "at_most": "≤", "below": "<"}[self.kind] + f" {self.number:.3g}"

    def holds(self, value: float) -> bool:
        """Return whether ``value`` satisfies the aim."""
        if self.kind == "at_least":
            return value >= self.number
        return value < self.number if self.kind == "below" else value <= self.number


@dataclass(frozen=True)
class Why:
    """Why a gate is missed, in both languages, from its own figures."""

    zh: str
    en: str


def judge(
    code: str, group: str, names: tuple[str, str], aim: Aim, estimate: Estimate, *, why: Callable[[], Why],
    details: dict[str, Any] | None = None,
) -> Gate:  # fmt: skip
    """Return the gate with its verdict; ``why`` is asked only when it is missed."""
    details = details or {}
    if estimate.value is None:
        zh, en = "数据不足，无法计算", "not enough data to compute it"
        return Gate(code, group, *names, str(aim), NOT_MEASURED, estimate, False, zh, en, details)
    met = aim.holds(estimate.value)
    ends = [end for end in (estimate.low, estimate.high) if end is not None]
    sure = len(ends) == 2 and all(aim.holds(end) == met for end in ends)
    if met:
        return Gate(code, group, *names, str(aim), MET, estimate, sure, details=details)
    reason = why()
    sure = sure or not ends  # without an interval there is nothing to doubt by
    doubt_zh = "" if sure else "区间跨越目标值，样本不足以定论。"
    doubt_en = "" if sure else " The interval reaches across the aim: this sample cannot tell."
    return Gate(
        code, group, *names, str(aim), MISSED, estimate, sure, reason.zh + doubt_zh, reason.en + doubt_en, details
    )


def not_measured(code: str, group: str, names: tuple[str, str], aim: str, zh: str, en: str) -> Gate:
    """Return a gate that could not be measured, with the reason."""
    return Gate(code, group, *names, aim, NOT_MEASURED, Estimate(None, None, None, 0), False, zh, en)


def rated(firms: pl.DataFrame) -> pl.DataFrame:
    """Return the enterprises that have a grade and a score."""
    return firms.filter(pl.col("grade").is_not_null() & pl.col("score").is_not_null())


def few(firms: pl.DataFrame) -> tuple[str, str] | None:
    """Return why there are too few enterprises to say anything; None if there are enough."""
    if firms.height >= LEAST_FIRMS:
        return None
    return (
        f"仅 {firms.height} 家企业有评级，少于 {LEAST_FIRMS} 家",
        f"only {firms.height} enterprises are rated, fewer than {LEAST_FIRMS}",
    )


def predictive(
    firms: pl.DataFrame, events: pl.DataFrame, scale: Sequence[str], quality: dict[str, float] | None = None
) -> list[Gate]:
    """AUC, KS and the trend over grades, for events in the six months after the night.

    Args:
        firms: ``Night.firms``.
        events: uscc, kind, on; of any enterprise.
        scale: grades, best first.
        quality: true quality (simulation only): its own AUC is as good as any score could do here.
    """
    names = {
        "auc": ("预测区分度 AUC", "AUC for an event in the next 6 months"),
        "ks": ("预测区分度 KS", "KS for an event in the next 6 months"),
        "trend": ("事件率随等级递增", "event rate rises from grade to grade (Cochran–Armitage p)"),
    }
    aims = {"auc": Aim(0.65, "at_least"), "ks": Aim(0.20, "at_least"), "trend": Aim(0.05, "below")}
    firms = rated(firms).with_columns(pl.col("uscc").is_in(events["uscc"].implode()).alias("event"))
    event = firms["event"].to_numpy()
    reason = few(firms)
    if reason is None and min(event.sum(), (~event).sum()) < LEAST_EVENTS:
        reason = (
            f"仅 {int(event.sum())} 家有事件、{int((~event).sum())} 家无事件",
            f"only {int(event.sum())} enterprises with an event and {int((~event).sum())} without",
        )
    if reason:
        return [not_measured(code, "predictive", names[code], str(aims[code]), *reason) for code in names]
    risk = -firms["score"].to_numpy()
    size = firms["household_months"].to_numpy()
    band = np.searchsorted(np.quantile(size, [1 / 3, 2 / 3]), size)
    within = st.bootstrap(st.auc_within, risk, event, band)
    by_size = st.auc(size, event)
    kinds = events.filter(pl.col("uscc").is_in(firms["uscc"].implode())).group_by("kind").len().sort("kind")
    base: dict[str, Any] = {
        "event_rate": float(event.mean()),
        "auc_within_size_bands": within.value,
        "auc_within_size_bands_interval": [within.low, within.high],
        "auc_of_size_alone": by_size,
        "events_by_kind": dict(kinds.iter_rows()),
    }

    if quality:
        true = np.array([quality.get(uscc, np.nan) for uscc in firms["uscc"]])
        base["auc_of_true_quality"] = st.auc(-true, event) if np.isfinite(true).all() else None

    def why_weak() -> Why:
        zh = f"事件按企业计而不按规模计：仅凭规模的 AUC 已为 {by_size:.2f}（大企业项目多、事件也多），"
        zh += f"评分不得使用规模（方法 §1 T2）；同规模档内 AUC 为 {within.value or 0:.2f}。"
        en = f"Events are counted by enterprise, not by size: size alone has an AUC of {by_size:.2f} (more projects, "
        en += "more events), and a score must not use size (§1 T2). Among enterprises of like size the AUC is "
        en += f"{within.value or 0:.2f}."
        if (best := base.get("auc_of_true_quality")) is not None:
            zh += f"真实质量本身的 AUC 为 {best:.2f}，任何评分在此样本上都难以超过。"
            en += f" True quality itself has {best:.2f}: no score could do much better in this sample."
        return Why(zh, en)

    rows = []
    for code, statistic in (("auc", st.auc), ("ks", st.ks)):
        estimate = st.bootstrap(statistic, risk, event)
        rows.append(judge(code, "predictive", names[code], aims[code], estimate, why=why_weak, details=base))
    return [*rows, _trend(firms, scale, names["trend"], aims["trend"])]


def _trend(firms: pl.DataFrame, scale: Sequence[str], names: tuple[str, str], aim: Aim) -> Gate:
    rates = {}
    for grade in scale:
        mine = firms.filter(pl.col("grade") == grade)
        found = st.proportion(int(mine["event"].sum()), mine.height)
        rates[grade] = {"rate": found.value, "low": found.low, "high": found.high, "enterprises": found.size}
    level = firms["grade"].replace_strict({code: place for place, code in enumerate(scale)}, return_dtype=pl.Int64)
    p = st.trend_p(level.to_numpy(), firms["event"].to_numpy())
    known = [entry["rate"] for entry in rates.values() if entry["rate"] is not None]
    rises = len(known) > 1 and all(a < b for a, b in zip(known, known[1:], strict=False))
    estimate = Estimate(p if np.isfinite(p) else None, None, None, firms.height)
    shown = "，".join(f"{grade} {entry['rate']:.0%}" for grade, entry in rates.items() if entry["rate"] is not None)
    gate = judge(
        "trend", "predictive", names, aim, estimate, details={"rates": rates},
        why=lambda: Why(f"各等级事件率 {shown}，递增不显著。", f"Event rates {shown}: the rise is not significant."),
    )  # fmt: skip
    if gate.status == MET and not rises:
        why = Why(f"各等级事件率 {shown}，未逐级递增。", f"Event rates {shown}: not rising at every step.")
        gate = Gate(
            gate.code, gate.group, gate.zh, gate.en, gate.aim, MISSED, estimate, False, why.zh, why.en, gate.details
        )
    return gate


def reliability(firms: pl.DataFrame, halves: tuple[Array, Array], dated: list[str]) -> Gate:
    """ICC of the market pillar between even and odd weeks; ``halves`` in the order of ``firms``, 0-100."""
    names, aim = (
        ("可靠性：单双周折半 ICC（市场信用）", "split-half ICC of M, odd against even weeks"),
        Aim(0.70, "at_least"),
    )
    keep = (firms["grade"].is_not_null() & firms["score"].is_not_null()).to_numpy()
    keep = keep & np.isfinite(halves[0]) & np.isfinite(halves[1])
    if reason := few(firms.filter(pl.Series(keep))):
        return not_measured("icc", "reliability", names, str(aim), *reason)
    first, second = halves[0][keep], halves[1][keep]
    estimate = st.bootstrap(st.icc, first, second)
    whole = st.spearman_brown(estimate.value) if estimate.value is not None else None
    exposure = firms.filter(pl.Series(keep))["household_months"].to_numpy()
    large = exposure >= np.median(exposure)
    parts = {"large": st.icc(first[large], second[large]), "small": st.icc(first[~large], second[~large])}

    def why() -> Why:
        zh = f"半数周的数据少一半且向均值收缩；较大企业 ICC {parts['large']:.2f}，较小企业 {parts['small']:.2f}；"
        en = "Half the weeks are half the data, drawn to the mean: the larger half of enterprises has "
        en += f"{parts['large']:.2f}, the smaller {parts['small']:.2f}; "
        return Why(zh + f"全部数据的可靠性（Spearman–Brown）{whole:.2f}。", en + f"all weeks together {whole:.2f}.")

    details = {"indicators": dated, "whole_by_spearman_brown": whole, "by_size": parts}
    return judge("icc", "reliability", names, aim, estimate, why=why, details=details)


def stability(before: pl.DataFrame, after: pl.DataFrame) -> list[Gate]:
    """PSI of scores and unexplained grade moves between two runs a quarter apart.

    A move is explained where a veto or cap began or ended, or the enterprise became rated or not rated.
    """
    both = rated(before).join(rated(after), on="uscc", how="inner", suffix="_after", maintain_order="left")
    psi_names = ("稳定性：分数分布 PSI（一个季度）", "PSI of the scores over a quarter")
    move_names = ("稳定性：无原因等级变动（一个季度）", "unexplained grade moves in a quarter")
    psi_aim, move_aim = Aim(0.10, "below"), Aim(0.15, "at_most")
    if reason := few(both):
        return [
            not_measured("psi", "stability", psi_names, str(psi_aim), *reason),
            not_measured("moves", "stability", move_names, str(move_aim), *reason),
        ]
    first = both["score"].to_numpy()
    edges = st.quantile_edges(first)  # fixed: bins that move with every resample would add their own noise
    estimate = st.bootstrap(lambda a, b: st.psi(a, b, edges), first, both["score_after"].to_numpy(), is_distance=True)
    verdict = None if estimate.value is None else _psi_verdict(estimate.value)
    noise = 9 * 2 / both.height
    shift = float((both["score_after"] - both["score"]).to_numpy().mean())

    def why_psi() -> Why:
        return Why(
            f"平均分变动 {shift:+.2f}；十档 PSI 在无变化时的抽样噪声约 {noise:.2f}（两次独立抽样）。",
            f"The mean moved by {shift:+.2f}; two independent samples of this size differ by about {noise:.2f} without"
            " any change, in ten bins.",
        )

    psi = judge(
        "psi", "stability", psi_names, psi_aim, estimate, why=why_psi,
        details={"verdict": verdict, "mean_shift_points": shift, "bins": 10},
    )  # fmt: skip
    moved = both.filter(pl.col("grade") != pl.col("grade_after"))
    bare = moved.filter(pl.col("caps").list.sort() == pl.col("caps_after").list.sort())
    share = st.proportion(bare.height, both.height)
    close = both.filter((pl.col("score_after") - pl.col("score")).abs() < 2).height
    moves = judge(
        "moves", "stability", move_names, move_aim, share,
        why=lambda: Why(
            f"{bare.height} 家因分数变动；{close} 家分数变化不足 2 分。",
            f"{bare.height} moved by score alone; {close} of {both.height} scores changed by less than 2 points.",
        ),
        details={"moved": moved.height, "explained": moved.height - bare.height, "both_rated": both.height},
    )  # fmt: skip
    return [psi, moves]


def _psi_verdict(value: float) -> str:
    return "fine" if value < 0.10 else "review" if value <= 0.25 else "hold"


def spread(firms: pl.DataFrame, shares: dict[str, Array], scale: Sequence[str]) -> list[Gate]:
    """Whether grades and indicators tell enterprises apart (T10: 543 of 649 in one grade is what must not happen).

    Args:
        firms: ``Night.firms``.
        shares: of the indicators that could be scored, the share of the points earned, in the order of ``firms``.
        scale: grades, best first.
    """
    names = ("区分度：人数最多的等级占比", "largest share of one grade among the rated")
    dead_names = ("区分度：全体得零分的指标数", "indicators that give every rated enterprise nothing")
    aim, dead_aim = Aim(543 / 649, "below"), Aim(0, "at_most")
    keep = (firms["grade"].is_not_null() & firms["score"].is_not_null()).to_numpy()
    if reason := few(rated(firms)):
        return [
            not_measured("spread", "spread", names, f"< {aim.number:.3f}", *reason),
            not_measured("dead", "spread", dead_names, str(dead_aim), *reason),
        ]
    counts = {grade: rated(firms).filter(pl.col("grade") == grade).height for grade in scale}
    largest = st.proportion(max(counts.values()), int(keep.sum()))
    dead = [code for code, share in shares.items() if not share[keep].any()]
    same = [code for code, share in shares.items() if np.ptp(share[keep]) == 0]
    shown = "，".join(f"{grade} {count}" for grade, count in counts.items())
    return [
        judge(
            "spread", "spread", names, aim, largest, details={"grades": counts},
            why=lambda: Why(f"等级分布 {shown}。", f"Grades {shown}."),
        ),
        judge(
            "dead", "spread", dead_names, dead_aim, Estimate(float(len(dead)), None, None, len(shares)),
            details={"all_zero": dead, "all_equal": same},
            why=lambda: Why(
                f"{'、'.join(dead)}：数据或计算有误，或锚点无人可及。",
                f"{', '.join(dead)}: the data or their counting are wrong, or nobody can reach the anchors.",
            ),
        ),
    ]  # fmt: skip


def sensitivity(base: pl.DataFrame, changed: Iterable[tuple[str, str, str, pl.DataFrame]]) -> list[Gate]:
    """Share of grades that flip under each changed method; ``changed`` is (code, zh, en, grades)."""
    aim, gates = Aim(0.10, "at_most"), []
    for code, zh, en, grades in changed:
        names = (f"敏感性：{zh}", f"grades that flip: {en}")
        both = base.join(grades, on="uscc", how="inner", suffix="_changed").filter(pl.col("grade").is_not_null())
        if reason := few(both):
            gates.append(not_measured(code, "sensitivity", names, str(aim), *reason))
            continue
        flips = both.filter(pl.col("grade").ne_missing(pl.col("grade_changed")))
        matrix = flips.group_by("grade", "grade_changed").len().sort("grade", "grade_changed")
        moves = {f"{a} → {b}": count for a, b, count in matrix.iter_rows()}
        near = both.filter((pl.col("score_changed") - pl.col("score")).abs() < 1)["uscc"]
        still = flips.filter(pl.col("uscc").is_in(near.implode())).height
        shown = ", ".join(f"{move}: {count}" for move, count in moves.items())

        def why(shown: str = shown, still: int = still, flips: int = flips.height) -> Why:
            return Why(
                f"变动 {shown}；其中 {still} / {flips} 家自身分数变化不足 1 分，即处在分界附近。",
                f"Moves {shown}; {still} of {flips} of these scores moved by less than a point: they lie at cut-offs.",
            )

        estimate = st.proportion(flips.height, both.height)
        gates.append(judge(code, "sensitivity", names, aim, estimate, why=why, details={"moves": moves}))
    return gates
