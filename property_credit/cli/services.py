"""Everything a person looks at, as one group of processes on this machine: `make up`.

Owns starting, watching and stopping them, and their ports. Each process has a group of its own, because Airflow's
parts leave children behind on SIGTERM: what does not end by itself is killed with its whole group.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import SecretStr

from property_credit.cli.output import console
from property_credit.night import airflow_environment
from property_credit.warehouse import connection
from property_credit.warehouse.connection import Role
from property_credit.warehouse.settings import PROJECT_ROOT, Settings, get_settings

STOP_SECONDS = 15  # the scheduler needs some seconds to hand back its tasks
READY_SECONDS = 120
# SIGINT as well: a shell starts what runs behind it with Ctrl-C ignored, and every service would inherit that
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# What a service gets of the environment of whoever starts it: settings that are no secret, and what a process needs.
# All else stays outside by itself: a receiver's token may have any name.
PLAIN_SETTINGS = frozenset(
    name.upper() for name, field in Settings.model_fields.items() if field.annotation != SecretStr | None
) - {"WAREHOUSE_URL", "SANDBOX_WAREHOUSE_URL"}
PROCESS = frozenset({"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "DO_NOT_TRACK", "TERM"})
PROCESS_PREFIXES = ("LC_", "PYTHON", "XDG_", "CHROMIUM", "SSL_CERT_")


class ServiceError(Exception):
    """A service cannot be started; the message says which, why and what to do."""


@dataclass(frozen=True)
class Ports:
    """Where the services listen on 127.0.0.1; each can be set by the variable <NAME>_PORT."""

    airflow: int = 8080
    api: int = 8200
    sandbox: int = 8300
    pages: int = 8400
    complaints: int = 8500
    workbench: int = 8600
    tenant: int = 8700

    @classmethod
    def from_environment(cls) -> "Ports":
        """Return the ports with what AIRFLOW_PORT, API_PORT … say; ServiceError when one is not a number."""
        ports = {}
        for field in fields(cls):
            text = os.environ.get(f"{field.name.upper()}_PORT")
            if text:
                if not text.isdigit():
                    raise ServiceError(f"{field.name.upper()}_PORT must be a number, not {text!r}")
                ports[field.name] = int(text)
        return cls(**ports)


@dataclass(frozen=True)
class Service:
    """One process: its command, what people open it for, its port if it listens, and what it may hold.

    ``role``: the login with which it reads the warehouse; ``secrets``: the secret settings that are its own business.
    """

    name: str
    command: tuple[str, ...]
    title: str
    port: int | None = None
    role: Role | None = None
    secrets: tuple[str, ...] = ()


def services(ports: Ports, *, with_scheduler: bool) -> list[Service]:
    """Return what `make up` starts, in order; the complaints API and the sandbox tenant where they were made."""
    settings = get_settings()
    python = sys.executable
    running = []
    if settings.tendering_url is None or settings.supervision_url is None:
        command: tuple[str, ...] = (python, "-m", "simulation.sandbox", "--port", str(ports.sandbox))
        running.append(
            Service("sandbox", command, "接收方沙箱 receivers' sandbox", ports.sandbox, secrets=("TENDERING_TOKEN",))
        )
    store = settings.data_dir / "sample" / "complaints_api"
    if settings.complaints_api_url is None and store.exists():
        command = (python, "-m", "simulation.complaints_api", "--store", str(store), "--port", str(ports.complaints))
        running.append(Service("complaints", command, "码上办接口（模拟）complaints API (simulated)", ports.complaints))
    command = (python, "-m", "property_credit.publishing.api", "--port", str(ports.api))
    running.append(Service("api", command, "读取接口 read API", ports.api, "pc_api"))
    is_made = (settings.data_dir / "sandbox-tenant" / "access.json").exists()
    if is_made and (settings.warehouse_url is None or settings.sandbox_warehouse_url):
        credentials = ("SANDBOX_WAREHOUSE_URL", "WAREHOUSE_ROLES_PASSWORD", "PC_API_PASSWORD")
        command = (python, "-m", "simulation.sandbox_tenant", "--port", str(ports.tenant))
        running.append(
            Service("tenant", command, "沙箱租户 sandbox tenant (invented grades)", ports.tenant, secrets=credentials)
        )
    command = (python, "-m", "property_credit.scorecards.service", "--port", str(ports.pages))
    running.append(Service("pages", command, "页面 pages", ports.pages, "pc_pages", ("PAGES_SESSION_SECRET",)))
    command = (python, "-m", "property_credit.cli.main", "workbench", "--port", str(ports.workbench))
    own = ("WORKBENCH_SESSION_SECRET",)
    running.append(Service("workbench", command, "工作台 workbench", ports.workbench, "pc_workbench", own))
    if with_scheduler:
        airflow = (python, "-m", "airflow")
        running += [
            Service("airflow-api-server", (*airflow, "api-server"), "Airflow", ports.airflow),
            Service("airflow-dag-processor", (*airflow, "dag-processor"), "Airflow: reads the DAGs"),
            Service(
                "airflow-scheduler",
                (python, "-m", "property_credit.night.scheduler"),
                "Airflow: starts the tasks",
            ),
            Service("airflow-triggerer", (*airflow, "triggerer"), "Airflow: waits for triggers"),
        ]
    return running


@contextlib.contextmanager
def running(*, with_scheduler: bool, ports: Ports | None = None) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run the services for the length of the block and stop every one of them afterwards, children included.

    Raises ServiceError when a port is taken or a service does not start; what was started is stopped.
    """
    ports = ports or Ports.from_environment()
    wanted = services(ports, with_scheduler=with_scheduler)
    for service in wanted:
        _check_port(service)
    environment = _environment(ports, with_scheduler=with_scheduler)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with contextlib.ExitStack() as stack:
        if with_scheduler:
            from property_credit.night.lock import exclusive

            stack.enter_context(exclusive())
        stack.callback(_stop_all, processes)
        for service in wanted:
            processes[service.name] = _start(service, _environment_of(service, environment))
        for service in wanted:
            _wait_ready(service, processes[service.name])
        yield processes


