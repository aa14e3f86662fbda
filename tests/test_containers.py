"""docker-compose.yml and Dockerfile say what runs; without an engine, what they name is proved to exist."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from scorecards.printing import WHAT_TO_INSTALL, launch_arguments

PROJECT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES = {"postgres", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "api"}


SECRETS = (
    "POSTGRES_PASSWORD",
    "WAREHOUSE_ROLES_PASSWORD",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "TENDERING_TOKEN",
)


def _commands() -> list[list[str]]:
    commands = []
    for service in COMPOSE["services"].values():
        if service.get("build") == ".":
            is_shell = service["command"][0] == "sh"
            commands += service["command"][2].split("&&") if is_shell else [" ".join(service["command"])]
    return [re.sub(r"^\s*([A-Z_]+=\S+\s+)*", "", command).split() for command in commands]


CLUSTER = {"citus-coordinator", "citus-worker-1", "citus-worker-2", "redis", "airflow-worker"}


def test_compose__has_the_platform__and_one_image_for_our_code():
    assert set(COMPOSE["services"]) >= SERVICES | CLUSTER
    ours = [name for name, service in COMPOSE["services"].items() if service.get("build") == "."]
    assert {COMPOSE["services"][name]["image"] for name in ours} == {"property-credit"}
    others = {service["image"].split(":")[0] for service in COMPOSE["services"].values() if "build" not in service}
    assert others == {"postgres", "citusdata/citus", "redis"}


def test_compose__cluster__starts_with_its_profile_only_and_every_worker_is_added():
    profiles = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}
    assert {name for name, found in profiles.items() if found == ["citus"]} == CLUSTER
    assert all(found is None for name, found in profiles.items() if name not in CLUSTER)
    setup = COMPOSE["services"]["setup"]
    workers = {f"{name}:5432" for name in CLUSTER if name.startswith("citus-worker")}
    assert set(setup["environment"]["CITUS_WORKERS"].split(",")) == workers
    optional = {name for name, how in setup["depends_on"].items() if how.get("required") is False}
    assert optional == {name for name in CLUSTER if name.startswith("citus")}


def test_compose__celery__is_what_this_airflow_can_run(tmp_path):
    environment = COMPOSE["services"]["airflow-worker"]["environment"]
    celery = {name: value for name, value in environment.items() if name.startswith("AIRFLOW__CELERY__BROKER")}
    starts = (
        "from airflow.executors.executor_loader import ExecutorLoader as loader; loader.get_default_executor().start();"
        "from airflow.providers.celery.executors.celery_executor import app; print(app.connection().hostname)"
    )
    done = subprocess.run(
        [sys.executable, "-c", starts],
        capture_output=True,
        env={**os.environ, **celery, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"},
    )
    assert done.returncode == 0, done.stderr.decode()
    broker = urlsplit(environment["AIRFLOW__CELERY__BROKER_URL"])
    assert done.stdout.decode().split()[-1] == broker.hostname and broker.hostname in COMPOSE["services"]
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "${AIRFLOW_EXECUTOR:-LocalExecutor}"
    for name in ("BROKER_URL", "RESULT_BACKEND"):
        scheme = environment[f"AIRFLOW__CELERY__{name}"].partition("://")[0]
        assert importlib.util.find_spec({"redis": "redis"}.get(scheme, scheme.rpartition("+")[2])), scheme


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_compose__command__exists_in_the_locked_environment(command):
    program = command[0]
    if program == "python":
        assert importlib.util.find_spec(command[2]), f"no module {command[2]}"
    elif program == "property-credit":
        arguments = [part for part in command[1:] if not part.startswith("-")][:2]
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments, "--help"], cwd=PROJECT, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
    else:
        assert Path(sys.executable).with_name(program).exists(), f"{program} is not in the environment"


def test_compose__secrets__come_from_the_environment():
    text = (PROJECT / "docker-compose.yml").read_text()
    for name in SECRETS:
        values = re.findall(rf"^\s+{name}: (.+)$", text, re.MULTILINE)
        assert values, name
        assert all(value.startswith("${") and ":?" in value for value in values), name
    example = dict(line.split("=", 1) for line in (PROJECT / ".env.example").read_text().splitlines() if "=" in line)
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    assert asked <= set(example)


def test_compose__every_setting__stands_in_the_example():
    text = (PROJECT / "docker-compose.yml").read_text()
    example = (PROJECT / ".env.example").read_text()
    told = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    assert told == set(re.findall(r"\$\{([A-Z_]+)", text))


def test_compose__published_ports__are_open_to_this_machine_only():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_dockerfile__installs_the_lock_with_hashes_and_runs_as_a_normal_user():
    text = (PROJECT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in text
    assert re.search(r"^USER (?!root)\w+", text, re.MULTILINE)


def test_dockerfile__prints__has_the_browser_and_the_font_and_its_sandbox_is_off(monkeypatch):
    text = (PROJECT / "Dockerfile").read_text()
    assert all(package in text for package in re.findall(r"apt-get install (\S+) (\S+)`", WHAT_TO_INSTALL)[0])
    name, value = re.findall(r"^ENV (CHROMIUM\w+)=(\S+)$", text, re.MULTILINE)[0]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "--no-sandbox" not in launch_arguments()
    monkeypatch.setenv(name, value)
    assert "--no-sandbox" in launch_arguments()
