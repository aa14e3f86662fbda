"""The gates that only a simulated region allows: its true quality is known, and which complaints were bought."""

from typing import Any

import numpy as np
import polars as pl
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scoring import indicators
from scoring.schema import Method
from scoring.validation import peers
from scoring.validation import statistics as st
from scoring.validation.night import Night
from scoring.validation.rescoring import regrade
from scoring.validation.statistics import Array, Estimate
from scoring.validation.verdicts import Aim, Gate, Why, few, judge, not_measured, rated

FOLDS = 10
PENALTIES = tuple(10.0**power for power in range(-1, 5))


def known_of(night: Night) -> pl.DataFrame:
    """Return all that the night's data say of each enterprise, raw and shrunk: uscc and two columns an indicator."""
    scored = indicators.score(night.method.method, night.fit, night.inputs)
    columns: dict[str, Array] = {}
    for code in scored.codes:
        indicator, column = night.method.method.indicators[code], scored.columns[code]
        columns[f"{code} raw"] = peers.raw(indicator, column)
        columns[f"{code} shrunk"] = np.where(column.status == indicators.SCORED, column.value.astype(float), np.nan)
    return pl.DataFrame({"uscc": night.firms["uscc"], **columns})


def with_attainable(firms: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return ``firms`` with what somebody who knows the truth makes of the same data, as ``attainable``; NaN: no truth.

    Where the simulation says what its record allows, that stands. Else a ridge regression of true quality on everything
    in ``known``, each enterprise predicted from the others. Its rank correlation with the truth is what a score could
    reach here with the right weights and anchors; what chance took from the records nobody can give back.

    Args:
        firms: uscc, score, grade, quality.
        known: ``known_of``, of the same enterprises.
    """
    if "attainable" in firms.columns:
        return firms
    judged = rated(firms).filter(pl.col("quality").is_not_null())
    if judged.height < 2 * FOLDS:
        return firms.with_columns(pl.lit(float("nan")).alias("attainable"))
    table = judged.select("uscc").join(known, on="uscc", how="left", maintain_order="left").drop("uscc")
    columns = [_filled(table[name].to_numpy()) for name in table.columns]
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    folds = KFold(FOLDS, shuffle=True, random_state=st.SEED % 2**31)
    attainable = cross_val_predict(model, np.column_stack(columns), judged["quality"].to_numpy(), cv=folds)
    predicted = judged.select("uscc", pl.Series("attainable", attainable))
    return firms.join(predicted, on="uscc", how="left", maintain_order="left").with_columns(
        pl.col("attainable").fill_null(float("nan"))
    )


def _filled(values: Array) -> Array:
    known = np.isfinite(values)
    return np.where(known, values, values[known].mean() if known.any() else 0.0)


def recovered(firms: pl.DataFrame, *, aim: float = 0.90) -> list[Gate]:
    """Rank correlation of S with true quality ÷ what is attainable, and the correlation of S with old share.

    Args:
        firms: uscc, score, public_pct, market_pct, old_share, size, quality, attainable and the peers.
        aim: of the attainable; 0.9 in the base world, 0.8 in the worst.
    """
    names = ("仿真：得分与真实质量的秩相关 ÷ 可达水平", "rank correlation of S with true quality ÷ what is attainable")
    old_names = ("仿真：得分与老旧小区占比的相关（绝对值）", "abs. correlation of S with old share on the simulation")
    wanted, old_aim = Aim(aim, "at_least"), Aim(0.05, "at_most")
    firms = rated(firms).filter(pl.col("quality").is_not_null() & pl.col("attainable").is_finite())
    if reason := few(firms):
        return [
            not_measured("truth", "simulation", names, str(wanted), *reason),
            not_measured("truth_old_share", "simulation", old_names, str(old_aim), *reason),
        ]
    score, old, true, best, size = (
        firms[name].to_numpy() for name in ("score", "old_share", "quality", "attainable", "size")
    )
    whole = st.bootstrap(st.spearman, score, true)
    small = size < np.median(size)
    by_size = {"small": st.spearman(score[small], true[small]), "large": st.spearman(score[~small], true[~small])}
    details: dict[str, Any] = {
        "rank_correlation": whole.value,
        "rank_correlation_interval": [whole.low, whole.high],
        "attainable": st.spearman(best, true),
        "peers": peers.figures(firms, true),
        "by_pillar": {name: st.spearman(firms[f"{name}_pct"].to_numpy(), true) for name in ("public", "market")},
        "by_size": by_size,
    }
    estimate = st.bootstrap(_share, score, best, true)
    apart = st.bootstrap(_smaller_less, score, true, size, draws=300)
    signed = st.correlation(old, score)
    chance, equal = st.pearson(old, true), st.pearson(old, st.residual(score, true))

    def why() -> Why:
        why = Why(
            f"秩相关 {details['rank_correlation']:.3f}，同样数据可达 {details['attainable']:.3f}。",
            f"The rank correlation is {details['rank_correlation']:.3f}; {details['attainable']:.3f} can be reached on "
            "the same data.",
        )
        if apart.low is not None and apart.low > 0:
            why += Why(
                f"较小企业 {by_size['small']:.2f}，较大企业 {by_size['large']:.2f}。",
                f"Smaller enterprises have {by_size['small']:.2f}, larger ones {by_size['large']:.2f}.",
            )
        pillar = min(details["by_pillar"], key=lambda name: details["by_pillar"][name])
        return why + Why(
            f"较弱的一半为 {pillar}（{details['by_pillar'][pillar]:.2f}）。",
            f"The weaker pillar is {pillar} ({details['by_pillar'][pillar]:.2f}).",
        )

    def why_old() -> Why:
        return Why(
            f"相关 {signed.value or 0:+.2f}；真实质量与占比本身相关 {chance:+.2f}；质量相同时为 {equal:+.2f}。",
            f"It is {signed.value or 0:+.2f}; true quality itself correlates with the share by {chance:+.2f} in this "
            f"region, and at equal quality {equal:+.2f} is left.",
        )

    old_details = {"signed": signed.value, "quality_with_old_share": chance, "at_equal_quality": equal}
    return [
        judge("truth", "simulation", names, wanted, estimate, why=why, details=details),
        judge(
            "truth_old_share", "simulation", old_names, old_aim, st.absolute(signed), why=why_old, details=old_details
        ),
    ]


def _share(score: Array, best: Array, true: Array) -> float:
    return st.share_of_attainable(st.spearman(score, true), st.spearman(best, true))


def _smaller_less(score: Array, true: Array, size: Array) -> float:
    small = size < np.median(size)
    return st.spearman(score[~small], true[~small]) - st.spearman(score[small], true[small])


def floods(night: Night, bought: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return what a bought flood does to each rated victim: the same night with and without those complaints.

    λ, m and k stay as they were fitted; hysteresis is left out. Keys: uscc, bought, grade, grade_without, points.
    """
    victims = [uscc for uscc in bought if uscc in set(rated(night.firms)["uscc"])]
    if not victims or "bought" not in night.without:
        return []
    both = regrade(night).join(regrade(night, counts=night.without["bought"]), on="uscc", suffix="_clean")
    return [
        {
            "uscc": row["uscc"],
            "bought": len(bought[row["uscc"]]),
            "grade": row["grade"],
            "grade_without": row["grade_clean"],
            "points": row["score"] - row["score_clean"],
        }
        for row in both.filter(pl.col("uscc").is_in(victims)).sort("uscc").iter_rows(named=True)
    ]


def fallen(rows: list[dict[str, Any]], scale: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the victims whose grade the flood lowers."""
    rank = {code: place for place, code in enumerate(scale)}
    return [row for row in rows if rank.get(row["grade"], 99) > rank.get(row["grade_without"], 99)]


def flooded(rows: list[dict[str, Any]], method: Method) -> Gate:
    """Whether a bought flood lowers its victim's grade; the figure is the number of victims that fall."""
    names = ("仿真：竞争对手购买的投诉潮使受害企业降级（家）", "victims whose grade a bought flood lowers")
    aim = Aim(0, "at_most")
    if not rows:
        zh, en = "没有已评级的受害企业", "no rated enterprise was flooded"
        return not_measured("flood", "simulation", names, str(aim), zh, en)
    fell = fallen(rows, method.scale)
    share = st.proportion(len(fell), len(rows))
    largest = min(row["points"] for row in rows)
    shown = "、".join(f"{row['uscc']} {row['grade_without']} → {row['grade']} ({row['points']:+.2f})" for row in fell)

    def why() -> Why:
        low, high = share.low or 0.0, share.high or 0.0
        return Why(
            f"{shown}。共 {len(rows)} 家受害，失分最多 {-largest:.2f} 分；降级占比的区间为 {low:.0%}–{high:.0%}。"
            "此处不计滞后规则与异议。",
            f"{shown}. Of {len(rows)} victims the largest loss is {-largest:.2f} points; the interval of the share "
            f"that falls is {low:.0%} to {high:.0%}. Hysteresis and objections are left out here.",
        )

    falls = [share.value, share.low, share.high]
    details = {"victims": rows, "largest_loss_points": largest, "share_that_falls": falls}
    estimate = Estimate(float(len(fell)), None, None, len(rows))
    return judge("flood", "simulation", names, aim, estimate, why=why, details=details)
