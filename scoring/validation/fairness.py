"""The fairness gates of methodology §9: whom a score must not favour, with the thresholds that say how far.

Owns these gates only. What they are measured against is read by ``night.read_profiles`` and is no input of a grade.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from scoring.validation import statistics as st
from scoring.validation.statistics import Array, Estimate
from scoring.validation.verdicts import Aim, Gate, Why, few, judge, not_measured, rated


def fairness(firms: pl.DataFrame) -> list[Gate]:
    """Correlation of S with old share; mean gaps by size band and between local and outside firms.

    Where ``firms`` has a column ``quality`` (simulation only), the same figures are given for enterprises of equal true
    quality.
    """
    texts = {
        "old_share": ("公平：得分与老旧小区占比的相关（绝对值）", "abs. correlation of S with old-community share"),
        "size_gap": ("公平：规模档之间平均分差", "largest mean gap between size bands, points"),
        "local_gap": ("公平：本地与外地企业平均分差", "mean gap between local and outside firms, points"),
    }
    aims = {"old_share": Aim(0.10, "at_most"), "size_gap": Aim(3, "at_most"), "local_gap": Aim(3, "at_most")}
    firms = rated(firms)
    if reason := few(firms):
        return [not_measured(code, "fairness", texts[code], str(aims[code]), *reason) for code in texts]
    score = firms["score"].to_numpy()
    cut = firms["project_count"].to_numpy()
    groups = {
        "size_gap": np.searchsorted([6, 21], cut, side="right"),
        "local_gap": firms["is_local"].to_numpy().astype(int),
    }
    labels = {"size_gap": ("≤ 5 项目 projects", "6–20", "> 20"), "local_gap": ("外地 outside", "本地 local")}
    left = None
    if "quality" in firms.columns and firms["quality"].is_not_null().all():
        left = st.residual(score, firms["quality"].to_numpy())
    signed = st.correlation(firms["old_share"].to_numpy(), score)
    gates = [_old_share(signed, firms, left, texts["old_share"], aims["old_share"])]
    for code, group in groups.items():
        estimate = st.bootstrap(
            lambda values, names: st.largest_gap(values, names, least=3), score, group, is_distance=True
        )
        names = {number: labels[code][number] for number in np.unique(group)}
        means = {name: float(score[group == number].mean()) for number, name in names.items()}
        counts = {name: int((group == number).sum()) for number, name in names.items()}
        details: dict[str, Any] = {"means": means, "enterprises": counts}
        if left is not None:
            details["gap_at_equal_quality"] = st.largest_gap(left, group, least=3)
        gates.append(
            judge(code, "fairness", texts[code], aims[code], estimate, why=_why_gap(details), details=details)
        )  # fmt: skip
    return gates


def old_share(firms: pl.DataFrame) -> Estimate:
    """Return the absolute correlation of S with the share of old communities."""
    return st.absolute(st.correlation(firms["old_share"].to_numpy(), firms["score"].to_numpy()))


def _old_share(signed: Estimate, firms: pl.DataFrame, left: Array | None, names: tuple[str, str], aim: Aim) -> Gate:
    details: dict[str, Any] = {"signed": signed.value, "signed_interval": [signed.low, signed.high]}
    if left is not None:
        details["at_equal_quality"] = st.pearson(firms["old_share"].to_numpy(), left)

    def why() -> Why:
        zh, en = f"相关系数 {signed.value:+.2f}。", f"The correlation is {signed.value:+.2f}."
        if "at_equal_quality" in details:
            zh += f"真实质量相同的企业之间为 {details['at_equal_quality']:+.2f}。"
            en += f" At equal true quality it is {details['at_equal_quality']:+.2f}."
        return Why(zh, en)

    return judge("old_share", "fairness", names, aim, st.absolute(signed), why=why, details=details)


def _why_gap(details: dict[str, Any]) -> Callable[[], Why]:
    def why() -> Why:
        shown = "、".join(
            f"{name}: {mean:.1f} ({details['enterprises'][name]})" for name, mean in details["means"].items()
        )
        zh, en = f"各组平均分（企业数）：{shown}。", f"Group means (enterprises): {shown}."
        if "gap_at_equal_quality" in details:
            zh += f"真实质量相同的企业之间差 {details['gap_at_equal_quality']:.1f} 分。"
            en += f" At equal true quality the gap is {details['gap_at_equal_quality']:.1f} points."
        return Why(zh, en)

    return why
