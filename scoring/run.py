"""A grade run: reads the marts, grades everybody, writes one run in one transaction. Same inputs: nothing new.

Owns ``scoring.runs``, ``scoring.grades`` and ``scoring.indicator_points``.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, LiteralString

import numpy as np
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from scoring import certainty, disputes, grading, history, indicators, lift, provenance, reasons
from scoring.dates import months_later
from scoring.errors import InputsError, MethodError, ScoringError
from scoring.fit import Fit, fit, latest_fit, register
from scoring.grading import Decision, Standing
from scoring.inputs import Inputs, known_until, read_inputs
from scoring.method import LoadedMethod, Method, load, warehouse_variables
from warehouse.business_date import arrival
from warehouse.connection import connect

SIX = Decimal("0.000001")
TWO = Decimal("0.01")
FIT_MONTHS = 12  # §5: estimated again every year
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


@dataclass(frozen=True)
class GradeReport:
    """What a grade run did.

    Attributes:
        run_id: of the run that now holds the grades; the same inputs always give the same.
        is_new: False when that run was there already and nothing was written.
        grades: enterprises by grade code, ``NR`` for not rated, ``V1`` for serious dishonesty.
        fitted_on: the night its estimates are of.
    """

    run_id: str
    business_date: date
    method_version: str
    fit_id: str
    input_sha256: str
    is_new: bool
    enterprise_count: int
    grades: dict[str, int]
    fitted_on: date

    @property
    def is_fit_due(self) -> bool:
        """Say whether the estimates are over a year old: the method (§5) wants λ, m and k estimated again."""
        return months_later(self.fitted_on, FIT_MONTHS) <= self.business_date


def grade(
    business_date: date,
    *,
    method_version: str | None = None,
    marts: str = "marts",
    as_of: date | None = None,
    is_shadow: bool = False,
) -> GradeReport:
    """Grade every enterprise of the marts as of ``business_date``.

    A method without a fit is fitted first. The run, its grades and its points are written in one transaction or not at
    all. A run that is there already and was recorded by other code is computed again and compared.

    Args:
        business_date: the night.
        method_version: another method than the one in force.
        marts: the schema that was built for the night.
        as_of: the day whose knowledge the marts were built with, if that is later than the night: a corrected past,
            which stands as a run of its own beside the one of that night.
        is_shadow: the method is a challenger: its run stands beside the night's own and is never published.

    Raises:
        MethodError: when the method's file is refused.
        InputsError: when the marts are missing, empty, or counted with another method's windows.
        ScoringError: when the method's version was used with other content before, or the code computes otherwise
            than the code that recorded this run.
    """
    loaded = load(method_version)
    with connect("pc_scoring") as connection:
        estimates = latest_fit(connection, loaded.version, business_date)
    if estimates is None:
        estimates = fit(business_date, method_version=loaded.version, marts=marts)
    with connect("pc_scoring") as connection:
        connection.execute("set transaction isolation level repeatable read")
        register(connection, loaded, business_date)
        found = read_inputs(connection, marts=marts)
        standings, history_sha256 = history.standings(connection, loaded.method, business_date)
        input_sha256 = combined(found.sha256, history_sha256)
        run_id = identify(business_date, loaded, estimates, f"shadow|{input_sha256}" if is_shadow else input_sha256)
        by = provenance.computed_by(connection)
        written = connection.execute(
            "insert into scoring.runs (run_id, business_date, method_version, fit_id, input_sha256, enterprise_count,"
            " recorded_at, known_until, as_of, is_shadow, computed_by)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (run_id) do nothing",
            (run_id, business_date, loaded.version, estimates.fit_id, input_sha256, len(found.enterprises), arrival())
            + (Jsonb(known_until(connection, marts=marts)), as_of, is_shadow, Jsonb(by)),
        )
        if written.rowcount:
            key = (run_id, loaded.version, input_sha256)
            for block, scored, decisions in assessed(
                loaded.method, estimates, found, business_date=business_date, standings=standings
            ):
                copy_rows(connection, loaded.method, block, scored, decisions, key=key, business_date=business_date)
        counts = Counter(
            grade or ("V1" if status == grading.NO_GRADE else "NR")
            for grade, status in connection.execute(
                "select grade, status_code from scoring.grades where run_id = %s", (run_id,)
            )
        )
        fitted = connection.execute("select fitted_on from scoring.fits where fit_id = %s", (estimates.fit_id,))
        [(fitted_on,)] = fitted.fetchall()
    if not written.rowcount:
        _confirm(run_id, loaded, marts=marts)
    return GradeReport(
        run_id=run_id,
        business_date=business_date,
        method_version=loaded.version,
        fit_id=estimates.fit_id,
        input_sha256=input_sha256,
        is_new=bool(written.rowcount),
        enterprise_count=sum(counts.values()),
        grades={code: counts[code] for code in (*loaded.method.scale, "NR", "V1")},
        fitted_on=fitted_on,
    )


def _confirm(run_id: str, loaded: LoadedMethod, *, marts: str) -> None:
    """Compare a run with what today's code makes of it; ScoringError when anything comes out otherwise."""
    from scoring.replay import compare, recorded

    run = recorded(run_id)
    with connect("pc_scoring") as connection:
        changes = provenance.changed(run.computed_by, provenance.computed_by(connection))
    report = compare(run, loaded, marts=marts) if changes else None
    if report and report.difference_count:
        first = report.differences[0]
        raise ScoringError(
            f"run {run_id} of {run.business_date} stands as recorded, but {report.difference_count:,} of its values"
            f" come out otherwise today ({first.column} of {first.uscc}; {', '.join(changes)}): what computes otherwise"
            f" needs a method version of its own; copy scoring/methods/{loaded.version}.yml and put the copy in force"
        )


