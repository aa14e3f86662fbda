"""From points to a grade: sums, caps and vetoes, sufficiency, certainty of the best grade, hysteresis (§6, §7).

Owns every rule that decides a grade. Reads no table: what was known before comes in as ``Standing``.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from scoring import certainty
from scoring.dates import months_later
from scoring.indicators import Points
from scoring.inputs import CapCase, Departure, Inputs
from scoring.schema import Grade, Method

RATED, NOT_RATED, NO_GRADE = "rated", "not_rated", "serious_dishonesty"
DEREGISTERED, NOT_SERVING = "NR_DEREGISTERED", "NR_NOT_SERVING"


@dataclass(frozen=True)
class Standing:
    """What earlier runs say of one enterprise.

    Attributes:
        grade: in force after the latest earlier run; None: none (never graded, or not rated then).
        steady: the same without its caps and vetoes, which hysteresis goes on from: they bind and end at once.
        month_ends: what the score alone gave (``grade_before_caps``) in the last run of each calendar month before
            tonight's, newest first, without gaps; None where it was not rated.
        quarter_ends: the same by calendar quarter.
        frozen_until: last day of the freeze that an objection began and the latest run still showed; None: none.
    """

    grade: str | None = None
    steady: str | None = None
    month_ends: tuple[str | None, ...] = ()
    quarter_ends: tuple[str | None, ...] = ()
    frozen_until: date | None = None


@dataclass(frozen=True)
class Decision:
    """One enterprise's grade and everything that decided it; the columns of ``scoring.grades``."""

    grade: str | None
    status: str
    score: Decimal | None
    public_pct: Decimal | None
    market_pct: Decimal | None
    bonus: Decimal
    certainty: Decimal | None
    is_key_supervision: bool
    grade_before_caps: str | None
    held: dict[str, str] | None
    caps: list[dict[str, Any]]
    not_rated_reasons: list[dict[str, str]]
    objections: list[dict[str, str]] = field(default_factory=list)
    score_without_disputed: Decimal | None = None
    grade_without_disputed: str | None = None
    improvement: dict[str, Any] | None = None


@dataclass(frozen=True)
class Sums:
    """Exact sums of points, arrays of shape (enterprises,) of Decimal; percentages are points ÷ pillar points × 100."""

    pillar_points: dict[str, Any]
    pillar_maximum: dict[str, Any]
    bonus: Any
    domain_pct: dict[str, list[Decimal | None]]


def add_up(method: Method, scored: Points) -> Sums:
    """Return the sums by pillar and domain; nothing is rounded here."""
    place = {code: index for index, code in enumerate(scored.codes)}

    def total(matrix: Any, codes: list[str]) -> Any:
        return matrix[:, [place[code] for code in codes]].sum(axis=1) if codes else np.full(len(matrix), Decimal(0))

    domain_pct: dict[str, list[Decimal | None]] = {}
    for name in method.domains:
        codes = method.members(domain=name)
        if codes:
            earned, maximum = total(scored.earned, codes), total(scored.maximum, codes)
            domain_pct[name] = [a * 100 / b if b else None for a, b in zip(earned, maximum, strict=True)]
    bonus = total(scored.earned, method.members(pillar="bonus"))
    return Sums(
        pillar_points={name: total(scored.earned, method.members(pillar=name)) for name in method.pillars},
        pillar_maximum={name: total(scored.maximum, method.members(pillar=name)) for name in method.pillars},
        bonus=np.array([min(points, method.bonus_max_points) for points in bonus], dtype=object),
        domain_pct=domain_pct,
    )


