"""A region whose truth is known, through the whole pipeline in a database of its own, and its grades on trial.

Owns the way from a preset to a validation: made, delivered, loaded, modelled and graded by the same packages that run
at night, two nights a quarter apart. The warehouse in use is not touched.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from property_credit.cli.output import stderr as progress  # stderr: stdout is the answer
from property_credit.warehouse import connection
from property_credit.warehouse.settings import get_settings, settings_of

if TYPE_CHECKING:
    import polars as pl

    from scoring.validation.measures import Measures
    from scoring.validation.night import Night, Truth
    from scoring.validation.outcomes import Judged
    from scoring.validation.run import Validation

THROUGH = date(2026, 10, 31)
QUARTER_LATER = date(2027, 1, 31)


class ValidationError(Exception):
    """A validation cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Graded:
    """A simulated region after both nights: what was measured of it, on what, and the seconds it took."""

    night: "Night"
    measures: "Measures"
    truth: "Truth"
    events: "pl.DataFrame"
    later: "pl.DataFrame | None"
    rows: int
    seconds: dict[str, float]


def validate_region(*, preset: str, seeds: Sequence[int], out: Path) -> "Validation":
    """Simulate, load, model and grade regions, measure every gate over all of them, and write the report below ``out``.

    Several seeds of one preset are pooled: what one region cannot tell, several may.

    Raises:
        ValidationError: there is a file where the folder should be.
        SimulationError: there is no such preset.
    """
    from scoring.validation import report
    from scoring.validation.run import validate

    refuse_file(out)
    graded = [grade_region(preset=preset, seed=seed) for seed in seeds]
    region = {
        "kind": "simulated", "preset": preset, "seeds": list(seeds), "through": str(THROUGH),
        "later": str(QUARTER_LATER), "rows": sum(one.rows for one in graded),
    }  # fmt: skip
    with timed("gates", graded[0].seconds):
        validation = validate([one.measures for one in graded], [one.night for one in graded], region=region)
    report.write(validation, out)
    return validation


def validate_warehouse(business_date: date, *, out: Path) -> "Validation":
    """Measure what real data allows over a night of the warehouse in use, and write the report below ``out``.

    What happened in the six months after it counts once it has been loaded; the run of a quarter later once it is
    there. Raises ScoringError when there is no such run or the marts are of another night.
    """
    from scoring.validation import report
    from scoring.validation.measures import measure
    from scoring.validation.night import outcomes, read_grades, read_night, shadow_quarters
    from scoring.validation.run import AHEAD_MONTHS, month_end, validate

    refuse_file(out)
    night = read_night(business_date, drop={})
    measures = measure(
        night,
        events=outcomes(business_date, month_end(business_date, AHEAD_MONTHS)),
        later=read_grades(month_end(business_date, 3), night.method.version),
        truth=None,
    )
    quarters = shadow_quarters(business_date)
    validation = validate([measures], [night], region={"kind": "warehouse"}, shadow_quarters=quarters)
    report.write(validation, out)
    return validation


def validate_outcomes(
    file: Path, *, night: date | None, months: int | None, lower_is_better: bool, out: Path
) -> "Judged":
    """Judge stored grades by a file of what happened after them, and write outcomes.html and .json below ``out``.

    Raises ScoringError when the file cannot be read or there is nothing to judge.
    """
    from scoring.validation import outcomes, report

    refuse_file(out)
    read = outcomes.read(file)
    judged = outcomes.judge_outcomes(read, night=night, months=months, lower_is_better=lower_is_better)
    report.write_outcomes(judged, out)
    return judged


def refuse_file(out: Path) -> None:
    """Raise ValidationError when there is a file where the report's folder should be."""
    if out.exists() and not out.is_dir():
        raise ValidationError(f"{out} is a file: name a folder to write the report into")


