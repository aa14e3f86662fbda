"""The register of entities kept up to date: what registers and events of a night brought, as decisions.

Owns how rows of the registers and of the event feeds become decisions. Every row is decided once, on the night that
knew it; a later version of an event undoes what the earlier one said. Run again, it writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.entities import decisions
from property_credit.entities.decisions import By, EntityError
from property_credit.warehouse.connection import connect

REGISTERED = (("enterprise", "uscc", "enterprises"), ("community", "community_id", "communities"))
WHY = {
    "register": "主体名录首次载明 first delivered by its register",
    "name": "名录载明新名称 the register says a new name",
}

# a number that no entity has: entered with its name; one decision a batch
ENTER: Mapping[str, LiteralString] = {
    "enterprise": """
    with new as (
      select distinct on (uscc) uscc as value, enterprise_name as name, batch_id, known_on, received_at,
        nextval(pg_get_serial_sequence('entities.entities', 'entity_id')) as entity_id
      from raw.enterprises
      where known_on <= %(night)s and not exists (
        select from entities.identifiers where scheme_code = 'uscc' and value = uscc)
      order by uscc, known_on, received_at, row_number
    ), """,
    "community": """
    with new as (
      select distinct on (community_id) community_id as value, community_name as name, batch_id, known_on, received_at,
        nextval(pg_get_serial_sequence('entities.entities', 'entity_id')) as entity_id
      from raw.communities
      where known_on <= %(night)s and not exists (
        select from entities.identifiers where scheme_code = 'community_id' and value = community_id)
      order by community_id, known_on, received_at, row_number
    ), """,
}
ENTERED: LiteralString = """
    made as (
      insert into entities.decisions (act_code, entity_type_code, made_by_code, made_by, why, source, known_on,
        recorded_at)
      select 'register', %(kind)s, 'register', coalesce(max(batches.source_profile), 'register'), %(why)s,
        new.batch_id, min(new.known_on), min(new.received_at)
      from new left join ops.batches using (batch_id) group by new.batch_id
      returning decision_id, source
    ), entered as (
      insert into entities.entities (entity_id, entity_type_code, decision_id, known_on, recorded_at)
      overriding system value
      select new.entity_id, %(kind)s, made.decision_id, new.known_on, new.received_at
      from new join made on made.source = new.batch_id
    ), identified as (
      insert into entities.identifiers (entity_id, scheme_code, value, decision_id, known_on, recorded_at)
      select new.entity_id, %(scheme)s, new.value, made.decision_id, new.known_on, new.received_at
      from new join made on made.source = new.batch_id
    ), named as (
      insert into entities.names (entity_id, kind_code, name, decision_id, known_on, recorded_at)
      select new.entity_id, 'registered', new.name, made.decision_id, new.known_on, new.received_at
      from new join made on made.source = new.batch_id
    )
    select count(*) from new
"""
# a registered name that is new for a number that is known
RENAME: Mapping[str, LiteralString] = {
    "enterprise": """
    with written as (
      select uscc as value, enterprise_name as name, min(known_on) as known_on, min(received_at) as received_at,
        min(batch_id) as batch_id
      from raw.enterprises where known_on <= %(night)s group by uscc, enterprise_name
    ), """,
    "community": """
    with written as (
      select community_id as value, community_name as name, min(known_on) as known_on,
        min(received_at) as received_at, min(batch_id) as batch_id
      from raw.communities where known_on <= %(night)s group by community_id, community_name
    ), """,
}
RENAMED: LiteralString = """
    owned as (
      select distinct on (identifiers.value) identifiers.value, identifiers.entity_id
      from entities.identifiers join entities.standing_decisions(%(night)s) as made using (decision_id)
      where identifiers.scheme_code = %(scheme)s
      order by identifiers.value, identifiers.identifier_id desc
    ), new as (
      select distinct on (owned.entity_id, written.name) owned.entity_id, written.*
      from written join owned using (value)
      where not exists (
        select from entities.names where names.entity_id = owned.entity_id and names.name = written.name)
      order by owned.entity_id, written.name, written.known_on
    ), made as (
      insert into entities.decisions (act_code, entity_type_code, made_by_code, made_by, why, source, known_on,
        recorded_at)
      select 'rename', %(kind)s, 'register', coalesce(max(batches.source_profile), 'register'), %(why)s, new.batch_id,
        min(new.known_on), min(new.received_at)
      from new left join ops.batches using (batch_id) group by new.batch_id
      returning decision_id, source
    ), named as (
      insert into entities.names (entity_id, kind_code, name, valid_from, is_assumed, decision_id, known_on,
        recorded_at)
      select new.entity_id, 'registered', new.name, new.known_on, true, made.decision_id, new.known_on,
        new.received_at
      from new join made on made.source = new.batch_id
    )
    select count(*) from new
