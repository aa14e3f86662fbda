"""The sandbox: a stand-in for the procurement centre's system and the offices', a process with a store of its own.

It takes a grade (POST /v1/grades) or a notice (POST /v1/notices), treats a repeated idempotency key as the same
delivery, gives receipts, and lists what it holds (GET /received). Once the sender's public keys are there
(KEYS_DIR/public-keys.json, as a receiver would have asked for them), it refuses what is not signed by one of them.
POST /faults makes it fail in the ways real receivers do, so that delivery can be tested. It shares nothing with the
warehouse but these two folders.
"""

import argparse
import asyncio
import base64
import hmac
import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from property_credit.publishing.body import sha256
from property_credit.publishing.messages import problem_with_signature
from property_credit.publishing.signing import PUBLIC_FILE
from property_credit.warehouse import serving
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.settings import get_settings
from simulation.sandbox_process import folder

FAULTS = (
    "answer_500",  # before storing
    "answer_500_after_storing",
    "refuse_422",  # before storing: this message will never be taken
    "cut_before_storing",  # the connection breaks, nothing is kept
    "cut_after_storing",  # the delivery is kept, the receipt is lost
    "exit_after_storing",  # the same, and the process dies as by kill -9
    "slow",  # stores, then answers after `seconds`
    "answer_twice",  # stores, then sends the same answer two times on one connection
    "down",  # nobody listens for `seconds`; what was stored stays
)
MOST_BODY_BYTES = 4 * 2**20  # of a delivery
_TRANSPORT = "sandbox.transport"


class Store:
    """What was received, in SQLite: one row per idempotency key, in order of arrival."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")  # a receipt is a promise
        columns = {row["name"] for row in self._connection.execute("pragma table_info(received)")}
        if "uscc" in columns:  # a store of before notices were taken
            self._connection.execute("alter table received rename column uscc to subject")
        self._connection.execute(
            """
            create table if not exists received (
              sequence        integer primary key autoincrement,
              idempotency_key text not null unique,
              subject         text not null,        -- an enterprise's credit code, or what a notice is about
              body            text not null,
              body_sha256     text not null,
              receipt_no      text not null,
              received_at     text not null,
              post_count      integer not null default 1
            )
            """
        )

    def put(self, key: str, subject: str, content: bytes) -> tuple[sqlite3.Row, bool]:
        """Keep a delivery; return its row and whether it is new. A known key only counts one more post."""
        digest = sha256(content)
        new = self._connection.execute(
            "insert into received (idempotency_key, subject, body, body_sha256, receipt_no, received_at) "
            "values (?, ?, ?, ?, ?, ?) on conflict (idempotency_key) do nothing",
            (key, subject, content.decode(), digest, f"R-{sha256(key.encode())[:12]}", arrival().isoformat()),
        )
        if new.rowcount == 0:
            self._connection.execute(
                "update received set post_count = post_count + 1 where idempotency_key = ?", (key,)
            )
        row = self._connection.execute("select * from received where idempotency_key = ?", (key,)).fetchone()
        return row, new.rowcount == 1

    def page(self, subject: str | None, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Return the deliveries after sequence number ``after``, oldest first, of one subject or of all."""
        rows = self._connection.execute(
            "select * from received where (? is null or subject = ?) and sequence > ? order by sequence limit ?",
            (subject, subject, after, limit),
        )
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]


@dataclass
class Fault:
    """Which fault the next ``count`` posts meet."""

    kind: str = ""
    count: int = 0
    seconds: float = 0.0
    go_down: Callable[[], None] = lambda: None

    def take(self) -> str:
        """Return the kind for one post, or nothing when the faults are used up."""
        if self.count == 0:
            return ""
        self.count -= 1
        return self.kind


class CutConnection(Response):
    """Promises a body and never sends it: the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head of an answer only."""
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"999")]})


class AnswerTwice(JSONResponse):
    """The same answer two times: the second lies on the connection when the next request is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer as it should be, then its bytes once more past the server."""
        await super().__call__(scope, receive, send)
        head = f"HTTP/1.1 {self.status_code} Again\r\n".encode()
        head += b"".join(name + b": " + value + b"\r\n" for name, value in self.raw_headers)
        scope[_TRANSPORT].write(head + b"\r\n" + bytes(self.body))


def with_transport(app: ASGIApp) -> ASGIApp:
    """Let answers reach the connection they are sent on (uvicorn's ``send`` belongs to it)."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope[_TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await app(scope, receive, send)

    return wrapped


class PublicKeys:
    """The sender's public keys, read again when their file changes; without the file nothing is checked."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._changed, self._keys = path, 0, dict[str, bytes]()

    def known(self) -> dict[str, bytes]:
        """Return key id → 32 bytes."""
        try:
            changed = self._path.stat().st_mtime_ns if self._path else 0
        except FileNotFoundError:
            return {}
        if self._path and changed != self._changed:
            keys = json.loads(self._path.read_text(encoding="utf-8"))["keys"]
            self._keys = {  # a key that was replaced or revoked signs no delivery
                key["key_id"]: base64.b64decode(key["public_key"])
                for key in keys
                if key.get("status", "signing") == "signing"
            }
            self._changed = changed
        return self._keys


