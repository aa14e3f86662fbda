"""The circuit breaker of one subscriber: when to leave a receiver in peace, and when to try it again.

Its state lies in ``publishing.subscribers``, so that it outlives the process that saw the failures: closed until
``failures_until_open`` in a row (or one outage), then open for a while that doubles, then half open: one row is tried
once, and what becomes of it decides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg import Connection

State = Literal["closed", "open", "half open"]


@dataclass(frozen=True)
class CircuitPolicy:
    """How many failing rows in a row open the circuit, and how long it stays open (doubling, in seconds)."""

    failures_until_open: int = 3
    cool_down_seconds: float = 30.0
    longest_cool_down_seconds: float = 900.0


@dataclass(frozen=True)
class Circuit:
    """What is known of a receiver: failures in a row, since when the circuit is open, how often it opened in a row."""

    failure_count: int = 0
    opened_at: datetime | None = None
    opening_count: int = 0

    def tries_again_at(self, policy: CircuitPolicy) -> datetime | None:
        """Return when an open circuit becomes half open, None when it is closed."""
        if self.opened_at is None:
            return None
        doubled = policy.cool_down_seconds * 2.0 ** min(self.opening_count - 1, 20)
        return self.opened_at + timedelta(seconds=min(doubled, policy.longest_cool_down_seconds))

    def state(self, now: datetime, policy: CircuitPolicy) -> State:
        """Return the state at ``now``."""
        again = self.tries_again_at(policy)
        if again is None:
            return "closed"
        return "half open" if now >= again else "open"

    def failed(self, now: datetime, policy: CircuitPolicy, *, is_outage: bool) -> "Circuit":
        """Return the circuit after one more failing row; an outage, or a failure while half open, opens it at once.

        >>> now, policy = datetime(2026, 11, 1), CircuitPolicy()
        >>> once = Circuit().failed(now, policy, is_outage=False)
        >>> once.state(now, policy), once.failed(now, policy, is_outage=True).state(now, policy)
        ('closed', 'open')
        """
        count = self.failure_count + 1
        if is_outage or self.opened_at is not None or count >= policy.failures_until_open:
            return Circuit(count, now, self.opening_count + 1)
        return Circuit(count, None, 0)


def read(connection: Connection, subscriber: str) -> Circuit:
    """Return the stored circuit of a subscriber."""
    row = connection.execute(
        "select failure_count, opened_at, opening_count from publishing.subscribers where subscriber = %s",
        (subscriber,),
    ).fetchone()
    return Circuit(*row) if row else Circuit()


def store(connection: Connection, subscriber: str, circuit: Circuit) -> None:
    """Store a subscriber's circuit."""
    connection.execute(
        "update publishing.subscribers set failure_count = %s, opened_at = %s, opening_count = %s "
        "where subscriber = %s",
        (circuit.failure_count, circuit.opened_at, circuit.opening_count, subscriber),
    )