def grade_region(*, preset: str, seed: int) -> Graded:
    """Return a simulated region graded on THROUGH and a quarter later; its database and files are gone afterwards."""
    from scoring.validation.measures import measure
    from scoring.validation.night import Truth, read_grades, read_night

    import polars as pl  # isort: skip

    seconds: dict[str, float] = {}
    with own_warehouse(preset, seed) as folder:
        manifest = _simulated(preset, seed, folder, seconds)
        with offices(folder):
            _graded_night(THROUGH, seconds)
            bought = manifest["bought_complaints"]
            with timed("read the night", seconds):
                night = read_night(THROUGH, drop={"bought": [name for names in bought.values() for name in names]})
            _graded_night(QUARTER_LATER, seconds)
            later = read_grades(QUARTER_LATER, night.method.version)
    events = pl.DataFrame(manifest["future_events"], schema={"uscc": pl.String, "kind": pl.String, "on": pl.String})
    truth = Truth(manifest["true_quality"], bought)
    with timed("measure", seconds):
        measures = measure(night, events=events, later=later, truth=truth)
    return Graded(
        night, measures, truth, events, later, sum(entry["rows"] for entry in manifest["deliveries"]), seconds
    )


def _simulated(preset: str, seed: int, folder: Path, seconds: dict[str, float]) -> dict[str, Any]:
    from simulation.region import simulate

    with timed("simulate", seconds):
        simulate(preset=preset, seed=seed, out=folder, through=THROUGH, later=(QUARTER_LATER,), dirt=True)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def _graded_night(night: date, seconds: dict[str, float]) -> None:
    from scoring.method import load

    loaded_night(night, seconds)
    graded_again(night, load().version, seconds)


def loaded_night(night: date, seconds: dict[str, float]) -> None:
    """Load every delivery of ``night``; ValidationError when one is refused."""
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed
    from simulation.offices import OFFICES

    with timed(f"load {night}", seconds):
        for feed in dict.fromkeys(office.feed for office in OFFICES):  # registers first: the others refer to them
            for report in ingest_feed(feed, night, check=no_check):
                if report.status == "refused":
                    raise ValidationError(f"{report.profile}/{report.source_file} was refused: {report.message}")


def graded_again(night: date, version: str, seconds: dict[str, float]) -> None:
    """Build what grading and its validation read of ``night`` as method ``version`` counts it, and grade with it.

    The pages' and the offices' models are left out, and so are the data tests: nights run them, here they cost half of
    all the time.
    """
    from property_credit.warehouse.transformation import build
    from scoring.method import load, warehouse_variables
    from scoring.run import grade
    from scoring.validation.night import MODELS

    with timed(f"build {night} {version}", seconds):
        build(night, variables=warehouse_variables(load(version).method), select=MODELS, tests=False)
    with timed(f"grade {night} {version}", seconds):
        grade(night, method_version=version)


@contextlib.contextmanager
def own_warehouse(preset: str, seed: int) -> Iterator[Path]:
    """Point this process at a fresh database and landing folder while the block runs; drop both afterwards."""
    from property_credit.warehouse.migrate import migrate

    settings = get_settings()
    if settings.warehouse_url:
        raise ValidationError(
            "validation makes a database of its own, which WAREHOUSE_URL does not allow: unset it for this command"
        )
    name = "validation_" + hashlib.sha256(f"{preset}|{seed}|{os.getpid()}".encode()).hexdigest()[:12]
    folder = settings.data_dir / name
    changed = {
        "WAREHOUSE_DATABASE": name,
        "LANDING_DIR": str(folder / "landing"),
        "ARCHIVE_DIR": str(folder / "archive"),
    }
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with settings_of(changed):
            migrate()
            yield folder
    finally:
        with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
            opened.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def offices(folder: Path) -> Iterator[None]:
    """Serve the region's complaints API while the block runs."""
    from simulation.complaints_api import running

    with running(folder / "complaints_api") as url, settings_of({"COMPLAINTS_API_URL": url}):
        yield


@contextlib.contextmanager
def timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Say what is going on while the block runs, and add its seconds under ``name``."""
    started = time.monotonic()
    with progress.status(name):
        yield
    seconds[name] = time.monotonic() - started
    progress.print(f"[green]✓[/green] {name:<32} {seconds[name]:6.1f} s")
