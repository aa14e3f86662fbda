"""One validation: all gates over a night, what followed it, and what is known of the truth."""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from scoring.validation import gates, simulated
from scoring.validation.fairness import fairness
from scoring.validation.gates import MET, MISSED, Gate
from scoring.validation.night import Night, Truth, fingerprint
from scoring.validation.rescoring import pillar_share, regrade, shares, variants

AHEAD_MONTHS = 6  # §9: events of the next 6 months


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes:
        gates: in the order of §9.
        figures: what the report draws: one row an enterprise, rates by grade, scores of the later night.
        about: what was validated: run, method, fit, region, sizes.
    """

    gates: list[Gate]
    figures: dict[str, Any]
    about: dict[str, Any]

    @property
    def missed(self) -> list[Gate]:
        """The gates that are not met."""
        return [gate for gate in self.gates if gate.status == MISSED]

    def document(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {"about": self.about, "gates": [asdict(gate) for gate in self.gates], "figures": self.figures}


def validate(
    night: Night,
    *,
    events: pl.DataFrame | None,
    later: pl.DataFrame | None,
    truth: Truth | None,
    region: dict[str, Any],
    shadow_quarters: int = 0,
) -> Validation:
    """Return every gate of §9 over ``night``.

    Args:
        night: the run.
        events: what happened in the six months after it (uscc, kind, on); None: not known yet.
        later: ``firms`` of the run a quarter later; None: there is none.
        truth: of a simulated region; None: a real one.
        region: what the report says about where the data come from.
        shadow_quarters: how long a challenger has run beside this method.
    """
    method = night.method.method
    found: list[Gate] = []
    if events is None:
        aims = (("auc", "AUC", "≥ 0.65"), ("ks", "KS", "≥ 0.2"), ("trend", "AA < A < B", "< 0.05"))
        why = ("此后六个月尚未过去", "the six months after the night are not over")
        found += [gates.not_measured(code, "predictive", (name, name), aim, *why) for code, name, aim in aims]
    else:
        found += gates.predictive(night.firms, events, method.scale, truth.quality if truth else None)
    market = [code for code in method.members(pillar="market") if code in night.dated]
    halves = tuple(np.array(pillar_share(night, counts, market)) for counts in night.halves)
    found.append(gates.reliability(night.firms, (halves[0], halves[1]), market))
    if later is None:
        why = ("没有一个季度之后的运行", "there is no run of a quarter later")
        found.append(gates.not_measured("psi", "stability", ("稳定性 PSI", "PSI"), "< 0.1", *why))
        names = ("无原因等级变动", "unexplained grade moves")
        found.append(gates.not_measured("moves", "stability", names, "≤ 0.15", *why))
    else:
        found += gates.stability(night.firms, later)
    found += gates.spread(night.firms, shares(night), method.scale)
    found += fairness(night.firms, truth.quality if truth else None)
    base = regrade(night)
    changed = [
        (one.code, one.zh, one.en, regrade(night, method=one.method, fit=one.fit))
        for one in variants(method, night.fit)
    ]
    found += gates.sensitivity(base, changed)
    if truth:
        found += simulated.recovered(night, truth.quality)
        found.append(simulated.flooded(night, truth.bought))
    found.append(_change_control(shadow_quarters))
    return Validation(found, _figures(night, events, later, truth), _about(night, region))


def _change_control(shadow_quarters: int) -> Gate:
    names = ("变更控制：候选方法影子运行季度数", "quarters that a challenger ran in shadow")
    zh = "没有候选方法在影子运行（CHALLENGER_METHOD）；模型卡随本报告生成，预览属于发布流程"
    en = "no challenger runs in shadow (CHALLENGER_METHOD); the model card comes with this report, previews with lists"
    if not shadow_quarters:
        return gates.not_measured("shadow", "change_control", names, "≥ 2", zh, en)
    estimate = gates.Estimate(float(shadow_quarters), None, None, shadow_quarters)
    why = gates.Why(f"仅 {shadow_quarters} 个季度。", f"Only {shadow_quarters} so far.")
    return gates.judge("shadow", "change_control", names, gates.Aim(2, "at_least"), estimate, why=lambda: why)


def _figures(
    night: Night, events: pl.DataFrame | None, later: pl.DataFrame | None, truth: Truth | None
) -> dict[str, Any]:
    firms = gates.rated(night.firms).select("uscc", "score", "grade", "old_share", "household_months", "is_local")
    if events is not None:
        firms = firms.with_columns(pl.col("uscc").is_in(events["uscc"].implode()).alias("event"))
    if truth:
        quality = [truth.quality.get(uscc) for uscc in firms["uscc"]]
        firms = firms.with_columns(pl.Series("quality", quality, dtype=pl.Float64))
    return {
        "enterprises": firms.to_dicts(),
        "later_scores": gates.rated(later)["score"].to_list() if later is not None else [],
    }


def _about(night: Night, region: dict[str, Any]) -> dict[str, Any]:
    firms, method = night.firms, night.method.method
    grades = {code: firms.filter(pl.col("grade") == code).height for code in method.scale}
    statuses = dict(firms.group_by("status_code").len().sort("status_code").iter_rows())
    return {
        "region": region,
        "business_date": str(night.business_date),
        "run_id": night.run_id,
        "fit_id": night.fit.fit_id,
        "method_version": night.method.version,
        "method_sha256": night.method.sha256,
        "fingerprint": fingerprint(night),
        "enterprises": firms.height,
        "rated": gates.rated(firms).height,
        "grades": grades,
        "statuses": statuses,
        "indicators": {code: _availability(night, code) for code in method.indicators},
    }


def _availability(night: Night, code: str) -> str:
    indicator = night.method.method.indicators[code]
    missing = [feed for feed in indicator.feeds if feed not in night.inputs.available_feeds]
    if missing:
        return f"missing feed {', '.join(missing)}"
    return "counted" if (night.inputs.counts["indicator_code"] == code).any() else "not counted"


def summary(found: Validation) -> str:
    """Return one line that says how many gates are met, missed and not measured."""
    met = sum(gate.status == MET for gate in found.gates)
    rest = len(found.gates) - met - len(found.missed)
    return f"{met} gates met, {len(found.missed)} missed, {rest} not measured"


def month_end(night: date, months: int) -> date:
    """Return the last day of the month ``months`` after that of ``night``.

    >>> month_end(date(2026, 10, 31), 3)
    datetime.date(2027, 1, 31)
    """
    index = night.year * 12 + night.month + months
    return date(index // 12, index % 12 + 1, 1) - timedelta(days=1)
