"""Shared ground of the tests: one embedded server a session, one fresh database a test that asks for it."""

import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytest_plugins = ["region_pages", "small_town"]  # fixtures: a region whose pages are built, a town of a few rows

# Before any package reads its settings: tests never touch the .data of a person's checkout.
_ROOT = Path(tempfile.mkdtemp(prefix="property-credit-tests-"))
_ROOT.chmod(0o755)
os.environ["DATA_DIR"] = str(_ROOT)
os.environ.pop("LANDING_DIR", None)


SHARED = ("region_pages", "graded_region", "built_town")  # what a file names that needs a minute of work to be made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with slow tests first: a worker that took one last would work on alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)  # stable: all else stays in its order


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give whole files to a worker, and all files that share a ground to one, so that it is made by one only."""
    from xdist.scheduler import LoadFileScheduling

    class WithSharedGrounds(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = super()._split_scope(nodeid)
            return _ground_of(path) or path

    return WithSharedGrounds(config, log) if config.getvalue("dist") == "loadfile" else None


@cache
def _ground_of(path: str) -> str | None:
    text = (Path(__file__).parent.parent / path).read_text(encoding="utf-8")
    return next(("town" if name == "built_town" else "region" for name in SHARED if name in text), None)


def pytest_unconfigure() -> None:
    """Stop the session's server and take its folder away."""
    from property_credit.warehouse import embedded

    if airflow := sys.modules.get("airflow.settings"):
        airflow.dispose_orm()  # its connections, before the server they lead to is gone
    embedded.stop(_ROOT)
    shutil.rmtree(_ROOT, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template() -> str:
    """A migrated database that others are copied from, on a server that does not wait for the disk."""
    from property_credit.warehouse.connection import parameters
    from property_credit.warehouse.migrate import migrate

    with psycopg.connect(**parameters(database="postgres"), autocommit=True) as opened:
        opened.execute(
            "alter system set fsync = off"
        )  # a thousand databases are copied here, none outlives the session
        opened.execute("select pg_reload_conf()")
    migrate()
    return "property_credit"


@pytest.fixture
def warehouse_database(migrated_template, monkeypatch, tmp_path):
    """A fresh migrated warehouse and empty landing and archive folders for one test; returns its data folder."""
    from own_warehouse import copied_database, use_warehouse

    with copied_database(migrated_template) as name:
        use_warehouse(monkeypatch, name, tmp_path)
        yield tmp_path


@pytest.fixture(scope="module")
def unwritten_database(migrated_template, tmp_path_factory):
    """A fresh migrated warehouse for all tests of a module that leave it as it is; copying one is a second of work."""
    from own_warehouse import copied_database, use_warehouse

    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name, tmp_path_factory.mktemp("unwritten"))
        yield


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real files (REAL_DATA_DIR); the test is skipped, saying so, where it is not set."""
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL_DATA_DIR is not set: the real files are not on this machine")
    return Path(folder)
