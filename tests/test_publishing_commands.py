"""Publishing's commands as a person uses them: what they print, and their exit codes."""

import json
from datetime import date

import pytest
from grade_rows import add_run, uscc
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.publishing import log, signing
from property_credit.publishing.api_keys import digest_of
from property_credit.publishing.publish import publish
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

CODE = uscc(1)


@pytest.fixture
def run(warehouse_database, monkeypatch, tmp_path):
    monkeypatch.setenv("KEYS_DIR", str(tmp_path / "keys"))
    get_settings.cache_clear()
    monkeypatch.setattr(
        "property_credit.cli.publishing_commands._ready", lambda: None
    )  # the test's warehouse is migrated
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(arguments))


@pytest.fixture
def published(run):
    publish(add_run(date(2026, 10, 30), {CODE: {"grade": "A"}}), date(2026, 10, 30))


def test_keys__issue__prints_the_key_alone_on_stdout_and_list_never(run):
    done = run("keys", "issue", "--scope", "tendering", "--name", "试用")
    text = done.stdout.strip()
    assert done.exit_code == 0 and text.startswith("pc_") and "\n" not in text
    with connect("pc_publishing") as connection:
        assert connection.execute("select digest from publishing.api_keys").fetchone() == (digest_of(text),)
    listed = run("keys", "list", "--format", "json")
    (row,) = json.loads(listed.stdout)
    assert (row["scope_code"], row["name"]) == ("tendering", "试用") and text not in listed.stdout
    rotated = run("keys", "rotate", row["key_id"])
    assert rotated.exit_code == 0 and rotated.stdout.strip() != text
    assert run("keys", "revoke", row["key_id"]).exit_code == 0
    assert "revoked" in run("keys", "list").stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("keys", "issue", "--scope", "mayor", "--name", "x"),
        ("keys", "revoke", "nobody"),
        ("subscribers", "add", "gov", "--title", "x", "--endpoint", "nope", "--fields", "grade"),
        ("subscribers", "remove", "nobody"),
        ("deliveries", "replay"),
        ("deliveries", "replay", "nothing"),
        ("deliveries", "list", "--status", "lost"),
        ("replies", "set", CODE, "--filed-on", "yesterday", "--text", "x"),
        ("replies", "set", CODE, "--filed-on", "2026-10-31"),
        ("signing-keys", "rotate", "--reason", "x"),
        ("verify", "/nowhere.json"),
    ],
)
def test_command__wrong_use__exits_2_without_a_stack_trace(run, wrong):
    done = run(*wrong)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output


def test_subscribers__added_with_nobody_there__deliver_says_what_waits_and_exits_1(run, published):
    added = run(
        "subscribers", "add", "gov", "--title", "财政局", "--endpoint", "http://127.0.0.1:9", "--fields", "grade"
    )
    assert added.exit_code == 0 and "1 grades" in added.stdout
    done = run("deliver", "--subscriber", "gov")
    assert done.exit_code == 1 and "1 wait" in done.stdout and "no connection" in done.stderr
    assert "open " in run("subscribers", "list").stdout
    (row,) = json.loads(run("deliveries", "list", "--subscriber", "gov", "--format", "json").stdout)
    assert (row["idempotency_key"], row["status"]) == (f"gov/{CODE}/1", "pending")
    assert run("subscribers", "set", "gov", "--fields", "grade,basis").exit_code == 0
    assert run("subscribers", "remove", "gov").exit_code == 0
    assert "removed" in run("subscribers", "list").stdout


def test_verify__list__exits_0_and_a_changed_one_1(run, published, tmp_path):
    with connect("pc_publishing") as connection:
        keys = signing.registered_keys(connection)
        cursor = connection.execute("select * from publishing.lists where list_id = '2026-Q4'")
        row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    path = tmp_path / "list.json"
    path.write_text(json.dumps(log.list_file(row, keys), ensure_ascii=False))
    assert "verified" in run("verify", str(path)).stdout
    assert json.loads(run("verify", str(path), "--format", "json").stdout)["kind"] == "list"
    path.write_text(path.read_text().replace('"grade": "A"', '"grade": "AA"'))
    done = run("verify", str(path))
    assert done.exit_code == 1 and "NOT VERIFIED" in done.stderr


def test_signing_keys__create_and_rotate__say_what_to_back_up(run):
    assert "back up" in run("signing-keys", "create").stdout
    assert run("signing-keys", "create").exit_code == 2
    assert run("signing-keys", "rotate", "--reason", "yearly").exit_code == 0
    assert len(json.loads(run("signing-keys", "list", "--format", "json").stdout)) == 2
