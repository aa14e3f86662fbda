"""What is served, in memory: the current grades of one publication, rendered once, and the keys that may ask.

Owns when it is read again: at most once a second somebody asks for the newest publication and the keys. A database that
is away changes nothing: the last snapshot stands, with its age in every answer.
"""

import gzip
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import psycopg

from property_credit.publishing.access import Caller, Keys
from property_credit.publishing.content import shown

GZIP_FROM_BYTES = 600
MAX_AGE_SECONDS = 1.0
INVENTED_HEADER = (b"data-invented", b"true")  # of every answer of a sandbox tenant, refusals and pages as well
CERTIFICATES_KEPT = 5000  # 20 kB each at the most
Fetch = Callable[[str, dict[str, Any]], list[dict[str, Any]]]

_AGE = """
    select publication_id, business_date, method_version, published_at,
      (select max(head_index) from publishing.lists) as head_index,
      exists (select from publishing.invented) as is_invented
    from publishing.data_age
"""
_KEYS = """
    select digest, key_id, scope_code, region_code, uscc, fields, rate_per_minute,
      extract(epoch from expires_at)::float8 as expires_at
    from publishing.api_keys where revoked_at is null
"""
_GRADES = "select uscc, version_no, body::text as body from publishing.current_grades"
_REGIONS = """
    select distinct on (uscc) uscc, region_codes from publishing.enterprise_regions order by uscc, publication_id desc
"""


