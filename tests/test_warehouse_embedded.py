"""The embedded server: made, found again, survives a crash, and says clearly why it cannot be used."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from property_credit.warehouse import embedded

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def data_dir():
    folder = Path(tempfile.mkdtemp(prefix="embedded-"))
    folder.chmod(0o755)
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _connect(server: embedded.Server) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_dir), port=server.port, user="postgres", dbname="postgres")


def _postmaster(server: embedded.Server) -> int:
    return int((server.home / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def test_ensure_running__twice__is_the_same_server(data_dir):
    first = embedded.ensure_running(data_dir)
    process = _postmaster(first)
    assert embedded.ensure_running(data_dir) == first
    assert _postmaster(first) == process
    assert embedded.stop(data_dir) is True
    assert embedded.stop(data_dir) is False


def test_ensure_running__after_kill_9__finds_its_committed_rows(data_dir):
    server = embedded.ensure_running(data_dir)
    with _connect(server) as connection:
        connection.execute("create table kept as select 1 as one")
    os.kill(_postmaster(server), signal.SIGKILL)
    again = embedded.ensure_running(data_dir)
    with _connect(again) as connection:
        assert connection.execute("select one from kept").fetchall() == [(1,)]


def test_ensure_running__its_socket_was_deleted__starts_anew_and_finds_its_rows(data_dir):
    server = embedded.ensure_running(data_dir)
    with _connect(server) as connection:
        connection.execute("create table kept as select 1 as one")
    before = _postmaster(server)
    (server.socket_dir / f".s.PGSQL.{server.port}").unlink()
    again = embedded.ensure_running(data_dir)
    assert _postmaster(again) != before
    with _connect(again) as connection:
        assert connection.execute("select one from kept").fetchall() == [(1,)]


def test_ensure_running__data_dir_was_deleted_under_a_running_server__makes_a_new_one(data_dir):
    orphan = _postmaster(embedded.ensure_running(data_dir))
    shutil.rmtree(data_dir)
    with _connect(embedded.ensure_running(data_dir)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with contextlib.suppress(ProcessLookupError):
        os.kill(orphan, signal.SIGQUIT)  # it ends by itself within a minute of missing its lock file
    deadline = time.monotonic() + 30
    while _is_alive(orphan) and time.monotonic() < deadline:
        time.sleep(0.1)
    with _connect(embedded.ensure_running(data_dir)) as connection:  # whatever it took along
        assert connection.execute("select 1").fetchone() == (1,)


def _with_a_row(data_dir):
    server = embedded.ensure_running(data_dir)
    with _connect(server) as connection:
        connection.execute("create table kept as select 1 as one")
    return server


def _rows(server):
    with _connect(server) as connection:
        return connection.execute("select one from kept").fetchall()


def test_check_pages__a_bit_that_turned__is_named(data_dir):
    server = embedded.ensure_running(data_dir)
    with _connect(server) as connection:
        connection.execute("create table kept as select repeat('x', 100) as text from generate_series(1, 1000)")
        (path,) = connection.execute("select pg_relation_filepath('kept')").fetchone()
    assert embedded.check_pages(data_dir) == []
    embedded.stop(data_dir)
    with open(server.home / "cluster" / path, "r+b") as stream:
        stream.seek(20_000)
        octet = stream.read(1)
        stream.seek(20_000)
        stream.write(bytes([octet[0] ^ 1]))
    problems = embedded.check_pages(data_dir)
    assert any(Path(path).name in line for line in problems), problems


def test_recovery__to_an_instant__has_what_was_there_then(data_dir):
    """As docs/restore.md tells it for a server of one's own: a base backup, archived WAL, a target time."""
    first = embedded.ensure_running(data_dir / "first")
    embedded.stop(data_dir / "first")
    wal = first.home / "wal"
    wal.mkdir()
    shutil.chown(wal, first.home.owner(), first.home.group())
    _configure(first, wal_level="replica", max_wal_senders="3", archive_mode="on", archive_command=f"cp %p {wal}/%f")
    first = embedded.ensure_running(data_dir / "first")
    home = embedded._home(data_dir / "second")
    program, to = embedded._program(first.home, "pg_basebackup"), ["-h", str(first.socket_dir), "-U", "postgres"]
    command = [program, *to, "-D", str(home / "cluster"), "--checkpoint=fast"]
    assert embedded._run(command, first).returncode == 0, (first.home / "control.log").read_text()
    with _connect(first) as connection:
        connection.execute("create table kept as select 1 as one")
    with _connect(first) as connection:
        (instant,) = connection.execute("select clock_timestamp()::text").fetchone()
        time.sleep(0.2)
        connection.execute("drop table kept")
    embedded.stop(data_dir / "first")  # its last WAL is archived with it
    second = embedded.Server(home=home, socket_dir=embedded._socket_dir(home))
    options = {"recovery_target_time": instant, "recovery_target_action": "promote", "archive_mode": "off"}
    _configure(second, restore_command=f"cp {wal}/%f %p", **options)
    (home / "cluster" / "recovery.signal").touch()
    shutil.chown(home / "cluster" / "recovery.signal", home.owner(), home.group())
    assert _rows(embedded.ensure_running(data_dir / "second")) == [(1,)]
    embedded.stop(data_dir / "second")


