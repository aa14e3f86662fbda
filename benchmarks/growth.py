"""What each stage of a night costs as the region grows: at several sizes, drawn, with the exponent of growth.

The region preset at growing numbers of communities, each size in a process and a DATA_DIR of its own: simulate, load
through the batch gate, build, input gate, grade, grade gate, publish and deliver to the sandbox, pages. Cost is CPU
seconds of the step and of the database, so that what else runs on the machine does not count; wall seconds are kept
too. What a size of almost nothing takes is the start-up of a stage and is taken off before the exponent is fitted
(least squares of the logarithms, with its 95 % interval). Exit code 1: an interval lies above n · log n.

    python -m benchmarks.growth --communities 500 1000 2000 4000 --out benchmarks/results/growth.json
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mib

STARTUP = 120  # communities: the region has 25 parts, and much smaller ones are not made
SEED = 2026
LEAST_SECONDS = 0.5  # a stage that never takes this much longer than its start-up has no exponent to speak of
NEAR = 1.1  # times the start-up: below it, what a size costs is not told from it
STAGES = ("simulate", "ingest", "build", "gates", "grade", "publish", "pages")


def run_night(communities: int, folder: Path, processes: int) -> dict[str, Any]:
    """Simulate and run one night in this process (its DATA_DIR is ``folder``); return rows, seconds and memory."""
    from property_credit.cli.sample import SAMPLE_DATE, servers
    from property_credit.ingestion.describe import feed_names
    from property_credit.night import grading_tasks, ingestion_tasks, pages_tasks, publishing_tasks, warehouse_tasks
    from property_credit.warehouse.migrate import migrate
    from property_credit.warehouse.settings import get_settings
    from property_credit.warehouse.task_runs import StoppedByGate
    from simulation.parameters import Size
    from simulation.region import simulate

    folder = folder.resolve()
    seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    cpu: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    peak: dict[str, float] = {}
    stopped: list[str] = []
    settings = get_settings()
    report = simulate(
        preset="region",
        seed=SEED,
        out=folder / "sample",
        through=SAMPLE_DATE,
        size=Size(communities=communities),
        processes=processes,
    )
    seconds["simulate"], cpu["simulate"] = report.seconds, cpu_seconds(folder)
    peak["simulate"] = peak_mib()
    (folder / "landing").symlink_to(folder / "sample" / "landing", target_is_directory=True)
    migrate()

    def timed(stage: str, step: Any, *arguments: Any) -> None:
        started, used = time.perf_counter(), cpu_seconds(folder)
        try:
            step(*arguments)
        except StoppedByGate as error:  # the night of a made-up load may look impossible: noted, and gone on with
            stopped.append(f"{step.__name__}: {error}"[:300])
        seconds[stage] += time.perf_counter() - started
        cpu[stage] += cpu_seconds(folder) - used
        peak[stage] = peak_mib()
        print(f"   {stage:<10} {step.__name__:<20} {seconds[stage]:8.1f} s", file=sys.stderr, flush=True)

    registers_first = ["enterprises", "communities", "contracts"]
    others = [name for name in feed_names() if name not in registers_first]
    with servers(settings):
        for feed in registers_first + others:
            timed("ingest", ingestion_tasks.ingest, feed, SAMPLE_DATE)
        timed("build", warehouse_tasks.build_models, SAMPLE_DATE)
        timed("gates", grading_tasks.check_score_inputs, SAMPLE_DATE)
        timed("grade", grading_tasks.grade_enterprises, SAMPLE_DATE)
        timed("gates", publishing_tasks.check_grades, SAMPLE_DATE)
        timed("publish", publishing_tasks.publish_grades, SAMPLE_DATE)
        timed("publish", publishing_tasks.deliver_grades, SAMPLE_DATE)
        timed("pages", pages_tasks.build_pages, SAMPLE_DATE)
        slowest = slowest_models()
    return {
        "communities": communities,
        "rows": sum(report.rows.values()),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "cpu_seconds": {name: round(value, 2) for name, value in cpu.items()},
        "peak_mib": {name: round(value) for name, value in peak.items()},
        "disk_gib": round(sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 2**30, 2),
        "stopped_by_gates": stopped,
        "models": slowest,
    }


def cpu_seconds(folder: Path) -> float:
    """Return the CPU seconds so far of this process, of its children, and of the database server below ``folder``."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    ticks = 0
    for file in folder.glob("postgres/cluster/postmaster.pid"):
        server = file.read_text("utf-8").split("\n", 1)[0].strip()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text("utf-8").rpartition(") ")[2].split()  # from the state on, field 3
                if stat.parent.name == server:
                    ticks += sum(map(int, fields[11:15]))  # its own, and that of backends that have ended
                elif fields[1] == server:
                    ticks += sum(map(int, fields[11:13]))
    return total + ticks / os.sysconf("SC_CLK_TCK")


