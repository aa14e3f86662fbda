"""The command line as a person uses it: exit codes, messages without a stack trace, answers that programs can read."""

import io
import json
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
import typer
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.warehouse.connection import connect
from property_credit.warehouse.locks import LockedError
from property_credit.warehouse.scratch import scratch_schemas
from property_credit.warehouse.settings import Settings, get_settings

ROOT = Path(__file__).resolve().parents[1]

PROFILE = """
feed: surveys
office_zh: 测试
format: {format}
files: "*"
encoding: utf-8
header: {{find: [批次, 小区]}}
columns:
  survey_id: 批次
  community_id: 小区
  surveyed_on: 日期
  response_count: 份数
  satisfaction_score: 满意度
dates: {{surveyed_on: "%Y-%m-%d"}}
"""
HEADER = "批次,小区,日期,份数,满意度\n"


@pytest.fixture
def ingest(warehouse_database, tmp_path):
    """Run `ingest surveys` on a file with the given bytes; returns the outcome and the rows that raw holds then."""
    with connect() as connection:
        connection.execute(
            "insert into raw.communities values ('C1','甲','150203',null,null,'old',2000,100,null,true,null,null,"
            "'b',1,'2026-01-01','2026-01-01',1)"
        )

    def run(content: bytes, *, name: str = "survey.csv", **changes: str):
        kind = "xlsx" if name.endswith(".xlsx") else "csv"
        profile = tmp_path / "office.yml"
        text = PROFILE.format(format=kind)
        for old, new in changes.items():
            text = text.replace(f"{old}: utf-8", f"{old}: {new}")
        profile.write_text(text, encoding="utf-8")
        path = tmp_path / name
        path.write_bytes(content)
        arguments = ["ingest", "surveys", str(path), "--source", str(profile), "--business-date", "2026-10-31"]
        outcome = CliRunner().invoke(app, arguments)
        with connect() as connection:
            rows = connection.execute("select count(*) from raw.surveys").fetchone()[0]
        assert "Traceback" not in outcome.output
        assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
        return outcome, rows

    return run


def _zip_bomb() -> bytes:
    made = io.BytesIO()
    openpyxl.Workbook().save(made)
    bomb = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            is_sheet = item.filename.endswith("sheet1.xml")
            new.writestr(item.filename, b" " * (700 << 20) if is_sheet else old.read(item.filename))
    return bomb.getvalue()


def _workbook(rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def test_ingest__sound_file__is_loaded_and_a_second_time_nothing_changes(ingest):
    content = (HEADER + "S1,C1,2026-10-01,40,91.5\n").encode()
    outcome, rows = ingest(content)
    assert (outcome.exit_code, rows) == (0, 1)
    assert "1 rows in = 1 accepted + 0 rejected + 0 exact duplicates" in outcome.output
    outcome, rows = ingest(content)
    assert (outcome.exit_code, rows) == (0, 1)
    assert "seen before" in outcome.output


def test_ingest__bad_row__says_file_row_column_and_reason(ingest):
    good = "".join(f"S1,C1,2026-10-01,40,{score}\n" for score in range(60, 90))
    outcome, rows = ingest((HEADER + good + "S2,C1,2026-13-01,40,91.5\n").encode())
    assert outcome.exit_code == 0
    assert rows == 30
    assert "survey.csv" in outcome.output
    assert "row 32, surveyed_on" in outcome.output
    assert "日期无法识别" in outcome.output


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("survey.csv", b"", "empty"),
        ("survey.csv", "批次,小区,日期,份数\nS1,C1,2026-10-01,40\n".encode(), "满意度"),
        ("survey.csv", (HEADER + "S1,C1,2026-10-01,40,91\n").encode("utf-16"), "correct `encoding`"),
        ("survey.xlsx", _workbook([["批次", "小区"], [1, 2]])[:900], "survey.xlsx"),
        ("survey.xlsx", b"", "survey.xlsx"),
        ("survey.xlsx", _zip_bomb(), "survey.xlsx"),
    ],
    ids=["empty", "missing column", "wrong encoding", "truncated xlsx", "empty xlsx", "zip bomb"],
)
def test_ingest__unreadable_file__exits_2_with_a_message_and_loads_nothing(ingest, name, content, said):
    outcome, rows = ingest(content, name=name)
    assert outcome.exit_code == 2, outcome.output
    assert rows == 0
    assert said in outcome.output
    assert name in outcome.output


def test_ingest__cell_of_two_million_characters__is_one_refused_row(ingest):
    good = "".join(f"S1,C1,2026-10-01,40,{score}\n" for score in range(60, 90))
    outcome, rows = ingest((HEADER + good + f"{'长' * 2_000_000},C1,2026-10-01,40,91\n").encode())
    assert (outcome.exit_code, rows) == (0, 30)
    assert "文本超长" in outcome.output
    assert len(outcome.output) < 5_000


