"""One night under a real scheduler: registers are triggered, assets wake everything behind them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import date

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from property_credit.cli import services
from property_credit.night import airflow_environment, nightly
from property_credit.warehouse import connection as ground
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import PROJECT_ROOT, get_settings
from simulation.region import simulate

NIGHT = date(2026, 10, 31)
WOKEN = (
    "ingest_complaints",
    "ingest_inspections",
    "ingest_funds",
    "build_warehouse",
    "supervise_region",
    "grade_enterprises",
    "publish_grades",
    "build_scorecards",
)


def _free_ports(count):
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


@pytest.fixture
def served(migrated_template, tmp_path, monkeypatch):
    """A small region in a warehouse of its own, and the ports of `make up`; ends with the warehouse taken away."""
    name = f"served_{os.getpid()}"
    maintenance = ground.parameters(database="postgres")
    with psycopg.connect(**maintenance, autocommit=True) as opened:
        opened.execute(f"create database {name} template {migrated_template}")
    data_dir = get_settings().data_dir
    simulate(preset="hamlet", seed=7, out=data_dir / "sample", through=NIGHT, nights=0, dirt=False)
    monkeypatch.setenv("WAREHOUSE_DATABASE", name)
    monkeypatch.setenv("LANDING_DIR", str(data_dir / "sample" / "landing"))
    monkeypatch.setenv("ARCHIVE_DIR", str(tmp_path / "archive"))
    for key in [key for key in os.environ if key.startswith("AIRFLOW__")]:
        monkeypatch.delenv(key)  # what an earlier test of this process prepared for its own warehouse
    get_settings.cache_clear()
    yield services.Ports(*_free_ports(7))
    monkeypatch.undo()
    get_settings.cache_clear()
    shutil.rmtree(data_dir / "sample")
    with psycopg.connect(**maintenance, autocommit=True) as opened:
        for database in (name, f"airflow_{name}"):
            opened.execute(f"drop database if exists {database} with (force)")


def _children():
    """Return the processes of this machine that carry this test's warehouse in their environment."""
    mark = f"WAREHOUSE_DATABASE=served_{os.getpid()}".encode()
    processes = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                with open(f"/proc/{entry.name}/environ", "rb") as stream:
                    if mark in stream.read().split(b"\0"):
                        processes.append(int(entry.name))
            except OSError:
                continue
    return processes


def _sign_in(client, address):
    """Sign in as the administrator; before, nobody is let in: not by asking, not with a guess."""
    assert client.get(f"{address}/api/v2/dags").status_code == 401
    nobody = [client.get(f"{address}/auth/token"), client.post(f"{address}/auth/token", json={})]
    assert not [answer.text for answer in nobody if answer.is_success or "access_token" in answer.text]
    user = {"username": airflow_environment.ADMINISTRATOR, "password": "a guess of ours"}
    assert client.post(f"{address}/auth/token", json=user).status_code == 401
    path = airflow_environment.password_file()
    user["password"] = path.read_text()
    assert len(user["password"]) >= 20 and path.stat().st_mode & 0o777 == 0o600
    client.headers["Authorization"] = f"Bearer {client.post(f'{address}/auth/token', json=user).json()['access_token']}"


def _troubles():
    with connect() as opened:
        return opened.execute("select * from ops.task_runs where status in ('failed', 'stopped by gate')").fetchall()