"""
EVENTS: Mapping[str, LiteralString] = {
    "enterprise": """
    select event_id, event_code, coalesce(uscc, local_no) as number, uscc is null as is_local,
      other_uscc as other_number, other_name, effective_on, authority_name,
      decision_no, coalesce(status_code, '') = 'withdrawn' or absence_code is not null as is_withdrawn, batch_id,
      row_number, known_on, received_at
    from raw.enterprise_events as events
    where known_on <= %(night)s and not exists (
      select from raw.withdrawn_rows as withdrawn where withdrawn.feed = 'enterprise_events'
        and withdrawn.batch_id = events.batch_id and withdrawn.row_number = events.row_number
        and withdrawn.known_on <= %(night)s)
    order by known_on, received_at, row_number
    """,
    "community": """
    select event_id, event_code, community_id as number, false as is_local, other_community_id as other_number,
      other_name, effective_on, authority_name, decision_no,
      coalesce(status_code, '') = 'withdrawn' or absence_code is not null as is_withdrawn, batch_id, row_number,
      known_on, received_at
    from raw.community_events as events
    where known_on <= %(night)s and not exists (
      select from raw.withdrawn_rows as withdrawn where withdrawn.feed = 'community_events'
        and withdrawn.batch_id = events.batch_id and withdrawn.row_number = events.row_number
        and withdrawn.known_on <= %(night)s)
    order by known_on, received_at, row_number
    """,
}
LOCK = 4_016_001  # one writer at a time


@dataclass(frozen=True)
class RegisterReport:
    """What a night added to the register, and events that could not be read (with their reasons)."""

    entered_count: int
    name_count: int
    event_count: int
    undone_count: int
    refused: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """True when anything was added."""
        return bool(self.entered_count or self.name_count or self.event_count or self.undone_count)

    def __str__(self) -> str:
        """Say it in one line."""
        summary = f"{self.entered_count} entered, {self.name_count} new names, {self.event_count} events"
        summary += f", {self.undone_count} undone" if self.undone_count else ""
        return summary + (f"; not understood: {'; '.join(self.refused)}" if self.refused else "")


def keep(business_date: date) -> RegisterReport:
    """Bring the register to what was known by the end of ``business_date``; run again, it adds nothing.

    An event that contradicts the register (it names what nobody is, or itself) is left out and named in the report.
    """
    with connect("pc_entities") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        entered = names = 0
        for kind, scheme, _table in REGISTERED:
            given = {"night": business_date, "kind": kind, "scheme": scheme}
            entered += _count(connection, ENTER[kind] + ENTERED, {**given, "why": WHY["register"]})
            names += _count(connection, RENAME[kind] + RENAMED, {**given, "why": WHY["name"]})
        events = undone = 0
        refused: list[str] = []
        for kind, _scheme, _table in REGISTERED:
            decided, taken_back, bad = _decide_events(connection, kind, business_date)
            events, undone = events + decided, undone + taken_back
            refused += bad
    return RegisterReport(entered, names, events, undone, tuple(refused))


def _count(connection: Connection, statement: LiteralString, given: dict[str, Any]) -> int:
    row = connection.execute(statement, given).fetchone()
    return int(row[0]) if row else 0


def _decide_events(connection: Connection, kind: str, business_date: date) -> tuple[int, int, list[str]]:
    """Decide every event that was not decided yet; return how many, how many were undone, and what was bad."""
    feed = f"{kind}_events"
    with connection.cursor(row_factory=dict_row) as cursor:
        versions = cursor.execute(EVENTS[kind], {"night": business_date}).fetchall()
    sources = {f"{feed}/{row['event_id']}/{row['batch_id']}/{row['row_number']}": row for row in versions}
    made: dict[str, int] = dict(
        connection.execute(
            "select source, decision_id from entities.decisions where made_by_code = 'event' and act_code <> 'undo'"
            " and source like %s",
            (f"{feed}/%",),
        ).fetchall()
    )
    undone_already = {
        row[0]
        for row in connection.execute(
            "select undoes_decision_id from entities.decisions where undoes_decision_id is not null"
        ).fetchall()
    }
    standing = {
        source.split("/")[1]: (source, number)
        for source, number in made.items()
        if number not in undone_already and not source.endswith(" names it")
    }
    events = undone = 0
    refused: list[str] = []
    newest = {row["event_id"]: source for source, row in sources.items()}
    for source, row in sources.items():
        if source in made:
            continue
        by = By("event", row["authority_name"] or feed, _why(row), row["known_on"], row["received_at"], source)
        before = standing.pop(row["event_id"], None)
        if before:
            decisions.undo(connection, before[1], by)
            undone += 1
        if row["is_withdrawn"]:
            continue
        try:
            with connection.transaction():
                standing[row["event_id"]] = (source, _decide(connection, kind, row, by))
            events += 1
        except EntityError as error:
            refused.append(f"{feed} {row['event_id']}: {error}")
    # a version that was taken back: what it said stands no more
    for event_id, (source, number) in standing.items():
        if source not in sources and event_id not in newest:
            taken = connection.execute(
                "select max(known_on), max(received_at) from raw.withdrawn_rows where feed = %s and known_on <= %s",
                (feed, business_date),
            ).fetchone()
            if taken and taken[0]:
                by = By("event", feed, "来源撤回 the delivery was taken back", taken[0], taken[1], source)
                decisions.undo(connection, number, by)
                undone += 1
    return events, undone, refused


def _why(row: Mapping[str, Any]) -> str:
    return f"{row['event_code']} {row['decision_no'] or row['event_id']}"


def _decide(connection: Connection, kind: str, row: Mapping[str, Any], by: By) -> int:
    """Make the decision that an event says; EntityError when it contradicts the register."""
    number, other, code = row["number"], row["other_number"], row["event_code"]
    issuer = (row["authority_name"] or f"{kind}_events") if row["is_local"] else ""
    when = {"effective_on": row["effective_on"]}
    match code:
        case "renamed":
            return decisions.rename(connection, kind, number, row["other_name"], by, **when)
        case "entered":
            made = decisions.enter_local(connection, kind, number, issuer, row["other_name"], by)
        case "recoded" | "renumbered":
            made = decisions.renumber(connection, kind, number, other, by, **when, issuer=issuer)
        case "merged" | "succeeded":
            made = decisions.merge(connection, kind, number, other, by, **when)
        case "split":
            made = decisions.split(connection, kind, number, other, by, **when)
        case "phase":
            made = decisions.phase(connection, number, other, by, **when)
        case _:
            made = decisions.deregister(connection, number, by, **when)
    return made
