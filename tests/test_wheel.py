"""The wheel alone, outside the checkout: all that a night reads is in it, and it runs one."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import psycopg
import pytest

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("property_credit", "scoring", "simulation", "dags", "dbt_project", "expectations")
COMMITTED = 1_790_000_000  # SOURCE_DATE_EPOCH: a release takes its commit's time


def built(folder: Path, *, days_old: int = 0) -> Path:
    """Return the wheel of what git tracks here, built in ``folder`` without a network from files of some age."""
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", *ROOMS, "pyproject.toml", "README.md", "LICENSE", ":(glob)requirements*"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, tracked.decode().split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((PROJECT / name).read_bytes())
        os.utime(source / name, (COMMITTED + days_old * 86_400,) * 2)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(COMMITTED)}
    command = [sys.executable, "-c", build, str(folder)]
    subprocess.run(command, cwd=source, env=environment, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of what git tracks here."""
    return built(tmp_path_factory.mktemp("wheel"))


def test_wheel__built_again_elsewhere_from_files_of_another_day__is_the_same_bytes(wheel, tmp_path):
    assert built(tmp_path, days_old=3).read_bytes() == wheel.read_bytes()


def test_wheel__every_file_that_is_tracked__is_in_it(wheel):
    tracked = subprocess.run(["git", "ls-files", *ROOMS], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split("\n")) - {""} - set(zipfile.ZipFile(wheel).namelist()) == set()


@pytest.mark.slow
def test_wheel__installed_alone__runs_a_night_where_it_stands(wheel, tmp_path):
    site, home = tmp_path / "site", tmp_path / "home"
    zipfile.ZipFile(wheel).extractall(site)
    home.mkdir()
    others = sysconfig.get_paths()["purelib"]  # of what is installed here only the packages of other people
    code = (
        "import sys; sys.path = [each for each in sys.path if 'editable' not in each];"
        "sys.meta_path = [each for each in sys.meta_path if 'Editable' not in str(each)];"
        "import property_credit, scoring; assert property_credit.__file__.startswith(sys.argv[1]), property_credit;"
        "from property_credit.cli.main import main; sys.argv[1:] = sys.argv[2:]; main()"
    )
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ")}
    environment |= {"PYTHONPATH": f"{site}{os.pathsep}{others}", "HOME": str(home), "NO_COLOR": "1"}

    def credit(*arguments: str, may_fail: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, str(site), *arguments],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert may_fail or done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout.strip()

    try:
        credit("simulate", "--preset", "hamlet", "--seed", "16", "--no-dirt", "--out", str(home / "region"))
        (home / ".data").mkdir()
        (home / "region" / "landing").rename(home / ".data" / "landing")
        said = credit("nightly", "--business-date", "2026-10-31", may_fail=True)  # no receiver, no complaints API here
        with psycopg.connect(credit("warehouse", "url")) as connection:
            assert connection.execute("select count(*) from publishing.grade_versions").fetchone() != (0,), said
        assert "sandbox" in said and "is not there" not in said
        assert (home / ".data" / "pages" / "2026-10" / "index.html").is_file(), said
    finally:
        credit("warehouse", "stop")
