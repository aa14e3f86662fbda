"""`make bench`: every benchmark in a process of its own; benchmarks/results.json and a table of ratios.

python -m benchmarks                 # full sizes
python -m benchmarks --size small    # minutes instead of an hour: shows that they run, not what they are worth
python -m benchmarks ingest_csv      # only these
"""

import argparse
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
        "serve_grade": ["--rounds", "15", "--requests", "16000"],
        "validate_region": ["--preset", "province"],
        "score_points": ["--rows", "300000", "--rounds", "7"],
        "score_enterprises": ["--enterprises", "300000", "--processes", "2"],
        "tick": ["--open", "1000000", "--closed", "5000000", "--rounds", "7"],
        "simulate_region": ["--communities", "20000"],
        "growth": ["--communities", "400", "800", "1600", "3200"],
    },
    "small": {
        "ingest_csv": ["--rows", "200000", "--rounds", "1"],
        "serve_grade": ["--rounds", "3", "--requests", "4000", "--at-least", "0"],
        "validate_region": ["--preset", "town"],
        "score_points": ["--rows", "20000", "--rounds", "1"],
        "score_enterprises": ["--enterprises", "4000", "--processes", "2"],
        "tick": ["--open", "20000", "--closed", "20000", "--new", "600", "--rounds", "2"],
        "simulate_region": ["--communities", "1000"],
        "growth": ["--communities", "100", "200", "400", "800"],
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
    found, failed = [], []
    for name in names:
        out = FOLDER / "results" / f"{name}.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", *SIZES[chosen.size][name], "--out", str(out)]
        print(f"== {name}: {' '.join(command[3:])}", flush=True)
        if subprocess.run(command, cwd=FOLDER.parent, check=False).returncode:
            failed.append(name)
        else:
            found.append(json.loads(out.read_text(encoding="utf-8")))
    result = {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "size": chosen.size,
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "versions": {name: version(name) for name in VERSIONS},
        "results": found,
    }
    (FOLDER / "results.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    table = Table(title=f"benchmarks ({chosen.size}), {result['date']}, {os.cpu_count()} cores", title_justify="left")
    for column in ("name", "ratio", "what"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(one["name"], f"{one['ratio']:.2f}", one["what"])
    Console().print(table)
    for name in failed:
        print(f"{name} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
