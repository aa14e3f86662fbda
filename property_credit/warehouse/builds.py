"""Builds of the warehouse: when one may work on top of the last, and what is kept of each in ``ops``.

A build is either full (every table rebuilt from raw) or incremental (only what new batches and the passing of days
touch, on top of the last build). Owns that decision. Must not know how a table is built.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import dict_row

from property_credit.warehouse.connection import connect
from property_credit.warehouse.distribution import are_models_spread
from property_credit.warehouse.marts import changed_by_another_hand

Mode = Literal["full", "incremental", "partial"]
LARGEST_SHARE = 0.2  # of all rows: with more than that new, making every table anew costs less than touching it
LONGEST_GAP = timedelta(days=92)  # between two nights: after that too much has changed by the passing of days alone
APPLICATION = "property-credit build"  # what the build's own sessions call themselves on the server
LONGEST_FLUSH = 10.0  # seconds that a session which has ended may take to add what it wrote to the server's counters


# a successor counts once it stands in its register
IDENTITY: LiteralString = """
    select md5(coalesce(string_agg(found.decision_id::text, ',' order by found.decision_id), '')) from (
      select made.decision_id from entities.standing_decisions(%(night)s) as made
      join entities.identifiers using (decision_id)
      where made.act_code = 'renumber' and coalesce(identifiers.valid_from <= %(night)s, true)
      union
      select made.decision_id from entities.standing_decisions(%(night)s) as made
      join entities.links using (decision_id)
      where made.act_code = 'merge' and links.valid_from <= %(night)s
        and (exists (
          select from entities.identifiers as others join raw.enterprises on enterprises.uscc = others.value
          where others.entity_id = links.other_entity_id and enterprises.known_on <= %(night)s)
        or exists (
          select from entities.identifiers as others join raw.communities on communities.community_id = others.value
          where others.entity_id = links.other_entity_id and communities.known_on <= %(night)s))
    ) as found
