"""How long a whole country takes: points, reasons, improvements and the bootstrap of every enterprise, in blocks.

Inputs are made block by block as the marts would hold them (31 indicators, five strata for those compared within
strata), so that what is measured is scoring and not the making. Every enterprise is drawn, not only those near AA:
the worst case. Both phases run in one process each; ``--processes 2`` shares the blocks out. Peak memory is that of one
process.

    python -m benchmarks.score_enterprises --enterprises 300000 --processes 2 --out benchmarks/results/scoring.json
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mib

BUSINESS_DATE = date(2026, 10, 31)
SEED = 20261031
STRATA = (
    "commercial|lt10|lift",
    "commercial|10_20|lift",
    "old|ge30|no_lift",
    "old|20_30|no_lift",
    "resettlement|10_20|lift",
)
EVIDENCE = 5  # pieces an indicator with losses


def make_inputs(size: int, number: int) -> Any:
    """Return Inputs of ``size`` enterprises, block ``number``; the same number gives the same inputs."""
    import numpy as np
    import polars as pl

    from scoring.formulas import Bonus, Deduction, RelativeRisk, State
    from scoring.inputs import Inputs
    from scoring.method import load

    method = load().method
    random = np.random.default_rng([SEED, number])
    usccs = np.array([f"91{number * size + at:016d}" for at in range(size)])
    quality = random.beta(4, 2, size)
    frames, evidence = [], []
    for code, indicator in sorted(method.indicators.items()):
        windows = [indicator.window_months or 0]
        is_risk = isinstance(indicator.formula, RelativeRisk)
        if isinstance(indicator.formula, RelativeRisk):
            windows.append(indicator.formula.long_window_months)
        strata = STRATA if indicator.is_shrunk else ("all",)
        for window in windows:
            for stratum in strata:
                exposure = random.integers(20, 400, size)
                if is_risk:
                    exposure = exposure * 60
                    counted = random.poisson(exposure * 0.004 * (1.6 - quality))
                elif isinstance(indicator.formula, Deduction):
                    counted = random.poisson(2 * (1 - quality))
                elif isinstance(indicator.formula, State):
                    counted = (random.random(size) < 0.5 + quality / 2).astype(int)
                elif isinstance(indicator.formula, Bonus):
                    counted = random.integers(0, 2, size)
                else:
                    rises = indicator.formula.kind == "normal_score" or (
                        indicator.formula.kind == "ratio"
                        and indicator.formula.curve[0][0] > indicator.formula.curve[-1][0]
                    )
                    counted = random.binomial(exposure, 0.75 + quality / 4 if rises else 0.15 * (1 - quality))
                frames.append(
                    pl.DataFrame(
                        {
                            "indicator_code": [code] * size,
                            "uscc": usccs,
                            "stratum_code": [stratum] * size,
                            "window_months": [str(window)] * size,
                            "numerator": counted.astype(str),
                            "denominator": exposure.astype(str),
                        }
                    )
                )
        evidence.append(
            pl.DataFrame({"indicator_code": [code] * size, "uscc": usccs}).join(
                pl.DataFrame({"evidence_id": [f"E{at:09d}" for at in range(EVIDENCE)]}), how="cross"
            )
        )
    counts = pl.concat(frames).sort("indicator_code", "uscc", "window_months", "stratum_code")
    full = [str(value) for value in random.integers(13, 60, size)]
    return Inputs(
        enterprises=pl.DataFrame(
            {
                "uscc": usccs,
                "enterprise_name": [f"企业{name[-6:]}" for name in usccs],
                "service_months": full,
                "household_months": ["24000"] * size,
                "protected_ratio": ["0"] * size,
                "inspection_count": ["4"] * size,
                "survey_response_count": ["300"] * size,
            }
        ),
        counts=counts,
        evidence=pl.concat(evidence),
        caps={},
        available_feeds=frozenset(feed for spec in method.indicators.values() for feed in spec.feeds),
        sha256="",
    )


def make_fit() -> Any:
    """Return a fit with every estimate that the method asks for."""
    from decimal import Decimal

    from scoring.fit import EVERYWHERE, Fit
    from scoring.method import load

    indicators = load().method.indicators
    means = {code: {EVERYWHERE: Decimal("0.85")} for code, spec in indicators.items() if spec.is_shrunk}
    for code in ("P02", "P03", "M05", "M08"):
        means[code] = {EVERYWHERE: Decimal("0.07")}
    means["P07"] = {EVERYWHERE: Decimal("0.0001")}
    return Fit(
        fit_id="f0",
        rates={stratum: Decimal("0.004") for stratum in (*STRATA, EVERYWHERE)},
        means=means,
        shrinkage={c: s.start_shrinkage for c, s in indicators.items() if s.start_shrinkage is not None},
    )


def run_block(number: int, size: int) -> dict[str, float]:
    """Grade one block and draw everybody in it; return seconds by phase and this process's peak memory in MiB."""
    import numpy as np

    from scoring import certainty, disputes, grading, improvement, indicators
    from scoring.assessment import grade_rows, point_rows
    from scoring.method import load

    method, fit = load().method, make_fit()
    inputs = make_inputs(size, number)
    marks = [time.process_time()]
    scored = indicators.score(method, fit, inputs)
    marks.append(time.process_time())
    decisions = grading.decide(method, inputs, scored, business_date=BUSINESS_DATE, standings={})
    decisions = disputes.resolve(method, fit, inputs, decisions, business_date=BUSINESS_DATE, standings={})
    decisions = list(improvement.with_improvement(method, inputs, scored, decisions, business_date=BUSINESS_DATE))
    marks.append(time.process_time())
    rows = sum(1 for _ in grade_rows(inputs, decisions)) + sum(1 for _ in point_rows(method, inputs, scored))
    marks.append(time.process_time())
    certainty.probability(method, scored, np.arange(size), counts_bonus=False)
    marks.append(time.process_time())
    assert rows == size * (1 + len(method.indicators))
    phases = ("points", "decisions_and_improvement", "rows_with_reasons", "bootstrap")
    phase_seconds = {name: b - a for name, (a, b) in zip(phases, pairwise(marks), strict=True)}
    return {**phase_seconds, "peak_mib": peak_mib()}


def main() -> int:
    """Run, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enterprises", type=int, default=300_000)
    parser.add_argument("--block", type=int, default=4_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    from scoring.method import load

    size = min(chosen.block, chosen.enterprises)
    numbers = range(-(-chosen.enterprises // size))
    started = time.perf_counter()
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        blocks = list(pool.map(run_block, numbers, [size] * len(numbers)))
    elapsed = time.perf_counter() - started
    phases = [name for name in blocks[0] if name != "peak_mib"]
    minutes = sum(block[name] for block in blocks for name in phases) / chosen.processes / 60
    result = {
        "name": "score_enterprises",
        "what": "minutes of CPU a process for 300,000 enterprises with points, reasons, advice and a bootstrap each",
        "ratio": round(minutes * 300_000 / (len(numbers) * size), 2),
        "enterprises": len(numbers) * size,
        "indicators": len(load().method.indicators),
        "draws": load().method.certainty.draws,
        "processes": chosen.processes,
        "block": size,
        "cpu_seconds": {name: round(sum(block[name] for block in blocks), 1) for name in phases},
        "elapsed_seconds_with_making_inputs": round(elapsed, 1),
        "minutes_of_scoring_per_process": round(minutes, 2),
        "peak_mib_per_process": round(max(block["peak_mib"] for block in blocks)),
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
