"""A night costs what is new: the same ordinary night on 24 and on 96 months of history, and both against DuckDB.

Two warehouses get the same nights (a day of new rows, 0.5 % corrections of the last 90 days), taken in turns; the
headline is the median of their pairwise ratios, end to end as `build_models` runs it (dbt start, models, tests).
Beside it: the 24-month windows out of the stored aggregates, and the full rebuild of those aggregates, against DuckDB
on Parquet files of the same rows; every pair of results must be equal.

    python -m benchmarks.nightly_cost --preset city --copies 4 --nights 5 --out benchmarks/results/nightly_cost.json
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

LAST = date(2026, 10, 31)
LENGTHS = (24, 96)


def main() -> int:
    """Run, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="city")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--nights", type=int, default=5)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="property-credit-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ["DATA_DIR"] = folder
        os.environ.pop("LANDING_DIR", None)
        from property_credit.warehouse import embedded

        try:
            result = run(Path(folder), preset=chosen.preset, copies=chosen.copies, nights=chosen.nights)
        finally:
            embedded.stop(Path(folder))
    text = json.dumps(result, indent=2, default=str)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0


def run(folder: Path, *, preset: str, copies: int, nights: int) -> dict[str, Any]:
    """Make the two warehouses, run the nights in turns, measure the windows; return the figures."""
    from benchmarks.region_history import multiply, ordinary_night
    from benchmarks.window_queries import measure

    rows: dict[int, dict[str, int]] = {}
    first: dict[int, float] = {}
    load_base(folder, preset)
    for months in LENGTHS:
        with warehouse(months):
            rows[months] = multiply(copies=copies, months=months)
            first[months] = build_seconds(LAST, is_incremental=False)["end_to_end"]
            note(f"{months} months: {sum(rows[months].values()):,} rows, full build {first[months]:.1f} s")
    pairs: list[dict[int, dict[str, float]]] = []
    for number in range(1, nights + 1):
        night, timings = LAST + timedelta(days=number), {}
        for months in LENGTHS if number % 2 else reversed(LENGTHS):
            with warehouse(months):
                delivered = ordinary_night(night, number=number)
                timings[months] = build_seconds(night, is_incremental=True)
        note(f"{night}, {delivered:,} rows: " + "; ".join(f"{m} months {timings[m]}" for m in LENGTHS))
        pairs.append(timings)
    windows = {}
    for months in LENGTHS:
        with warehouse(months):
            windows[months] = measure(folder, LAST + timedelta(days=nights))
    ratios = {
        name: [pair[96][name] / pair[24][name] for pair in pairs]
        for name in ("end_to_end", "models", "models_and_tests")
    }
    return {
        "name": "nightly_cost",
        "what": "an ordinary night on 96 months of history, as a multiple of the same night on 24 months",
        "ratio": round(statistics.median(ratios["end_to_end"]), 3),
        "ratio_models": round(statistics.median(ratios["models"]), 3),
        "ratio_models_and_tests": round(statistics.median(ratios["models_and_tests"]), 3),
        "rows": {months: sum(counts.values()) for months, counts in rows.items()},
        "complaints": {months: counts["complaints"] for months, counts in rows.items()},
        "full_build_seconds": {months: round(seconds, 1) for months, seconds in first.items()},
        "windows": windows,
        "nights": pairs,
    }


def load_base(folder: Path, preset: str) -> None:
    """Simulate 24 months of ``preset``, load them as a night does, and keep the database as a template."""
    from property_credit.ingestion.feeds import NAMES
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed
    from property_credit.warehouse.migrate import migrate
    from simulation.region import simulate

    simulate(preset=preset, seed=2026, out=folder / "region", through=LAST, nights=0, dirt=False)
    (folder / "landing").symlink_to(folder / "region" / "landing")
    migrate()
    for feed in NAMES:
        ingest_feed(feed, LAST, check=no_check)


@contextlib.contextmanager
def warehouse(months: int) -> Iterator[None]:
    """Work on the warehouse with ``months`` of history, a copy of the base when it is not there yet."""
    import psycopg

    from property_credit.warehouse import connection
    from property_credit.warehouse.settings import get_settings

    name = f"history_{months}"
    with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
        if not opened.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            opened.execute(
                psycopg.sql.SQL("create database {} template property_credit").format(psycopg.sql.Identifier(name))
            )
    os.environ["WAREHOUSE_DATABASE"] = name
    get_settings.cache_clear()
    try:
        yield
    finally:
        os.environ.pop("WAREHOUSE_DATABASE")
        get_settings.cache_clear()


def build_seconds(night: date, *, is_incremental: bool) -> dict[str, float]:
    """Build ``night``; return seconds end to end and of the statements of models, and of models and tests."""
    from property_credit.warehouse.transformation import build

    started = time.perf_counter()
    done = build(night, is_incremental=is_incremental)
    elapsed = time.perf_counter() - started
    by_kind = {kind: sum(one.seconds for one in done if one.kind == kind) for kind in ("model", "test")}
    if os.environ.get("SHOW_MODELS"):
        for one in sorted(done, key=lambda one: -one.seconds)[: int(os.environ["SHOW_MODELS"])]:
            note(f"    {one.kind} {one.name}: {one.seconds} s, {one.rows} rows")
    return {
        "end_to_end": round(elapsed, 2),
        "models": round(by_kind["model"], 2),
        "models_and_tests": round(sum(by_kind.values()), 2),
    }


def note(text: str) -> None:
    """Say how far it is, on stderr: the figures go to stdout."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
