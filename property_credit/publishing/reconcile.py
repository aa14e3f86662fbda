"""Compare what we say was delivered with what the receiver lists, every night.

Owns the comparison. A difference is for a person: nothing is sent again by itself.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import httpx
from psycopg.types.json import Jsonb

from property_credit.publishing.errors import PublishingError
from property_credit.publishing.sending import client
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.outbound import DeadlineError, Outbound

LIST_PATH, PAGE_SIZE = "/received", 5000
PAGE_SECONDS, LIST_SECONDS = 30, 120  # of one page and of all: a receiver that goes on and on holds up nobody
MOST_BYTES = 64 * 2**20  # of a page
MOST_AT_ONCE = 16


@dataclass(frozen=True)
class Reconciliation:
    """What came out. Lists hold idempotency keys; ``problem`` says why the receiver could not be asked.

    missing: delivered by our receipts, not listed by the receiver · unknown: listed, never delivered by us ·
    different: another body than the one we have a receipt for · out_of_order: an older version after a newer one that
    did not follow it again.
    """

    subscriber: str
    listed_count: int = 0
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    out_of_order: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def is_clean(self) -> bool:
        """Whether both sides say the same."""
        return not (self.missing or self.unknown or self.different or self.out_of_order or self.problem)

    def summary(self) -> str:
        """Return one line for people."""
        if self.problem:
            return f"{self.subscriber}: receipts were not compared: {self.problem}"
        counts = {name: getattr(self, name) for name in ("missing", "unknown", "different", "out_of_order")}
        differences = ", ".join(f"{len(keys)} {name} (first: {keys[0]})" for name, keys in counts.items() if keys)
        return f"{self.subscriber}: receiver lists {self.listed_count}; {differences or 'all receipts agree'}"


def reconcile_all(subscribers: Sequence[str], business_date: date) -> list[Reconciliation]:
    """Reconcile several subscribers side by side, in their order; one that is slow holds up no other."""
    if not subscribers:
        return []
    with ThreadPoolExecutor(max_workers=min(len(subscribers), MOST_AT_ONCE), thread_name_prefix="reconcile") as threads:
        return list(threads.map(lambda name: reconcile(name, business_date), subscribers))


def delivered_so_far(subscribers: Sequence[str]) -> list[tuple[str, int]]:
    """Return how many deliveries of each subscriber have a receipt: when it is more, there is more to compare."""
    with connect("pc_publishing") as connection:
        return connection.execute(
            "select subscriber, count(*) from publishing.receipts join publishing.outbox using (idempotency_key) "
            "where subscriber = any(%s) group by subscriber order by subscriber",
            (list(subscribers),),
        ).fetchall()


def reconcile(subscriber: str, business_date: date) -> Reconciliation:
    """Compare receipts with the receiver's list and keep the result when it is another than last time.

    The list is asked for before the database is: a receiver that takes its time holds no connection of ours. Raises
    PublishingError when there is no such subscriber or no address.
    """
    with connect("pc_publishing") as connection:
        row = connection.execute(
            "select subscriber, endpoint, token_variable, takes from publishing.subscribers "
            "where subscriber = %s and is_active",
            (subscriber,),
        ).fetchone()
        if row is None:
            raise PublishingError(f"there is no active subscriber {subscriber!r}")
        # before the list is: what is delivered meanwhile is missing in neither
        ours = {
            str(key): str(digest)
            for key, digest in connection.execute(
                "select idempotency_key, body_sha256 from publishing.receipts join publishing.outbox "
                "using (idempotency_key) where subscriber = %s and status = 'delivered'",
                (subscriber,),
            )
        }
    about = dict(zip(("subscriber", "endpoint", "token_variable", "takes"), row, strict=True))
    listed, problem = None, None
    try:
        with client(about, deadline_seconds=PAGE_SECONDS, most_bytes=MOST_BYTES) as http:
            listed = _listed(http)
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {str(error)[:300]}"
    with connect("pc_publishing") as connection:
        if listed is None:
            report = Reconciliation(subscriber, problem=problem)
        else:
            sent = {
                str(key)
                for (key,) in connection.execute(
                    "select idempotency_key from publishing.outbox where subscriber = %s", (subscriber,)
                )
            }
            report = _compare(subscriber, ours, sent, listed, has_versions=about["takes"] == "grades")
        result = {name: value for name, value in asdict(report).items() if name != "subscriber"}
        connection.execute(
            """
            insert into publishing.reconciliations (subscriber, business_date, result, recorded_at)
            select %(subscriber)s, %(business_date)s, %(result)s, %(now)s
            where %(result)s::jsonb is distinct from (select result from publishing.reconciliations
              where subscriber = %(subscriber)s order by reconciliation_id desc limit 1)
            """,
            {"subscriber": subscriber, "business_date": business_date, "result": Jsonb(result), "now": arrival()},
        )
    return report


def _listed(http: Outbound) -> list[dict[str, Any]]:
    """Return everything the receiver lists, page by page, in the order it received it.

    Raises DeadlineError when all pages together take too long: a list without an end is none.
    """
    entries: list[dict[str, Any]] = []
    after, ends_at = 0, time.monotonic() + LIST_SECONDS
    while True:
        answer = http.get(LIST_PATH, params={"after": after, "limit": PAGE_SIZE})
        answer.raise_for_status()
        page = answer.json()["received"]
        fresh = [row for row in page if int(row["sequence"]) > after]
        entries += fresh
        if len(page) < PAGE_SIZE or not fresh:
            return entries
        if time.monotonic() > ends_at:
            raise DeadlineError(f"its list is not at its end after {LIST_SECONDS} s and {len(entries):,} deliveries")
        after = int(fresh[-1]["sequence"])


def _compare(
    subscriber: str, ours: dict[str, str], sent: set[str], listed: list[dict[str, Any]], *, has_versions: bool
) -> Reconciliation:
    keys = {str(row["idempotency_key"]): str(row["body_sha256"]) for row in listed}
    theirs = {key: digest for key, digest in keys.items() if key.startswith(f"{subscriber}/")}  # it may serve others
    newest: dict[str, int] = {}
    late: dict[str, list[str]] = {}
    for key in theirs if has_versions else ():
        _, uscc, version = [*key.split("/"), "", ""][:3]  # a fourth part numbers what was sent again
        if version.isdigit():
            if int(version) < newest.get(uscc, 0):
                late.setdefault(uscc, []).append(key)
            else:
                late.pop(uscc, None)
            newest[uscc] = max(newest.get(uscc, 0), int(version))
    out_of_order = [key for keys in late.values() for key in keys]
    return Reconciliation(
        subscriber=subscriber,
        listed_count=len(theirs),
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        unknown=tuple(sorted(theirs.keys() - sent)),
        different=tuple(sorted(key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key])),
        out_of_order=tuple(out_of_order),
    )