def create_app(
    store: Store, *, fault: Fault, token: str | None = None, public_keys_file: Path | None = None
) -> Starlette:
    """Return the sandbox's application over ``store``.

    With ``token``, posts need it as their bearer token; with ``public_keys_file``, once it exists, a signature.
    """
    keys = PublicKeys(public_keys_file)

    async def post(request: Request, subject_name: str) -> Response:
        if token and not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}"):
            return _problem(401, "the bearer token is missing or wrong")
        key, content = request.headers.get("idempotency-key"), await request.body()
        try:
            subject = str(json.loads(content)[subject_name])
        except (ValueError, KeyError, TypeError):
            return _problem(422, f"the body is not a JSON object with a {subject_name}")
        if not key:
            return _problem(400, "the header Idempotency-Key is missing")
        known = keys.known()
        wrong = problem_with_signature(request, content, known) if known else None
        if wrong:
            return _problem(401, wrong)
        kind = fault.take()
        if kind == "answer_500":
            return _problem(500, "a fault that was asked for")
        if kind == "refuse_422":
            return _problem(422, "a fault that was asked for")
        if kind == "cut_before_storing":
            return CutConnection()
        row, is_new = store.put(key, subject, content)
        if row["body_sha256"] != sha256(content):
            return _problem(409, "this idempotency key was used for another body")
        if kind == "answer_500_after_storing":
            return _problem(500, "a fault that was asked for")
        if kind == "cut_after_storing":
            return CutConnection()
        if kind == "exit_after_storing":
            os._exit(9)
        if kind == "slow":
            await asyncio.sleep(fault.seconds)
        receipt = {name: row[name] for name in ("idempotency_key", "receipt_no", "received_at", "body_sha256")}
        answer = AnswerTwice if kind == "answer_twice" else JSONResponse
        return answer(receipt, status_code=201 if is_new else 200)

    async def post_grade(request: Request) -> Response:
        return await post(request, "uscc")

    async def post_notice(request: Request) -> Response:
        return await post(request, "subject_id")

    async def list_received(request: Request) -> Response:
        asked = request.query_params
        try:
            after, limit = int(asked.get("after", 0)), int(asked.get("limit", 1_000_000))
        except ValueError:
            return _problem(422, "after and limit are numbers")
        received = store.page(asked.get("uscc") or asked.get("subject"), after=after, limit=limit)
        return JSONResponse({"count": len(received), "received": received})

    async def set_fault(request: Request) -> Response:
        try:
            asked = await request.json()
            kind, count, seconds = asked["kind"], int(asked.get("count", 1)), float(asked.get("seconds", 0))
        except (ValueError, KeyError, TypeError, AttributeError):
            return _problem(422, 'send {"kind": …, "count": 1, "seconds": 0}')
        if kind not in FAULTS:
            return _problem(422, f"kind is one of {', '.join(FAULTS)}")
        fault.kind, fault.count, fault.seconds = kind, count, seconds
        if kind == "down":
            fault.go_down()
        return JSONResponse({"kind": fault.kind, "count": fault.count, "seconds": fault.seconds})

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "store": str(store.path)})

    app = Starlette(
        routes=[
            Route("/v1/grades", post_grade, methods=["POST"]),
            Route("/v1/notices", post_notice, methods=["POST"]),
            Route("/received", list_received),
            Route("/faults", set_fault, methods=["POST"]),
            Route("/healthz", healthz),
        ]
    )
    app.router.redirect_slashes = False  # a redirect would repeat the Host that a caller made up
    return app


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"status": status, "detail": detail}, status, media_type="application/problem+json")


def main() -> None:
    """Serve the sandbox until it is told to stop, and leave its address where others find it."""
    parser = argparse.ArgumentParser(description="the tendering sandbox")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 inside a container only")
    arguments = parser.parse_args()
    host, port = arguments.host, arguments.port
    settings = get_settings()
    home = folder(settings.data_dir)
    home.mkdir(parents=True, exist_ok=True)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    token = settings.tendering_token.get_secret_value() if settings.tendering_token else None
    assert settings.keys_dir is not None
    fault = Fault()
    app = create_app(
        Store(home / "received.sqlite"), fault=fault, token=token, public_keys_file=settings.keys_dir / PUBLIC_FILE
    )
    partial = home / "address.partial"
    partial.write_text(address + "\n")
    partial.rename(home / "address")
    print(f"tendering sandbox: {address}/received", flush=True)
    while True:
        server = uvicorn.Server(serving.config(serving.guarded(with_transport(app), most_body_bytes=MOST_BODY_BYTES)))
        fault.go_down = lambda server=server: setattr(server, "should_exit", True)  # type: ignore[misc]
        server.run(sockets=[listening])
        if fault.kind != "down":
            return
        fault.kind, fault.count = "", 0
        time.sleep(fault.seconds)
        listening = _listen(host, port)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    return listening


if __name__ == "__main__":
    main()