"""


@dataclass(frozen=True)
class Increment:
    """What an incremental build works from: the night before it and the batches that night had not read."""

    previous_business_date: date
    batches: dict[str, list[str]] = field(default_factory=dict)  # by feed
    received_from: dict[str, str] = field(default_factory=dict)  # by feed: arrival of the first of them

    def variable(self) -> dict[str, Any]:
        """Return what dbt is told as variable ``increment``."""
        return {
            "previous_business_date": self.previous_business_date.isoformat(),
            "batches": self.batches,
            "received_from": self.received_from,
        }


@dataclass(frozen=True)
class Plan:
    """How a night is built and why; ``batch_ids`` are those the marts will have read that they had not before."""

    business_date: date
    mode: Mode
    reason: str
    batch_ids: list[str] = field(default_factory=list)
    increment: Increment | None = None

    @property
    def is_nothing_new(self) -> bool:
        """True when the marts hold just what this build would make."""
        return self.mode == "incremental" and not self.batch_ids and self.is_same_night

    @property
    def is_same_night(self) -> bool:
        """True when the build stands on one of its own night."""
        return self.increment is not None and self.increment.previous_business_date == self.business_date


def hash_of(value: object) -> str:
    """Return a short hash of plain values, the same for the same values whatever the order of their keys."""
    plain = json.loads(json.dumps(value, default=str))  # keys are text now and can be sorted
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def identity_state(connection: psycopg.Connection, business_date: date) -> str:
    """Return a hash of what renumbers rows that were read long ago: new numbers and successors in force on a night.

    Tables keep the numbers of their build (dbt macro ``as_numbered``), so with another state every one is made anew.
    """
    row = connection.execute(IDENTITY, {"night": business_date}).fetchone()
    return str(row[0]) if row else ""


def plan(
    connection: psycopg.Connection,
    business_date: date,
    *,
    code_hash: str,
    variable_hash: str,
    is_incremental: bool = True,
) -> Plan:
    """Decide how the night of ``business_date`` is built; ``is_incremental`` False asks for a full build."""
    cursor = connection.cursor(row_factory=dict_row)
    last = cursor.execute("select * from ops.builds order by build_id desc limit 1").fetchone()
    reason = _why_full(last, business_date, code_hash, variable_hash) if is_incremental else "it was asked for"
    if reason is None and _is_much(cursor, business_date):
        reason = f"more than {LARGEST_SHARE:.0%} of all rows are new"
    if reason is None and _is_taken_back(cursor, business_date):
        reason = "versions that were read before are taken back"
    if reason is None and not are_models_spread(connection):
        reason = "the tables lie on the coordinator alone"
    if reason is None:
        reason = changed_by_another_hand(connection) or None
    unread = cursor.execute(
        """
        select feed, batch_id, received_at from ops.batches
        where status = 'loaded' and business_date <= %s
          and (%s or not exists (select from ops.built_batches as built where built.batch_id = batches.batch_id))
        order by received_at, batch_id
        """,
        (business_date, reason is not None),
    ).fetchall()
    batch_ids = [row["batch_id"] for row in unread]
    if reason is not None or last is None:
        return Plan(business_date, "full", reason or "", batch_ids)
    batches: dict[str, list[str]] = {}
    received_from: dict[str, str] = {}
    for row in unread:
        batches.setdefault(row["feed"], []).append(row["batch_id"])
        received_from.setdefault(row["feed"], row["received_at"].isoformat())
    new = f"{len(batch_ids)} new {'batch' if len(batch_ids) == 1 else 'batches'} since the night of"
    return Plan(
        business_date,
        "incremental",
        f"{new} {last['business_date']}",
        batch_ids,
        Increment(last["business_date"], batches, received_from),
    )


def _why_full(last: Mapping[str, Any] | None, business_date: date, code_hash: str, variable_hash: str) -> str | None:
    """Return why the last build cannot be worked on, None when it can."""
    if last is None:
        return "nothing was built before"
    if last["status"] != "done":
        return "the build before was interrupted or failed"
    if last["mode"] == "partial":
        return "the build before made some of the models only"
    if last["code_hash"] != code_hash:
        return "the models' code changed"
    if last["variable_hash"] != variable_hash:
        return "the method's numbers or the register of entities changed"
    if last["business_date"] > business_date:
        return f"the marts hold the later night of {last['business_date']}"
    if business_date - last["business_date"] > LONGEST_GAP:
        return f"the marts hold a night of long ago, {last['business_date']}"
    return None


def _is_taken_back(cursor: psycopg.Cursor[Any], business_date: date) -> bool:
    """Say whether a batch that the last build had not read ends versions: keys may be gone for good then."""
    row = cursor.execute(
        """
        select exists (
          select from ops.batches where status = 'loaded' and business_date <= %s
            and (rows_withdrawn > 0 or (profile_stats ->> 'rows_vanished')::bigint > 0)
            and not exists (select from ops.built_batches as built where built.batch_id = batches.batch_id)
        ) as is_taken_back
        """,
        (business_date,),
    ).fetchone()
    return bool(row and row["is_taken_back"])


def _is_much(cursor: psycopg.Cursor[Any], business_date: date) -> bool:
    counts = cursor.execute(
        """
        select coalesce(sum(rows_accepted), 0)::float8 as all_rows,
          coalesce(sum(rows_accepted) filter (where not exists (
            select from ops.built_batches as built where built.batch_id = batches.batch_id)), 0)::float8 as new_rows
        from ops.batches where status = 'loaded' and business_date <= %s
        """,
        (business_date,),
    ).fetchone()
    return bool(counts and counts["new_rows"] > LARGEST_SHARE * counts["all_rows"])


def begin(connection: psycopg.Connection, decided: Plan, *, code_hash: str, variable_hash: str, token: str) -> int:
    """Record that the build begins, committed at once: until it ends well the marts count as torn. Return its id.

    From here until ``end`` dbt's role is let into the schemas; the build's own dbt shows ``token`` when it starts.
    """
    row = connection.execute(
        "select ops.begin_build(%s, %s, %s, %s, %s, %s)",
        (decided.business_date, decided.mode, decided.reason, code_hash, variable_hash, token),
    ).fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])


def end(
    connection: psycopg.Connection,
    build_id: int,
    decided: Plan,
    *,
    is_done: bool,
    start_seconds: float | None,
    runs: Sequence[Mapping[str, Any]],
) -> None:
    """Record how the build ended, what each model took and what every table is; the last thing a build writes.

    One transaction; with it dbt's role is out of the schemas again.
    """
    _wait_for_sessions(connection)
    connection.execute(
        "select ops.end_build(%s, %s, %s, %s::numeric, %s)",
        (
            build_id,
            "done" if is_done else "failed",
            decided.batch_ids,
            start_seconds,
            json.dumps(list(runs), default=str),
        ),
    )
    connection.commit()


def _wait_for_sessions(connection: psycopg.Connection) -> None:
    """Wait until the build's sessions have left the server: only then its write counters hold all they wrote."""
    deadline = time.monotonic() + LONGEST_FLUSH
    while time.monotonic() < deadline:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = %s",
            (APPLICATION,),
        ).fetchone()
        connection.commit()  # the next look must not be answered from this one's snapshot
        if row == (0,):
            return
        time.sleep(0.02)


@dataclass(frozen=True)
class Build:
    """A line of ``ops.builds``."""

    build_id: int
    business_date: date
    mode: Mode
    reason: str
    status: str


def newest() -> Build | None:
    """Return the newest build, however it ended; None before the first."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select build_id, business_date, mode, reason, status from ops.builds order by build_id desc limit 1"
        ).fetchone()
    return Build(*row) if row else None