def decide(
    method: Method, inputs: Inputs, scored: Points, *, business_date: date, standings: dict[str, Standing]
) -> list[Decision]:
    """Return the decision for every enterprise, in the order of ``inputs.enterprises``."""
    sums = add_up(method, scored)
    sure = _certainties(method, scored, sums)
    decisions = []
    for row, enterprise in enumerate(inputs.enterprises.iter_rows(named=True)):
        uscc = enterprise["uscc"]
        missing = {name: not maximum[row] for name, maximum in sums.pillar_maximum.items()}
        pct = {
            name: None if missing[name] else values[row] * 100 / method.pillars[name].points
            for name, values in sums.pillar_points.items()
        }
        score = None if any(missing.values()) else sum(v[row] for v in sums.pillar_points.values()) + sums.bonus[row]
        reasons = departed(inputs.departures.get(uscc, []))
        is_deregistered = any(reason["code"] == DEREGISTERED for reason in reasons)
        reasons += insufficiencies(method, enterprise, {n: r[row] for n, r in scored.available_ratio.items()})
        caps = binding_caps(
            method,
            inputs.caps.get(uscc, []),
            business_date=business_date,
            domain_pct={name: values[row] for name, values in sums.domain_pct.items()},
            survey_responses=int(enterprise["survey_response_count"] or 0),
        )
        before = None
        if score is not None and not reasons:
            public, market = pct.get("public") or Decimal(0), pct.get("market") or Decimal(0)
            before = grade_by_score(
                method, score, bonus=sums.bonus[row], public=public, market=market, sure=sure.get(row)
            )
        # who is no more has no grade that could be limited; 严重失信 stays until it is decided otherwise
        binding = [cap for cap in caps if cap["effect"] == "no_grade" or not is_deregistered]
        standing = standings.get(uscc, Standing())
        grade, status, held = _final(method, before, binding, standing, score, pct, sums.bonus[row])
        decisions.append(
            Decision(
                grade=grade,
                status=status,
                score=score,
                public_pct=pct.get("public"),
                market_pct=pct.get("market"),
                bonus=sums.bonus[row],
                certainty=sure.get(row),
                is_key_supervision=enterprise["is_listed_without_basis"] == "t"
                or (score is not None and not reasons and score < method.key_supervision_below_score),
                grade_before_caps=before,
                held=held,
                caps=caps,
                not_rated_reasons=reasons,
            )
        )
    return decisions


def _certainties(method: Method, scored: Points, sums: Sums) -> dict[int, Decimal]:
    """Return Pr(S_true ≥ …) of those whose score reaches a grade that asks for it, by row."""
    probabilities: dict[int, Decimal] = {}
    size = len(sums.bonus)
    total = sum(sums.pillar_points.values(), np.full(size, Decimal(0), dtype=object))
    for grade in method.grades:
        if grade.needs_certainty:
            least, least_public, least_market = grade.minima()
            reached = (total + (sums.bonus if grade.counts_bonus else Decimal(0)) >= least).astype(bool)
            for name, points in sums.pillar_points.items():
                minimum = {"public": least_public, "market": least_market}[name]
                reached &= (points * 100 >= minimum * method.pillars[name].points).astype(bool)
            rows = np.array([row for row in np.flatnonzero(reached) if row not in probabilities], dtype=int)
            sure = certainty.probability(method, scored, rows, counts_bonus=grade.counts_bonus)
            probabilities |= {int(row): Decimal(f"{p:.3f}") for row, p in zip(rows, sure, strict=True)}
    return probabilities


def grade_by_score(
    method: Method, score: Decimal, *, bonus: Decimal, public: Decimal, market: Decimal, sure: Decimal | None
) -> str:
    """Return the grade that the score alone gives: the first of the scale whose minima are all met."""
    for grade in method.grades:
        counted = score if grade.counts_bonus else score - bonus
        is_sure = not grade.needs_certainty or (sure is not None and sure >= method.certainty.min_probability)
        if is_sure and all(a >= b for a, b in zip((counted, public, market), grade.minima(), strict=True)):
            return grade.code
    return method.scale[-1]


def departed(departures: list[Departure]) -> list[dict[str, str]]:
    """Return why an enterprise is not graded any more: 已注销 (at once) or 不再服务; empty while it serves."""
    words = {
        "deregistered": (DEREGISTERED, "已注销（{}）", "deregistered ({})"),
        "not_serving": (NOT_SERVING, "自 {} 起不再服务任何小区", "manages no community since {}"),
    }
    reasons = []
    for one in departures:
        code, zh, en = words[one.departure_code]
        reasons.append({"code": code, "reason_zh": zh.format(one.since_on), "reason_en": en.format(one.since_on)})
    return reasons