@dataclass(frozen=True)
class Rendered:
    """A body, ready to send: plain and packed, each with its ETag and the headers of its answer."""

    body: bytes
    etag: bytes
    headers: list[tuple[bytes, bytes]]
    packed: bytes | None
    packed_headers: list[tuple[bytes, bytes]]

    def chosen(self, accept_encoding: bytes, if_none_match: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body for what a request accepts and has already (its headers as they came)."""
        is_packed = self.packed is not None and b"gzip" in accept_encoding
        headers = self.packed_headers if is_packed else self.headers
        if if_none_match and (self.etag in if_none_match or if_none_match.strip() == b"*"):
            return 304, [pair for pair in headers if pair[0] not in _OF_A_BODY], b""
        return 200, headers, (self.packed or b"") if is_packed else self.body


_OF_A_BODY = (b"content-length", b"content-type", b"content-encoding")


def render(payload: Any, age: dict[str, Any] | None, as_of: date | None = None) -> Rendered:
    """Render an answer's body with its headers.

    Args:
        payload: what the body says.
        age: the ``data`` part of the body, if there is one.
        as_of: the day the answer is for, if there is one.
    """
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    tag = hashlib.sha256(body).hexdigest()[:20].encode()
    common = [
        (b"content-type", b"application/json"),
        (b"vary", b"Accept-Encoding, Authorization"),
        (b"cache-control", b"private, no-cache"),
        *age_headers(age),
        *([(b"data-as-of", as_of.isoformat().encode())] if as_of else []),
    ]
    packed = gzip.compress(body, 6, mtime=0) if len(body) >= GZIP_FROM_BYTES else None
    return Rendered(
        body=body,
        etag=tag,
        headers=[*common, (b"etag", b'"' + tag + b'"'), (b"content-length", str(len(body)).encode())],
        packed=packed,
        packed_headers=[
            *common,
            (b"etag", b'"' + tag + b'-gzip"'),
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(packed or b"")).encode()),
        ],
    )


def age_headers(age: dict[str, Any] | None) -> list[tuple[bytes, bytes]]:
    """Return the headers that say how old the data is."""
    if age is None:
        return []
    return [
        (b"data-publication", str(age["publication_id"]).encode()),
        (b"data-business-date", age["business_date"].encode()),
        (b"data-nights-behind", str(age["nights_behind"]).encode()),
        *([INVENTED_HEADER] if age["is_invented"] else []),
    ]


@dataclass
class Snapshot:
    """One publication on one day. ``age`` is the ``data`` part of every answer; None until something is published."""

    day: date
    age: dict[str, Any] | None
    bodies: dict[str, tuple[int, str]] = field(default_factory=dict)
    regions: dict[str, frozenset[str]] = field(default_factory=dict)
    rendered: dict[tuple[str, tuple[str, ...] | None], Rendered] = field(default_factory=dict)
    head_index: int | None = None
    certificates: dict[tuple[str, bytes], tuple[str, Rendered]] = field(default_factory=dict)  # by path and query

    def keep_certificate(self, path: str, query: bytes, code: str, rendered: Rendered) -> None:
        """Keep a certificate that was rendered for a question, the first CERTIFICATES_KEPT of them."""
        if len(self.certificates) < CERTIFICATES_KEPT:
            self.certificates[path, query] = code, rendered

    @property
    def today(self) -> date | None:
        """The last day for which grades are known: today, or the first day that the newest publication binds."""
        if self.age is None:
            return None
        return max(self.day, date.fromisoformat(self.age["business_date"])) + timedelta(days=1)

    def grade(self, code: str, fields: tuple[str, ...] | None) -> Rendered | None:
        """Return the current grade of an enterprise, rendered for a key's fields; None when there is none."""
        answer = self.rendered.get((code, fields))
        if answer is None and code in self.bodies:
            version_no, text = self.bodies[code]
            grade = shown(json.loads(text), version_no=version_no, valid_to=None, fields=fields)
            payload = {"grade": grade, "as_of": self.today, "data": self.age}
            answer = self.rendered[code, fields] = render(payload, self.age, self.today)
        return answer

    def regions_of(self, code: str) -> frozenset[str]:
        """Return the divisions an enterprise serves in, those above included."""
        return self.regions.get(code, frozenset())


class Store:
    """Holds the newest snapshot and the keys, and reads them again when they are older than ``max_age_seconds``."""

    def __init__(
        self, fetch: Fetch, keys: Keys, today: Callable[[], date], *, max_age_seconds: float = MAX_AGE_SECONDS
    ) -> None:
        self._fetch, self._keys, self._today, self._max_age = fetch, keys, today, max_age_seconds
        self._snapshot: Snapshot | None = None
        self._checked = float("-inf")
        self._reading = threading.Lock()

    @property
    def is_invented(self) -> bool | None:
        """Whether what is served is a sandbox tenant's, which never changes; None: nothing was read yet."""
        if self._snapshot is None:
            return None
        return self._snapshot.age is not None and bool(self._snapshot.age["is_invented"])

    def fresh(self) -> Snapshot | None:
        """Return the snapshot without waiting, or None when it is too old to answer from.

        From half that age on a thread reads ahead, so that under load no request ever waits for a reading.
        """
        age = time.monotonic() - self._checked
        if age >= self._max_age:
            return None
        if age >= self._max_age / 2 and self._reading.acquire(blocking=False):
            threading.Thread(target=self._read_ahead, name="snapshot", daemon=True).start()
        return self._snapshot

    def _read_ahead(self) -> None:
        try:
            self._read()
        finally:
            self._reading.release()

    def current(self) -> Snapshot:
        """Return the newest snapshot; one caller at a time reads, the others go on with the one before.

        Raises psycopg.Error when the database is away and nothing was read yet.
        """
        snapshot = self.fresh()
        if snapshot is not None:
            return snapshot
        if self._reading.acquire(blocking=self._snapshot is None or self._max_age == 0):
            try:
                self._read()
            finally:
                self._reading.release()
        assert self._snapshot is not None
        return self._snapshot

    def _read(self) -> None:
        try:
            self._keys.replace({bytes(row["digest"]): _caller(row) for row in self._fetch(_KEYS, {})})
            ages = self._fetch(_AGE, {})
            day = self._today()
            before = self._snapshot
            newest = (ages[0]["publication_id"], ages[0]["head_index"]) if ages else (None, None)
            known = ((before.age or {}).get("publication_id"), before.head_index) if before else None
            if before is None or before.day != day or known != newest:
                self._snapshot = self._load(day, ages[0] if ages else None)
        except (psycopg.Error, OSError):
            if self._snapshot is None:
                raise
        self._checked = time.monotonic()

    def _load(self, day: date, newest: dict[str, Any] | None) -> Snapshot:
        if newest is None:
            return Snapshot(day, None)
        age = {
            "business_date": newest["business_date"].isoformat(),
            "published_at": newest["published_at"].isoformat(),
            "publication_id": newest["publication_id"],
            "method_version": newest["method_version"],
            "nights_behind": max(0, (day - newest["business_date"]).days),
            "is_invented": newest["is_invented"],
        }
        return Snapshot(
            day,
            age,
            bodies={row["uscc"]: (row["version_no"], row["body"]) for row in self._fetch(_GRADES, {})},
            regions={row["uscc"]: frozenset(row["region_codes"]) for row in self._fetch(_REGIONS, {})},
            head_index=newest["head_index"],
        )


def _caller(row: dict[str, Any]) -> Caller:
    return Caller(
        key_id=row["key_id"],
        scope=row["scope_code"],
        region_code=row["region_code"],
        uscc=row["uscc"],
        fields=tuple(row["fields"]) if row["fields"] else None,
        rate_per_minute=row["rate_per_minute"],
        expires_at=row["expires_at"],
    )