def test_ingest__formula_in_a_cell__is_stored_as_text_or_refused_never_run(ingest):
    good = "".join(f"S1,C1,2026-10-01,40,{score}\n" for score in range(60, 90))
    outcome, rows = ingest((HEADER + good + "S9,C1,2026-10-01,=1+1,91\n").encode())
    assert (outcome.exit_code, rows) == (0, 30)
    assert "数值无法识别" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ingest", "surveys", "/no.csv", "--source", "baotou_surveys", "--business-date", "2026-10-31"], "no.csv"),
        (["ingest", "nothing", "x.csv", "--source", "baotou_surveys", "--business-date", "2026-10-31"], "nothing"),
        (["ingest", "surveys", "x.csv", "--source", "nobody", "--business-date", "2026-10-31"], "nobody"),
        (["nightly", "--business-date", "tomorrow"], "2026-10-31"),
        (["explain", "91350100M000100Y43"], "91350100M000100Y43"),
        (["feeds", "describe", "weather"], "weather"),
    ],
    ids=["no file", "no feed", "no profile", "no date", "no enterprise", "no contract"],
)  # fmt: skip
def test_command__wrong_usage__exits_2_and_names_what_is_wrong(warehouse_database, arguments, said):
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2, outcome.output
    assert said in outcome.output
    assert "Traceback" not in outcome.output


def test_feeds__as_json__lists_every_feed_and_describes_one():
    listed = json.loads(CliRunner().invoke(app, ["feeds", "--format", "json"]).output)
    assert {"complaints", "inspections", "funds"} <= {row["feed"] for row in listed}
    described = json.loads(CliRunner().invoke(app, ["feeds", "describe", "complaints", "--format", "json"]).output)
    assert {"complaint_id", "content"} <= {row["field"] for row in described["fields"]}
    assert all(row["zh"] or row["kind"] for row in described["rules"])


def test_warehouse_url__for_a_role__connects_as_that_role(warehouse_database):
    import psycopg

    url = CliRunner().invoke(app, ["warehouse", "url", "--role", "pc_api"]).output.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("select current_user").fetchone() == ("pc_api",)


@pytest.mark.parametrize(
    "command", [["explain", "91350100M000100Y43"], ["models"], ["fit", "--business-date", "2026-10-31"]]
)
def test_command__server_is_not_there__says_what_to_check(command, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://postgres@127.0.0.1:1/property_credit")
    get_settings.cache_clear()
    done = CliRunner().invoke(app, command)
    monkeypatch.undo()
    get_settings.cache_clear()
    assert done.exit_code == 2 and "cannot be reached" in done.stderr and "WAREHOUSE_URL" in done.stderr, done.output


def test_scratch_schemas__two_at_once_under_one_prefix__the_second_is_told_to_wait(warehouse_database):
    with (
        scratch_schemas("twice_"),
        pytest.raises(LockedError, match="wait until it is done"),
        scratch_schemas("twice_"),
    ):
        pass
    with scratch_schemas("twice_"):
        pass


def test_settings__an_empty_variable__is_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("PAGES_HTTPS", "")
    monkeypatch.setenv("PAGES_SESSION_SECRET", "")
    assert Settings().pages_https is False and Settings().pages_session_secret is None


def _commands(group, path=()):
    """Yield every command below a group with its path."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_command__what_is_left_out__has_a_default_that_is_read(name):
    command = COMMANDS[name]
    context = command.context_class(command)
    for option in command.params:
        if not option.required:
            option.process_value(context, option.get_default(context))  # a default goes through its parser as well


def test_simulate__as_documented__needs_no_last_day(tmp_path):
    outcome = CliRunner().invoke(
        app, ["simulate", "--preset", "hamlet", "--seed", "3", "--out", str(tmp_path / "made")]
    )
    assert outcome.exit_code == 0 and (tmp_path / "made" / "manifest.json").exists()


WRITTEN = re.compile(r"property-credit ([a-z](?:[^\n`#|]|\|(?! ))*)")
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_docs__every_command_in_them__is_one_that_exists_with_those_options(document):
    for line in WRITTEN.findall(document.read_text(encoding="utf-8").replace("\\\n", " ")):
        command, words = typer.main.get_command(app), re.sub("[)\"']", " ", line).split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert not hasattr(command, "commands") or not words or words[0].startswith(("--", "…")), line
        if command.context_settings.get("ignore_unknown_options"):
            continue  # passed on to another program
        unknown = {word.split("=")[0] for word in words if word.startswith("--")} - known
        assert not unknown, f"{line}: {unknown}"
