"""A small region that went through a real night, for the tests of the pages: graded, supervised, published."""

import contextlib
import csv
import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from own_warehouse import copied_database, use_warehouse

from property_credit.warehouse import connection as ground
from property_credit.warehouse.business_date import end_of
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import StoppedByGate

NIGHT = date(2026, 10, 31)
SEED = 5


@dataclass(frozen=True)
class Region:
    """A published region: its database and its site."""

    database: str
    folder: Path
    report: Any  # scorecards.build.BuildReport

    def text(self, path: str) -> str:
        """Return a file of the site."""
        return (self.folder / path).read_text(encoding="utf-8")

    def pages(self) -> list[Path]:
        """Return every page, in order of path."""
        return sorted(self.folder.rglob("*.html"))


@contextlib.contextmanager
def database_of(template: str):
    """A database copied from ``template`` in the environment for the length of the block; gives its name."""
    with copied_database(template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name)
        yield name


def _make_a_hot_spot(landing: Path, night: date) -> None:
    """Deliver eighteen more complaints of the month about one community: the region is too calm for a hot spot."""
    (told,) = landing.glob("*/hotline_backlog/*.csv")
    with told.open(encoding="gb18030", errors="replace", newline="") as opened:
        head, *rows = csv.reader(opened)
    number, community, name, phone = (head.index(column) for column in ("工单编号", "小区编码", "来电人", "电话"))
    row = next(row for row in rows if row[number].startswith(f"RX{night:%Y%m}") and row[community])
    more = []
    for index in range(18):
        more.append([*row])
        more[-1][number] = f"{row[number][:-2]}X{index:02d}"
        more[-1][name], more[-1][phone] = f"热点来电{index:04d}", f"000-9{index:06d}"
    with told.with_name(f"热线工单_{night:%Y%m%d}_2.csv").open("w", encoding="gb18030", newline="") as opened:
        csv.writer(opened).writerows([head, *more])


def make_graded(name: str, home: Path, night: date) -> None:
    """Simulate a small region into ``home`` and run its night into database ``name``: ingested up to published."""
    from property_credit.ingestion.describe import feed_names
    from property_credit.night import grading_tasks, publishing_tasks, supervision_tasks, watch_tasks
    from property_credit.night.ingestion_tasks import ingest
    from property_credit.night.warehouse_tasks import build_models
    from simulation import complaints_api
    from simulation.region import simulate

    simulate(preset="hamlet", seed=SEED, out=home, through=night, nights=0, dirt=True)
    _make_a_hot_spot(home / "landing", night)
    # the environment is this region's while it is made, and no longer: later tests of this process have their own
    with pytest.MonkeyPatch.context() as patch, complaints_api.running(home / "complaints_api") as api:
        patch.setenv("WAREHOUSE_DATABASE", name)
        patch.setenv("LANDING_DIR", str(home / "landing"))
        patch.setenv("ARCHIVE_DIR", str(home / "archive"))
        patch.setenv("COMPLAINTS_API_URL", api)
        get_settings.cache_clear()
        first = ("enterprises", "communities", "contracts")  # the others refer to them
        for feed in (*first, *(name for name in feed_names() if name not in first)):
            with contextlib.suppress(StoppedByGate):  # the region is dirty on purpose
                ingest(feed, night)
        build_models(night)
        supervision_tasks.raise_alerts(night)
        supervision_tasks.keep_clocks(night)
        watch_tasks.judge_complaints(end_of(night) - timedelta(seconds=1))
        grading_tasks.check_score_inputs(night)
        grading_tasks.grade_enterprises(night)
        publishing_tasks.publish_grades(night)
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def graded_region(migrated_template, tmp_path_factory):
    """The name of a database in which a small region's night was ingested, built, supervised, graded and published."""
    with copied_database(migrated_template) as name:
        make_graded(name, tmp_path_factory.mktemp("region"), NIGHT)
        with psycopg.connect(**ground.parameters(database="postgres"), autocommit=True) as opened:
            opened.execute(  # connections that dbt and the gates keep: a database in use cannot be copied
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
            )
        yield name


@pytest.fixture(scope="module")
def region(graded_region, tmp_path_factory):
    """The region's pages of the night, built from a database of their own."""
    from property_credit.scorecards.build import build

    with database_of(graded_region) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAGES_DIR", str(tmp_path_factory.mktemp("pages")))
        get_settings.cache_clear()
        report = build(NIGHT)
        yield Region(name, report.folder, report)


def is_ci() -> bool:
    """Return whether a missing browser is a failure (`.ci/run` says so) rather than a reason to skip."""
    return os.environ.get("BROWSER_REQUIRED") == "1"
