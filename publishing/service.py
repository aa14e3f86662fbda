"""What the routes of the read API share: the pool, the snapshot, the keys, and how an answer is made.

Owns the one process-wide service. Reads as role pc_api, which sees published data only.
"""

import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import psycopg
from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg.rows import dict_row
from sqlalchemy import QueuePool

from publishing import merkle
from publishing.access import (
    Access,
    AccessLog,
    Caller,
    Keys,
    RateLimit,
    log_full,
    outside_scope,
    too_many,
    unauthorised,
)
from publishing.models import EXAMPLE_USCC
from publishing.problems import ProblemError
from publishing.snapshot import Rendered, Snapshot, Store, render
from publishing.uscc import problem_with
from warehouse import connection
from warehouse.business_date import last_closed

# Entries are put into words a few at a time with a rest between: a thread that computes for long makes every answer of
# the moment wait for the interpreter (5 ms at each step of the serving thread; p99 told).
LOG_SLICE, LOG_REST_SECONDS = 25, 0.001


_LEAVES = """
    select leaf_hash from publishing.log_leaves
    where leaf_index > %(after)s and leaf_index <= %(size)s order by leaf_index
"""


class Service:
    """The parts of the one process that serves. A test makes its own with ``max_age_seconds=0``."""

    def __init__(self, *, today: Callable[[], date] = last_closed, max_age_seconds: float = 1.0) -> None:
        self._pool: QueuePool | None = None
        self.keys, self.limit = Keys(), RateLimit()
        self.log = AccessLog(self._write_log)
        self.store = Store(self.fetch, self.keys, today, max_age_seconds=max_age_seconds)
        self._tree, self._growing = merkle.PublishedTree(), threading.Lock()

    def fetch(self, statement: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one reading statement; a pooled connection that died since is replaced once."""
        for is_last_try in (False, True):
            borrowed = self._open().connect()
            try:
                return borrowed.execute(statement, parameters or {}).fetchall()  # type: ignore[attr-defined,no-any-return]
            except psycopg.OperationalError as error:
                borrowed.invalidate(error)
                if is_last_try:
                    raise
            finally:
                borrowed.close()
        raise AssertionError

    def log_tree(self, head: dict[str, Any]) -> merkle.PublishedTree:
        """Return the log's tree with the leaves under ``head`` or more: it only grows, so each leaf is read once.

        A tree that does not lead to the head's root is read anew: the database was put back from a backup.
        """
        size = head["tree_size"]
        with self._growing:
            for tree in (self._tree, merkle.PublishedTree()):
                for row in self.fetch(_LEAVES, {"after": len(tree), "size": size}):
                    tree.append(bytes(row["leaf_hash"]))
                self._tree = tree
                if tree.root(size).hex() == head["root"]:
                    break
            return tree

    def close(self) -> None:
        """Write the access log out and close the connections."""
        self.log.stop()
        if self._pool is not None:
            self._pool.dispose()
            self._pool = None

    def _open(self) -> QueuePool:
        def opened() -> Any:
            found: dict[str, Any] = dict(connection.parameters("pc_api"))
            return psycopg.connect(**found, autocommit=True, row_factory=dict_row)  # type: ignore[arg-type]

        if self._pool is None:
            self._pool = QueuePool(opened, pool_size=8, max_overflow=8, timeout=10, reset_on_return=None)
        return self._pool

    def _write_log(self, entries: list[Access]) -> None:
        borrowed = self._open().connect()
        try:
            with borrowed.cursor().copy(
                "copy publishing.access_log (logged_at, key_id, method, path, status) from stdin"
            ) as copy:
                for start in range(0, len(entries), LOG_SLICE):
                    copy.write("".join([entry.line() for entry in entries[start : start + LOG_SLICE]]))
                    if not self.log.is_stopping:
                        time.sleep(LOG_REST_SECONDS)
        except psycopg.OperationalError as error:
            borrowed.invalidate(error)
            raise
        finally:
            borrowed.close()


class _Current:
    """The service that the routes use; replaced as a whole by tests."""

    def __init__(self) -> None:
        self.service = Service()


CURRENT = _Current()
_bearer = HTTPBearer(
    auto_error=False, description="密钥 – a key of `property-credit keys issue`.", scheme_name="apiKey"
)


def service() -> Service:
    """Return the service of this process."""
    return CURRENT.service


def requires(*scopes: str) -> Callable[..., Caller]:
    """Return a dependency: the caller, whose key must be valid, have one of ``scopes`` and requests left."""

    def caller_of(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        found_service = service()
        if found_service.log.is_full:
            raise log_full()
        found_service.store.current()  # keys that were issued or revoked a second ago count
        caller = found_service.keys.find(f"Bearer {credentials.credentials}") if credentials else None
        if caller is None:
            raise unauthorised()
        request.state.key_id = caller.key_id
        seconds = found_service.limit.wait(caller)
        if seconds:
            raise too_many(seconds)
        if caller.scope not in scopes:
            raise outside_scope(caller, request.url.path)
        return caller

    return caller_of


def published() -> Snapshot:
    """Return the snapshot, once something is published."""
    found = service().store.current()
    if found.age is None:
        raise ProblemError(
            503,
            "nothing-published",
            title="尚未发布 nothing published yet",
            detail="No night has been published so far; ask again after the first one.",
            headers={"Retry-After": "3600"},
        )
    return found


def respond(request: Request, payload: dict[str, Any], age: dict[str, Any] | None) -> Response:
    """Return an answer with the age of the data, its ETag, packed or 304 as the request wishes."""
    return respond_rendered(request, render({**payload, "data": age}, age))


def respond_rendered(request: Request, rendered: Rendered) -> Response:
    """Return an answer that is rendered already."""
    asked = request.headers
    status, headers, body = rendered.chosen(
        asked.get("accept-encoding", "").encode("latin-1"), asked.get("if-none-match", "").encode("latin-1")
    )
    answer = Response(body, status_code=status)
    answer.raw_headers = headers
    return answer


def checked_uscc(
    uscc: Annotated[str, Path(description="统一社会信用代码 (GB 32100-2015)", examples=[EXAMPLE_USCC])],
) -> str:
    """Return a code whose check digit is right; a problem document says what is wrong with any other."""
    code = uscc.strip().upper()
    wrong = problem_with(code)
    if wrong:
        raise ProblemError(422, "invalid-uscc", title="统一社会信用代码无效 invalid credit code", detail=wrong)
    return code


Uscc = Annotated[str, Depends(checked_uscc)]
Published = Annotated[Snapshot, Depends(published)]
AsOf = Annotated[
    date | None,
    Query(
        description="基准日 – the grade that bound on this day, e.g. a bid's opening; left out: as it stands.",
        examples=["2026-11-15"],
    ),
]
