"""What it costs to load rows that waited for a register, as a ratio to loading the same rows where it was there.

One round: the clean file of ``ingest_csv`` into a warehouse that knows its communities; then into one that does not,
where every row waits, and, once they are registered, their release. Each in a process of its own.

    python -m benchmarks.retry_waiting --rows 1000000 --rounds 3 --out benchmarks/results/retry_waiting.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ingest_csv import BUSINESS_DATE, ROOT, fresh_database, prepare, remove, run_loader, write_files


def register(statement: str) -> None:
    """Take the communities out of the register, or put them back."""
    import psycopg

    from property_credit.warehouse import connection

    with psycopg.connect(**connection.parameters(), autocommit=True) as opened:
        opened.execute(statement)


def release() -> None:
    """Release what waits and print what it took (a child process)."""
    from property_credit.ingestion import waiting

    started = time.perf_counter()
    reports = waiting.release("complaints", BUSINESS_DATE)
    accepted = sum(report.rows_accepted for report in reports)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows_accepted": accepted}))


def run_release() -> dict[str, float]:
    """Return the seconds and the rows of one release in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.retry_waiting", "--release"]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    done: dict[str, float] = json.loads(finished.stdout)
    return done


def main() -> None:
    """Run the rounds and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/retry_waiting.json")
    parser.add_argument("--release", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.release:
        release()
        return
    prepare()
    from property_credit.warehouse.settings import get_settings

    archive = get_settings().data_dir / "bench-archive"
    os.environ["ARCHIVE_DIR"] = str(archive)
    rounds = []
    with tempfile.TemporaryDirectory(dir=get_settings().data_dir) as folder:
        _dirty, clean, _refused = write_files(chosen.rows, Path(folder))
        for _number in range(chosen.rounds):
            fresh_database(has_floor_index=False)
            loaded = run_loader(clean)
            remove(archive)
            fresh_database(has_floor_index=False)
            register("create table public.kept as select * from raw.communities; truncate raw.communities")
            waited = run_loader(clean)
            register("insert into raw.communities select * from public.kept")
            released = run_release()
            remove(archive)
            if waited["rows_waiting"] != chosen.rows or released["rows_accepted"] != chosen.rows:
                raise SystemExit(f"the rows did not wait, or did not come back: {waited}, {released}")
            seconds = {"load": loaded["seconds"], "wait": waited["seconds"], "release": released["seconds"]}
            rounds.append(seconds | {"ratio": loaded["seconds"] / released["seconds"]})
            print(json.dumps(rounds[-1]), flush=True)
    result = {
        "name": "retry_waiting",
        "what": "release of rows that waited, against loading them (1: as fast; more is faster)",
        "ratio": statistics.median(one["ratio"] for one in rounds),
        "floor": "ingest_file of the same rows, their communities being registered",
        "rows": chosen.rows,
        "seconds": statistics.median(one["release"] for one in rounds),
        "floor_seconds": statistics.median(one["load"] for one in rounds),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "rounds": rounds,
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"ratio {result['ratio']:.2f}, {result['seconds']:.1f} s against {result['floor_seconds']:.1f} s")


if __name__ == "__main__":
    main()
