"""A tick as people and the DAG run it: API, batch gate, clocks judged, notices at the real sandbox."""

import json

import httpx
import pytest
import yaml
from clock_world import at, deliver
from delivery_world import use_sandbox
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.supervision.limits import DEFAULT
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from simulation import complaints_api, sandbox_process

OLD_FORM = {  # as offices deliver that know no pause reasons
    "诉求编号": "T1",
    "受理渠道": "码上办",
    "区划代码": "150203",
    "诉求类别": "电梯",
    "办理状态": "待响应",
    "提交时间": "2026-10-30 23:00:00",
    "诉求人": "某人",
    "内容": "电梯坏了",
    "更新时间": "2026-10-30 23:00:00",
}


@pytest.fixture
def run(warehouse_database, monkeypatch, tmp_path):
    monkeypatch.setenv("KEYS_DIR", str(tmp_path / "keys"))
    get_settings.cache_clear()
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(arguments))


def write(folder, day: str, *records: dict) -> None:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    (folder / f"{day}.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def test_tick__from_the_api_to_the_office__over_midnight_and_back_when_it_is_solved(run, monkeypatch, tmp_path):
    store = tmp_path / "store"
    write(store, "20261030", OLD_FORM)
    solved = {"办理状态": "已解决", "响应时间": "2026-10-31 01:30:00", "解决时间": "2026-10-31 02:00:00"}
    paused = {"挂起分钟": 30, "挂起原因": "无法入户", "街道同意挂起": "是"}
    write(store, "20261031", {**OLD_FORM, **solved, **paused, "更新时间": "2026-10-31 02:00:00"})
    use_sandbox(monkeypatch, tmp_path)
    with sandbox_process.running(tmp_path) as sandbox, complaints_api.running(store) as api:
        monkeypatch.setenv("COMPLAINTS_API_URL", api)
        get_settings.cache_clear()
        first = run("supervision", "tick", "--at", "2026-10-30T23:55", "--format", "json")
        assert first.exit_code == 0, first.output
        steps = {step["step"]: step for step in json.loads(first.stdout)["steps"]}
        assert "1 delivery, 1 rows: 1 accepted" in steps["pull_complaints"]["message"]
        assert steps["judge_complaints"]["message"].startswith("0 escalations raised")
        # after midnight the day's changes come, known by the day they changed on
        second = run("supervision", "tick", "--at", "2026-10-31T01:05")
        assert second.exit_code == 0 and "1 escalations raised (1 told)" in second.stdout
        third = run("supervision", "tick", "--at", "2026-10-31T02:05")
        assert third.exit_code == 0 and "1 closed" in third.stdout
        again = run("supervision", "tick", "--at", "2026-10-31T02:05")
        assert again.exit_code == 0 and "pull_complaints    nothing new" in again.stdout
        received = httpx.get(f"{sandbox}/received", params={"subject": "T1/response"}, trust_env=False).json()
    assert [row["idempotency_key"] for row in received["received"]] == [
        "supervision/escalation_raised/T1/response/1",
        "supervision/escalation_closed/T1/response/2",
    ]
    assert "某人" not in str(received) and "电梯坏了" not in str(received)
    with connect("pc_supervision") as connection:
        known = connection.execute("select known_on::text from raw.complaints order by 1").fetchall()
    assert known == [("2026-10-30",), ("2026-10-31",)]
    listed = json.loads(run("supervision", "escalations", "--region", "150200", "--format", "json").stdout)
    assert [(row["escalation_id"], row["close_reason_code"]) for row in listed] == [("T1/response", "solved")]
    assert json.loads(run("supervision", "escalations", "--open", "--format", "json").stdout) == []
    assert json.loads(run("supervision", "escalations", "--region", "150100", "--format", "json").stdout) == []
    assert "T1/response" in run("supervision", "escalations").stdout


def test_tick__the_api_is_away__judges_what_is_there_and_exits_1(run, monkeypatch):
    monkeypatch.setattr("property_credit.ingestion.api_reader.ATTEMPTS", 1)
    monkeypatch.setenv("COMPLAINTS_API_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()
    deliver({"complaint_id": "T1", "submitted_at": at("10-30 08:00")})
    done = run("supervision", "tick", "--at", "2026-10-30T10:05", "--no-deliver")
    assert done.exit_code == 1 and "1 escalations raised" in done.stdout and "mashangban_api" in done.output


def test_tick__limits_other_than_the_methods__says_so(run, monkeypatch, tmp_path):
    stated = yaml.safe_load(DEFAULT.read_text())
    stated["escalations"]["response"]["limit_hours"] = 3
    (tmp_path / "limits.yml").write_text(yaml.safe_dump(stated))
    monkeypatch.setenv("SUPERVISION_LIMITS", str(tmp_path / "limits.yml"))
    get_settings.cache_clear()
    done = run("supervision", "tick", "--at", "2026-10-30T10:05", "--no-pull", "--no-deliver")
    assert "limits differ from the grading method's: response 3 h, the method 2 h" in done.stdout


@pytest.mark.parametrize("wrong", [("tick", "--at", "yesterday"), ("escalations", "--limit", "0")])
def test_supervision__wrong_usage__exits_2(run, wrong):
    assert run("supervision", *wrong).exit_code == 2


def test_recipients__added_listed_and_removed(run):
    added = (
        "recipients",
        "add",
        "kundulun",
        "--title",
        "昆都仑区住建局",
        "--region",
        "150203",
        "--endpoint",
        "http://x.cn",
    )
    assert run(*added).exit_code == 0
    assert run(*added).exit_code != 0
    rows = {row["subscriber"]: row for row in json.loads(run("recipients", "list", "--format", "json").stdout)}
    assert rows["kundulun"]["region_code"] == "150203" and rows["supervision"]["region_code"] is None
    assert "kundulun" in run("recipients", "list").stdout
    assert run("recipients", "set", "kundulun", "--endpoint", "https://y.cn").exit_code == 0
    assert run("recipients", "remove", "kundulun").exit_code == 0
    assert "kundulun" not in run("recipients", "list").stdout
