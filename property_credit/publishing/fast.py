"""The shortest way to the answers that are asked for most: one current grade or certificate, straight from memory.

Owns no rule of its own: whatever is not the plain case (another route, a question, a key that is unknown, spent or out
of scope, a snapshot that is due) goes on to the application, which answers it by the same snapshot and the same keys.
"""

import contextlib
import time
from typing import Any

import psycopg
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from property_credit.publishing.access import Access, AccessLog, Keys, RateLimit
from property_credit.publishing.snapshot import INVENTED_HEADER, Rendered, Snapshot, Store, age_headers
from property_credit.warehouse.embedded import EmbeddedServerError

PREFIX = "/v1/grades/"
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class GradeFastPath:
    """ASGI: answers a plain grade itself; logs every access to /v1 and adds the age of the data to every answer."""

    def __init__(self, app: ASGIApp, *, store: Store, keys: Keys, limit: RateLimit, log: AccessLog) -> None:
        self.app, self.store, self.keys, self.limit, self.log = app, store, keys, limit, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self._plain_grade(scope) if scope["path"].startswith(PREFIX) else None
        if answer is not None:
            status, headers, body = answer
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self._through(scope, receive, send)

    def _plain_grade(self, scope: Scope) -> Answer | None:
        if scope["method"] != "GET" or self.log.is_full:
            return None
        snapshot: Snapshot | None = self.store.fresh()
        if snapshot is None:
            return None
        authorization = accept = known = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"accept-encoding":
                accept = value
            elif name == b"if-none-match":
                known = value
        caller = self.keys.find_header(authorization)
        if caller is None:
            return None
        code, question = scope["path"][len(PREFIX) :], scope["query_string"]
        rendered: Rendered | None = None if question else snapshot.rendered.get((code, caller.fields))
        if rendered is None and (kept := snapshot.certificates.get((scope["path"], question))):
            code, rendered = kept
        if rendered is None or not caller.may_see(code, snapshot.regions_of(code)) or self.limit.wait(caller):
            return None
        answer = rendered.chosen(accept, known)
        path = f"{scope['path']}?{question.decode('latin-1')}" if question else scope["path"]
        self.log.add(Access(time.time(), caller.key_id, "GET", path, answer[0]))
        return answer

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: dict[str, Any] = scope.setdefault("state", {})
        if self.store.is_invented is None:  # the first answer is marked as well
            with contextlib.suppress(psycopg.Error, PoolTimeoutError, EmbeddedServerError, OSError):
                await run_in_threadpool(self.store.current)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, state, message)
            await send(message)

        await self.app(scope, receive, noted)

    def _note(self, scope: Scope, state: dict[str, Any], message: Message) -> None:
        snapshot = self.store.fresh()
        headers = message.setdefault("headers", [])
        if snapshot and not any(name == b"data-publication" for name, _ in headers):
            message["headers"] = [*headers, *age_headers(snapshot.age)]
        if self.store.is_invented and not any(name == INVENTED_HEADER[0] for name, _ in message["headers"]):
            message["headers"] = [*message["headers"], INVENTED_HEADER]
        if scope["path"].startswith("/v1/"):
            path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
            question = scope["query_string"].decode("latin-1")
            target = f"{path}?{question}" if question else path
            key_id, method = state.get("key_id"), scope["method"][:16]
            # a call about many enterprises is one entry for each of them
            for one in [f"{path}/{code}" for code in state.get("codes", ())] or [target.replace("\0", "%00")]:
                self.log.add(Access(time.time(), key_id, method, one, message["status"]))
