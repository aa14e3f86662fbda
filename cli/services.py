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

from cli import airflow_environment
from cli.output import console
from warehouse.settings import PROJECT_ROOT, get_settings

STOP_SECONDS = 15  # the scheduler needs some seconds to hand back its tasks
READY_SECONDS = 120
# SIGINT as well: a shell starts what runs behind it with Ctrl-C ignored, and every service would inherit that
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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

    @classmethod
    def from_environment(cls) -> "Ports":
        """Return the ports with what AIRFLOW_PORT, API_PORT … say; ServiceError when one is not a number."""
        found = {}
        for field in fields(cls):
            text = os.environ.get(f"{field.name.upper()}_PORT")
            if text:
                if not text.isdigit():
                    raise ServiceError(f"{field.name.upper()}_PORT must be a number, not {text!r}")
                found[field.name] = int(text)
        return cls(**found)


@dataclass(frozen=True)
class Service:
    """One process: its command, what people open it for, and its port if it listens."""

    name: str
    command: tuple[str, ...]
    title: str
    port: int | None = None


def services(ports: Ports, *, with_scheduler: bool) -> list[Service]:
    """Return what `make up` starts, in order; the complaints API only where a sample region is there to be served."""
    settings = get_settings()
    python = sys.executable
    found = []
    if settings.tendering_url is None or settings.supervision_url is None:
        command: tuple[str, ...] = (python, "-m", "publishing.sandbox", "--port", str(ports.sandbox))
        found.append(Service("sandbox", command, "接收方沙箱 receivers' sandbox", ports.sandbox))
    store = settings.data_dir / "sample" / "complaints_api"
    if settings.complaints_api_url is None and store.exists():
        command = (python, "-m", "simulation.complaints_api", "--store", str(store), "--port", str(ports.complaints))
        found.append(Service("complaints", command, "码上办接口（模拟）complaints API (simulated)", ports.complaints))
    command = (python, "-m", "publishing.api", "--port", str(ports.api))
    found.append(Service("api", command, "读取接口 read API", ports.api))
    command = (python, "-m", "scorecards.service", "--port", str(ports.pages))
    found.append(Service("pages", command, "页面 pages", ports.pages))
    if with_scheduler:
        airflow = (python, "-m", "airflow")
        found += [
            Service("airflow-api-server", (*airflow, "api-server"), "Airflow", ports.airflow),
            Service("airflow-dag-processor", (*airflow, "dag-processor"), "Airflow: reads the DAGs"),
            Service("airflow-scheduler", (*airflow, "scheduler"), "Airflow: starts the tasks"),
            Service("airflow-triggerer", (*airflow, "triggerer"), "Airflow: waits for triggers"),
        ]
    return found


@contextlib.contextmanager
def running(*, with_scheduler: bool, ports: Ports | None = None) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run the services for the length of the block and stop every one of them afterwards, children included.

    Raises ServiceError when a port is taken or a service does not come up; what was started is stopped.
    """
    ports = ports or Ports.from_environment()
    wanted = services(ports, with_scheduler=with_scheduler)
    for service in wanted:
        _check_port(service)
    environment = _environment(ports, with_scheduler=with_scheduler)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with contextlib.ExitStack() as stack:
        if with_scheduler:
            from cli.nightly import exclusive

            stack.enter_context(exclusive())
        stack.callback(_stop_all, processes)
        for service in wanted:
            processes[service.name] = _start(service, environment)
        for service in wanted:
            _wait_ready(service, processes[service.name])
        yield processes


def serve_all(*, with_scheduler: bool = True) -> int:
    """Serve until Ctrl-C (or SIGTERM), then stop everything; return 0, or 1 when a service ended by itself."""
    ports = Ports.from_environment()
    previous = {number: signal.signal(number, _interrupt) for number in INTERRUPTS}
    try:
        with running(with_scheduler=with_scheduler, ports=ports) as processes:
            for service in services(ports, with_scheduler=with_scheduler):
                if service.port:
                    console.print(f"{service.title:<40} http://127.0.0.1:{service.port}", highlight=False)
            console.print("读取接口密钥 a key of the API: property-credit keys issue --scope tendering --name …")
            console.print("页面阅读者 a reader of the pages: property-credit readers add <name> --area 150200")
            console.print("Ctrl-C stops all.")
            while True:
                for name, process in processes.items():
                    if process.poll() is not None:
                        console.print(f"[red]{name} ended by itself ({process.returncode}); see {_log(name)}[/red]")
                        return 1
                time.sleep(1)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _environment(ports: Ports, *, with_scheduler: bool) -> Mapping[str, str]:
    settings = get_settings()
    found = dict(os.environ)
    if settings.tendering_url is None:
        found["TENDERING_URL"] = f"http://127.0.0.1:{ports.sandbox}"
    if settings.supervision_url is None:
        found["SUPERVISION_URL"] = f"http://127.0.0.1:{ports.sandbox}"
    if settings.complaints_api_url is None and (settings.data_dir / "sample" / "complaints_api").exists():
        found["COMPLAINTS_API_URL"] = f"http://127.0.0.1:{ports.complaints}"
    if with_scheduler:
        airflow_environment.prepare_apart(api_port=ports.airflow)
        wanted = airflow_environment.variables(api_port=ports.airflow)
        found = {**wanted, **os.environ, **found}
        for name in ("API__PORT", "API__BASE_URL", "CORE__EXECUTION_API_SERVER_URL"):
            found[f"AIRFLOW__{name}"] = wanted[f"AIRFLOW__{name}"]  # this process may have read others before
    return found


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
    raise ServiceError(f"{service.name} does not come up; last lines of {_log(service.name)}:\n{tail}")


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
