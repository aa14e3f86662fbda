"""The table that judges methods: one row a world and method, its aims, and the worst world of each.

Owns the aims of the table and its words; how a world is made and graded is the caller's. A world whose truth the method
knows nothing of decides what a method is worth; the worst is reported, never the mean, and a miss is printed as a miss.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scoring.schema import Method
from scoring.validation import coverage, peers, predictive, simulated
from scoring.validation import statistics as st
from scoring.validation.fairness import old_share
from scoring.validation.measures import Measures
from scoring.validation.statistics import Estimate
from scoring.validation.verdicts import CANNOT_TELL, MET, MISSED, NOT_MEASURED, Aim, few, rated

BASE = "base"
SHARES = {True: Aim(0.90, "at_least"), False: Aim(0.80, "at_least")}  # of the attainable: in the base world, elsewhere
OLD_SHARE = Aim(0.05, "at_most")
LARGEST_GRADE = Aim(0.60, "at_most")
FALLEN = Aim(0, "at_most")
MARKS = {MET: "✓", MISSED: "✗", CANNOT_TELL: "?", NOT_MEASURED: "–"}
HEADINGS = {
    "truth": "秩相关÷可达 ρ ÷ attainable",
    "old_share": "老旧相关 |corr| old share",
    "coverage": "覆盖率 coverage",
    "auc_size": "AUC 同规模 in size bands",
    "auc_attained": "AUC÷可达 ÷ attainable",
    "floods": "受害降级 victims that fall",
    "grades": "最大等级 largest grade",
    "peers_quality": "优于简单分数：质量 beats peers: truth",
    "peers_event": "优于简单分数：事件 beats peers: events",
}


@dataclass(frozen=True)
class Cell:
    """One figure of a row with its verdict; ``shown`` is what people read, without the mark."""

    status: str
    shown: str
    value: float | None
    low: float | None = None
    high: float | None = None
    aim: str = ""


@dataclass(frozen=True)
class Row:
    """One world under one method: its cells by the names of HEADINGS, and what stands beside them."""

    world: str
    method: str
    enterprises: int
    rated: int
    grades: dict[str, int]
    peers: dict[str, float | None]
    cells: dict[str, Cell]
    signals: dict[str, float] = field(default_factory=dict)  # ``Measures.signals``
    misclassified: dict[str, float] = field(default_factory=dict)  # ``Measures.misclassified``


@dataclass(frozen=True)
class Table:
    """All rows, with the arguments that they were made by."""

    rows: list[Row]
    parameters: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """0: every measured aim is met; 1: one is missed; 3: none is missed, but of some the sample cannot tell."""
        statuses = {cell.status for row in self.rows for cell in row.cells.values()}
        return 1 if MISSED in statuses else 3 if CANNOT_TELL in statuses else 0

    def worst(self, method: str) -> dict[str, Row]:
        """Return the worst world of a method by heading: worst verdict first, then the figure furthest off."""
        order = (MISSED, CANNOT_TELL, MET)
        by_heading = {}
        for heading in HEADINGS:
            rows = [row for row in self.rows if row.method == method and row.cells[heading].status in order]
            if rows:
                by_heading[heading] = min(
                    rows, key=lambda row: (order.index(row.cells[heading].status), _far(heading, row))
                )
        return by_heading


def _far(heading: str, row: Row) -> float:
    value = row.cells[heading].value or 0.0
    if heading in ("old_share", "floods", "grades"):
        return -value
    return -abs(value - 0.90) if heading == "coverage" else value


def row(world: str, method: Method, measures: Measures) -> Row:
    """Return a world's row under ``method``, from one region or several pooled."""
    firms = simulated.with_attainable(measures.firms, measures.known)
    gates = {gate.code: gate for gate in (
        *predictive.predictive(firms, method.scale), peers.beats(firms, against="event"),
        peers.beats(firms, against="quality"), *coverage.coverage(rated(firms), measures.pits),
        *simulated.recovered(firms, aim=SHARES[world == BASE].number),
    )}  # fmt: skip
    judged = rated(firms)
    counts = {grade: judged.filter(judged["grade"] == grade).height for grade in method.scale}
    true = judged["quality"].to_numpy() if judged.height else np.zeros(0)
    cells = {
        name: _cell(gates[name].status, gates[name].estimate, gates[name].aim)
        for name in ("truth", "coverage", "auc_size", "auc_attained", "peers_quality", "peers_event")
    }
    truth = gates["truth"]
    if truth.estimate.value is not None:
        reached, most = truth.details["rank_correlation"], truth.details["attainable"]
        cells["truth"] = _with(cells["truth"], f"{cells['truth'].shown} ({reached:.2f} ÷ {most:.2f})")
    cells["old_share"] = _judged(OLD_SHARE, old_share(judged) if few(judged) is None else None)
    cells["floods"] = _floods(measures, method)
    largest = st.proportion(max(counts.values(), default=0), judged.height)
    cells["grades"] = _judged(LARGEST_GRADE, largest)
    return Row(
        world=world,
        method=method.version,
        enterprises=firms.height,
        rated=judged.height,
        grades=counts,
        peers=(peers.figures(judged, true) | {"score": st.spearman(judged["score"].to_numpy(), true)})
        if few(judged) is None
        else {},
        cells={name: cells[name] for name in HEADINGS},
        signals=dict(measures.signals),
        misclassified=dict(measures.misclassified),
    )


