"""One registry of feeds: what is made from the contracts is up to date, and the page that adds a feed is right."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from property_credit.ingestion import feeds, registry

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "add-a-feed.md"
ROOMS = ("property_credit", "scoring", "dags", "dbt_project", "expectations", "pyproject.toml")


def test_files_of_feeds__written_again__stay_as_they_are():
    assert {each.path: each.state for each in registry.write(is_dry=True)} == dict.fromkeys(
        (registry.FRESHNESS, registry.SOURCES, registry.RELATIONS), "unchanged"
    )


def test_files_of_feeds__a_contract_that_says_otherwise__are_written(tmp_path):
    for path in registry.lists(map(feeds.get, feeds.NAMES)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((PROJECT / path).read_text("utf-8").replace("replies", "repries"), "utf-8")
    shutil.copytree(PROJECT / registry.MIGRATIONS, tmp_path / registry.MIGRATIONS)
    for path in (PROJECT / registry.STAGING).glob("stg_*"):
        shutil.copy(path, tmp_path / registry.STAGING)
    assert {each.state for each in registry.write(root=tmp_path)} == {"written"}
    assert (tmp_path / registry.FRESHNESS).read_bytes() == (PROJECT / registry.FRESHNESS).read_bytes()


def test_freshness__every_feed__is_watched():
    with open(PROJECT / registry.FRESHNESS, encoding="utf-8", newline="") as handle:
        assert [row["feed"] for row in csv.DictReader(handle)] == list(feeds.NAMES)


def _blocks(language: str) -> list[str]:
    """The page's code blocks in ``language``, without the indentation they stand in."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in blocks]


@pytest.mark.slow
def test_page__followed_to_the_letter__loads_the_new_feed_and_stages_it(tmp_path):
    for room in ROOMS:
        source = PROJECT / room
        ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
        shutil.copytree(source, tmp_path / room, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path)
    (contract,), (labels,), (profile,) = _blocks("python"), _blocks("csv"), _blocks("yaml")
    (tmp_path / "property_credit/ingestion/feeds/drills.py").write_text(contract, "utf-8")

    def credit(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "property_credit.cli.main", *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    credit("feeds", "write")
    codes = tmp_path / registry.CODES
    drafted = [line for line in codes.read_text("utf-8").splitlines() if line.startswith("drills_kind,")]
    assert [line.split(",")[:2] for line in drafted] == [line.split(",")[:2] for line in labels.splitlines()]
    codes.write_text("\n".join(codes.read_text("utf-8").splitlines()[: -len(drafted)]) + "\n" + labels, "utf-8")
    credit("feeds", "write", "--check")
    (tmp_path / "property_credit/ingestion/sources/baotou_drills.yml").write_text(profile, "utf-8")
    day = tmp_path / "data" / "landing" / "2026-10-31"
    (day / "communities").mkdir(parents=True)
    (tmp_path / "应急演练_202610.csv").write_text(
        "编号,小区编号,日期,种类,人数\nD1,C1,2026-10-02,消防,0\nD2,C9,2026-10-02,消防,20\n", "utf-8"
    )
    try:
        said = credit(
            *("ingest", "drills", "--source", "baotou_drills", "--business-date", "2026-10-31"),
            *("应急演练_202610.csv",),
        )
        assert "NOBODY_TOOK_PART" in said or "参加人数为零" in said
        assert "引用的对象不存在" in said or "REFERENCE_UNKNOWN" in said
        assert "drills" in credit("feeds")
    finally:
        credit("warehouse", "stop")
