"""Shared ground of the tests: one embedded server a session, one fresh database a test that asks for it."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

pytest_plugins = ["region_pages", "small_town"]  # fixtures: a region whose pages are built, a town of a few rows

# Before any package reads its settings: tests never touch the .data of a person's checkout.
_ROOT = Path(tempfile.mkdtemp(prefix="property-credit-tests-"))
_ROOT.chmod(0o755)
os.environ["DATA_DIR"] = str(_ROOT)
os.environ.pop("LANDING_DIR", None)


SHARED = ("graded_region", "built_town_template")  # made once a session in a minute of work


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with slow tests first, and those that share what is dear to make on one worker.

    A worker that took a slow file last would work on alone. A worker takes whole files (``--dist loadgroup`` with a
    group for each), and all files together that ask for one of ``SHARED``, which is then made by one worker only.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    shared = {item.path: name for name in SHARED for item in items if name in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in slow)  # stable: all else stays in its order
    for item in items:
        item.add_marker(pytest.mark.xdist_group(shared.get(item.path, item.path.name)))


def pytest_unconfigure() -> None:
    """Stop the session's server and take its folder away."""
    from property_credit.warehouse import embedded

    if airflow := sys.modules.get("airflow.settings"):
        airflow.dispose_orm()  # its connections, before the server they lead to is gone
    embedded.stop(_ROOT)
    shutil.rmtree(_ROOT, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template() -> str:
    """A migrated database that others are copied from."""
    from property_credit.warehouse.migrate import migrate

    migrate()
    return "property_credit"


@pytest.fixture
def warehouse_database(migrated_template, monkeypatch, tmp_path):
    """A fresh migrated warehouse and empty landing and archive folders for one test; returns its data folder."""
    from own_warehouse import copied_database, use_warehouse

    with copied_database(migrated_template) as name:
        use_warehouse(monkeypatch, name, tmp_path)
        yield tmp_path


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real files (REAL_DATA_DIR); the test is skipped, saying so, where it is not set."""
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL_DATA_DIR is not set: the real files are not on this machine")
    return Path(folder)
