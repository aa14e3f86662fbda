"""The sample night: a region made once, its offices' servers started, one night run, the servers stopped."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from property_credit.cli.output import console
from property_credit.warehouse.settings import Settings, get_settings

SAMPLE_DATE = date(2026, 10, 31)


class SampleError(Exception):
    """The sample cannot be made or used; the message says what to do."""


def run_sample_night(*, preset: str, seed: int) -> int:
    """Make the sample region unless it is there, run the night of its last day; return the night's exit code.

    A second call finds everything done: nothing is loaded, graded or delivered twice.
    """
    from property_credit.night.nightly import run_night
    from property_credit.warehouse.migrate import migrate

    settings = get_settings()
    with _step("database"):
        migrate()
    with _step(f"sample region ({preset})"):
        ensure_sample(settings, preset=preset, seed=seed)
    with servers(settings):
        return run_night(SAMPLE_DATE)


def ensure_sample(settings: Settings, *, preset: str, seed: int) -> Path:
    """Return the folder of the sample region; written beside and renamed, so that a kill leaves no half of one.

    Raises SampleError when the landing folder holds deliveries of somebody else.
    """
    from simulation.region import simulate

    folder = settings.data_dir / "sample"
    landing = settings.landing_dir
    assert landing is not None
    if not (folder / "manifest.json").exists():
        if landing.exists() and landing.resolve() != (folder / "landing").resolve():
            raise SampleError(
                f"{landing} already holds deliveries, and the sample would mix with them; "
                "run `property-credit nightly --business-date ...` on them, or set DATA_DIR to a new folder"
            )
        partial = settings.data_dir / "sample.partial"
        shutil.rmtree(partial, ignore_errors=True)
        simulate(preset=preset, seed=seed, out=partial, through=SAMPLE_DATE, nights=0, dirt=True, entities=True)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    if not landing.exists():
        landing.parent.mkdir(parents=True, exist_ok=True)
        landing.symlink_to((folder / "landing").resolve(), target_is_directory=True)
    return folder


@contextlib.contextmanager
def servers(settings: Settings) -> Iterator[None]:
    """Start the complaints API and the sandbox unless real ones are configured; stop them at the end."""
    from simulation import sandbox_process
    from simulation.complaints_api import running as running_complaints_api

    with contextlib.ExitStack() as stack:
        store = settings.data_dir / "sample" / "complaints_api"
        if settings.complaints_api_url is None and store.exists():
            os.environ["COMPLAINTS_API_URL"] = stack.enter_context(running_complaints_api(store))
            stack.callback(get_settings.cache_clear)
            stack.callback(os.environ.pop, "COMPLAINTS_API_URL", None)  # nobody answers there any more
        if settings.tendering_url is None or settings.supervision_url is None:
            stack.enter_context(sandbox_process.running(settings.data_dir))
        get_settings.cache_clear()
        yield


@contextlib.contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    with console.status(name):
        yield
    console.print(f"[green]✓[/green] {name:<32} {time.monotonic() - started:6.1f} s")
