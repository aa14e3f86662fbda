"""Anchors and cut-offs as data: what a trial cycle proposes for a next version of a method, and what that would change.

Anchors are laid where the trial cycle's enterprises lie, cut-offs where a stated share of them passes; both are frozen
with the version that takes them over, never moved by a night. Owns the proposal; puts nothing in force.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np

from property_credit.warehouse.connection import connect
from property_credit.warehouse.scratch import scratch_schemas
from property_credit.warehouse.transformation import build
from scoring import fit as fits
from scoring import grading, indicators
from scoring.assessment import BLOCK
from scoring.errors import ScoringError
from scoring.fit import Fit
from scoring.formulas import Rate, Ratio, RelativeRisk
from scoring.indicators import SCORED, Points
from scoring.inputs import MODELS, Inputs, read_fit_data, read_inputs
from scoring.method import METHODS_DIR, LoadedMethod, load, load_file, warehouse_variables
from scoring.misclassification import Misclassification, misclassification
from scoring.schema import Method
from scoring.signals import Signal, signals

PREFIX = "calibrate_"
LEAST_ENTERPRISES = 30
BEST_SHARE, WORST_SHARE = 0.15, 0.05  # enterprises at or beyond full points, and at or beyond none
LEAST_SPREAD = 0.02  # of the old width, from the middle to full points: below it most enterprises are alike
BEYOND_CUT = 0.10  # of those above a grade's score, the lowest in a pillar that its percentage leaves out


@dataclass(frozen=True)
class Proposal:
    """What a trial cycle proposes.

    Attributes:
        curves: the proposed curve of each indicator that changes, by code.
        grades: proposed minima by grade: score, public % and market %, in whole points.
        signals: how much each indicator says.
        misclassified: how often a grade of the proposal would be another one if the true score were known.
        before, after: enterprises by grade (``NR`` where not rated), under the method and under the proposal.
        matrix: enterprises by (grade before, grade after).
        scores: (before, after) quantiles of the score, 5 to 95 %.
        fit: estimated from the trial cycle.
    """

    method: LoadedMethod
    proposed: Method
    curves: dict[str, tuple[tuple[Decimal, Decimal], ...]]
    grades: dict[str, tuple[Decimal, Decimal, Decimal]]
    signals: list[Signal]
    misclassified: list[Misclassification]
    before: dict[str, int]
    after: dict[str, int]
    matrix: dict[str, int]
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    fit: Fit | None = None


def calibrate(business_date: date, version: str, *, best: float = 0.15, worst: float = 0.30) -> Proposal:
    """Build a trial cycle's last night in scratch schemas as ``version`` counts it, and propose anchors and cut-offs.

    Args:
        business_date: the trial cycle's last night.
        version: the method to start from.
        best, worst: shares (0-1) of the rated enterprises that the best grade and the last grade should take.

    Raises:
        MethodError: when the method's file is refused.
        ScoringError: when fewer than ``LEAST_ENTERPRISES`` can be rated, or the shares leave nothing between.
        TransformationError: when the warehouse cannot be built.
    """
    if not (0 < best < 1 and 0 < worst < 1 and best + worst < 1):
        raise ScoringError(
            f"shares of {best:.0%} and {worst:.0%} leave nothing between: they must add up to less than 1"
        )
    loaded = load(version)
    with scratch_schemas(PREFIX) as marts:
        variables = warehouse_variables(loaded.method)
        build(business_date, variables=variables, schema_prefix=PREFIX, select=MODELS, tests=False)
        with connect("pc_scoring") as connection:
            connection.execute("set transaction isolation level repeatable read")
            inputs = read_inputs(connection, marts=marts)
            data = read_fit_data(connection, loaded.method, marts=marts)
    estimates = fits.from_parameters("of the trial cycle", fits.estimate(loaded.method, *data))
    return propose(loaded, estimates, inputs, business_date=business_date, best=best, worst=worst)


def propose(
    loaded: LoadedMethod,
    estimates: Fit,
    inputs: Inputs,
    *,
    business_date: date,
    best: float = 0.15,
    worst: float = 0.30,
) -> Proposal:
    """Return the proposal for ``loaded`` from one region's inputs; ScoringError when too few can be rated."""
    method = loaded.method
    before = _graded(method, estimates, inputs, business_date)
    all_signals = signals(method, estimates, before.points)
    little = {one.indicator_code for one in all_signals if one.says_little}
    rated = np.array([not decision.not_rated_reasons and decision.score is not None for decision in before.decisions])
    if rated.sum() < LEAST_ENTERPRISES:
        raise ScoringError(
            f"{int(rated.sum())} enterprises can be rated in the trial cycle, below {LEAST_ENTERPRISES}:"
            " their spread says nothing about anchors; calibrate on a longer cycle or a larger region"
        )
    curves = {
        code: curve
        for code, indicator in method.indicators.items()
        if isinstance(indicator.formula, Ratio | Rate | RelativeRisk)
        and code not in little
        and (curve := proposed_curve(indicator.formula.curve, _values(before.points, code, rated))) is not None
        and curve != indicator.formula.curve
    }
    with_curves = method.model_copy(
        update={
            "indicators": {
                code: spec.model_copy(update={"formula": spec.formula.model_copy(update={"curve": curves[code]})})
                if code in curves
                else spec
                for code, spec in method.indicators.items()
            }
        }
    )
    middle = _graded(with_curves, estimates, inputs, business_date)
    grades = _cut_offs(with_curves, middle.decisions, rated, best=best, worst=worst)
    top = grades[method.grades[0].code][0]
    old_top = method.grades[0].min_score or Decimal(0)
    proposed = with_curves.model_copy(
        update={
            "grades": tuple(
                grade.model_copy(
                    update=dict(zip(("min_score", "min_public_pct", "min_market_pct"), grades[grade.code], strict=True))
                )
                if grade.code in grades
                else grade
                for grade in method.grades
            ),
            "certainty": method.certainty.model_copy(
                update={"min_score": method.certainty.min_score + (top - old_top)}
            ),
        }
    )
    after = _graded(proposed, estimates, inputs, business_date)
    pairs = Counter((a.grade or "NR", b.grade or "NR") for a, b in zip(before.decisions, after.decisions, strict=True))
    levels = (5, 25, 50, 75, 95)
    quantiles = [np.percentile(_scores(side.decisions, rated), levels) for side in (before, after)]
    return Proposal(
        method=loaded,
        proposed=proposed,
        curves=curves,
        grades=grades,
        signals=all_signals,
        misclassified=misclassification(
            proposed, after.points, np.flatnonzero(rated), _household_months(inputs)[rated]
        ),
        before=dict(Counter(d.grade or "NR" for d in before.decisions)),
        after=dict(Counter(d.grade or "NR" for d in after.decisions)),
        matrix={f"{a} → {b}": count for (a, b), count in sorted(pairs.items())},
        scores={f"{at} %": (float(x), float(y)) for at, x, y in zip(levels, *quantiles, strict=True)},
        fit=estimates,
    )