def slowest_models(count: int = 12) -> dict[str, float]:
    """Return the seconds of the models of the latest build that took longest."""
    from property_credit.warehouse.connection import connect

    with connect("pc_gatekeeper") as records:
        rows = records.execute(
            "select name, seconds::float8 from ops.model_runs where kind = 'model'"
            " and build_id = (select max(build_id) from ops.builds) order by seconds desc limit %s",
            (count,),
        ).fetchall()
    return {name: round(taken, 1) for name, taken in rows}


def exponent(sizes: list[float], seconds: list[float], startup: float) -> dict[str, Any]:
    """Return the slope of log(seconds − startup) over log(size) with its 95 % interval; None where it is too short.

    Needs three sizes a tenth above the start-up: nearer to it, the difference is the clock's.
    """
    import numpy as np
    from scipy import stats

    above = [(size, taken - startup) for size, taken in zip(sizes, seconds, strict=True) if taken > NEAR * startup]
    if len(above) < 3 or max(taken for _, taken in above) < LEAST_SECONDS:
        return {"exponent": None, "low": None, "high": None}
    x, y = np.log([size for size, _ in above]), np.log([taken for _, taken in above])
    fit = stats.linregress(x, y)
    reach = float(stats.t.ppf(0.975, len(x) - 2) * fit.stderr)
    return {
        "exponent": round(float(fit.slope), 3),
        "low": round(float(fit.slope) - reach, 3),
        "high": round(float(fit.slope) + reach, 3),
        "factor": float(math.exp(fit.intercept)),
    }


def allowed(sizes: list[float]) -> float:
    """Return the exponent that n · log n has between the smallest and the largest size."""
    low, high = min(sizes), max(sizes)
    return math.log(high * math.log(high) / (low * math.log(low))) / math.log(high / low)


def draw(nights: list[dict[str, Any]], growth: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw CPU seconds over rows, both as logarithms, one line a stage; the legend says the exponent."""
    import altair as alt

    names = {
        stage: f"{stage}  n^{curve['exponent']:.2f}" if curve["exponent"] is not None else f"{stage}  (short)"
        for stage, curve in growth.items()
    }
    values = [
        {"rows": night["rows"], "seconds": max(night["cpu_seconds"][stage], 0.01), "stage": names[stage]}
        for night in nights
        for stage in STAGES
    ]
    data = alt.Data(values=values)  # type: ignore[no-untyped-call]
    lines = alt.Chart(data).encode(
        x=alt.X("rows:Q", scale=alt.Scale(type="log"), title="rows delivered"),
        y=alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="CPU seconds"),
        color=alt.Color("stage:N", sort=list(names.values()), title=None),
    )
    chart = (lines.mark_line() + lines.mark_point(filled=True, size=40)).properties(
        width=560, height=380, title="Cost of each stage of a night"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(path))


def main() -> int:
    """Run every size, fit, draw and write; 1 when a stage grows faster than n · log n."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--communities", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--processes", type=int, default=1, help="of the simulation")
    parser.add_argument("--folder", type=Path, help="work here (one size); else in a folder that is taken away again")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.folder:  # the child: one size in this process
        print(json.dumps(run_night(chosen.communities[0], chosen.folder, chosen.processes)))
        return 0
    sizes = sorted(set(chosen.communities))
    nights = [_in_child(size, chosen.processes) for size in [STARTUP, *sizes]]
    startup, nights = nights[0], nights[1:]
    rows = [float(night["rows"]) for night in nights]
    growth = {
        stage: exponent(rows, [night["cpu_seconds"][stage] for night in nights], startup["cpu_seconds"][stage])
        for stage in STAGES
    }
    limit = allowed(rows)
    above = [stage for stage, curve in growth.items() if curve["low"] is not None and curve["low"] > limit]
    known = [curve["exponent"] for curve in growth.values() if curve["exponent"] is not None]
    result = {
        "name": "growth",
        "what": f"largest exponent of CPU seconds over rows, {rows[0]:,.0f} to {rows[-1]:,.0f} rows "
        f"(n log n is {limit:.2f}); above it: {', '.join(above) or 'none'}",
        "ratio": max(known, default=0.0),
        "is_met": not above,
        "n_log_n": round(limit, 3),
        "growth": growth,
        "startup": startup,
        "nights": nights,
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
        draw(nights, growth, chosen.out.with_suffix(".svg"))
    return 1 if above else 0


def _in_child(communities: int, processes: int) -> dict[str, Any]:
    """Run one size in a process and a DATA_DIR of its own, which is taken away again."""
    from property_credit.warehouse import embedded
    from property_credit.warehouse.settings import get_settings

    get_settings().data_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="growth-", dir=get_settings().data_dir))
    folder.chmod(0o755)
    names = ("WAREHOUSE_URL", "LANDING_DIR", "ARCHIVE_DIR", "COMPLAINTS_API_URL", "TENDERING_URL")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-m", "benchmarks.growth", "--folder", str(folder), "--processes", str(processes)]
    print(f"{communities:,} communities", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            [*command, "--communities", str(communities)],
            env={**environment, "DATA_DIR": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return measured


if __name__ == "__main__":
    sys.exit(main())
