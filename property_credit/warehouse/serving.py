"""How our services listen: what they take from a stranger before anybody has said who he is.

Bounds, each held before a byte of a body is kept: the name a request is sent to (a foreign name is how a page of
somebody else's reads a service on this machine), the length of a body, the time until a request is whole, and the
connections at once. Owns no route. What a proxy in front does besides is in docs/security.md.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from property_credit.warehouse.settings import get_settings

MOST_BODY_BYTES = 64 * 1024  # of a form; the read API takes no body at all
MOST_HEADER_BYTES = 32 * 1024
REQUEST_SECONDS = 10.0  # until a request is whole, headers and body
MOST_CONNECTIONS = 1000
MOST_OF_AN_ADDRESS = 100  # a browser opens six; a named proxy is not counted


_FOREIGN_NAME = (
    "本服务不以该名称应答，见 ALLOWED_HOSTS。 This service does not answer under that name: see ALLOWED_HOSTS.\n"
)


class Guard:
    """ASGI: refuses requests to a foreign name (421) and bodies that are too long (413), before the application."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], most_body_bytes: int = MOST_BODY_BYTES) -> None:
        self.app, self.most_body_bytes = app, most_body_bytes
        self._hosts = frozenset(host.strip().lower().encode() for host in hosts if host.strip())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        names, length, is_chunked = [], b"0", False
        for name, value in scope["headers"]:
            if name == b"host":
                names.append(value)
            elif name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                is_chunked = True
        if len(names) != 1 or _without_port(names[0]) not in self._hosts:
            await _refuse(send, 421, _FOREIGN_NAME)
        elif not length.isdigit() or int(length) > self.most_body_bytes:
            await _refuse(send, 413, _too_long(self.most_body_bytes))
        elif is_chunked:
            await self._counted(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a body without a stated length up to the bound, then hand it on whole."""
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > self.most_body_bytes:
                await _refuse(send, 413, _too_long(self.most_body_bytes))
                return
            if not message.get("more_body", False):
                break
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def kept() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, kept, send)


def _without_port(host: bytes) -> bytes:
    name, separator, port = host.lower().rpartition(b":")
    return name if separator and port.isdigit() else host.lower()


def _too_long(most: int) -> str:
    return f"请求最多 {most} 字节。 A request has at most {most} bytes.\n"


async def _refuse(send: Send, status: int, words: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on connections, on headers and on the time until a request is whole."""

    _of_address: Counter[str] = Counter()  # connections that are open now, of this process
    _timer: asyncio.TimerHandle | None = None
    _is_counted = False
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or end it unread when there are too many."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        bound = MOST_CONNECTIONS if address in _proxies() else MOST_OF_AN_ADDRESS
        if len(self.connections) > MOST_CONNECTIONS or self._of_address[address] >= bound:
            transport.abort()
            return
        self._is_counted = True
        self._of_address[address] += 1
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._unwatch()
        if self._is_counted:
            address = self.client[0] if self.client else ""
            self._of_address[address] -= 1
            if self._of_address[address] <= 0:
                del self._of_address[address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that is whole needs no timer, one that has begun does."""
        is_in_headers = self.cycle is None or self.cycle.response_complete
        self._header_bytes = self._header_bytes + len(data) if is_in_headers else 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_awaited():
            if is_in_headers and self._header_bytes > MOST_HEADER_BYTES and self.cycle is None:
                self.send_400_response("headers too long")
                return
            self._watch()
        else:
            self._header_bytes = 0
            self._unwatch()

    def _is_awaited(self) -> bool:
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(REQUEST_SECONDS, self._expired)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        if self._is_awaited():
            self.transport.abort()


def guarded(app: ASGIApp, *, most_body_bytes: int = MOST_BODY_BYTES) -> ASGIApp:
    """Return ``app`` behind the guard, seeing the client's address where a proxy that TRUSTED_PROXIES names says it."""
    behind = Guard(app, hosts=get_settings().allowed_hosts.split(","), most_body_bytes=most_body_bytes)
    if not _proxies():
        return behind
    return ProxyHeadersMiddleware(behind, trusted_hosts=sorted(_proxies()))  # type: ignore[arg-type,return-value]


def _proxies() -> frozenset[str]:
    return frozenset(filter(None, (name.strip() for name in get_settings().trusted_proxies.split(","))))


def config(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for one of our services: bounded, quiet, believing no forwarded address itself."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        **more,
    )


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Serve ``app`` until the process is told to stop."""
    uvicorn.Server(config(app, host=host, port=port)).run()