def proposed_curve(
    curve: tuple[tuple[Decimal, Decimal], ...], values: np.ndarray[Any, Any]
) -> tuple[tuple[Decimal, Decimal], ...] | None:
    """Return a curve whose ends lie where the trial cycle's best and worst enterprises do; None: the old one stays.

    Knots between keep their place relative to the ends. A figure that differs little between enterprises keeps a third
    of the old width, and one in which most are alike its old curve, so that noise does not become points.

    Args:
        curve: (value, share) pairs as the method has them, from share 1 to 0.
        values: shape (n,), the shrunk values of enterprises with exposure, as the curve reads them.
    """
    if len(values) < LEAST_ENTERPRISES:
        return None
    first, last = float(curve[0][0]), float(curve[-1][0])
    falls = first < last
    full, zero = (
        np.percentile(values, [100 * BEST_SHARE, 100 * (1 - WORST_SHARE)])
        if falls
        else np.percentile(values, [100 * (1 - BEST_SHARE), 100 * WORST_SHARE])
    )
    width = abs(last - first)
    if abs(np.median(values) - full) < width * LEAST_SPREAD:
        return None
    least = width / 3
    if abs(zero - full) < least:
        zero = full + least if falls else full - least
    step = Decimal("0.005") if max(abs(first), abs(last)) <= 1 else Decimal("0.05")
    ends = [
        (Decimal(str(number)) / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * step
        for number in (float(full), float(zero))
    ]
    if ends[0] == ends[1]:
        ends[1] += step if falls else -step
    span = curve[-1][0] - curve[0][0]
    return tuple(
        ((ends[0] + (value - curve[0][0]) / span * (ends[1] - ends[0])).quantize(Decimal("0.0001")), share)
        for value, share in curve
    )


def proposal_text(proposal: Proposal, version: str) -> str:
    """Return the methodology file of the proposal under a new version: the method's own text, comments and all."""
    source = (METHODS_DIR / f"{proposal.method.version}.yml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^version: .*$", f'version: "{version}"', source, count=1)
    for code, curve in proposal.curves.items():
        start = re.search(rf"(?m)^  {re.escape(code)}:.*\n", text)
        if start is None:
            raise ScoringError(f"{proposal.method.version}.yml has no entry {code} to lay a curve into")
        shown = "[" + ", ".join(f"[{value.normalize():f}, {share.normalize():f}]" for value, share in curve) + "]"
        head, tail = text[: start.end()], text[start.end() :]
        text = head + re.sub(r"curve: \[\[.*?\]\]", f"curve: {shown}", tail, count=1)
    for code, minima in proposal.grades.items():
        for name, number in zip(("min_score", "min_public_pct", "min_market_pct"), minima, strict=True):
            text = re.sub(rf"(code: {code}, .*?{name}: )[0-9.]+", rf"\g<1>{number.normalize():f}", text, count=1)
    least = proposal.proposed.certainty.min_score.normalize()
    return re.sub(r"(?m)^(certainty: \{min_score: )[0-9.]+", rf"\g<1>{least:f}", text, count=1)


def write(proposal: Proposal, folder: Path, version: str) -> Path:
    """Write the proposed file into ``folder`` and read it back; return its path. MethodError when it is no method."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{version}.yml"
    path.write_text(proposal_text(proposal, version), encoding="utf-8")
    load_file(path)
    return path


@dataclass(frozen=True)
class _Graded:
    points: Points
    decisions: list[grading.Decision]


def _graded(method: Method, estimates: Fit, inputs: Inputs, business_date: date) -> _Graded:
    decisions: list[grading.Decision] = []
    for block in inputs.blocks(BLOCK):
        scored = indicators.score(method, estimates, block)
        decisions += grading.decide(method, block, scored, business_date=business_date, standings={})
    return _Graded(indicators.score(method, estimates, inputs), decisions)


def _household_months(inputs: Inputs) -> np.ndarray[Any, Any]:
    return np.array([float(text or 0) for text in inputs.enterprises["household_months"]])


def _scores(decisions: list[grading.Decision], rated: np.ndarray[Any, Any]) -> list[float]:
    return [float(d.score or 0) for d, is_rated in zip(decisions, rated, strict=True) if is_rated]


def _values(scored: Points, code: str, rated: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    column = scored.columns[code]
    at = (column.status == SCORED) & rated & (column.exposure > 0).astype(bool)
    return column.value[at].astype(float)


def _cut_offs(
    method: Method, decisions: list[grading.Decision], rated: np.ndarray[Any, Any], *, best: float, worst: float
) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Return the minima of every grade but the last, so that about ``best`` reach the first and ``worst`` none."""
    kept = [decision for decision, is_rated in zip(decisions, rated, strict=True) if is_rated]
    figures = np.array(
        [[float((d.score or 0) - d.bonus), float(d.public_pct or 0), float(d.market_pct or 0)] for d in kept]
    )
    steps = len(method.grades) - 1
    cut_offs: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
    for at, grade in enumerate(method.grades[:-1]):
        share = best + (1 - worst - best) * at / max(steps - 1, 1)
        cut = float(np.floor(np.percentile(figures[:, 0], 100 * (1 - share))))
        above = figures[figures[:, 0] >= cut]
        pct = np.floor(np.percentile(above[:, 1:], 100 * BEYOND_CUT, axis=0)) if len(above) else np.zeros(2)
        minima = [Decimal(int(number)) for number in (cut, *pct)]
        if cut_offs:
            minima = [min(a, b) for a, b in zip(minima, list(cut_offs.values())[-1], strict=True)]
            minima[0] = min(minima[0], list(cut_offs.values())[-1][0] - 1)
        cut_offs[grade.code] = (minima[0], minima[1], minima[2])
    return cut_offs
