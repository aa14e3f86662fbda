"""A night with nothing new, through the real DAGs, against a plain `dbt build` of the same project on the same tables.

Both are processes of their own, started in turns; the ratio is the median of pairs. `dbt build` makes every table anew
and runs every test; its parse is warm, as the night's is. Beside it: what the night said its seconds went to.

    python -m benchmarks.quiet_night --preset city --rounds 3 --out benchmarks/results/quiet_night.json
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="city")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="property-credit-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ["DATA_DIR"] = folder
        os.environ.pop("LANDING_DIR", None)
        from property_credit.warehouse import embedded

        try:
            result = run(preset=chosen.preset, rounds=chosen.rounds)
        finally:
            embedded.stop(Path(folder))
    text = json.dumps(result, indent=2, ensure_ascii=False)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0


def run(*, preset: str, rounds: int) -> dict[str, Any]:
    """Run the sample's first night, then quiet nights and plain builds in turns; return the figures."""
    from property_credit.cli.sample import SAMPLE_DATE, ensure_sample, servers
    from property_credit.warehouse.migrate import migrate
    from property_credit.warehouse.settings import get_settings

    migrate()
    ensure_sample(get_settings(), preset=preset, seed=2026)
    night = [sys.executable, "-m", "property_credit.cli.main", "nightly", "--business-date", SAMPLE_DATE.isoformat()]
    pairs, went = [], ""
    with servers(get_settings()):
        first, _ = seconds(night)
        seconds(plain_build(SAMPLE_DATE.isoformat()), environment())  # its parse is kept from here on
        for number in range(rounds):
            ways = [("night", night, {}), ("dbt", plain_build(SAMPLE_DATE.isoformat()), environment())]
            timings = {}
            for name, command, variables in ways if number % 2 else reversed(ways):
                timings[name], said = seconds(command, variables)
                if name == "night":
                    went = "; ".join(re.findall(r"where they went: (.*)", said))
            pairs.append(timings)
            print(timings, file=sys.stderr, flush=True)
    ratios = [pair["night"] / pair["dbt"] for pair in pairs]
    return {
        "name": "quiet_night",
        "what": "a night with nothing new, as a multiple of a plain `dbt build` of the same project",
        "ratio": round(statistics.median(ratios), 2),
        "first_night_seconds": round(first, 1),
        "pairs": pairs,
        "where_the_last_one_went": went,
    }


def plain_build(business_date: str) -> list[str]:
    """Return the command of a plain build: every model, seed and data test, nothing of the house around it."""
    from property_credit.warehouse.settings import get_settings

    project, home = str(ROOT / "dbt_project"), str(get_settings().data_dir / "plain_dbt")
    return [
        str(Path(sys.executable).with_name("dbt")), "build", "--project-dir", project, "--profiles-dir", project,
        "--target-path", home, "--log-path", home, "--full-refresh", "--exclude-resource-type", "unit_test",
        "--vars", json.dumps({"business_date": business_date}), "--no-version-check",
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """Return what profiles.yml reads."""
    from property_credit.warehouse.connection import parameters

    address = parameters("pc_dbt")
    names = {"host": "PC_DBT_HOST", "port": "PC_DBT_PORT", "user": "PC_DBT_USER", "dbname": "PC_DBT_DATABASE"}
    return {variable: address[name] for name, variable in names.items()} | {"DO_NOT_TRACK": "1"}


def seconds(command: list[str], variables: dict[str, str] | None = None) -> tuple[float, str]:
    """Run a command and return its seconds and what it said; raise with its last lines when it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(variables or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed: {(done.stdout + done.stderr)[-2000:]}")
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    sys.exit(main())
