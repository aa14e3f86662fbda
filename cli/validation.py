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
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from cli.output import complaints_console as progress  # stderr: stdout is the answer
from warehouse import connection
from warehouse.settings import get_settings

if TYPE_CHECKING:
    import polars as pl

    from scoring.validation.night import Night, Truth
    from scoring.validation.run import Validation

THROUGH = date(2026, 10, 31)
QUARTER_LATER = date(2027, 1, 31)


class ValidationError(Exception):
    """A validation cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Graded:
    """A simulated region after both nights: what ``scoring.validation`` asks for, and the seconds it took."""

    night: "Night"
    later: "pl.DataFrame | None"
    events: "pl.DataFrame"
    truth: "Truth"
    region: dict[str, Any]
    seconds: dict[str, float]


def validate_region(*, preset: str, seed: int, out: Path) -> "Validation":
    """Simulate, load, model and grade a region, measure every gate, and write the report below ``out``.

    Raises:
        ValidationError: there is a file where the folder should be.
        SimulationError: there is no such preset.
    """
    from scoring.validation import report
    from scoring.validation.run import validate

    if out.exists() and not out.is_dir():
        raise ValidationError(f"{out} is a file: name a folder to write the report into")
    graded = grade_region(preset=preset, seed=seed)
    started = time.monotonic()
    found = validate(
        graded.night, events=graded.events, later=graded.later, truth=graded.truth, region=graded.region,
    )  # fmt: skip
    graded.seconds["gates"] = time.monotonic() - started
    report.write(found, out)
    return found


def validate_warehouse(business_date: date, *, out: Path) -> "Validation":
    """Measure what real data allows over a night of the warehouse in use, and write the report below ``out``.

    What happened in the six months after it counts once it has been loaded; the run of a quarter later once it is
    there. Raises ScoringError when there is no such run or the marts are of another night.
    """
    from scoring.validation import report
    from scoring.validation.night import outcomes, read_grades, read_night, shadow_quarters
    from scoring.validation.run import AHEAD_MONTHS, month_end, validate

    if out.exists() and not out.is_dir():
        raise ValidationError(f"{out} is a file: name a folder to write the report into")
    night = read_night(business_date, drop={})
    found = validate(
        night,
        events=outcomes(business_date, month_end(business_date, AHEAD_MONTHS)),
        later=read_grades(month_end(business_date, 3), night.method.version),
        truth=None,
        region={"kind": "warehouse"},
        shadow_quarters=shadow_quarters(business_date),
    )
    report.write(found, out)
    return found


def grade_region(*, preset: str, seed: int) -> Graded:
    """Return a simulated region graded on THROUGH and a quarter later; its database and files are gone afterwards."""
    from scoring.validation.night import Truth, read_grades, read_night

    import polars as pl  # isort: skip

    seconds: dict[str, float] = {}
    with _own_warehouse(preset, seed) as folder:
        manifest = _simulated(preset, seed, folder, seconds)
        with _offices(folder):
            _graded_night(THROUGH, seconds)
            bought = manifest["bought_complaints"]
            with _timed("read the night", seconds):
                night = read_night(THROUGH, drop={"bought": [name for names in bought.values() for name in names]})
            _graded_night(QUARTER_LATER, seconds)
            later = read_grades(QUARTER_LATER, night.method.version)
    events = pl.DataFrame(manifest["future_events"], schema={"uscc": pl.String, "kind": pl.String, "on": pl.String})
    region = {
        "kind": "simulated", "preset": preset, "seed": seed, "through": str(THROUGH), "later": str(QUARTER_LATER),
        "rows": sum(entry["rows"] for entry in manifest["deliveries"]),
    }  # fmt: skip
    return Graded(night, later, events, Truth(manifest["true_quality"], bought), region, seconds)


def _simulated(preset: str, seed: int, folder: Path, seconds: dict[str, float]) -> dict[str, Any]:
    from simulation.region import simulate

    with _timed("simulate", seconds):
        simulate(preset=preset, seed=seed, out=folder, through=THROUGH, later=(QUARTER_LATER,), dirt=True)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def _graded_night(night: date, seconds: dict[str, float]) -> None:
    from ingestion.load import no_check
    from ingestion.night import ingest_feed
    from scoring.method import load, warehouse_variables
    from scoring.run import grade
    from simulation.offices import OFFICES
    from warehouse.transformation import build

    with _timed(f"load {night}", seconds):
        for feed in dict.fromkeys(office.feed for office in OFFICES):  # registers first: the others refer to them
            for report in ingest_feed(feed, night, check=no_check):
                if report.status == "refused":
                    raise ValidationError(f"{report.profile}/{report.source_file} was refused: {report.message}")
    with _timed(f"build {night}", seconds):
        build(night, variables=warehouse_variables(load().method))
    with _timed(f"grade {night}", seconds):
        grade(night)


@contextlib.contextmanager
def _own_warehouse(preset: str, seed: int) -> Iterator[Path]:
    """Point this process at a fresh database and landing folder while the block runs; drop both afterwards."""
    from warehouse.migrate import migrate

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
    before = {variable: os.environ.get(variable) for variable in (*changed, "COMPLAINTS_API_URL")}
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.update(changed)
    get_settings.cache_clear()
    try:
        migrate()
        yield folder
    finally:
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
        get_settings.cache_clear()
        with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:  # type: ignore[arg-type]
            opened.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _offices(folder: Path) -> Iterator[None]:
    """Serve the region's complaints API while the block runs."""
    from simulation.complaints_api import running

    with running(folder / "complaints_api") as url:
        os.environ["COMPLAINTS_API_URL"] = url
        get_settings.cache_clear()
        yield


@contextlib.contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    with progress.status(name):
        yield
    seconds[name] = time.monotonic() - started
    progress.print(f"[green]✓[/green] {name:<32} {seconds[name]:6.1f} s")
