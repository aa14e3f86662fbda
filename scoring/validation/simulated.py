"""The gates that only a simulated region allows: its true quality is known, and which complaints were bought."""

from typing import Any

import numpy as np
import polars as pl

from scoring.validation import statistics as st
from scoring.validation.gates import Aim, Gate, Why, few, judge, not_measured, rated
from scoring.validation.night import Night
from scoring.validation.rescoring import regrade
from scoring.validation.statistics import Estimate

COMPLAINT_INDICATOR = "M04"


def recovered(night: Night, quality: dict[str, float]) -> list[Gate]:
    """Rank correlation of S with true quality, and the correlation of S with old share at the simulation's aim."""
    names = ("仿真：得分与真实质量的秩相关", "rank correlation of S with true quality")
    old_names = ("仿真：得分与老旧小区占比的相关（绝对值）", "abs. correlation of S with old share on the simulation")
    aim, old_aim = Aim(0.85, "at_least"), Aim(0.05, "at_most")
    firms = rated(night.firms).filter(pl.col("uscc").is_in(list(quality)))
    if reason := few(firms):
        return [
            not_measured("truth", "simulation", names, str(aim), *reason),
            not_measured("truth_old_share", "simulation", old_names, str(old_aim), *reason),
        ]
    score, old = firms["score"].to_numpy(), firms["old_share"].to_numpy()
    true = np.array([quality[uscc] for uscc in firms["uscc"]])
    details = _complaints_alone(night, firms["uscc"].to_list(), true, old)
    details["by_pillar"] = {name: st.spearman(firms[f"{name}_pct"].to_numpy(), true) for name in ("public", "market")}
    estimate = st.bootstrap(st.spearman, score, true)
    size = firms["household_months"].to_numpy()
    small = size < np.median(size)
    details["by_size"] = {
        "small": st.spearman(score[small], true[small]),
        "large": st.spearman(score[~small], true[~small]),
    }
    signed = st.correlation(old, score)
    chance = st.pearson(old, true)
    equal = st.pearson(old, st.residual(score, true))

    def why() -> Why:
        small, large = details["by_size"]["small"], details["by_size"]["large"]
        return Why(
            f"较小企业 {small:.2f}，较大企业 {large:.2f}：少量记录中的偶然性收缩后仍在。",
            f"Smaller enterprises {small:.2f}, larger {large:.2f}: chance in few records remains after shrinkage.",
        )

    def why_old() -> Why:
        return Why(
            f"相关 {signed.value or 0:+.2f}，其中真实质量与占比本身相关 {chance:+.2f}；质量相同时为 {equal:+.2f}。",
            f"It is {signed.value or 0:+.2f}; true quality itself correlates with the share by {chance:+.2f} in this "
            f"region, and at equal quality {equal:+.2f} is left.",
        )

    old_details = {"signed": signed.value, "quality_with_old_share": chance, "at_equal_quality": equal}
    return [
        judge("truth", "simulation", names, aim, estimate, why=why, details=details),
        judge(
            "truth_old_share", "simulation", old_names, old_aim, st.absolute(signed), why=why_old, details=old_details
        ),
    ]


def _complaints_alone(night: Night, usccs: list[str], true: st.Array, old: st.Array) -> dict[str, Any]:
    """Return what complaints alone say of quality: raw rates against O/E with shrinkage (the spike of §5)."""
    if COMPLAINT_INDICATOR not in night.method.method.indicators:
        return {}
    from scoring import indicators

    scored = indicators.score(night.method.method, night.fit, night.inputs)
    column = scored.columns[COMPLAINT_INDICATOR]
    rows = night.inputs.counts.filter(pl.col("indicator_code") == COMPLAINT_INDICATOR).with_columns(
        pl.col("numerator", "denominator").cast(pl.Float64)
    )
    shortest = rows["window_months"].cast(pl.Int64).min()
    rows = rows.filter(pl.col("window_months").cast(pl.Int64) == shortest)
    sums = rows.group_by("uscc").agg(pl.col("numerator", "denominator").sum())
    rate = {uscc: n / d for uscc, n, d in sums.iter_rows() if d}
    place = {uscc: row for row, uscc in enumerate(night.inputs.enterprises["uscc"])}
    raw = np.array([rate.get(uscc, np.nan) for uscc in usccs])
    ratio = np.array([float(column.value[place[uscc]]) for uscc in usccs])
    keep = np.isfinite(raw)
    return {
        "raw_rate_with_quality": -st.spearman(raw[keep], true[keep]),
        "oe_shrunk_with_quality": -st.spearman(ratio[keep], true[keep]),
        "raw_rate_with_old_share": st.pearson(raw[keep], old[keep]),
        "oe_shrunk_with_old_share": st.pearson(ratio[keep], old[keep]),
    }


def flooded(night: Night, bought: dict[str, list[str]]) -> Gate:
    """Whether a bought flood lowers its victim's grade: the same night with and without those complaints.

    The figure is the number of victims that fall; λ, m and k stay as they were fitted.
    """
    names = ("仿真：竞争对手购买的投诉潮使受害企业降级（家）", "victims whose grade a bought flood lowers")
    aim = Aim(0, "at_most")
    victims = [uscc for uscc in bought if uscc in set(rated(night.firms)["uscc"])]
    if not victims or "bought" not in night.without:
        zh, en = "没有已评级的受害企业", "no rated enterprise was flooded"
        return not_measured("flood", "simulation", names, str(aim), zh, en)
    scale = night.method.method.scale
    rank = {code: place for place, code in enumerate(scale)}
    flooded_, clean = regrade(night), regrade(night, counts=night.without["bought"])
    both = flooded_.join(clean, on="uscc", suffix="_clean").filter(pl.col("uscc").is_in(victims))
    rows = [
        {
            "uscc": row["uscc"],
            "bought": len(bought[row["uscc"]]),
            "grade": row["grade"],
            "grade_without": row["grade_clean"],
            "points": row["score"] - row["score_clean"],
        }
        for row in both.sort("uscc").iter_rows(named=True)
    ]
    fallen = [row for row in rows if rank.get(row["grade"], 99) > rank.get(row["grade_without"], 99)]
    estimate = Estimate(float(len(fallen)), None, None, len(rows))
    shown = "、".join(f"{row['uscc']} {row['grade_without']} → {row['grade']} ({row['points']:+.2f})" for row in fallen)
    share = st.proportion(len(fallen), len(rows))
    largest = min((row["points"] for row in rows), default=0.0)
    rule = night.method.method.hysteresis

    def why() -> Why:
        low, high = share.low or 0.0, share.high or 0.0
        points, months = f"{rule.downgrade_at_once_points:f}", rule.downgrade_months
        return Why(
            f"{shown}。共 {len(rows)} 家受害，失分最多 {-largest:.2f} 分，均由误认定的投诉所致（未认定的不计分）；"
            f"降级占比的区间为 {low:.0%}–{high:.0%}。此处不计滞后规则：低于分界不足 {points} 分的，"
            f"须连续 {months} 个月才降级，其间可就误认定提出异议。",
            f"{shown}. Of {len(rows)} victims none loses more than {-largest:.2f} points, all by complaints that were "
            f"confirmed by mistake (the others cost nothing); the interval of the share that falls is {low:.0%} to "
            f"{high:.0%}. Hysteresis is left out here: less than {points} points below a cut-off binds after {months} "
            "months only, and until then the mistake can be objected to.",
        )

    falls = [share.value, share.low, share.high]
    details = {"victims": rows, "largest_loss_points": largest, "share_that_falls": falls}
    return judge("flood", "simulation", names, aim, estimate, why=why, details=details)