def grade_in_shadow(business_date: date, version: str) -> GradeReport:
    """Grade with a challenger beside the night's own run (§9): over the same marts, stored, never published.

    Raises InputsError when the warehouse counts otherwise than the challenger asks for: ``compare-methods`` builds what
    each method counts with. MethodError when its file is refused, or it is the method in force.
    """
    in_force, challenger = load(), load(version)
    if in_force.version == challenger.version:
        raise MethodError(f"CHALLENGER_METHOD={version} is the method in force: name another, or none")
    counted, asked = (warehouse_variables(one.method) | {"method_version": ""} for one in (in_force, challenger))
    other = sorted(name for name in counted.keys() | asked.keys() if counted.get(name) != asked.get(name))
    if other:
        raise InputsError(
            f"challenger {version} counts otherwise ({', '.join(other)}): "
            "`property-credit compare-methods` builds what each counts with"
        )
    return grade(business_date, method_version=version, is_shadow=True)


def assessed(
    method: Method, fit: Fit, found: Inputs, *, business_date: date, standings: dict[str, Standing], block: int = BLOCK
) -> Iterator[tuple[Inputs, indicators.Points, list[Decision]]]:
    """Yield inputs, points and decisions of every enterprise, a block of them at a time: the one way to a grade."""
    for part in found.blocks(block):
        scored = indicators.score(method, fit, part)
        decisions = grading.decide(method, part, scored, business_date=business_date, standings=standings)
        decisions = disputes.resolve(method, fit, part, decisions, business_date=business_date, standings=standings)
        yield part, scored, list(lift.with_lift(method, part, scored, decisions, business_date=business_date))


def combined(inputs_sha256: str, history_sha256: str) -> str:
    """Return the hash of everything a run depends on besides method and fit."""
    return hashlib.sha256(f"{inputs_sha256}|{history_sha256}".encode()).hexdigest()


def identify(business_date: date, loaded: LoadedMethod, estimates: Fit, input_sha256: str) -> str:
    """Return the run's id: from the date, the method's content, the fit and the inputs, and from nothing else."""
    text = f"{business_date}|{loaded.version}|{loaded.sha256}|{estimates.fit_id}|{input_sha256}"
    return "r" + hashlib.sha256(text.encode()).hexdigest()[:16]


def copy_rows(
    connection: psycopg.Connection,
    method: Method,
    found: Inputs,
    scored: indicators.Points,
    decisions: list[Decision],
    *,
    key: tuple[str, str, str],
    business_date: date,
    tables: tuple[str, str] = ("scoring.grades", "scoring.indicator_points"),
) -> None:
    """Write a block's grades and points with COPY; ``key`` is run_id, method_version and input_sha256."""
    grades, points = (sql.SQL(table) for table in tables)  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL(COPY_GRADES).format(grades)) as copy:
            for row in grade_rows(found, decisions):
                copy.write_row((*key, business_date, *row))
        with cursor.copy(sql.SQL(COPY_POINTS).format(points)) as copy:
            for row in point_rows(method, found, scored):
                copy.write_row((*key, *row))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def grade_rows(found: Inputs, decisions: list[grading.Decision]) -> Iterator[tuple[Any, ...]]:
    """Yield the columns of ``scoring.grades`` from uscc on."""
    names = zip(found.enterprises["uscc"], found.enterprises["enterprise_name"], strict=True)
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
            _json(decision.lift) if decision.lift else None,
        )


def point_rows(method: Method, found: Inputs, scored: indicators.Points) -> Iterator[tuple[Any, ...]]:
    """Yield the columns of ``scoring.indicator_points`` from uscc on, by indicator and enterprise."""
    evidence: dict[tuple[str, str], list[str]] = {}
    for code, uscc, evidence_id in found.evidence.iter_rows():
        evidence.setdefault((code, uscc), []).append(evidence_id)
    for place, code in enumerate(scored.codes):
        indicator, column = method.indicators[code], scored.columns[code]
        intervals = certainty.shown_interval(method, scored, code)
        for row, uscc in enumerate(found.enterprises["uscc"]):
            figures = reasons.Scored(
                status=str(column.status[row]),
                counted=column.counted[row],
                exposure=column.exposure[row],
                value=column.value[row],
                window_months=int(column.window[row]),
                points=scored.earned[row, place],
                maximum=scored.maximum[row, place],
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
