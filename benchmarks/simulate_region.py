"""How fast a region is made, in rows a second, and whether its memory stays flat; beside writing the same bytes.

The region preset in one process, then once more in ``--processes``, then its files copied to the same disk: the ratio
is seconds of the plain copy to seconds of the simulation. Flat means that the second half of the parts does not raise
the one process's peak by more than a tenth. Exit code 1: not flat, or fewer than 100,000 rows a second.

    python -m benchmarks.simulate_region --communities 20000 --processes 2 --out benchmarks/results/simulate_region.json
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory import peak_mib

LEAST_ROWS_PER_SECOND = 100_000
MOST_GROWTH = 1.1
SEED = 2026


def main() -> int:
    """Run, print and write the figures; 1 when a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--communities", type=int, default=20_000)
    parser.add_argument("--preset", default="region")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    from property_credit.warehouse.settings import get_settings
    from simulation.parameters import Size
    from simulation.region import simulate

    data_dir = get_settings().data_dir
    data_dir.mkdir(parents=True, exist_ok=True)
    peaks: list[float] = []

    def note(done: int, of: int, rows: int) -> None:
        peaks.append(peak_mib())
        print(f"{done} of {of} parts, {rows:,} rows, peak {peaks[-1]:,.0f} MiB", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(dir=data_dir) as folder:
        used = time.process_time()
        report = simulate(
            preset=chosen.preset,
            seed=SEED,
            out=Path(folder) / "region",
            size=Size(communities=chosen.communities),
            on_part=note,
        )
        used = time.process_time() - used
        together = simulate(
            preset=chosen.preset,
            seed=SEED,
            out=Path(folder) / "together",
            size=Size(communities=chosen.communities),
            processes=chosen.processes,
        )
        shutil.rmtree(Path(folder) / "together")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        started = time.perf_counter()
        shutil.copytree(Path(folder) / "region", Path(folder) / "copy")
        os.sync()
        copied = time.perf_counter() - started
    rows = sum(report.rows.values())
    growth = peaks[-1] / peaks[(len(peaks) - 1) // 2]
    met = growth <= MOST_GROWTH and rows / together.seconds >= LEAST_ROWS_PER_SECOND
    result = {
        "name": "simulate_region",
        "what": f"seconds to copy its {size / 2**30:.1f} GiB ÷ to make them; {rows / together.seconds:,.0f} rows/s in "
        f"{chosen.processes} processes (floor {LEAST_ROWS_PER_SECOND:,}), {rows / report.seconds:,.0f} in one, "
        f"{rows / used:,.0f} a CPU second; peak of all parts ÷ of the first half {growth:.2f} (at most {MOST_GROWTH})",
        "ratio": round(copied / together.seconds, 3),
        "processes": chosen.processes,
        "is_met": met,
        "preset": chosen.preset,
        "communities": chosen.communities,
        "rows": rows,
        "bytes": size,
        "seconds": round(report.seconds, 1),
        "cpu_seconds": round(used, 1),
        "seconds_together": round(together.seconds, 1),
        "rows_per_second": round(rows / report.seconds),
        "rows_per_second_together": round(rows / together.seconds),
        "rows_per_cpu_second": round(rows / used),
        "peak_mib": [round(peak) for peak in peaks],
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
