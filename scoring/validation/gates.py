"""The gates of methodology §9 that need no truth and no outcome: reliability, stability, spread, sensitivity.

Owns their thresholds and nothing that could move them. Those of prediction stand in ``predictive``, of fairness in
``fairness``, of certainty in ``coverage``, those that only a simulation allows in ``simulated``; what a verdict is, in
``verdicts``.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from scoring.validation import statistics as st
from scoring.validation.statistics import Array, Estimate
from scoring.validation.verdicts import Aim, Gate, Why, few, judge, not_measured, rated


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
        return Why(
            f"较大的一半企业 {parts['large']:.2f}，较小的一半 {parts['small']:.2f}；"
            f"全部周的可靠性（Spearman–Brown）{whole:.2f}。",
            f"The larger half of enterprises has {parts['large']:.2f}, the smaller {parts['small']:.2f}; all weeks "
            f"together (Spearman–Brown) {whole:.2f}.",
        )

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
    noise = _swapped_psi(first, both["score_after"].to_numpy(), edges)
    shift = float((both["score_after"] - both["score"]).to_numpy().mean())

    def why_psi() -> Why:
        return Why(
            f"平均分变动 {shift:+.2f}；两次分数随机互换（无变化）时 PSI 平均 {noise:.2f}。",
            f"The mean moved by {shift:+.2f}; with each enterprise's two scores in random order, so without change, "
            f"the PSI is {noise:.2f} on average.",
        )

    psi = judge(
        "psi", "stability", psi_names, psi_aim, estimate, why=why_psi,
        details={"verdict": verdict, "mean_shift_points": shift, "bins": 10, "without_change": noise},
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


def _swapped_psi(first: Array, second: Array, edges: Array, *, draws: int = 200) -> float:
    """Return the mean PSI when nothing changed between the two: each pair in random order."""
    rng = np.random.default_rng(st.SEED)
    psis = []
    for _ in range(draws):
        swap = rng.random(len(first)) < 0.5
        psis.append(st.psi(np.where(swap, second, first), np.where(swap, first, second), edges))
    return float(np.mean(psis))


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
                f"{'、'.join(dead)}：{int(keep.sum())} 家企业均为零分。",
                f"{', '.join(dead)}: none of {int(keep.sum())} enterprises earns anything.",
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
