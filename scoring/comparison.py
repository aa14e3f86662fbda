"""What a method would change: history graded under two methods side by side, before the second one binds (§9).

Every month end of a period is built in scratch schemas as the method counts it, with what is known on the period's last
day, and graded with hysteresis from the nights before it in the same comparison. Nothing is written to ``scoring``.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from property_credit.warehouse import editions
from property_credit.warehouse.connection import connect
from property_credit.warehouse.scratch import scratch_schemas
from property_credit.warehouse.transformation import build
from scoring import fit as fits
from scoring import grading, history
from scoring.assessment import assessed
from scoring.dates import month_number, months_later
from scoring.errors import ScoringError
from scoring.fit import Fit
from scoring.inputs import Inputs, read_fit_data, read_inputs
from scoring.method import LoadedMethod, load, warehouse_variables
from scoring.schema import Method
from scoring.validation import gates
from scoring.validation.fairness import fairness
from scoring.validation.night import MODELS, read_profiles
from scoring.validation.rescoring import plain_grades, variants

PREFIX = "compare_"
MAX_NIGHTS = 36
TOP = 3  # indicators named for each enterprise that moves


@dataclass(frozen=True)
class Side:
    """One method of the comparison with its fit and what it gave each night, as (night, uscc → decision)."""

    label: str
    loaded: LoadedMethod
    fit: Fit
    nights: list[tuple[date, dict[str, grading.Decision], dict[str, dict[str, Decimal]]]]
    inputs: Inputs | None = None


def nights_between(first: date, last: date) -> list[date]:
    """Return the month ends from ``first`` to ``last``, and ``last`` itself; ScoringError for too long or no period."""
    if last < first:
        raise ScoringError(f"the period ends on {last}, before it begins on {first}")
    ends = [months_later(first.replace(day=1), n + 1) - timedelta(days=1) for n in range(MAX_NIGHTS + 1)]
    nights = [day for day in ends if day < last] + [last]
    if month_number(last) - month_number(first) >= MAX_NIGHTS:
        raise ScoringError(f"the period is longer than {MAX_NIGHTS} months")
    return nights


def compare(version_a: str, version_b: str, first: date, last: date) -> dict[str, Any]:
    """Grade every month end of a period under both methods; return the comparison as plain JSON types.

    Args:
        version_a: a method's version; ``2026.1@1`` is that method over what edition 1 of the rules of reading and
            counting makes of the rows, without ``@`` each night's own edition.
        version_b: the same of the other side.
        first: first month end.
        last: last night, and what is known on it.

    Raises:
        MethodError: when a method's file is refused.
        ScoringError: when the period is empty or too long, or there is no such edition.
        TransformationError: when the warehouse cannot be built.
    """
    labels = (version_a, version_b)
    methods = [load(label.partition("@")[0]) for label in labels]
    rules = [_edition(label) for label in labels]
    sides: list[Side | None] = [None, None]
    with connect("pc_scoring") as connection:
        stored = [fits.latest_fit(connection, loaded.version, last) for loaded in methods]
    if None in stored:
        stored = [None, None]  # both from the same data: a difference must come from the methods
    profiles = pl.DataFrame()
    nights = nights_between(first, last)
    for night in nights:
        built: dict[str, Any] | None = None
        with scratch_schemas(PREFIX) as marts:
            for at, loaded in enumerate(methods):
                variables = warehouse_variables(loaded.method) | {"as_of": last.isoformat()} | rules[at]
                counted = {name: value for name, value in variables.items() if name != "method_version"}
                if counted != built:
                    build(night, variables=variables, schema_prefix=PREFIX, select=MODELS, tests=False)
                    built = counted
                side = sides[at]
                sides[at] = _graded(side, labels[at], loaded, stored[at], night, marts)
            if night == last:
                with connect("pc_dbt") as connection:
                    profiles = read_profiles(connection, night, schema_prefix=PREFIX)
    a, b = (side for side in sides if side is not None)
    return _report(a, b, nights, profiles)


def _edition(label: str) -> dict[str, Any]:
    """Return the variable that asks for the edition after ``@``; nothing where each night's own is meant."""
    _version, at, text = label.partition("@")
    known = [str(one.edition) for one in editions.known()]
    if at and text not in known:
        raise ScoringError(f"{label}: there is no edition {text!r} of the rules; known: {', '.join(known)}")
    return {"edition": int(text)} if at else {}


def _graded(side: Side | None, label: str, loaded: LoadedMethod, stored: Fit | None, night: date, marts: str) -> Side:
    """Return the side with one more night."""
    with connect("pc_scoring") as connection:
        connection.execute("set transaction isolation level repeatable read")
        inputs = read_inputs(connection, marts=marts)
        if side is None:
            data = read_fit_data(connection, loaded.method, marts=marts)
            estimates = stored or fits.from_parameters("estimated here", fits.estimate(loaded.method, *data))
            side = Side(label, loaded, estimates, [])
    runs = [(f"{day}", day) for day, _, _ in reversed(side.nights)]
    grades: history.Grades = {
        f"{day}": {
            uscc: (d.grade, d.grade_before_caps, held.get("until"), held.get("grade", d.grade_before_caps))
            for uscc, d in decisions.items()
            for held in [d.held or {}]
        }
        for day, decisions, _ in side.nights
    }
    standings = history.standings_of(loaded.method, night, runs, grades)
    decisions: dict[str, grading.Decision] = {}
    points: dict[str, dict[str, Decimal]] = {}
    for block, scored, decided in assessed(loaded.method, side.fit, inputs, business_date=night, standings=standings):
        for row, (uscc, decision) in enumerate(zip(block.enterprises["uscc"], decided, strict=True)):
            decisions[uscc] = decision
            points[uscc] = {code: scored.earned[row, at] for at, code in enumerate(scored.codes)}
    return Side(label, loaded, side.fit, [*side.nights, (night, decisions, points)], inputs)


