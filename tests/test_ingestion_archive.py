"""The archive: the very bytes that were delivered, encrypted where a key is given, and checked against the ledger."""

import os
import stat
import time
from datetime import date

import pyrage
import pytest
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.ingestion import archive, landing, night
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.warehouse import data_key
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

DAY = date(2026, 10, 31)
PROFILE = """\
feed: personnel
office_zh: 测试住建局
format: csv
files: "*.csv"
header: {find: [编号]}
columns: {staff_id: 编号, uscc: 企业, staff_name: 姓名, post_code: 岗位, hired_on: 入职}
dates: {hired_on: ["%Y-%m-%d"]}
"""
NAME = "欧阳震华七号"
ROWS = f"编号,企业,姓名,岗位,入职\nP1,91150203MA0N00001A,{NAME},engineer,2024-01-01\n"


@pytest.fixture
def office(warehouse_database):
    (warehouse_database / "office.yml").write_text(PROFILE, encoding="utf-8")
    return warehouse_database


@pytest.fixture
def key(office, monkeypatch):
    secret, _public = data_key.generate()
    monkeypatch.setenv("DATA_KEY", secret)
    get_settings.cache_clear()
    return secret


def landed(folder, name="office.csv", content=None):
    path = folder / "landing" / "2026-10-31" / "office" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or ROWS.encode())
    os.utime(path, (time.time() - 60,) * 2)
    return path


def run(folder):
    return night.ingest_feed("personnel", DAY, check=no_check, sources=folder)


def plain_files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and NAME.encode() in path.read_bytes()]


def archived(folder):
    return [path for path in (folder / "archive").rglob("*") if path.is_file()]


def set_profile(folder, old, new):
    (folder / "office.yml").write_text(PROFILE.replace(old, new), encoding="utf-8")


def test_archive__with_a_key__holds_no_plain_byte_and_is_read_again(office, key):
    path = landed(office)
    assert [report.status for report in run(office)] == ["loaded"]
    assert plain_files(office / "archive") == plain_files(office / "landing") == []
    [kept] = archived(office)
    assert pyrage.decrypt(kept.read_bytes(), [pyrage.x25519.Identity.from_str(key)]) == ROWS.encode()
    assert not path.exists() and path.with_name("office.csv.age").exists()
    assert [report.status for report in run(office)] == ["seen before"]
    set_profile(office, '%Y-%m-%d"]', '%Y-%m-%d", "%Y/%m/%d"]')
    assert [(report.kind, report.status) for report in run(office)][0] == ("reading", "loaded")
    assert archive.check() == [] and plain_files(office / "archive") == []


def test_landing__a_file_that_its_office_encrypted__is_read_as_the_file_within(office, key):
    public = pyrage.x25519.Identity.from_str(key).to_public()
    landed(office, "a.csv.age", pyrage.encrypt(ROWS.encode(), [public]))
    landed(office, "b.csv.age", pyrage.encrypt(ROWS.encode(), [pyrage.x25519.Identity.generate().to_public()]))
    reports = run(office)
    assert [(report.source_file, report.status) for report in reports] == [("a.csv", "loaded"), ("b.csv", "refused")]
    assert "encrypted for another key" in reports[1].message


def test_archive__without_the_key__says_so_and_loads_nothing(office, key, monkeypatch):
    landed(office)
    run(office)
    monkeypatch.delenv("DATA_KEY")
    get_settings.cache_clear()
    [report] = run(office)
    assert report.status == "refused" and "DATA_KEY is not set" in report.message
    [problem] = archive.check()
    assert "DATA_KEY is not set" in problem.why


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
@pytest.mark.parametrize("is_encrypted", [True, False])
def test_check__a_copy_that_changed__is_named(office, key, monkeypatch, damage, is_encrypted):
    if not is_encrypted:
        monkeypatch.delenv("DATA_KEY")
        get_settings.cache_clear()
    landed(office)
    run(office)
    done = CliRunner().invoke(app, ["archive", "check"])
    assert done.exit_code == 0, done.output
    [kept] = archived(office)
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(content if damage == "flip" else kept.read_bytes()[:-1])
    done = CliRunner().invoke(app, ["archive", "check", "--format", "json"])
    assert done.exit_code == 1 and "personnel/d" in done.output


@pytest.mark.parametrize("is_recent", [True, False])
@pytest.mark.parametrize("is_encrypted", [True, False])
def test_keep__the_file_grows_while_it_is_read__is_refused_and_nothing_is_kept(
    office, key, monkeypatch, is_recent, is_encrypted
):
    if not is_encrypted:
        monkeypatch.delenv("DATA_KEY")
        get_settings.cache_clear()
    path = office / "office.csv"
    path.write_text(ROWS)
    if not is_recent:
        os.utime(path, (time.time() - 60,) * 2)
    copy = archive._copy

    def growing(source, target, digest):
        stood = path.stat()
        with path.open("a") as stream:
            stream.write(ROWS.splitlines()[1].replace("P1", "P2") + "\n")
        if is_recent:  # and its time does not tell
            os.utime(path, ns=(stood.st_atime_ns, stood.st_mtime_ns))
        copy(source, target, digest)

    monkeypatch.setattr(archive, "_copy", growing)
    with pytest.raises(IngestionError, match="changed while it was"):
        ingest_file(feed="personnel", profile=str(office / "office.yml"), path=path, business_date=DAY)
    assert archived(office) == []
    with connect("pc_ingestion") as connection:
        assert connection.execute("select count(*) from raw.personnel").fetchone() == (0,)


def test_landing__open_to_others__is_shut(office):
    landed(office)
    folder = get_settings().landing_dir
    folder.chmod(0o777)
    landing.shut()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o770  # a folder of the operator's: its group stays


def test_key__that_is_none__says_what_one_is(office, monkeypatch):
    monkeypatch.setenv("DATA_KEY", "hunter2")
    get_settings.cache_clear()
    landed(office)
    [report] = run(office)
    assert report.status == "refused" and "AGE-SECRET-KEY-1" in report.message and "hunter2" not in report.message
