"""The tendering sandbox: a stand-in for the procurement centre's system, a process with a store of its own.

It takes a grade (POST /v1/grades), treats a repeated idempotency key as the same delivery, gives receipts, and lists
what it holds (GET /received). POST /faults makes it fail in the ways real receivers do, so that delivery can be tested.
It shares nothing with the warehouse but the folder that its SQLite file lies in.
"""

import argparse
import asyncio
import hmac
import json
import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from publishing.body import sha256
from publishing.sandbox_process import folder
from warehouse.business_date import arrival
from warehouse.settings import get_settings

FAULTS = (
    "answer_500",  # before storing
    "refuse_422",  # before storing: this message will never be taken
    "cut_before_storing",  # the connection breaks, nothing is kept
    "cut_after_storing",  # the delivery is kept, the receipt is lost
    "exit_after_storing",  # the same, and the process dies as by kill -9
    "slow",  # stores, then answers after `seconds`
)


class Store:
    """What was received, in SQLite: one row per idempotency key, in order of arrival."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")  # a receipt is a promise
        self._connection.execute(
            """
            create table if not exists received (
              sequence        integer primary key autoincrement,
              idempotency_key text not null unique,
              uscc            text not null,
              body            text not null,
              body_sha256     text not null,
              receipt_no      text not null,
              received_at     text not null,
              post_count      integer not null default 1
            )
            """
        )

    def put(self, key: str, uscc: str, content: bytes) -> tuple[sqlite3.Row, bool]:
        """Keep a delivery; return its row and whether it is new. A known key only counts one more post."""
        digest = sha256(content)
        new = self._connection.execute(
            "insert into received (idempotency_key, uscc, body, body_sha256, receipt_no, received_at) "
            "values (?, ?, ?, ?, ?, ?) on conflict (idempotency_key) do nothing",
            (key, uscc, content.decode(), digest, f"R-{sha256(key.encode())[:12]}", arrival().isoformat()),
        )
        if new.rowcount == 0:
            self._connection.execute(
                "update received set post_count = post_count + 1 where idempotency_key = ?", (key,)
            )
        row = self._connection.execute("select * from received where idempotency_key = ?", (key,)).fetchone()
        return row, new.rowcount == 1

    def all(self, uscc: str | None) -> list[dict[str, Any]]:
        """Return the deliveries in order of arrival, of one enterprise or of all."""
        rows = self._connection.execute(
            "select * from received where ? is null or uscc = ? order by sequence", (uscc, uscc)
        )
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]


@dataclass
class Fault:
    """Which fault the next ``count`` posts meet."""

    kind: str = ""
    count: int = 0
    seconds: float = 0.0

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


def create_app(store: Store, *, token: str | None = None) -> Starlette:
    """Return the sandbox's application over ``store``; with ``token``, posts need it as their bearer token."""
    fault = Fault()

    async def post_grade(request: Request) -> Response:
        if token and not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}"):
            return _problem(401, "the bearer token is missing or wrong")
        key, content = request.headers.get("idempotency-key"), await request.body()
        try:
            uscc = str(json.loads(content)["uscc"])
        except (ValueError, KeyError, TypeError):
            return _problem(422, "the body is not a JSON object with a uscc")
        if not key:
            return _problem(400, "the header Idempotency-Key is missing")
        kind = fault.take()
        if kind == "answer_500":
            return _problem(500, "a fault that was asked for")
        if kind == "refuse_422":
            return _problem(422, "a fault that was asked for")
        if kind == "cut_before_storing":
            return CutConnection()
        row, is_new = store.put(key, uscc, content)
        if row["body_sha256"] != sha256(content):
            return _problem(409, "this idempotency key was used for another body")
        if kind == "cut_after_storing":
            return CutConnection()
        if kind == "exit_after_storing":
            os._exit(9)
        if kind == "slow":
            await asyncio.sleep(fault.seconds)
        receipt = {name: row[name] for name in ("idempotency_key", "receipt_no", "received_at", "body_sha256")}
        return JSONResponse(receipt, status_code=201 if is_new else 200)

    async def list_received(request: Request) -> Response:
        received = store.all(request.query_params.get("uscc"))
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
        return JSONResponse({"kind": fault.kind, "count": fault.count, "seconds": fault.seconds})

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "store": str(store.path)})

    return Starlette(
        routes=[
            Route("/v1/grades", post_grade, methods=["POST"]),
            Route("/received", list_received),
            Route("/faults", set_fault, methods=["POST"]),
            Route("/healthz", healthz),
        ]
    )


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
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    token = settings.tendering_token.get_secret_value() if settings.tendering_token else None
    app = create_app(Store(home / "received.sqlite"), token=token)
    partial = home / "address.partial"
    partial.write_text(address + "\n")
    partial.rename(home / "address")
    print(f"tendering sandbox: {address}/received", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