def shown(decision: grading.Decision) -> str:
    """Return the grade, or NR, or V1 for serious dishonesty."""
    return decision.grade or ("V1" if decision.status == grading.NO_GRADE else "NR")


def _report(a: Side, b: Side, nights: list[date], profiles: pl.DataFrame) -> dict[str, Any]:
    by_night = []
    for (night, before, _), (_, after, _) in zip(a.nights, b.nights, strict=True):
        cells = Counter((shown(before[uscc]), shown(after[uscc])) for uscc in before)
        moved = sum(count for (x, y), count in cells.items() if x != y)
        by_night.append(
            {
                "night": night.isoformat(),
                "enterprises": len(before),
                "moved": moved,
                "moved_ratio": round(moved / max(len(before), 1), 4),
                "matrix": {f"{x} → {y}": count for (x, y), count in sorted(cells.items())},
            }
        )
    _, before, points_a = a.nights[-1]
    _, after, points_b = b.nights[-1]
    movers = [
        _mover(uscc, before[uscc], after[uscc], points_a[uscc], points_b[uscc], a.loaded.method, b.loaded.method, name)
        for uscc, name in zip(*_names(a), strict=True)
        if shown(before[uscc]) != shown(after[uscc])
    ]
    return {
        "period": {"from": nights[0].isoformat(), "to": nights[-1].isoformat(), "nights": len(nights)},
        "known_on": nights[-1].isoformat(),
        "methods": {
            side.label: {
                "sha256": side.loaded.sha256,
                "title": side.loaded.method.title.model_dump(),
                "fit_id": side.fit.fit_id,
                "scale": [*side.loaded.method.scale, "NR", "V1"],
                "fairness": _fairness(decisions, profiles),
                "sensitivity": _sensitivity(side, nights[-1]),
            }
            for side, decisions in ((a, before), (b, after))
        },
        "a": a.label,
        "b": b.label,
        "nights": by_night,
        "movers": movers,
    }


def _names(side: Side) -> tuple[list[str], list[str]]:
    assert side.inputs is not None
    frame = side.inputs.enterprises
    return frame["uscc"].to_list(), frame["enterprise_name"].to_list()


def _mover(
    uscc: str, before: grading.Decision, after: grading.Decision, points_a: dict[str, Decimal],
    points_b: dict[str, Decimal], method_a: Method, method_b: Method, name: str,
) -> dict[str, Any]:  # fmt: skip
    """Return one enterprise that moves and why: scores, caps, sufficiency, and the indicators that differ most."""
    changes = sorted(
        ((code, points_b.get(code, Decimal(0)) - points_a.get(code, Decimal(0))) for code in {*points_a, *points_b}),
        key=lambda pair: (-abs(pair[1]), pair[0]),
    )
    caps_a, caps_b = ({cap["code"] for cap in decision.caps} for decision in (before, after))
    why = []
    if before.score is not None and after.score is not None and before.score != after.score:
        why.append(f"S {before.score} → {after.score}")
    why += [f"+{code}" for code in sorted(caps_b - caps_a)] + [f"−{code}" for code in sorted(caps_a - caps_b)]
    reasons_a, reasons_b = ({r["code"] for r in decision.not_rated_reasons} for decision in (before, after))
    why += [f"+{code}" for code in sorted(reasons_b - reasons_a)] + [
        f"−{code}" for code in sorted(reasons_a - reasons_b)
    ]
    if bool(before.held) != bool(after.held):
        why.append("held by hysteresis or an objection under " + ("A" if before.held else "B"))
    if before.score == after.score and before.grade_before_caps != after.grade_before_caps:
        why.append("other cut-offs or certainty")
    return {
        "uscc": uscc,
        "enterprise_name": name,
        "from": shown(before),
        "to": shown(after),
        "score_a": None if before.score is None else str(before.score),
        "score_b": None if after.score is None else str(after.score),
        "why": why,
        "indicators": [
            {
                "indicator_code": code,
                "name_zh": (method_b.indicators.get(code) or method_a.indicators[code]).name.zh,
                "points": f"{change:+}",
            }
            for code, change in changes[:TOP]
            if change
        ],
    }


def _fairness(decisions: dict[str, grading.Decision], profiles: pl.DataFrame) -> list[dict[str, Any]]:
    """Return §9's fairness gates over the grades of the last night, hysteresis included."""
    grades = pl.DataFrame(
        {
            "uscc": list(decisions),
            "score": [None if one.score is None else float(one.score) for one in decisions.values()],
            "grade": pl.Series([one.grade for one in decisions.values()], dtype=pl.String),
        }
    )
    return [asdict(gate) for gate in fairness(grades.join(profiles, on="uscc", maintain_order="left"))]


def _sensitivity(side: Side, night: date) -> list[dict[str, Any]]:
    """Return §9's sensitivity gates: grades that flip under each change, hysteresis left out on both sides."""
    assert side.inputs is not None
    method, inputs = side.loaded.method, side.inputs
    base = plain_grades(method, side.fit, inputs, business_date=night)
    changed = (
        (one.code, one.zh, one.en, plain_grades(one.method, one.fit, inputs, business_date=night))
        for one in variants(method, side.fit)
    )
    return [asdict(gate) for gate in gates.sensitivity(base, changed)]
