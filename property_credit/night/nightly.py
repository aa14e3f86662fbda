"""One night in one process: the real DAGs, in order, through Airflow's ``dag.test()``.

Owns the order of the DAGs, what a failure leaves out, the progress on the terminal and the exit code. What the tasks
and Airflow write beside that goes to a log file under DATA_DIR/logs.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from property_credit.night import airflow_environment, nights
from property_credit.night.lock import NightError, exclusive
from property_credit.night.recording import TaskEvent, listening
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.settings import get_settings

ORDER = (
    "ingest_registers",
    "ingest_complaints",
    "ingest_inspections",
    "ingest_funds",
    "build_warehouse",
    "supervise_region",
    "watch_complaints",
    "grade_enterprises",
    "publish_grades",
    "close_month",
    "build_scorecards",
)
NEEDS = {  # marts of two nights must be neither graded nor supervised; all else goes on by itself
    "grade_enterprises": "build_warehouse",
    "supervise_region": "build_warehouse",
}
MARKS = {
    "done": "[green]✓[/green]",
    "nothing new": "[dim]·[/dim]",
    "failed": "[red]✗[/red]",
    "stopped by gate": "[red]■[/red]",
}


def run_night(business_date: date) -> int:
    """Run the night of ``business_date`` and print its summary; return 0, or 1 when a gate or a task said no.

    A feed that fails does not stop the night. Run again, it only does what is new. Raises NightError when another
    night or a scheduler works on the same warehouse, or a DAG file cannot be loaded.
    """
    from property_credit.night.summary import print_summary

    log = get_settings().data_dir / "logs" / f"night-{business_date}.log"
    seconds: dict[str, float] = {}
    tasks: list[TaskEvent] = []
    started = time.monotonic()
    with exclusive() as lock, _quiet(log) as console, listening(_Progress(console)), listening(tasks.append):
        console.print(f"[bold]夜间批 night of {business_date}[/bold]")
        with _timed(seconds, "airflow"), console.status("Airflow"):
            airflow_environment.prepare()
            dags = load_dags()
        failed: set[str] = set()
        for name in ORDER:
            lock.check()
            if NEEDS.get(name) in failed:
                failed.add(name)
                console.print(f"[red]✗[/red] {name:<44} left out: {NEEDS[name]} failed")
                continue
            with _timed(seconds, name):
                run = dags[name].test(
                    logical_date=datetime.combine(business_date, datetime.min.time(), tzinfo=ZONE),
                    run_conf={"business_date": business_date.isoformat()},
                )
            if str(run.state) != "success":
                failed.add(name)
        seconds["total"] = time.monotonic() - started
        print_summary(console, business_date, seconds=seconds, tasks=tasks, log=log)
    return 1 if failed else 0


def run_nights(business_date: date, *, is_alone: bool = False) -> int:
    """Run the nights before ``business_date`` that were missed, in order, then its own; return the worst exit code.

    With ``is_alone``, and when more than a week is missing, only its own: the missed ones are named.
    """
    missed = nights.missed(business_date)
    caught_up = [] if is_alone or len(missed) > nights.LONGEST_CATCH_UP else missed
    console = Console(stderr=True)
    if missed:
        named = str(missed[0]) if len(missed) == 1 else f"{missed[0]} to {missed[-1]} ({len(missed)} nights)"
        reason = (
            "done first, in order"
            if caught_up
            else "left out, and not done any more once tonight stands: what has landed by tonight is loaded tonight. "
            f"To do them, start with `property-credit nightly --business-date {missed[0]}`"
        )
        console.print(f"[yellow]missed: {named}, {reason}[/yellow]", soft_wrap=True, highlight=False)
    return max(run_night(night) for night in (*caught_up, business_date))


def load_dags() -> dict[str, Any]:
    """Return the DAGs by id. Raises NightError naming every file that cannot be loaded."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = airflow_environment.DAGS
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    if bag.import_errors:
        broken = sorted((Path(file).name, error.strip().splitlines()[-1]) for file, error in bag.import_errors.items())
        raise NightError("; ".join(f"dags/{name}: {error}" for name, error in broken))
    for dag in bag.dags.values():
        for task in dag.tasks:
            task.retries = 0  # who started the night starts it again; a scheduler would wait and retry
    return dict(bag.dags)


class _Progress:
    """One line a task, printed when it ends; on a terminal the running task is shown while it works."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Any = None

    def __call__(self, event: TaskEvent) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        name = f"{event.dag} · {event.task}"
        if event.seconds is None:
            if self._console.is_terminal:
                self._status = self._console.status(name)
                self._status.start()
            return
        line = f"{MARKS[event.status]} {name:<44} {event.seconds:6.1f} s  {escape(event.message)}"
        self._console.print(line, soft_wrap=True, highlight=False)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        seconds[name] = time.monotonic() - started


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[Console]:
    """Send everything this process writes to ``log``, but what goes to the console that is given.

    On the level of file descriptors: Airflow's loggers keep their own handles on stdout and stderr.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(log, "ab") as sink, os.fdopen(os.dup(kept[0]), "w", encoding="utf-8", errors="replace") as screen:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield Console(file=screen, width=None if os.isatty(kept[0]) else 160)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), kept, strict=True):
                os.dup2(original, descriptor)
                os.close(original)
