"""`make bench`: every benchmark in a process of its own; benchmarks/results.json and a table of ratios.

python -m benchmarks                 # full sizes
python -m benchmarks --size small    # minutes instead of an hour: shows that they run, not what they are worth
python -m benchmarks ingest_csv      # only these
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parent
SIZES = {  # what each benchmark is told for its size; every one writes the file that --out names
    "full": {
        "ingest_csv": ["--rows", "5000000", "--rounds", "5"],
        "ingest_feeds": ["--preset", "city", "--workbook-rows", "200000"],
        "retry_waiting": ["--rows", "1000000", "--rounds", "3"],
        "serve_grade": ["--rounds", "15", "--requests", "16000"],
        "bulk_list": ["--enterprises", "200000", "--rounds", "5"],
        "build_pages": ["--enterprises", "6000", "--communities", "20000"],
        "validate_region": ["--preset", "province"],
        "score_points": ["--rows", "300000", "--rounds", "7"],
        "score_enterprises": ["--enterprises", "300000", "--processes", "2"],
        "tick": ["--open", "1000000", "--closed", "5000000", "--rounds", "7"],
        "simulate_region": ["--communities", "20000", "--processes", "2"],
        "growth": ["--communities", "400", "800", "1600", "3200"],
        "nightly_cost": ["--preset", "city", "--copies", "4", "--nights", "5"],
        "quiet_night": ["--preset", "city", "--rounds", "3"],
        "serve_workbench": ["--rate", "200", "--seconds", "30"],
    },
    "small": {
        "ingest_csv": ["--rows", "200000", "--rounds", "1"],
        "ingest_feeds": ["--preset", "hamlet", "--workbook-rows", "20000"],
        "retry_waiting": ["--rows", "50000", "--rounds", "1"],
        "serve_grade": ["--rounds", "3", "--requests", "4000", "--at-least", "0"],
        "bulk_list": ["--enterprises", "5000", "--rounds", "1"],
        "build_pages": ["--enterprises", "600", "--communities", "2000"],
        "validate_region": ["--preset", "town"],
        "score_points": ["--rows", "20000", "--rounds", "1"],
        "score_enterprises": ["--enterprises", "4000", "--processes", "2"],
        "tick": ["--open", "20000", "--closed", "20000", "--new", "600", "--rounds", "2"],
        "simulate_region": ["--communities", "1000", "--processes", "2"],
        "growth": ["--communities", "200", "350", "600", "1000"],
        "nightly_cost": ["--preset", "hamlet", "--copies", "2", "--nights", "2"],
        "quiet_night": ["--preset", "hamlet", "--rounds", "1"],
        "serve_workbench": ["--rate", "20", "--seconds", "3", "--officers", "20", "--enterprises", "50"],
    },
}
VERSIONS = ("polars", "pyarrow", "psycopg", "dbt-core", "apache-airflow", "great-expectations")


def main() -> int:
    """Run what is asked for; return 1 when a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SIZES['full'])}; none: all")
    chosen = parser.parse_args()
    names = chosen.names or list(SIZES[chosen.size])
    if unknown := set(names) - set(SIZES[chosen.size]):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SIZES['full'])}")
    results, failed = [], []
    for name in names:
        out = FOLDER / "results" / f"{name}.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", *SIZES[chosen.size][name], "--out", str(out)]
        print(f"== {name}: {' '.join(command[3:])}", flush=True)
        out.unlink(missing_ok=True)
        has_failed = subprocess.run(command, cwd=FOLDER.parent, check=False).returncode != 0
        if has_failed:
            failed.append(name)
        if out.exists():  # a missed floor is a result too
            results.append(json.loads(out.read_text(encoding="utf-8")) | {"has_failed": has_failed})
    result = {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "size": chosen.size,
        "machine": machine(),
        "versions": {name: version(name) for name in VERSIONS},
        "results": results,
    }
    (FOLDER / "results.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    about = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    table = Table(
        title=f"benchmarks ({chosen.size}), {result['date']}, {result['machine']['cores']} cores "
        f"{result['machine']['processor']}, {result['machine']['memory_gib']} GiB",
        caption=f"Python {platform.python_version()}, {about}",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("name", "ratio", "what", ""):
        table.add_column(column, overflow="fold")
    for one in results:
        table.add_row(one["name"], f"{one['ratio']:.2f}", one["what"], "failed" if one["has_failed"] else "")
    Console().print(table)
    for name in failed:
        print(f"{name} failed", file=sys.stderr)
    return 1 if failed else 0


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "processor": processor,
        "memory_gib": round(memory / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
