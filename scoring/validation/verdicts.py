"""What a gate says: its figure with an interval against its aim, in four verdicts, with reasons from the figures.

Owns the verdict and nothing that is measured. A figure whose interval reaches across its aim is no pass and no miss:
the sample cannot tell, and only a larger one decides. What could not be measured is never met.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from scoring.validation.statistics import Estimate

MET, MISSED, CANNOT_TELL, NOT_MEASURED = "met", "missed", "cannot_tell", "not_measured"
LEAST_FIRMS = 20  # rated enterprises below which a figure over them says nothing
LEAST_EVENTS = 5  # enterprises with an event, and without one, likewise


@dataclass(frozen=True)
class Gate:
    """One gate and what became of it.

    Attributes:
        code: stable name; group: predictive, peers, reliability, coverage, stability, spread, fairness, sensitivity,
            simulation, change_control.
        aim: the requirement with its direction.
        status: met, missed, cannot_tell or not_measured.
        reason_zh, reason_en: why it is not met; empty where it is.
        details: further figures, shown beside it.
    """

    code: str
    group: str
    zh: str
    en: str
    aim: str
    status: str
    estimate: Estimate
    reason_zh: str = ""
    reason_en: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aim:
    """A threshold: ``at_least`` or ``at_most`` a number; ``above``, ``below`` strictly; ``between`` two numbers."""

    number: float
    kind: str
    upper: float | None = None

    def __str__(self) -> str:
        """Return it as people write it."""
        if self.kind == "between":
            return f"{self.number:.3g} – {self.upper:.3g}"
        return {"at_least": "≥", "at_most": "≤", "above": ">", "below": "<"}[self.kind] + f" {self.number:.3g}"

    def holds(self, value: float) -> bool:
        """Return whether ``value`` satisfies the aim."""
        match self.kind:
            case "at_least":
                return value >= self.number
            case "above":
                return value > self.number
            case "below":
                return value < self.number
            case "between":
                return self.number <= value <= (self.upper or self.number)
        return value <= self.number

    def verdict(self, estimate: Estimate) -> str:
        """Return the verdict: by the whole interval where there is one, else by the figure alone."""
        if estimate.value is None:
            return NOT_MEASURED
        if estimate.low is None or estimate.high is None:
            return MET if self.holds(estimate.value) else MISSED
        low, high = self.holds(estimate.low), self.holds(estimate.high)
        if low and high:
            return MET
        around = self.kind == "between" and estimate.low < self.number and estimate.high > (self.upper or self.number)
        return CANNOT_TELL if low or high or around else MISSED


@dataclass(frozen=True)
class Why:
    """Why a gate is not met, in both languages, from its own figures."""

    zh: str = ""
    en: str = ""

    def __add__(self, other: "Why") -> "Why":
        """Return both reasons, one after the other."""
        return Why(self.zh + other.zh, " ".join(filter(None, (self.en, other.en))))


def judge(
    code: str, group: str, names: tuple[str, str], aim: Aim, estimate: Estimate, *,
    why: Callable[[], Why] = Why, details: dict[str, Any] | None = None, status: str | None = None,
) -> Gate:  # fmt: skip
    """Return the gate with its verdict; ``why`` is asked only when it is not met.

    ``status``: the verdict where it rests on more than the estimate.
    """
    details, status = details or {}, status or aim.verdict(estimate)
    if status == NOT_MEASURED:
        zh, en = "数据不足，无法计算", "not enough data to compute it"
        return Gate(code, group, *names, str(aim), status, estimate, zh, en, details)
    if status == MET:
        return Gate(code, group, *names, str(aim), status, estimate, details=details)
    reason = why()
    if status == CANNOT_TELL:
        reason = (
            Why("样本不足以定论：区间跨越目标值。", "This sample cannot tell: the interval reaches across the aim.")
            + reason
        )
    if not reason.zh:
        reason = Why(f"结果 {estimate.value:.3g}，目标 {aim}。", f"It is {estimate.value:.3g}, the aim is {aim}.")
    return Gate(code, group, *names, str(aim), status, estimate, reason.zh, reason.en, details)


def not_measured(code: str, group: str, names: tuple[str, str], aim: str, zh: str, en: str) -> Gate:
    """Return a gate that could not be measured, with the reason."""
    return Gate(code, group, *names, aim, NOT_MEASURED, Estimate(None, None, None, 0), zh, en)


def exit_code(gates: Iterable[Gate]) -> int:
    """Return 0: every measured aim is met; 1: one is missed; 3: none is missed, but of some the sample cannot tell."""
    statuses = {gate.status for gate in gates}
    return 1 if MISSED in statuses else 3 if CANNOT_TELL in statuses else 0


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


def few_events(event: Any) -> tuple[str, str] | None:
    """Return why events among enterprises say nothing; None if there are enough with and without one."""
    with_event, without = int(event.sum()), int((~event).sum())
    if min(with_event, without) >= LEAST_EVENTS:
        return None
    return (
        f"仅 {with_event} 家有事件、{without} 家无事件",
        f"only {with_event} enterprises with an event and {without} without",
    )