def insufficiencies(
    method: Method, enterprise: dict[str, str | None], ratios: dict[str, Decimal]
) -> list[dict[str, str]]:
    """Return why an enterprise cannot be rated, empty if it can (§7)."""
    rule = method.sufficiency

    def number(name: str) -> Decimal:
        return Decimal(enterprise[name] or 0)

    reasons: list[tuple[str, str, str]] = []
    if (months := number("service_months")) < rule.min_service_months:
        least = rule.min_service_months
        reasons.append(
            (
                "NR_SERVICE",
                f"服务期 {months:.1f} 个月，不足 {least} 个月",
                f"{months:.1f} months of service, below {least}",
            )
        )
    if (months := number("household_months")) < rule.min_household_months:
        least = rule.min_household_months
        reasons.append(
            ("NR_EXPOSURE", f"户月数 {months:.0f}，不足 {least}", f"{months:.0f} household-months, below {least}")
        )
    if (count := number("inspection_count")) < rule.min_inspections:
        window = rule.inspection_window_months
        reasons.append(
            (
                "NR_INSPECTION",
                f"{window} 个月内检查 {count} 次，不足 {rule.min_inspections} 次",
                f"{count} inspections in {window} months, below {rule.min_inspections}",
            )
        )
    for pillar, ratio in ratios.items():
        if ratio < rule.min_available_ratio:
            name, least = method.pillars[pillar].name, rule.min_available_ratio
            reasons.append(
                (
                    f"NR_POINTS_{pillar.upper()}",
                    f"{name.zh}可评分值 {ratio:.0%}，不足 {least:.0%}",
                    f"{ratio:.0%} of the points of {name.en} can be scored, below {least:.0%}",
                )
            )
    if (ratio := number("protected_ratio")) > rule.max_protected_ratio:
        most = rule.max_protected_ratio
        reasons.append(
            (
                "NR_PROTECTED",
                f"接管保护期户月占 {ratio:.0%}，超过 {most:.0%}",
                f"{ratio:.0%} of household-months under take-over protection, above {most:.0%}",
            )
        )
    return [{"code": code, "reason_zh": zh, "reason_en": en} for code, zh, en in reasons]


def binding_caps(
    method: Method,
    cases: list[CapCase],
    *,
    business_date: date,
    domain_pct: dict[str, Decimal | None],
    survey_responses: int,
) -> list[dict[str, Any]]:
    """Return the vetoes and caps that bind on ``business_date``, as the JSON of ``scoring.grades.caps`` (§6)."""
    caps = []
    for code, cap in method.caps.items():
        mine = [case for case in cases if case.code == code and case.starts_on <= business_date]
        binding = [case for case in mine if case.ends_on is None or case.ends_on >= business_date]
        grade = cap.grade
        zh, en, until = cap.name.zh, cap.name.en, None
        if cap.repeat and binding and len(mine) > 1:
            first, last = sorted(case.starts_on for case in mine)[-2:]
            if last < months_later(first, cap.repeat.within_months):
                grade = cap.repeat.grade
                zh, en = f"{zh}（{cap.repeat.within_months} 个月内第二次）", f"{en} (second time)"
        if cap.core_domain_below_pct is not None:
            least = cap.core_domain_below_pct
            low = [
                (spec.name, pct)
                for name, spec in method.domains.items()
                if spec.is_core and (pct := domain_pct.get(name)) is not None and pct < least
            ]
            if low:
                zh = f"{zh}：" + "、".join(f"{words.zh} {pct:.1f}%" for words, pct in low) + f"，低于 {least}%"
                en = f"{en}: " + ", ".join(f"{words.en} {pct:.1f} %" for words, pct in low) + f", below {least} %"
            is_binding = bool(low)
        elif cap.survey_responses_below is not None:
            least_responses = cap.survey_responses_below
            is_binding = survey_responses < least_responses
            zh = f"{zh}：{survey_responses} 份，少于 {least_responses} 份"
            en = f"{en}: {survey_responses}, below {least_responses}"
        else:
            is_binding = bool(binding)
            ends = [case.ends_on for case in binding]
            until = None if None in ends or not ends else max(end for end in ends if end).isoformat()
        if is_binding:
            caps.append(
                {
                    "code": code,
                    "effect": "no_grade" if cap.effect == "no_grade" else f"at_most_{grade}",
                    "reason_zh": zh,
                    "reason_en": en,
                    "evidence_ids": [case.evidence_id for case in binding],
                    "until": until,
                    "decisions": [
                        {
                            "basis": case.basis,
                            "authority_name": case.authority_name,
                            "decision_no": case.decision_no,
                            "starts_on": case.starts_on.isoformat(),
                            "ends_on": case.ends_on.isoformat() if case.ends_on else None,
                        }
                        for case in binding
                    ],
                }
            )
    return caps


