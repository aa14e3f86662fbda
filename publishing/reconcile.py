"""Compare what we say was delivered with what the receiver lists, every night.

Owns the comparison. A difference is for a person: nothing is sent again by itself.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import httpx
from psycopg.types.json import Jsonb

from publishing.errors import PublishingError
from publishing.sending import client
from warehouse.business_date import arrival
from warehouse.connection import connect

LIST_PATH, PAGE_SIZE = "/received", 5000


@dataclass(frozen=True)
class Reconciliation:
    """What came out. Lists hold idempotency keys; ``problem`` says why the receiver could not be asked.

    missing: delivered by our receipts, not listed by the receiver · unknown: listed, never delivered by us ·
    different: another body than the one we have a receipt for · out_of_order: an older version after a newer one.
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
        said = ", ".join(f"{len(keys)} {name} (first: {keys[0]})" for name, keys in counts.items() if keys)
        return f"{self.subscriber}: receiver lists {self.listed_count}; {said or 'all receipts agree'}"


def reconcile(subscriber: str, business_date: date) -> Reconciliation:
    """Compare receipts with the receiver's list and keep the result when it is another than last time.

    Raises PublishingError when there is no such subscriber or no address.
    """
    with connect("pc_publishing") as connection:
        row = connection.execute(
            "select subscriber, endpoint, token_variable, takes from publishing.subscribers "
            "where subscriber = %s and is_active",
            (subscriber,),
        ).fetchone()
        if row is None:
            raise PublishingError(f"there is no active subscriber {subscriber!r}")
        about = dict(zip(("subscriber", "endpoint", "token_variable", "takes"), row, strict=True))
        try:
            with client(about, timeout_seconds=30) as http:
                listed = _listed(http)
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            found = Reconciliation(subscriber, problem=f"{type(error).__name__}: {str(error)[:300]}")
        else:
            ours = {
                str(key): str(digest)
                for key, digest in connection.execute(
                    "select idempotency_key, body_sha256 from publishing.receipts join publishing.outbox "
                    "using (idempotency_key) where subscriber = %s and status = 'delivered'",
                    (subscriber,),
                )
            }
            sent = {
                str(key)
                for (key,) in connection.execute(
                    "select idempotency_key from publishing.outbox where subscriber = %s", (subscriber,)
                )
            }
            found = _compare(subscriber, ours, sent, listed, has_versions=about["takes"] == "grades")
        result = {name: value for name, value in asdict(found).items() if name != "subscriber"}
        connection.execute(
            """
            insert into publishing.reconciliations (subscriber, business_date, result, recorded_at)
            select %(subscriber)s, %(business_date)s, %(result)s, %(now)s
            where %(result)s::jsonb is distinct from (select result from publishing.reconciliations
              where subscriber = %(subscriber)s order by reconciliation_id desc limit 1)
            """,
            {"subscriber": subscriber, "business_date": business_date, "result": Jsonb(result), "now": arrival()},
        )
    return found


def _listed(http: httpx.Client) -> list[dict[str, Any]]:
    """Return everything the receiver lists, page by page, in the order it received it."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        answer = http.get(LIST_PATH, params={"after": after, "limit": PAGE_SIZE})
        answer.raise_for_status()
        page = answer.json()["received"]
        fresh = [row for row in page if int(row["sequence"]) > after]
        found += fresh
        if len(page) < PAGE_SIZE or not fresh:
            return found
        after = int(fresh[-1]["sequence"])


def _compare(
    subscriber: str, ours: dict[str, str], sent: set[str], listed: list[dict[str, Any]], *, has_versions: bool
) -> Reconciliation:
    keys = {str(row["idempotency_key"]): str(row["body_sha256"]) for row in listed}
    theirs = {key: digest for key, digest in keys.items() if key.startswith(f"{subscriber}/")}  # it may serve others
    newest: dict[str, int] = {}
    out_of_order = []
    for key in theirs if has_versions else ():
        _, _, rest = key.partition("/")
        uscc, _, version = rest.partition("/")
        if version.isdigit():
            if int(version) < newest.get(uscc, 0):
                out_of_order.append(key)
            newest[uscc] = max(newest.get(uscc, 0), int(version))
    return Reconciliation(
        subscriber=subscriber,
        listed_count=len(theirs),
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        unknown=tuple(sorted(theirs.keys() - sent)),
        different=tuple(sorted(key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key])),
        out_of_order=tuple(out_of_order),
    )