def serve_all(*, with_scheduler: bool = True) -> int:
    """Serve until Ctrl-C (or SIGTERM), then stop everything; return 0, or 1 when a service stopped unexpectedly."""
    ports = Ports.from_environment()
    password_file = airflow_environment.password_file()
    was_shown = password_file.exists()
    previous = {number: signal.signal(number, _interrupt) for number in INTERRUPTS}
    try:
        with running(with_scheduler=with_scheduler, ports=ports) as processes:
            for service in services(ports, with_scheduler=with_scheduler):
                if service.port:
                    console.print(f"{service.title:<40} http://127.0.0.1:{service.port}", highlight=False)
            if with_scheduler:
                _print_sign_in(password_file, was_shown=was_shown)
            console.print("读取接口密钥 a key of the API: property-credit keys issue --scope tendering --name …")
            console.print("沙箱租户 a sandbox tenant (invented grades) and its keys: property-credit tenant make")
            console.print("页面阅读者 a reader of the pages: property-credit readers add <name> --area 150200")
            console.print("工作台账号 an account: property-credit workbench invite --role administrator --area 150000")
            console.print("Ctrl-C stops all.")
            while True:
                for name, process in processes.items():
                    if process.poll() is not None:
                        console.print(
                            f"[red]{name} stopped unexpectedly ({process.returncode}); see {_log(name)}[/red]"
                        )
                        return 1
                time.sleep(1)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_sign_in(password_file: Path, *, was_shown: bool) -> None:
    """Say how to sign in to Airflow: the password itself the first time only, afterwards where it is kept."""
    if os.environ.get(airflow_environment.PASSWORD_VARIABLE) or not password_file.exists():
        password = f"as set ({airflow_environment.PASSWORD_VARIABLE}, or in Airflow)"
    elif was_shown:
        password = f"in {password_file}"
    else:
        password = f"{password_file.read_text().strip()}   (shown this once; kept in {password_file})"
    console.print(
        f"Airflow: user {airflow_environment.ADMINISTRATOR}, password {password}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _environment(ports: Ports, *, with_scheduler: bool) -> Mapping[str, str]:
    settings = get_settings()
    variables = dict(os.environ)
    if settings.tendering_url is None:
        variables["TENDERING_URL"] = f"http://127.0.0.1:{ports.sandbox}"
    if settings.supervision_url is None:
        variables["SUPERVISION_URL"] = f"http://127.0.0.1:{ports.sandbox}"
    if settings.complaints_api_url is None and (settings.data_dir / "sample" / "complaints_api").exists():
        variables["COMPLAINTS_API_URL"] = f"http://127.0.0.1:{ports.complaints}"
    if (settings.data_dir / "sample").exists():
        variables.setdefault("WORKBENCH_DAY", "nights")  # the sample's days are not today's
    if with_scheduler:
        airflow_environment.prepare_apart(api_port=ports.airflow)
        wanted = airflow_environment.variables(api_port=ports.airflow)
        variables = {**wanted, **os.environ, **variables}
        for name in ("API__PORT", "API__BASE_URL", "CORE__EXECUTION_API_SERVER_URL"):
            variables[f"AIRFLOW__{name}"] = wanted[f"AIRFLOW__{name}"]  # this process may have read others before
    return variables


def _environment_of(service: Service, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what one service gets of the environment: no service but Airflow's holds an owner's address or a secret.

    The API and the pages get the warehouse's address with their own role's login, the receivers' sandbox and the sample
    complaints API get none.
    """
    if service.name.startswith("airflow"):
        return dict(environment)
    variables = {
        name: value
        for name, value in environment.items()
        if name in PLAIN_SETTINGS | PROCESS or name in service.secrets or name.startswith(PROCESS_PREFIXES)
    }
    if service.role and get_settings().warehouse_url:
        variables["WAREHOUSE_URL"] = connection.url(service.role)
        if password := connection.parameters(service.role).get("password"):
            variables["WAREHOUSE_ROLES_PASSWORD"] = password
    return variables


def _check_port(service: Service) -> None:
    if service.port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free to us
        try:
            probe.bind(("127.0.0.1", service.port))
        except OSError as error:
            variable = f"{service.name.removesuffix('-api-server').upper()}_PORT"
            raise ServiceError(
                f"port {service.port} ({service.title}) is taken by another program: stop it (is another `make up` "
                f"running?), or choose another port with {variable}=…"
            ) from error


def _log(name: str) -> Path:
    return get_settings().data_dir / "logs" / f"{name}.log"


def _start(service: Service, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    log = _log(service.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as sink:
        return subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=PROJECT_ROOT,
            env=dict(environment),
            start_new_session=True,
        )


def _wait_ready(service: Service, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if service.port is None:
            return
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", service.port), timeout=1):
            return
        time.sleep(0.1)
    tail = "\n".join(_log(service.name).read_text(errors="replace").splitlines()[-8:])
    raise ServiceError(f"{service.name} does not start; last lines of {_log(service.name)}:\n{tail}")


def _stop_all(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Ask every group to end (SIGINT, which Airflow's parts heed), wait, then kill what is left of it."""
    with _unheard():
        for process in processes.values():
            _signal_group(process, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Leave signals unheard for the length of the block: a second Ctrl-C while stopping would leave orphans."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
