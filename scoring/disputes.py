"""Open objections (§8.3): the score without what they dispute, stored beside the one with it, and the frozen downgrade.

Owns what a pending objection may change: never a point, only when a downgrade begins to bind.
"""

from dataclasses import replace
from datetime import date

import polars as pl

from property_credit.warehouse import working_days
from scoring import grading, indicators
from scoring.fit import Fit
from scoring.grading import RATED, Decision, Standing
from scoring.inputs import COUNT_COLUMNS, Inputs
from scoring.schema import Method

KEY = list(COUNT_COLUMNS[:4])
EXACT = pl.Decimal(38, 12)


def resolve(
    method: Method,
    fit: Fit,
    inputs: Inputs,
    decisions: list[Decision],
    *,
    business_date: date,
    standings: dict[str, Standing],
) -> list[Decision]:
    """Return the decisions with their open objections: both scores kept, a downgrade frozen while that may be."""
    if not inputs.objections:
        return decisions
    alone = without_disputed(inputs)
    scored = indicators.score(method, fit, alone)
    others = grading.decide(method, alone, scored, business_date=business_date, standings=standings)
    undisputed = dict(zip(alone.enterprises["uscc"], others, strict=True))
    resolved = []
    for uscc, decision in zip(inputs.enterprises["uscc"], decisions, strict=True):
        other = undisputed.get(uscc)
        if other is not None:
            objections = [
                {name: str(value) for name, value in vars(objection).items()} for objection in inputs.objections[uscc]
            ]
            decision = replace(
                decision,
                objections=objections,
                score_without_disputed=other.score,
                grade_without_disputed=other.grade,
            )
            filed_on = max(objection.filed_on for objection in inputs.objections[uscc])
            kept = _kept(method, other, standings.get(uscc, Standing()))
            decision = _freeze(method, decision, kept, filed_on, business_date)
        resolved.append(decision)
    return resolved


def without_disputed(inputs: Inputs) -> Inputs:
    """Return the inputs of the enterprises that object, as if all their open objections were upheld."""
    alone = inputs.cut(pl.Series("uscc", sorted(inputs.objections)))
    whole, part = pl.col("numerator", "denominator"), pl.col("numerator_disputed", "denominator_disputed")
    counts = (
        alone.counts.join(alone.disputed, on=KEY, how="left", suffix="_disputed", maintain_order="left")
        .with_columns(whole.cast(EXACT), part.cast(EXACT).fill_null(0))
        .with_columns(
            (pl.col(name) - pl.col(f"{name}_disputed")).cast(pl.String) for name in ("numerator", "denominator")
        )
        .select(COUNT_COLUMNS)
    )
    return replace(
        alone,
        counts=counts,
        caps={uscc: [case for case in cases if not case.is_disputed] for uscc, cases in alone.caps.items()},
    )


def _kept(method: Method, other: Decision, standing: Standing) -> Standing:
    """Return the standing that a freeze may keep, at best what would stand if every open objection were upheld.

    ``other``: the decision without what is disputed. Where it is not rated at all, the rating rests on what is disputed
    and the whole standing is kept.
    """
    if method.objections.freezes != "what_is_disputed" or other.status != RATED:
        return standing
    rank = {code: index for index, code in enumerate(method.scale)}

    def worse(standing_grade: str | None, undisputed: str | None) -> str | None:
        if standing_grade not in rank or undisputed not in rank:
            return standing_grade
        return max(standing_grade, undisputed, key=rank.__getitem__)

    return replace(
        standing,
        grade=worse(standing.grade, other.grade),
        steady=worse(standing.steady or standing.grade, (other.held or {}).get("grade") or other.grade_before_caps),
    )


def _freeze(method: Method, decision: Decision, standing: Standing, filed_on: date, business_date: date) -> Decision:
    """Return the decision with the standing grade kept where a timely objection freezes the downgrade.

    Timely is an objection filed while the better grade still stands. A freeze ends on the day that was said when it
    began: a further objection does not prolong it. ``filed_on``: of the newest open objection; an older one that is
    overdue takes nothing from it.
    """
    rank = {code: index for index, code in enumerate(method.scale)}
    rule = method.objections
    if (
        decision.status != RATED
        or standing.grade not in rank
        or decision.grade is None
        or rank[decision.grade] <= rank[standing.grade]
        or any(cap["code"] in rule.never_freeze for cap in decision.caps)
    ):
        return decision
    until = standing.frozen_until or working_days.after(filed_on, rule.freeze_working_days)
    if business_date > until:
        return decision
    is_provisional = working_days.is_provisional(until)
    return replace(
        decision,
        grade=standing.grade,
        held={
            "from": standing.grade,
            "reached": decision.grade,
            "grade": standing.steady or standing.grade,
            "reason_zh": f"异议处理中，降级冻结至 {until}"
            + ("（次年放假安排未公布，按周一至周五推算）" * is_provisional),
            "reason_en": f"an objection is open: the downgrade is frozen until {until}"
            + (" (that year's holidays are not published yet: Monday to Friday were counted)" * is_provisional),
            "until": until.isoformat(),
        },
    )