def _final(
    method: Method,
    before: str | None,
    caps: list[dict[str, Any]],
    standing: Standing,
    score: Decimal | None,
    pct: dict[str, Decimal | None],
    bonus: Decimal,
) -> tuple[str | None, str, dict[str, str] | None]:
    """Return grade, status and what hysteresis held; caps bind at once, whatever the score did before."""
    grade, held = None, None
    if before is not None and score is not None:
        grade, held = steady(
            method, before, standing, (score, pct.get("public") or Decimal(0), pct.get("market") or Decimal(0)), bonus
        )
    if any(cap["effect"] == "no_grade" for cap in caps):
        return None, NO_GRADE, held
    rank = {code: index for index, code in enumerate(method.scale)}
    limits = [
        cap["effect"].removeprefix("at_most_") for cap in caps if grade or method.caps[cap["code"]].binds_not_rated
    ]
    grades = [*limits, *([grade] if grade else [])]
    return (max(grades, key=rank.__getitem__), RATED, held) if grades else (None, NOT_RATED, None)


def steady(
    method: Method, before: str, standing: Standing, reached: tuple[Decimal, Decimal, Decimal], bonus: Decimal
) -> tuple[str, dict[str, str] | None]:
    """Return the grade after hysteresis and, where it was held, from what, to what and why (§7).

    An upgrade goes as far as every one of the last ``upgrade_quarters`` quarters (tonight's among them) reached. A
    downgrade by score goes one step further wherever ``downgrade_months`` months (tonight's among them) were all below
    the step, or tonight is ``downgrade_at_once_points`` below its minimum of the score or of a pillar's percentage.
    ``reached``: score, P% and M%; a grade that does not count the bonus is not held by it either.
    """
    rule = method.hysteresis
    rank = {code: index for index, code in enumerate(method.scale)}
    if standing.steady is None or standing.steady not in rank or standing.steady == before:
        return before, None
    step = rank[standing.steady]
    if rank[before] < step:
        needed = rule.upgrade_quarters - 1
        past = [rank.get(code or "", len(rank)) for code in standing.quarter_ends[:needed]]
        past += [len(rank)] * (needed - len(past))  # a quarter without a run proves nothing
        step = min(max([rank[before], *past]), step)
        why = (f"升级须连续 {rule.upgrade_quarters} 个季度达到", f"an upgrade needs {rule.upgrade_quarters} quarters")
    else:
        needed = rule.downgrade_months - 1
        past = [rank.get(code or "", -1) for code in standing.month_ends[:needed]]
        lasting = min(past, default=len(rank)) if len(past) == needed else -1
        while step < rank[before] and (lasting > step or _shortfall(method, method.grades[step], reached, bonus)):
            step += 1
        why = (
            f"因分数降级须连续 {rule.downgrade_months} 个月或低 {rule.downgrade_at_once_points} 分以上",
            f"a downgrade by score needs {rule.downgrade_months} months or {rule.downgrade_at_once_points} points",
        )
    grade = method.scale[step]
    if grade == before:
        return grade, None
    return grade, {"from": standing.steady, "reached": before, "grade": grade, "reason_zh": why[0], "reason_en": why[1]}


def _shortfall(method: Method, grade: Grade, reached: tuple[Decimal, Decimal, Decimal], bonus: Decimal) -> bool:
    score, *pct = reached
    counted = score if grade.counts_bonus else score - bonus
    short = max(least - value for least, value in zip(grade.minima(), (counted, *pct), strict=True))
    return short >= method.hysteresis.downgrade_at_once_points
