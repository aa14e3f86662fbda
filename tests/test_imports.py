"""The direction of imports: packages meet in PostgreSQL, and the rule that says so can turn red."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RULES = configparser.ConfigParser()
RULES.read(PROJECT / ".importlinter")
PACKAGES = RULES["importlinter"]["root_packages"].split()


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache"], cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(folder)}
    )


def test_imports__as_they_are__keep_to_the_rule():
    done = _lint(PROJECT)
    assert done.returncode == 0, done.stdout


def test_imports__scoring_reaches_into_ingestion__turns_red(tmp_path):
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / ".importlinter", tmp_path)
    (tmp_path / "scoring" / "shortcut.py").write_text("import property_credit.ingestion.feeds\n")
    done = _lint(tmp_path)
    assert done.returncode == 1
    assert "scoring is not allowed to import property_credit.ingestion" in done.stdout
