"""docker-compose.yml and Dockerfile say what runs; without an engine, what they name is proved to exist."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.fernet import Fernet
from pathspec import GitIgnoreSpec

from property_credit.cli import environment_file
from property_credit.night import airflow_environment
from property_credit.scorecards.printing import WHAT_TO_INSTALL, launch_arguments

PROJECT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES = {"postgres", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "api"}


SECRETS = (
    "POSTGRES_PASSWORD",
    "WAREHOUSE_ROLES_PASSWORD",
    "PC_API_PASSWORD",
    "PC_PAGES_PASSWORD",
    "PC_WORKBENCH_PASSWORD",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW_ADMIN_PASSWORD",
    "PAGES_SESSION_SECRET",
    "WORKBENCH_SESSION_SECRET",
    "TENDERING_TOKEN",
)
# what each service may be given of the secrets of .env, and no more
MAY_HOLD = {
    "postgres": {"POSTGRES_PASSWORD"},
    "api": {"PC_API_PASSWORD"},
    "pages": {"PC_PAGES_PASSWORD", "PAGES_SESSION_SECRET"},
    "workbench": {"PC_WORKBENCH_PASSWORD", "WORKBENCH_SESSION_SECRET"},
    "sandbox": {"TENDERING_TOKEN"},
    "redis": {"REDIS_PASSWORD"},
    "watchdog": {"WAREHOUSE_ROLES_PASSWORD"},
    **{name: {"POSTGRES_PASSWORD"} for name in ("citus-coordinator", "citus-worker-1", "citus-worker-2")},
}
NIGHT_MAY_HOLD = {
    "WAREHOUSE_ROLES_PASSWORD",
    "AIRFLOW_DATABASE_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SESSION_SECRET",
    "REDIS_PASSWORD",
    "TENDERING_TOKEN",
    "SUPERVISION_TOKEN",
}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


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
    assert {name for name, named in profiles.items() if named == ["citus"]} == CLUSTER
    assert all(named is None for name, named in profiles.items() if name not in CLUSTER)
    setup = COMPOSE["services"]["setup"]
    workers = {f"{name}:5432" for name in CLUSTER if name.startswith("citus-worker")}
    assert set(setup["environment"]["CITUS_WORKERS"].split(",")) == workers
    optional = {name for name, how in setup["depends_on"].items() if how.get("required") is False}
    assert optional == {name for name in CLUSTER if name.startswith("citus")}


def test_compose__celery__is_what_this_airflow_can_run(tmp_path):
    filled = re.sub(
        r"\$\{REDIS_PASSWORD[^}]*\}", "one-of-our-own", yaml.safe_dump(COMPOSE["services"]["airflow-worker"])
    )
    environment = yaml.safe_load(filled)["environment"]
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
            [sys.executable, "-m", "property_credit.cli.main", *arguments, "--help"], cwd=PROJECT, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
    else:
        assert Path(sys.executable).with_name(program).exists(), f"{program} is not in the environment"


def test_compose__secrets__come_from_the_environment():
    text = (PROJECT / "docker-compose.yml").read_text()
    for name in SECRETS:
        values = re.findall(rf"^\s+{name}: (.+)$", text, re.MULTILINE)
        assert values, name
        assert all(value.startswith("${") for value in values), name
        assert re.search(rf"{re.escape(values[0].split(':')[0].rstrip('}'))}:\?", text), f"{name} may be left empty"
    example = dict(line.split("=", 1) for line in (PROJECT / ".env.example").read_text().splitlines() if "=" in line)
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    assert asked <= set(example)


def _held(service: dict) -> set[str]:
    """Return the secrets of .env that a service is given, wherever they stand in it."""
    return {name for name in re.findall(r"\$\{([A-Z_]+)", yaml.safe_dump(service)) if SECRET_NAME.search(name)}


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_compose__service__holds_its_own_secrets_and_no_other(name):
    held = _held(COMPOSE["services"][name])
    if name == "setup":  # migrates as the owner and ends
        assert COMPOSE["services"][name]["restart"] == "no"
        return
    assert held <= MAY_HOLD.get(name, NIGHT_MAY_HOLD)
    assert (name in MAY_HOLD) or "WAREHOUSE_ROLES_PASSWORD" in held


def test_compose__owners_address__reaches_setup_alone():
    """The account that may do anything (`postgres`) is in the address of no service that answers people."""
    for name, service in COMPOSE["services"].items():
        addresses = [str(value) for value in service.get("environment", {}).values() if "://" in str(value)]
        owners = [address for address in addresses if re.search(r"//postgres:|POSTGRES_PASSWORD", address)]
        assert bool(owners) == (name == "setup"), (name, owners)


def test_compose__files__each_service_sees_its_own():
    volumes = {name: service.get("volumes", []) for name, service in COMPOSE["services"].items()}
    assert not volumes["api"]
    for name in ("sandbox", "pages"):  # keys, delivered files and Airflow's secrets lie in `data`
        assert not [volume for volume in volumes[name] if volume.startswith("data:")], name


def test_compose__airflow__asks_who_you_are():
    for name, service in COMPOSE["services"].items():
        if name.startswith("airflow"):
            environment = service["environment"]
            assert environment["AIRFLOW__CORE__AUTH_MANAGER"] == airflow_environment.AUTH_MANAGER
            assert not [key for key in environment if "SIMPLE_AUTH" in key]


def test_compose__redis__takes_nobody_without_the_password():
    service = COMPOSE["services"]["redis"]
    script = service["command"][2].replace("$$", "$")
    written = subprocess.run(
        ["sh", "-ec", script.replace("exec redis-server /tmp/redis.conf", "cat /tmp/redis.conf; rm /tmp/redis.conf")],
        env={**os.environ, "REDIS_PASSWORD": "one-of-our-own"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "requirepass one-of-our-own" in written.stdout.splitlines()
    broker = COMPOSE["services"]["airflow-worker"]["environment"]["AIRFLOW__CELERY__BROKER_URL"]
    assert broker.startswith("redis://:${REDIS_PASSWORD:?")
    assert service["environment"]["REDISCLI_AUTH"] == "${REDIS_PASSWORD}" and "ports" not in service


def test_environment_file__made__has_every_secret_and_is_its_owners_alone(tmp_path):
    target = tmp_path / ".env"
    environment_file.write(PROJECT / ".env.example", target)
    assert target.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in target.read_text().splitlines() if re.match("[A-Z_]+=", line))
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", (PROJECT / "docker-compose.yml").read_text()))
    assert asked and all(len(values[name]) >= 43 for name in asked), asked
    assert len({values[name] for name in asked}) == len(asked), "no two secrets are the same"
    assert all(re.fullmatch(r"[\w-]+", values[name]) for name in asked - {"AIRFLOW_FERNET_KEY"})  # stand in addresses
    Fernet(values["AIRFLOW_FERNET_KEY"])
    with pytest.raises(FileExistsError):
        environment_file.write(PROJECT / ".env.example", target)


LEFT_BESIDE = (
    ".env",
    ".env.production",
    "prod.env",
    "property_credit/.env",
    "dags/.env.local",
    "scoring/signing.pem",
    "property_credit/warehouse/server.key",
    "keys/list-2026.pem",
    ".data/keys/a.pem",
    ".data/archive/ab/cd",
    "warehouse.dump",
    "simulation/pages-session.secret",
)


@pytest.mark.parametrize("path", LEFT_BESIDE)
def test_secrets__left_in_the_checkout__reach_neither_the_image_nor_git(path):
    patterns = (PROJECT / ".dockerignore").read_text().splitlines()
    assert GitIgnoreSpec.from_lines(patterns).match_file(path), f"{path} would be copied into the image"
    ignored = subprocess.run(["git", "check-ignore", "--no-index", "-q", path], cwd=PROJECT)
    assert ignored.returncode == 0, f"git would add {path}"


def test_image__has_all_that_the_code_needs():
    """What is ignored for the sake of secrets is none of our own files."""
    ignored = GitIgnoreSpec.from_lines((PROJECT / ".dockerignore").read_text().splitlines())
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    packages = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    folders = tuple(f"{name.rstrip('*')}/" for name in packages["include"])
    needed = [path for path in tracked.stdout.splitlines() if path.startswith(folders)]
    needed += ["requirements-development.in", "requirements.lock", "pyproject.toml", "README.md"]
    assert len(needed) > 300
    assert [path for path in needed if ignored.match_file(path)] == []
    assert not [path for path in tracked.stdout.splitlines() if re.search(r"(^|/)\.env($|\.(?!example))", path)]


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


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_compose__service__is_bounded_watched_and_gains_no_right(name):
    service = COMPOSE["services"][name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[gm]", service["mem_limit"]) and service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert "privileged" not in service and "network_mode" not in service
    if name != "setup":  # ends by itself
        assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped"
    if service.get("build") == ".":
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        written = [volume.split(":")[1] for volume in service.get("volumes", []) if not volume.endswith(":ro")]
        assert all(place.startswith("/data") for place in written), "code lies under /app and is not written"
        assert {place.split(":")[0] for place in service["tmpfs"]} == {"/tmp", "/home/credit"}


@pytest.mark.parametrize("job_type", re.findall(r'"--job-type", "(\w+)"', (PROJECT / "docker-compose.yml").read_text()))
def test_compose__health_check__asks_for_a_job_that_airflow_knows(job_type):
    folder = Path(importlib.util.find_spec("airflow").origin).parent / "jobs"
    assert any(f'job_type = "{job_type}"' in path.read_text() for path in folder.glob("*.py"))


def test_image__without_development_packages__runs_all_it_is_started_with():
    """What the Dockerfile takes out of the environment is imported by nothing that stays in the image."""
    lines = (PROJECT / "requirements-development.in").read_text().splitlines()
    taken_out = [re.split(r"[\[=<>]", line)[0] for line in lines if line and not line.startswith("#")]
    assert "grep -v '^#' requirements-development.in | xargs pip uninstall" in (PROJECT / "Dockerfile").read_text()
    assert {"pytest", "mypy", "ruff"} <= set(taken_out)
    modules = {name.replace("-", "_") for name in taken_out} | {"xdist", "pytest_timeout"}
    for folder in ("property_credit", "scoring", "simulation", "dags"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                assert not {name.split(".")[0] for name in names} & modules, path