def _judged(aim: Aim, estimate: Estimate | None) -> Cell:
    estimate = estimate or Estimate(None, None, None, 0)
    return _cell(aim.verdict(estimate), estimate, str(aim))


def _cell(status: str, estimate: Estimate, aim: str) -> Cell:
    if estimate.value is None or status == NOT_MEASURED:
        return Cell(NOT_MEASURED, "–", None, aim=aim)
    span = "" if estimate.low is None or estimate.high is None else f" [{estimate.low:.2f}, {estimate.high:.2f}]"
    return Cell(status, f"{estimate.value:.2f}{span}", estimate.value, estimate.low, estimate.high, aim)


def _with(cell: Cell, shown: str) -> Cell:
    return Cell(cell.status, shown, cell.value, cell.low, cell.high, cell.aim)


def _floods(measures: Measures, method: Method) -> Cell:
    if not measures.floods:
        return Cell(NOT_MEASURED, "–", None, aim=str(FALLEN))
    fell = len(simulated.fallen(measures.floods, method.scale))
    estimate = Estimate(float(fell), None, None, len(measures.floods))
    return _with(_judged(FALLEN, estimate), f"{fell} / {len(measures.floods)}")


def row_of(content: dict[str, Any]) -> Row:
    """Return the row that ``asdict`` made ``content`` of."""
    return Row(**{**content, "cells": {name: Cell(**cell) for name, cell in content["cells"].items()}})


def write(table: Table, out: Path) -> None:
    """Write worlds.json and worlds.md below ``out``."""
    document = {"parameters": table.parameters, "rows": [asdict(row) for row in table.rows]}
    (out / "worlds.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (out / "worlds.md").write_text(markdown(table), encoding="utf-8")


def markdown(table: Table) -> str:
    """Return the table for docs/validation.md: rows, then the worst world of each method."""
    lines = [_line(["世界 world", "方法 method", "n", *HEADINGS.values(), "等级 grades", "简单分数 peers"])]
    lines.append("|" + " --- |" * (len(HEADINGS) + 5))
    for one in table.rows:
        lines.append(_line([one.world, one.method, str(one.rated), *_cells(one), _grades(one), _peers(one)]))
    lines += ["", _line(["最差世界 worst world", *HEADINGS.values()]), "|" + " --- |" * (len(HEADINGS) + 1)]
    for method in dict.fromkeys(one.method for one in table.rows):
        worst = table.worst(method)
        cells = []
        for heading in HEADINGS:
            at = worst.get(heading)
            cells.append("–" if at is None else f"{at.world}: {_mark(at.cells[heading])}")
        lines.append(_line([method, *cells]))
    return "\n".join([*lines, "", *_signals(table), "", *_misclassified(table)]) + "\n"


def _signals(table: Table) -> list[str]:
    """Return how much of each indicator's spread tells enterprises apart: its range over the worlds, by method."""
    methods = list(dict.fromkeys(one.method for one in table.rows))
    codes = sorted({code for one in table.rows for code in one.signals})
    lines = [_line(["指标 indicator", *(f"{method}: 区分度 tells apart, least–most" for method in methods)])]
    lines.append("|" + " --- |" * (len(methods) + 1))
    for code in codes:
        shares = [[one.signals[code] for one in table.rows if one.method == m and code in one.signals] for m in methods]
        lines.append(_line([code, *(f"{min(each):.0%}–{max(each):.0%}" if each else "–" for each in shares)]))
    return lines


def _misclassified(table: Table) -> list[str]:
    """Return by world how many have another grade than by their true score, as the method models it."""
    names = list(dict.fromkeys(name for one in table.rows for name in one.misclassified))
    lines = [_line(["世界 world", "方法 method", *names]), "|" + " --- |" * (len(names) + 2)]
    for one in table.rows:
        shares = [one.misclassified.get(name) for name in names]
        lines.append(_line([one.world, one.method, *("–" if share is None else f"{share:.1%}" for share in shares)]))
    return lines


def _cells(one: Row) -> list[str]:
    return [_mark(cell) for cell in one.cells.values()]


def _mark(cell: Cell) -> str:
    return cell.shown if cell.status == NOT_MEASURED else f"{MARKS[cell.status]} {cell.shown}"


def _grades(one: Row) -> str:
    return ", ".join(f"{grade} {count / max(one.rated, 1):.0%}" for grade, count in one.grades.items())


def _peers(one: Row) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in one.peers.items() if value is not None)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