def test_prepare_apart__airflow_was_imported_for_another_warehouse__makes_this_ones_metadata(served, monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow", sys)  # as an earlier test of this process leaves it: imported
    monkeypatch.setenv(airflow_environment.PASSWORD_VARIABLE, "short")
    with pytest.raises(airflow_environment.AirflowError, match="fewer than 12 characters"):
        airflow_environment.prepare_apart(api_port=served.airflow)
    monkeypatch.setenv(airflow_environment.PASSWORD_VARIABLE, "one of the operator's own")
    airflow_environment.prepare_apart(api_port=served.airflow)
    with psycopg.connect(**ground.parameters(database=f"airflow_{ground.parameters()['dbname']}")) as opened:
        assert opened.execute("select count(*) from alembic_version").fetchone() == (1,)
        users = opened.execute("select username, password from ab_user").fetchall()
    assert [name for name, _ in users] == [airflow_environment.ADMINISTRATOR]
    assert "operator" not in users[0][1]
    assert not airflow_environment.password_file().exists()  # a password of the operator's is not kept a second time


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_scheduler__registers_triggered__assets_wake_the_chain_and_ctrl_c_stops_all(served, monkeypatch):
    # the watch over complaints would pull those of the sample as known today, before the night of their date has them
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "True")
    port = served.airflow
    with (
        services.running(with_scheduler=True, ports=served) as processes,
        httpx.Client(trust_env=False, timeout=30) as client,
    ):
        api = f"http://127.0.0.1:{port}/api/v2"

        def get(path):
            answer = client.get(f"{api}{path}")
            return answer.json() if answer.is_success else {}

        def wait(what, check, seconds):
            deadline = time.monotonic() + seconds
            while not check():
                assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
                time.sleep(0.5)

        _sign_in(client, f"http://127.0.0.1:{port}")
        count = len(nightly.ORDER) + 2  # wake_nights, make_case_files
        wait("DAGs", lambda: get("/dags").get("total_entries") == count, 400)
        for dag_id in ("ingest_registers", *WOKEN):
            answer = client.patch(f"{api}/dags/{dag_id}", json={"is_paused": False})
            assert answer.status_code == 200, answer.text
        answer = client.post(
            f"{api}/dags/ingest_registers/dagRuns",
            json={"logical_date": None, "conf": {"business_date": NIGHT.isoformat()}},
        )
        assert answer.status_code == 200, answer.text

        def runs(dag_id):
            return get(f"/dags/{dag_id}/dagRuns").get("dag_runs", [])

        def is_over():
            assert not [dag_id for dag_id in WOKEN for run in runs(dag_id) if run["state"] == "failed"], _troubles()
            return any(run["state"] == "success" for run in runs("build_scorecards"))

        wait("the night", is_over, 600)
        for dag_id in WOKEN:
            assert {run["run_type"] for run in runs(dag_id)} == {"asset_triggered"}, dag_id
        with connect() as opened:
            dates = opened.execute("select distinct business_date from ops.task_runs").fetchall()
            published = opened.execute("select count(*) from publishing.publications").fetchone()
            waiting = opened.execute("select count(*) from publishing.outbox where status <> 'delivered'").fetchone()
        assert dates == [(NIGHT,)]  # handed on from asset to asset
        assert published == (1,) and waiting == (0,)
        assert client.get(f"http://127.0.0.1:{served.api}/healthz").is_success
        page = client.get(f"http://127.0.0.1:{served.pages}/{NIGHT:%Y-%m}/index.html")
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in")  # nobody has signed in
        assert all(_is_alive(process.pid) for process in processes.values())
    assert not [name for name, process in processes.items() if _is_alive(process.pid)]


def _is_alive(group):
    """Say whether a process of the group is left (Airflow's overwrite their environment: it cannot be asked)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("was_shown", [False, True])
def test_up__administrators_password__is_shown_the_first_time_only(tmp_path, monkeypatch, was_shown):
    path = tmp_path / "admin_password"
    path.write_text("generated-once")
    with services.console.capture() as shown:
        services._print_sign_in(path, was_shown=was_shown)
    assert ("generated-once" in shown.get()) is not was_shown
    assert str(path) in shown.get().replace("\n", "")


def test_services__environment__no_owner_and_no_secret_of_another(served, monkeypatch):
    """What the API, the pages and the sandbox are given: their role's login, none of the owner's secrets."""
    secrets = {
        "WAREHOUSE_URL": "postgresql://postgres:owner-word@db:5432/property_credit",
        "WAREHOUSE_ROLES_PASSWORD": "roles-word",
        "PC_API_PASSWORD": "api-word",
        "PC_PAGES_PASSWORD": "pages-word",
        "PC_WORKBENCH_PASSWORD": "desk-word",
        "WORKBENCH_SESSION_SECRET": "acts-word",
        "TENDERING_TOKEN": "tendering-word",
        "SUPERVISION_TOKEN": "supervision-word",
        "OFFICE_150203_TOKEN": "office-word",  # a recipient's, under a name of its own
        "PAGES_SESSION_SECRET": "session-word",
        "AIRFLOW_ADMIN_PASSWORD": "airflow-word",
        "AIRFLOW__API_AUTH__JWT_SECRET": "jwt-word",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://postgres:owner-word@db/airflow",
        "PGPASSWORD": "pg-word",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    words = {"api": {"api"}, "pages": {"pages", "session"}, "sandbox": {"tendering"}, "complaints": set()}
    words["workbench"] = {"desk", "acts"}
    for service in services.services(served, with_scheduler=False):
        given = services._environment_of(service, os.environ)
        held = {word for word in re.findall(r"(\w+)-word", " ".join(given.values()))}
        assert held == words[service.name], service.name
        if service.role:
            assert conninfo_to_dict(given["WAREHOUSE_URL"])["user"] == service.role
        assert given["WAREHOUSE_DATABASE"] and given["PATH"]


def test_up__a_port_is_taken__says_which_and_what_to_do(served):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", served.api))
        holder.listen()
        with (
            pytest.raises(services.ServiceError, match=rf"port {served.api} .*API_PORT"),
            services.running(with_scheduler=False, ports=served),
        ):
            pass
    assert _children() == []


def test_up__a_port_is_no_number__is_refused(monkeypatch):
    monkeypatch.setenv("PAGES_PORT", "eighty")
    with pytest.raises(services.ServiceError, match="PAGES_PORT must be a number"):
        services.Ports.from_environment()


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_up__interrupted__stops_every_process(served, monkeypatch, number):
    for field, port in vars(served).items():
        monkeypatch.setenv(f"{field.upper()}_PORT", str(port))
    process = subprocess.Popen(
        [sys.executable, "-m", "property_credit.cli.main", "up", "--no-scheduler"],
        cwd=PROJECT_ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    assert len(_children()) >= 4
    process.send_signal(getattr(signal, number))
    assert process.wait(timeout=60) == 0
    assert _children() == []
