"""Who may ask, how often, and the log of who did: keys, rate limits and the access log of the read API.

Owns the rules of the scopes. Keys and limits are held in memory by the one process that serves; the log is written
behind the answers, in batches, to a table that this role can only add to.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from property_credit.publishing.api_keys import SCOPES, digest_of
from property_credit.publishing.problems import ProblemError

LOG_CAPACITY, LOG_SECONDS, STOP_SECONDS = 100_000, 0.5, 10
GRADES = SCOPES
LISTS = ("tendering", "department", "regulator")
DETAILS = ("regulator", "enterprise")


@dataclass(frozen=True)
class Caller:
    """A valid key: what it may see, and how often it may ask."""

    key_id: str
    scope: str
    region_code: str | None
    uscc: str | None
    fields: tuple[str, ...] | None
    rate_per_minute: int
    expires_at: float  # seconds since 1970

    def may_see(self, code: str, regions: frozenset[str]) -> bool:
        """Say whether an enterprise, given by its code and the divisions it serves in, is within this key's scope."""
        if self.scope == "enterprise":
            return code == self.uscc
        return self.scope != "regulator" or self.region_code in regions


class Keys:
    """The keys that are known, by digest; replaced as a whole when they are read again."""

    def __init__(self) -> None:
        self._by_digest: Mapping[bytes, Caller] = {}
        self._seen: dict[bytes, Caller] = {}  # headers of known keys since they were last read

    def replace(self, by_digest: Mapping[bytes, Caller]) -> None:
        """Take over the keys just read."""
        self._by_digest, self._seen = by_digest, {}

    def find_header(self, authorization: bytes) -> Caller | None:
        """Return the same as ``find`` for the header as it came, hashing it once only."""
        seen = self._seen
        caller = seen.get(authorization)
        if caller is None:
            caller = self.find(authorization.decode("latin-1"))
            if caller is not None:
                seen[authorization] = caller
            return caller
        return caller if caller.expires_at > time.time() else None

    def find(self, authorization: str) -> Caller | None:
        """Return whose key an Authorization header holds; None when it is not known or has expired."""
        if authorization[:7].lower() != "bearer ":
            return None
        caller = self._by_digest.get(digest_of(authorization[7:].strip()))
        return caller if caller and caller.expires_at > time.time() else None


class RateLimit:
    """A bucket a key: it holds one minute's requests and fills evenly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, caller: Caller) -> float:
        """Take one request; return 0, or the seconds to wait when there is none left.

        >>> caller = Caller("k", "tendering", None, None, None, 60, 0)
        >>> limit = RateLimit(clock=lambda: 5.0)
        >>> [limit.wait(caller) for _ in range(61)][-2:]
        [0.0, 1.0]
        """
        now, rate = self._clock(), caller.rate_per_minute / 60
        level, at = self._buckets.get(caller.key_id, (float(caller.rate_per_minute), now))
        level = min(float(caller.rate_per_minute), level + (now - at) * rate)
        if level < 1:
            return (1 - level) / rate
        self._buckets[caller.key_id] = (level - 1, now)
        return 0.0


class Access(NamedTuple):
    """One request: when, by which key, what, and the status it got."""

    at: float
    key_id: str | None
    method: str
    path: str
    status: int

    def line(self) -> str:
        """Return the entry as a line of PostgreSQL's COPY text format.

        >>> Access(0.5, None, "GET", "/v1/lists", 200).line()
        '1970-01-01T00:00:00.500000+00:00\\t\\\\N\\tGET\\t/v1/lists\\t200\\n'
        """
        at = datetime.fromtimestamp(self.at, UTC).isoformat()
        return f"{at}\t{self.key_id or _NULL}\t{_text(self.method)}\t{_text(self.path[:500])}\t{self.status}\n"


_NULL = "\\N"


def _text(value: str) -> str:
    if value.isprintable() and "\\" not in value:
        return value
    return "".join(c if c.isprintable() and c != "\\" else f"%{ord(c):02X}" for c in value)


class AccessLog:
    """Entries that wait to be written; a thread writes them, and keeps what could not be written for the next time."""

    def __init__(self, write: Callable[[list[Access]], None]) -> None:
        self._write, self._waiting = write, list[Access]()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_full(self) -> bool:
        """Whether no entry can be taken: then nothing may be answered."""
        return len(self._waiting) >= LOG_CAPACITY

    @property
    def is_stopping(self) -> bool:
        """Whether the last entries are being written: nobody waits for an answer any more."""
        return self._stopped.is_set()

    def add(self, entry: Access) -> None:
        """Take an entry; it is written within a second."""
        self._waiting.append(entry)  # atomic
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._stopped.clear()
                    self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
                    self._thread.start()

    def flush(self) -> None:
        """Write what waits; an error leaves it waiting and is raised."""
        with self._writing:
            taken = self._waiting[:]
            if taken:
                self._write(taken)
                del self._waiting[: len(taken)]

    def stop(self) -> None:
        """Write what waits and end the thread; what the database did not take by then is lost, and that is said."""
        self._stopped.set()
        if self._thread:
            self._thread.join(timeout=STOP_SECONDS)
            self._thread = None
        if left := len(self._waiting):
            logging.getLogger(__name__).error("%d answered requests are not in the access log: it ended first", left)

    def _run(self) -> None:
        while not self._stopped.wait(LOG_SECONDS):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.flush()
        except Exception as error:  # the rows stay queued; a thread that died would lose them all
            logging.getLogger(__name__).warning("the access log waits: %s", type(error).__name__)


def unauthorised() -> ProblemError:
    """No key, or not one of ours."""
    return ProblemError(
        401,
        "no-valid-key",
        title="需要有效密钥 a valid key is needed",
        zh="请在 Authorization: Bearer 后发送已登记、未过期、未撤销的密钥。",
        en="Send `Authorization: Bearer <key>` with a key that is known, not expired and not revoked; "
        "`property-credit keys issue` makes one.",
        headers={"WWW-Authenticate": 'Bearer realm="property-credit"'},
    )


def outside_scope(caller: Caller, what: str) -> ProblemError:
    """A valid key that may not see this."""
    bound = caller.region_code or caller.uscc or "grades"
    return ProblemError(
        403,
        "outside-scope",
        title="超出密钥权限 outside this key's scope",
        zh=f"该密钥的权限为 {caller.scope}（{bound}），不含 {what}。",
        en=f"This key has scope {caller.scope} ({bound}): {what} is not within it.",
    )


def too_many(seconds: float) -> ProblemError:
    """The rate limit is reached."""
    wait = str(int(seconds) + 1)
    return ProblemError(
        429,
        "rate-limit",
        title="请求过于频繁 too many requests",
        zh=f"该密钥本分钟的请求次数已用完，请在 {wait} 秒后重试。",
        en=f"This key's requests of the minute are used up; try again in {wait} s.",
        headers={"Retry-After": wait},
    )


def log_full() -> ProblemError:
    """Access cannot be logged, so nothing is answered."""
    return ProblemError(
        503,
        "access-log-full",
        title="访问日志无法写入 the access log cannot be written",
        zh="每次访问都要记入日志，目前日志无法写入，请一分钟后重试。",
        en="Every access is logged, and the log cannot be written at the moment; try again in a minute.",
        headers={"Retry-After": "60"},
    )
