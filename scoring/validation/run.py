"""One validation: all gates over one or several graded regions, what followed, and what is known of the truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from scoring.validation import coverage, gates, peers, predictive, simulated
from scoring.validation.fairness import fairness
from scoring.validation.measures import Measures, pooled, rated_rows
from scoring.validation.night import Night, fingerprint
from scoring.validation.statistics import Estimate
from scoring.validation.verdicts import (
    CANNOT_TELL,
    MET,
    MISSED,
    NOT_MEASURED,
    Aim,
    Gate,
    Why,
    exit_code,
    judge,
    not_measured,
    rated,
)  # fmt: skip

AHEAD_MONTHS = 6  # §9: events of the next 6 months


@dataclass(frozen=True)
class Validation:
    """The result of a validation.

    Attributes:
        gates: in the order of §9.
        figures: what the report draws: one row an enterprise, rates by grade, scores of the later night.
        about: what was validated: run, method, fit, region, sizes.
    """

    gates: list[Gate]
    figures: dict[str, Any]
    about: dict[str, Any]

    def of(self, status: str) -> list[Gate]:
        """Return the gates with that verdict."""
        return [gate for gate in self.gates if gate.status == status]

    @property
    def exit_code(self) -> int:
        """0: every measured aim is met; 1: one is missed; 3: none is missed, but of some the sample cannot tell."""
        return exit_code(self.gates)

    def document(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "about": self.about,
            "verdict": {0: MET, 1: MISSED, 3: CANNOT_TELL}[self.exit_code],
            "gates": [asdict(gate) for gate in self.gates],
            "figures": self.figures,
        }


def validate(
    regions: Sequence[Measures], nights: Sequence[Night], *, region: dict[str, Any], shadow_quarters: int = 0
) -> Validation:
    """Return every gate of §9 over ``regions``, pooled.

    Args:
        regions: what was measured of each.
        nights: the runs they were measured on, all of one method.
        region: what the report says about where the data come from.
        shadow_quarters: how long a challenger has run beside this method.
    """
    measures, method = pooled(regions), nights[0].method.method
    firms = measures.firms
    with_truth, with_events = "quality" in firms.columns, "event" in firms.columns
    rows: list[Gate] = []
    if with_events:
        rows += predictive.predictive(firms, method.scale)
        rows.append(peers.beats(firms, against="event"))
    else:
        rows += predictive.unmeasured("此后六个月尚未过去", "the six months after the night are not over")
    if with_truth:
        rows.append(peers.beats(firms, against="quality"))
    rows.append(
        gates.reliability(firms, (firms["half_first"].to_numpy(), firms["half_second"].to_numpy()), measures.dated)
    )
    rows += coverage.coverage(rated(firms), measures.pits)
    if measures.later is None:
        why = ("没有一个季度之后的运行", "there is no run of a quarter later")
        rows.append(not_measured("psi", "stability", ("稳定性 PSI", "PSI"), "< 0.1", *why))
        names = ("无原因等级变动", "unexplained grade moves")
        rows.append(not_measured("moves", "stability", names, "≤ 0.15", *why))
    else:
        rows += gates.stability(firms, measures.later)
    rows += gates.spread(firms, measures.shares, method.scale)
    rows += fairness(firms)
    rows += gates.sensitivity(measures.base, measures.changed)
    if with_truth:
        rows += simulated.recovered(simulated.with_attainable(firms, measures.known))
        rows.append(simulated.flooded(measures.floods, method))
    rows.append(_change_control(shadow_quarters))
    figures = {
        "enterprises": rated_rows(measures),
        "later_scores": rated(measures.later)["score"].to_list() if measures.later is not None else [],
    }
    return Validation(rows, figures, _about(nights, region))


def _change_control(shadow_quarters: int) -> Gate:
    names = ("变更控制：候选方法影子运行季度数", "quarters that a challenger ran in shadow")
    zh = "没有候选方法在影子运行（CHALLENGER_METHOD）；模型卡随本报告生成，预览属于发布流程"
    en = "no challenger runs in shadow (CHALLENGER_METHOD); the model card comes with this report, previews with lists"
    if not shadow_quarters:
        return not_measured("shadow", "change_control", names, "≥ 2", zh, en)
    estimate = Estimate(float(shadow_quarters), None, None, shadow_quarters)
    why = Why(f"仅 {shadow_quarters} 个季度。", f"Only {shadow_quarters} so far.")
    return judge("shadow", "change_control", names, Aim(2, "at_least"), estimate, why=lambda: why)


def _about(nights: Sequence[Night], region: dict[str, Any]) -> dict[str, Any]:
    firms, method = pl.concat([night.firms for night in nights]), nights[0].method.method
    grades = {code: firms.filter(pl.col("grade") == code).height for code in method.scale}
    statuses = dict(firms.group_by("status_code").len().sort("status_code").iter_rows())
    return {
        "region": region,
        "business_date": str(nights[0].business_date),
        "run_id": ", ".join(night.run_id for night in nights),
        "fit_id": ", ".join(night.fit.fit_id for night in nights),
        "method_version": nights[0].method.version,
        "method_sha256": nights[0].method.sha256,
        "fingerprint": ", ".join(fingerprint(night) for night in nights),
        "enterprises": firms.height,
        "rated": rated(firms).height,
        "grades": grades,
        "statuses": statuses,
        "indicators": {code: _availability(nights[0], code) for code in method.indicators},
    }


def _availability(night: Night, code: str) -> str:
    indicator = night.method.method.indicators[code]
    missing = [feed for feed in indicator.feeds if feed not in night.inputs.available_feeds]
    if missing:
        return f"missing feed {', '.join(missing)}"
    return "counted" if (night.inputs.counts["indicator_code"] == code).any() else "not counted"


def summary(validation: Validation) -> str:
    """Return one line that says how many gates have each verdict."""
    counts = Counter(gate.status for gate in validation.gates)
    return (
        f"{counts[MET]} gates met, {counts[MISSED]} missed, {counts[CANNOT_TELL]} cannot tell, "
        f"{counts[NOT_MEASURED]} not measured"
    )


def month_end(night: date, months: int) -> date:
    """Return the last day of the month ``months`` after that of ``night``.

    >>> month_end(date(2026, 10, 31), 3)
    datetime.date(2027, 1, 31)
    """
    index = night.year * 12 + night.month + months
    return date(index // 12, index % 12 + 1, 1) - timedelta(days=1)
