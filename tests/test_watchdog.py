"""The watchdog: operators hear of each cause one time, again after a day, and when it is over, whatever is down."""

import json
import threading
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from own_warehouse import register_build
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.night import health, watchdog
from property_credit.warehouse import connection
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.settings import get_settings

NIGHT = date(2026, 10, 31)
NOW = datetime(2026, 11, 1, 2, 30, tzinfo=ZONE)


class Office(BaseHTTPRequestHandler):
    """Takes what is posted to it, or answers what the test says; ``health`` is what it says of Airflow."""

    status = 200
    health: dict | None = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).status == 200:
            self.server.messages.append(json.loads(body))
        self.send_response(type(self).status)
        self.end_headers()

    def do_GET(self):
        body = json.dumps(type(self).health).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def office(monkeypatch):
    """A receiver of messages; its ``messages`` are what it took."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Office)
    server.messages = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPERATOR_CHANNELS", f"json://127.0.0.1:{server.server_port}/duty")
    monkeypatch.setattr(Office, "status", 200)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def sound(warehouse_database, office):
    """A warehouse in order at NOW: its one night is done; nothing is stale, waits or was given up."""
    watchdog._told_file().unlink(missing_ok=True)
    get_settings.cache_clear()
    register_build(NIGHT)
    with connection.connect() as opened:
        opened.execute(
            "create table marts.mart_scoring__feeds (feed text, latest_known_on date, age_days int, is_stale bool)"
        )
        opened.execute("grant select on marts.mart_scoring__feeds to pc_gatekeeper")
    register_build(NIGHT)
    yield
    get_settings.cache_clear()


def record(status, message=""):
    with connection.connect("pc_dbt") as opened:
        opened.execute(
            "select ops.record_task(%s, 'build_warehouse', 'build_models', %s, %s, 1.5, null, null)",
            (NIGHT, status, message),
        )


def test_causes__each_kind__is_named_with_what_to_do():
    quiet = {
        "marts_problem": "", "night": None, "missing_nights": [], "closed_gates": [], "stale_feeds": [], "waiting": [],
        "deliveries": {"dead_count": 0},
    }  # fmt: skip
    night = {"business_date": NIGHT, "is_late": False, "troubles": []}
    today = date(2026, 11, 20)
    assert health.causes(quiet | {"night": night}, today) == []
    waiting = {"feed": "funds", "row_count": 7, "oldest_on": date(2026, 11, 12)}
    fresh = waiting | {"oldest_on": date(2026, 11, 13)}
    troubles = [{"dag": "d", "task": "grade", "status": "failed", "message": "no marts"}]
    gate = {"door": 3, "suite": "grades", "subject": "churn", "business_date": NIGHT}
    for change, said in (
        ({"marts_problem": "torn"}, ["torn"]),
        ({"missing_nights": [NIGHT]}, ["missing nights: 2026-10-31"]),
        ({"night": night | {"is_late": True}}, ["not finished at 06:00"]),
        ({"night": night | {"troubles": troubles}}, ["grade failed: no marts"]),
        ({"closed_gates": [gate]}, ["gate closed on 2026-10-31: grades churn"]),
        ({"stale_feeds": [{"feed": "funds", "latest_known_on": None, "age_days": None}]}, ["funds is stale: never"]),
        ({"waiting": [waiting]}, ["since 2026-11-12: funds 7"]),
        ({"waiting": [fresh]}, []),
        ({"deliveries": {"dead_count": 2}}, ["2 deliveries were given up"]),
    ):
        named = health.causes(quiet | change, today)
        assert len(named) == len(said) and all(part in cause.what for part, cause in zip(said, named, strict=True))
        assert all(cause.todo for cause in named)


def test_watch__a_task_that_failed__is_told_one_time_again_after_a_day_and_when_it_is_over(sound, office):
    record("done")
    assert watchdog.watch(NOW) == watchdog.Round([], 0, [])
    record("failed", "a test said no")
    assert watchdog.watch(NOW).message_count == 1
    assert watchdog.watch(NOW + timedelta(minutes=5)).message_count == 0
    [first] = office.messages
    assert "build_models failed: a test said no" in first["message"] and f"nights show {NIGHT}" in first["message"]
    assert "1 项待处理" in first["title"]
    watchdog.watch(NOW + timedelta(hours=25))
    assert all(part in office.messages[1]["message"] for part in ("仍未解决", "New", "missing nights: 2026-11-01"))
    record("done")
    watchdog.watch(NOW + timedelta(hours=25, minutes=5))
    assert "已解决 Over\n- night of 2026-10-31: build_models failed" in office.messages[2]["message"]


def test_watch__a_channel_that_takes_nothing__is_told_in_the_next_round(sound, office, monkeypatch, caplog):
    record("failed")
    monkeypatch.setattr(Office, "status", 500)
    outcome = watchdog.watch(NOW)
    assert (outcome.message_count, len(outcome.faults)) == (0, 1) and "channel 1" in outcome.faults[0]
    monkeypatch.setattr(Office, "status", 200)
    assert watchdog.watch(NOW).message_count == 1 and len(office.messages) == 1
    told = watchdog._told_file().read_text()
    assert "duty" not in told + caplog.text and str(office.server_port) not in told + caplog.text


def test_watch__the_database_and_airflow_are_away__both_are_told(sound, office, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_URL", "host=127.0.0.1 port=9 dbname=nothing user=nobody connect_timeout=2")
    monkeypatch.setenv("AIRFLOW_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()
    assert {cause.key for cause in watchdog.watch(NOW).open} == {"database", "airflow"}
    assert "does not answer" in office.messages[0]["message"] and "cannot be read" in office.messages[0]["message"]


def test_look__airflow_says_a_part_is_not_healthy__names_the_part(sound, office, monkeypatch):
    record("done")
    monkeypatch.setenv("AIRFLOW_URL", f"http://127.0.0.1:{office.server_port}")
    get_settings.cache_clear()
    well = {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "dag_processor")}
    monkeypatch.setattr(Office, "health", well)
    assert watchdog.look(NOW) == []
    monkeypatch.setattr(Office, "health", well | {"scheduler": {"status": "unhealthy"}})
    assert [cause.key for cause in watchdog.look(NOW)] == ["airflow scheduler"]
    monkeypatch.setattr(Office, "health", {"detail": "another server"})
    assert [cause.key for cause in watchdog.look(NOW)] == ["airflow"]


def test_command__without_channels__says_what_to_set_and_a_dry_run_tells_nobody(sound, office, monkeypatch):
    record("failed", "a test said no")
    ran = CliRunner().invoke(app, ["watchdog", "--dry-run"])
    assert ran.exit_code == 1 and "a test said no" in ran.output and office.messages == []
    ran = CliRunner().invoke(app, ["watchdog"])
    assert ran.exit_code == 1 and len(office.messages) == 1
    monkeypatch.delenv("OPERATOR_CHANNELS")
    get_settings.cache_clear()
    ran = CliRunner().invoke(app, ["watchdog"])
    assert ran.exit_code == 2 and "OPERATOR_CHANNELS" in ran.output
