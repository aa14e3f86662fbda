"""One enterprise after another assessed: points, decision, what an open objection changes, how to improve; as rows.

Owns the one way from inputs to a grade, and the rows that are stored of it. Decides nothing about runs.
"""

import json
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, LiteralString

import numpy as np
import psycopg
from psycopg import sql

from scoring import advice, certainty, disputes, grading, improvement, indicators, reasons
from scoring.fit import Fit
from scoring.grading import Decision, Standing
from scoring.inputs import Inputs, Silence
from scoring.schema import Method

SIX = Decimal("0.000001")
TWO = Decimal("0.01")
BLOCK = 4000  # enterprises at once: about 300 MB of exact numbers

COPY_GRADES: LiteralString = """
    copy {} (run_id, method_version, input_sha256, business_date, uscc, enterprise_name, grade,
      status_code, score, public_pct, market_pct, bonus_points, certainty_ratio, is_key_supervision,
      grade_before_caps, held, caps, not_rated_reasons, objections, score_without_disputed, grade_without_disputed,
      lift) from stdin
"""
COPY_POINTS: LiteralString = """
    copy {} (run_id, method_version, input_sha256, uscc, indicator_code, is_available,
      status_code, window_months, numerator, denominator, indicator_value, interval_low, interval_high, points,
      max_points, evidence_ids, reason_zh, reason_en) from stdin
"""


def assessed(
    method: Method, fit: Fit, inputs: Inputs, *, business_date: date, standings: dict[str, Standing], block: int = BLOCK
) -> Iterator[tuple[Inputs, indicators.Points, list[Decision]]]:
    """Yield inputs, points and decisions of every enterprise, a block of them at a time: the one way to a grade."""
    best = advice.reached(method, inputs) if inputs.edition >= advice.FROM_EDITION else None
    for part in inputs.blocks(block):
        scored = indicators.score(method, fit, part)
        decisions = grading.decide(method, part, scored, business_date=business_date, standings=standings)
        decisions = disputes.resolve(method, fit, part, decisions, business_date=business_date, standings=standings)
        yield (
            part,
            scored,
            list(improvement.with_improvement(method, part, scored, decisions, business_date=business_date, best=best)),
        )


def copy_rows(
    connection: psycopg.Connection,
    method: Method,
    inputs: Inputs,
    scored: indicators.Points,
    decisions: list[Decision],
    *,
    key: tuple[str, str, str],
    business_date: date,
    tables: tuple[str, str] = ("scoring.grades", "scoring.indicator_points"),
) -> None:
    """Write a block's grades and points with COPY; ``key`` is run_id, method_version and input_sha256."""
    grades, points = (sql.SQL(table) for table in tables)
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL(COPY_GRADES).format(grades)) as copy:
            for row in grade_rows(inputs, decisions):
                copy.write_row((*key, business_date, *row))
        with cursor.copy(sql.SQL(COPY_POINTS).format(points)) as copy:
            for row in point_rows(method, inputs, scored):
                copy.write_row((*key, *row))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def grade_rows(inputs: Inputs, decisions: list[grading.Decision]) -> Iterator[tuple[Any, ...]]:
    """Yield the columns of ``scoring.grades`` from uscc on."""
    names = zip(inputs.enterprises["uscc"], inputs.enterprises["enterprise_name"], strict=True)
    for (uscc, name), decision in zip(names, decisions, strict=True):
        yield (
            uscc,
            name,
            decision.grade,
            decision.status,
            decision.score,
            _shown(decision.public_pct, TWO),
            _shown(decision.market_pct, TWO),
            decision.bonus,
            decision.certainty,
            decision.is_key_supervision,
            decision.grade_before_caps,
            _json(decision.held) if decision.held else None,
            _json(decision.caps),
            _json(decision.not_rated_reasons),
            _json(decision.objections),
            decision.score_without_disputed,
            decision.grade_without_disputed,
            _json(decision.improvement) if decision.improvement else None,
        )


def point_rows(method: Method, inputs: Inputs, scored: indicators.Points) -> Iterator[tuple[Any, ...]]:
    """Yield the columns of ``scoring.indicator_points`` from uscc on, by indicator and enterprise."""
    evidence: dict[tuple[str, str], list[str]] = {}
    for code, uscc, evidence_id in inputs.evidence.iter_rows():
        evidence.setdefault((code, uscc), []).append(evidence_id)
    without_finding = {
        (one.indicator_code, uscc, one.finding_code): one.case_count
        for uscc, findings in inputs.findings.items()
        for one in findings
    }
    nothing: list[Silence] = []
    for place, code in enumerate(scored.codes):
        indicator, column = method.indicators[code], scored.columns[code]
        intervals = certainty.shown_interval(method, scored, code)
        ended = [inputs.counted_until[feed] for feed in indicator.feeds if feed in inputs.counted_until]
        for row, uscc in enumerate(inputs.enterprises["uscc"]):
            figures = reasons.Scored(
                status=str(column.status[row]),
                counted=column.counted[row],
                exposure=column.exposure[row],
                value=column.value[row],
                window_months=int(column.window[row]),
                points=scored.earned[row, place],
                maximum=scored.maximum[row, place],
                design_effect=column.design_effect,
                deemed=without_finding.get((code, uscc, "deemed"), 0),
                pending=without_finding.get((code, uscc, "pending"), 0),
                silences=tuple(one for one in inputs.silences.get(uscc, nothing) if one.feed in indicator.feeds),
                counted_until=min(ended) if ended and indicator.window_months else None,
            )
            zh, en = reasons.reason(indicator, figures)
            is_scored = figures.status == indicators.SCORED
            low, high = intervals[row]
            yield (
                uscc,
                code,
                figures.status in indicators.AVAILABLE,
                figures.status,
                figures.window_months or None,
                _shown(figures.counted, SIX),
                _shown(figures.exposure, SIX),
                _shown(figures.value, SIX) if is_scored else None,
                None if np.isnan(low) else f"{low:.6f}",
                None if np.isnan(high) else f"{high:.6f}",
                figures.points,
                figures.maximum,
                _json(evidence.get((code, uscc), [])),
                zh,
                en,
            )


def _shown(number: Decimal | None, quantum: Decimal) -> Decimal | None:
    """Return a figure as it is stored for people to read; no grade or point depends on it."""
    return None if number is None else number.quantize(quantum, rounding=ROUND_HALF_UP)
