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

from property_credit.publishing import log as publishing_log
from property_credit.publishing import merkle, prefix_map
from property_credit.publishing.access import (
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
from property_credit.publishing.models import EXAMPLE_USCC
from property_credit.publishing.parameters import Day, bad, check_day, check_names
from property_credit.publishing.problems import ProblemError
from property_credit.publishing.signing import with_status
from property_credit.publishing.snapshot import Rendered, Snapshot, Store, render
from property_credit.warehouse import connection
from property_credit.warehouse.business_date import last_closed
from property_credit.warehouse.credit_codes import words_for

# Entries are put into words a few at a time with a rest between: a thread that computes for long makes every answer of
# the moment wait for the interpreter (5 ms at each step of the serving thread; p99 told).
LOG_SLICE, LOG_REST_SECONDS = 25, 0.001


_LEAVES = """
    select leaf_hash from publishing.log_leaves
    where leaf_index > %(after)s and leaf_index <= %(size)s order by leaf_index
"""


_ROOTS = """
    select document::json as root, signatures from publishing.roots order by version
"""
_SIGNING_KEYS = """
    select key_id, public_key, previous_key_id, previous_signature, signature, reason
    from publishing.signing_keys order by recorded_at
"""
_HEADS_AFTER = "select head from publishing.lists where head_index >= %(after)s order by head_index"

_SERVED_ON = """
    select region_codes from publishing.enterprise_regions
    where uscc = %(uscc)s and valid_from <= %(as_of)s and publication_id <= %(newest)s
    order by publication_id desc limit 1
"""


class Service:
    """The parts of the one process that serves. A test makes its own with ``max_age_seconds=0``."""

    def __init__(self, *, today: Callable[[], date] = last_closed, max_age_seconds: float = 1.0) -> None:
        self._pool: QueuePool | None = None
        self.keys, self.limit = Keys(), RateLimit()
        self.log = AccessLog(self._write_log)
        self.store = Store(self.fetch, self.keys, today, max_age_seconds=max_age_seconds)
        self._tree, self._growing = merkle.PublishedTree(), threading.Lock()
        self._heads, self._mapping = merkle.PublishedTree(), threading.Lock()
        self._map = -1, prefix_map.PrefixMap(())

    def fetch(self, statement: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one reading statement; a pooled connection that died since is replaced once."""
        for is_last_try in (False, True):
            borrowed = self._open().connect()
            try:
                return borrowed.execute(statement, parameters or {}).fetchall()
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

    def entry_map(self, head: dict[str, Any]) -> prefix_map.PrefixMap:
        """Return the map under a head; it is built once a head, and the one before is let go."""
        with self._mapping:
            if self._map[0] != head["head_index"]:
                rows = self.fetch(publishing_log.HISTORIES, {"tree_size": head["tree_size"]})
                self._map = head["head_index"], publishing_log.map_of((row["uscc"], row["history"]) for row in rows)
            return self._map[1]

    def keys_file(self) -> publishing_log.Keys:
        """Return what a file brings about keys; heads of earlier keys are read when there are such keys."""
        documents = self.fetch(_ROOTS)
        root = documents[-1]["root"] if documents else None
        keys = with_status(self.fetch(_SIGNING_KEYS), root)
        tree = None
        if root and root["past"]:
            with self._growing:
                for row in self.fetch(_HEADS_AFTER, {"after": len(self._heads)}):
                    self._heads.append(merkle.leaf_hash(row["head"].encode()))
                tree = self._heads
        return publishing_log.Keys(keys, documents, tree)

    def close(self) -> None:
        """Write the access log out and close the connections."""
        self.log.stop()
        if self._pool is not None:
            self._pool.dispose()
            self._pool = None

    def _open(self) -> QueuePool:
        def opened() -> Any:
            address: dict[str, Any] = dict(connection.parameters("pc_api"))
            return psycopg.connect(**address, autocommit=True, row_factory=dict_row)

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
        return authorised(request, f"Bearer {credentials.credentials}" if credentials else "", scopes)

    return caller_of


def authorised(request: Request, authorization: str, scopes: tuple[str, ...]) -> Caller:
    """Return the caller of a request by its Authorization header; a problem document refuses any that may not ask."""
    current = service()
    if current.log.is_full:
        raise log_full()
    current.store.current()  # keys that were issued or revoked a second ago count
    caller = current.keys.find(authorization)
    if caller is None:
        raise unauthorised()
    request.state.key_id = caller.key_id
    seconds = current.limit.wait(caller)
    if seconds:
        raise too_many(seconds)
    if caller.scope not in scopes:
        raise outside_scope(caller, request.url.path)
    check_names(request)
    return caller


def published() -> Snapshot:
    """Return the snapshot, once something is published."""
    current = service().store.current()
    if current.age is None:
        raise ProblemError(
            503,
            "nothing-published",
            title="尚未发布 nothing published yet",
            zh="目前还没有发布过任何一夜的结果，请在首次发布后再查询。",
            en="No night has been published so far; ask again after the first one.",
            headers={"Retry-After": "3600"},
        )
    return current


def respond(request: Request, payload: dict[str, Any], snapshot: Snapshot, as_of: date | None = None) -> Response:
    """Return an answer with the day it is for and the age of the data, its ETag, packed or 304 as the request wishes.

    ``as_of``: the day that was asked for; None: as it stands today.
    """
    day = as_of or snapshot.today
    return respond_rendered(request, render({**payload, "as_of": day, "data": snapshot.age}, snapshot.age, day))


def respond_rendered(request: Request, rendered: Rendered) -> Response:
    """Return an answer that is rendered already."""
    request_headers = request.headers
    status, headers, body = rendered.chosen(
        request_headers.get("accept-encoding", "").encode("latin-1"),
        request_headers.get("if-none-match", "").encode("latin-1"),
    )
    answer = Response(body, status_code=status)
    answer.raw_headers = headers
    return answer


def checked_uscc(
    uscc: Annotated[str, Path(description="统一社会信用代码 (GB 32100-2015)", examples=[EXAMPLE_USCC])],
) -> str:
    """Return a code whose check digit is right; a problem document says what is wrong with any other."""
    code = uscc.strip().upper()
    wrong = words_for(code)
    if wrong:
        raise bad("uscc", *wrong, kind="invalid-uscc")
    return code


Uscc = Annotated[str, Depends(checked_uscc)]
Published = Annotated[Snapshot, Depends(published)]
AsOf = Annotated[
    Day | None,
    Query(
        description="基准日 – the grade that bound on this day, e.g. a bid's opening; left out: today. "
        "A day to come is refused.",
        examples=["2026-11-15"],
    ),
]


def day_asked(as_of: date | None, snapshot: Snapshot) -> date:
    """Return the day an answer is for; a problem document refuses a day to come."""
    assert snapshot.today is not None
    return check_day(as_of, snapshot.today)


def check_seen(caller: Caller, code: str, as_of: date | None, snapshot: Snapshot) -> None:
    """Refuse who may not see an enterprise: a regulator sees whom it serves now, and whom it served on ``as_of``."""
    assert snapshot.age is not None
    regions = snapshot.regions_of(code)
    if as_of and caller.region_code and caller.region_code not in regions:
        asked_for = {"uscc": code, "as_of": as_of, "newest": snapshot.age["publication_id"]}
        regions = frozenset(one for row in service().fetch(_SERVED_ON, asked_for) for one in row["region_codes"])
    if not caller.may_see(code, regions):
        raise outside_scope(caller, code)