def _configure(server, **settings):
    with open(server.home / "cluster" / "postgresql.auto.conf", "a") as stream:
        stream.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


def _copied(source, target):
    """Copy as a person does, sockets and lock files included."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@pytest.mark.parametrize("name", ["moved", "a blank, a comma and more than a socket's path may have" * 2])
def test_ensure_running__data_dir_was_moved__starts_there_and_finds_its_rows(data_dir, name):
    first = _with_a_row(data_dir / "first")
    if name == "moved":
        os.kill(_postmaster(first), signal.SIGKILL)  # as after a power cut: its lock files move along
        while _is_alive(_postmaster(first)):
            time.sleep(0.05)
    else:
        embedded.stop(data_dir / "first")
    (data_dir / "first").rename(data_dir / name)
    moved = embedded.ensure_running(data_dir / name)
    assert moved.home.is_relative_to(data_dir / name)
    assert _rows(moved) == [(1,)]
    embedded.stop(data_dir / name)
    assert not (data_dir / "first").exists()


def test_ensure_running__data_dir_was_copied__both_run_apart(data_dir):
    _with_a_row(data_dir / "first")
    embedded.stop(data_dir / "first")
    _copied(data_dir / "first", data_dir / "copy")
    first, copy = (embedded.ensure_running(data_dir / name) for name in ("first", "copy"))
    with _connect(copy) as connection:
        connection.execute("insert into kept values (2)")
    assert (_rows(first), _rows(copy)) == ([(1,)], [(1,), (2,)])
    assert _postmaster(first) != _postmaster(copy)
    for name in ("first", "copy"):
        embedded.stop(data_dir / name)


def test_ensure_running__copied_from_a_running_server__says_so_and_stops_nobody(data_dir):
    first = _with_a_row(data_dir / "first")
    process = _postmaster(first)
    _copied(data_dir / "first", data_dir / "copy")
    with pytest.raises(embedded.EmbeddedServerError, match="such a copy is not whole"):
        embedded.ensure_running(data_dir / "copy")
    assert embedded.stop(data_dir / "copy") is False
    assert (_is_alive(process), _postmaster(first), _rows(first)) == (True, process, [(1,)])
    embedded.stop(data_dir / "first")


def _is_alive(process):
    try:
        with open(f"/proc/{process}/stat") as stream:
            return stream.read().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_ensure_running__six_starters_at_once__all_reach_one_server(data_dir):
    code = (
        "import sys, pathlib; from property_credit.warehouse import embedded; "
        "print(embedded.ensure_running(pathlib.Path(sys.argv[1])).socket_dir)"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", code, str(data_dir)], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        for _ in range(6)
    ]
    answers = {starter.communicate(timeout=120)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 6
    assert len(answers) == 1


def test_ensure_running__folder_holds_something_else__says_so(data_dir):
    home = embedded._home(data_dir)
    (home / "cluster").mkdir()
    (home / "cluster" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(embedded.EmbeddedServerError, match="not empty and is not a PostgreSQL cluster"):
        embedded.ensure_running(data_dir)


def test_ensure_running__cluster_of_another_version__says_so(data_dir):
    server = embedded.ensure_running(data_dir)
    embedded.stop(data_dir)
    (server.home / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(embedded.EmbeddedServerError, match="made by PostgreSQL 14"):
        embedded.ensure_running(data_dir)
    (server.home / "cluster" / "PG_VERSION").write_text("18\n")


def test_ensure_running__socket_taken_by_another_server__says_so(data_dir, monkeypatch):
    server = embedded.ensure_running(data_dir)
    embedded.stop(data_dir)
    neighbour = embedded.ensure_running(data_dir / "neighbour")
    lock = server.socket_dir / f".s.PGSQL.{server.port}.lock"
    lock.write_text(f"{_postmaster(neighbour)}\n{neighbour.home}\n{int(time.time())}\n5432\n{server.socket_dir}\n")
    lock.chmod(0o644)
    monkeypatch.setattr(embedded, "START_ATTEMPTS", 2)
    with pytest.raises(embedded.EmbeddedServerError, match="used by another server"):
        embedded.ensure_running(data_dir)
    lock.unlink()
    embedded.stop(data_dir / "neighbour")


def test_socket_dir__made_by_somebody_else_as_a_link__is_refused(tmp_path, monkeypatch):
    home = tmp_path / ("far" * 40)
    folder = embedded._socket_dir(home, create=False)
    assert folder.parent == Path("/tmp")
    (tmp_path / "trap").mkdir()
    folder.symlink_to(tmp_path / "trap")
    try:
        with pytest.raises(embedded.EmbeddedServerError, match="belongs to another user"):
            embedded._socket_dir(home)
    finally:
        folder.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a normal user, or be shut out of a folder")
def test_ensure_running__as_a_normal_user__works_without_root(data_dir):
    data_dir.chmod(0o777)
    code = (
        "import sys, pathlib; from property_credit.warehouse import embedded; d = pathlib.Path(sys.argv[1]); "
        "embedded.ensure_running(d); assert embedded.stop(d)"
    )
    python = os.path.realpath(sys.executable)
    if not os.access(python, os.X_OK) or not embedded._can_enter(Path(python), __import__("pwd").getpwnam("nobody")):
        python = "/usr/bin/python3"  # a Python of root's own home cannot be run by anybody else
    if not Path(python).exists():
        pytest.skip("no Python here that a normal user may run")
    site = next(path for path in sys.path if path.endswith("site-packages"))
    if not embedded._can_enter(Path(site), __import__("pwd").getpwnam("nobody")):
        pytest.skip("the environment lies where a normal user cannot read it")
    done = subprocess.run(
        [python, "-c", code, str(data_dir)],
        user="nobody", extra_groups=[], cwd="/", capture_output=True, text=True,
        env={"PYTHONPATH": f"{PROJECT}:{site}", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_ensure_running__data_dir_that_the_server_user_cannot_enter__uses_var_lib(data_dir):
    data_dir.chmod(0o700)
    server = embedded.ensure_running(data_dir / "inner")
    assert server.home.is_relative_to("/var/lib/property-credit")
    with _connect(server) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert embedded.stop(data_dir / "inner")
    (data_dir / "inner").rename(data_dir / "elsewhere")
    moved = embedded.ensure_running(data_dir / "elsewhere")
    assert moved.home == server.home, "a folder that was moved finds its database, not an empty one"
    assert embedded.stop(data_dir / "elsewhere")
    _copied(data_dir / "elsewhere", data_dir / "copy")
    with pytest.raises(embedded.EmbeddedServerError, match="is a copy of"):
        embedded.ensure_running(data_dir / "copy")
    shutil.rmtree(server.home)


def test_server__listens_on_no_network_address(data_dir):
    server = embedded.ensure_running(data_dir)
    with _connect(server) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
    assert server.socket_dir.stat().st_mode & 0o077 == 0
