"""What a stranger can take of a service that listens: no body, no connection and no time without an end."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from property_credit.warehouse import serving
from property_credit.warehouse.settings import PROJECT_ROOT

KEPT = []


async def echo(scope, receive, send):
    """Read everything and say how much it was."""
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    KEPT.append(size)
    body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def listening():
    server = uvicorn.Server(serving.config(serving.guarded(echo), host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def asked(port, raw, *, then=b"", pause=0.0):
    """Send bytes as they are; return what comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connected:
        connected.sendall(raw)
        if then:
            time.sleep(pause)
            connected.sendall(then)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # who is cut off in the middle of a body may lose the answer
            while part := connected.recv(65536):
                answer += part
        return answer


def head(method="GET", host="127.0.0.1", more=""):
    return f"{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8400", "LOCALHOST", "[::1]:8200"])
def test_host__of_this_machine__is_answered(host):
    with listening() as port:
        assert b" 200 " in asked(port, head(host=host)).splitlines()[0]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8400", "", "127.0.0.1\r\nHost: evil"]
)
def test_host__foreign_missing_or_two__is_refused(host):
    with listening() as port:
        assert asked(port, head(host=host)).split(b" ")[1] in (b"421", b"400")


def test_body__longer_than_it_may_be__is_refused_before_it_is_read():
    KEPT.clear()
    with listening() as port:
        long = head("POST", more="Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 400000000\r\n")
        started = time.monotonic()
        assert b" 413 " in asked(port, long).splitlines()[0]  # not a byte of it was sent
        assert time.monotonic() - started < serving.REQUEST_SECONDS
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        chunked = head("POST", more="Transfer-Encoding: chunked\r\n") + chunk * 10 + b"0\r\n\r\n"
        assert asked(port, chunked)[:12] in (b"HTTP/1.1 413", b"")
        whole = head("POST", more="Transfer-Encoding: chunked\r\n") + chunk + b"0\r\n\r\n"
        assert asked(port, whole).endswith(b"16384")
        assert asked(port, head("POST", more="Content-Length: 5\r\n") + b"12345").endswith(b"\r\n\r\n5")
    assert [size for size in KEPT if size] == [0x4000, 5]


@pytest.mark.parametrize(
    ("raw", "then"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-Slow: a\r\n"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n123", b"4"),
    ],
)
def test_request__that_is_never_whole__ends_in_time(monkeypatch, raw, then):
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.4)
    with listening() as port:
        started = time.monotonic()
        asked(port, raw, then=then, pause=0.2)
        assert time.monotonic() - started < 5


def test_request__slow_answer_and_kept_connection__are_left_alone(monkeypatch):
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.3)

    async def slow(scope, receive, send):
        await asyncio.sleep(0.8)
        await echo(scope, receive, send)

    server = uvicorn.Server(serving.config(serving.guarded(slow), host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connected:
        for _ in range(2):
            connected.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b" 200 " in connected.recv(65536).splitlines()[0]
            time.sleep(0.5)
    server.should_exit = True
    thread.join()


def test_headers__without_an_end__are_refused():
    with listening() as port:
        try:
            answer = asked(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-More: aaaaaaaaaaaaaaaa\r\n" * 20000)
        except (ConnectionResetError, BrokenPipeError):
            return
        assert not answer.startswith(b"HTTP/1.1 200")


def test_connections__more_than_an_address_may__are_ended_and_others_are_served(monkeypatch):
    monkeypatch.setattr(serving, "MOST_OF_AN_ADDRESS", 20)
    with listening() as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
        try:
            over = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(5)]
            for connected in over:
                with pytest.raises(ConnectionResetError):
                    if connected.recv(1) == b"":
                        raise ConnectionResetError
                connected.close()
            with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=("127.0.0.2", 0)) as other:
                other.sendall(head())
                assert b" 200 " in other.recv(65536)
        finally:
            for connected in held:
                connected.close()
        time.sleep(0.3)
        assert b" 200 " in asked(port, head())  # those that ended are not counted any more


@pytest.mark.parametrize(
    "command",
    [
        ("property_credit.publishing.api",),
        ("property_credit.scorecards.service",),
        ("simulation.sandbox",),
    ],
)
def test_services__that_we_start__all_refuse_a_foreign_name_and_a_long_body(command, tmp_path, warehouse_database):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", *command, "--port", str(port)], cwd=PROJECT_ROOT) as process:
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.1)
            foreign = asked(port, head(host="evil.example"))
            assert foreign.split(b" ")[1] == b"421" and "不以该名称应答".encode() in foreign
            assert asked(port, head("POST", more="Content-Length: 400000000\r\n")).split(b" ")[1] == b"413"
        finally:
            process.terminate()
