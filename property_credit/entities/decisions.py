"""Decisions about entities: the one way anything gets into the register, by a feed's event, matching or a person.

Owns what each act writes. What may never happen is refused by the database itself (migration 0041). A decision is never
changed: it is undone, from a night on, and nights before it are seen as they were known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import psycopg
from psycopg import Connection

from property_credit.warehouse import credit_codes

EntityType = Literal["enterprise", "community", "division"]
Maker = Literal["register", "event", "matching", "person"]
SCHEMES: Mapping[str, str] = {"enterprise": "uscc", "community": "community_id", "division": "division_code"}
PREFIXES: Mapping[str, str] = {scheme: kind for kind, scheme in SCHEMES.items()}


class EntityError(Exception):
    """A decision cannot be made, or names what nobody knows; the message says why and what to do."""


@dataclass(frozen=True)
class By:
    """Who decides, when and why.

    ``known_on`` is the first night that knows it, ``recorded_at`` the instant it was made; ``source`` says where it is
    written (a feed's row, a file's line, a command).
    """

    made_by_code: Maker
    made_by: str
    why: str
    known_on: date
    recorded_at: datetime
    source: str = ""


def decide(
    connection: Connection, act: str, entity_type: str, by: By, *, undoes: int | None = None, source: str | None = None
) -> int:
    """Record a decision and return its number; what it says is written by whoever calls this.

    EntityError when the database refuses it: a blank reason, an undo of an undo, a second undo.
    """
    if not by.why.strip():
        raise EntityError("a decision needs a reason: say --why")
    row = _execute(
        connection,
        "insert into entities.decisions (act_code, entity_type_code, made_by_code, made_by, why, source,"
        " undoes_decision_id, known_on, recorded_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning decision_id",
        (
            *(act, entity_type, by.made_by_code, by.made_by, by.why, by.source if source is None else source),
            *(undoes, by.known_on, by.recorded_at),
        ),
    )
    return int(row[0])


def entity_of(connection: Connection, entity_type: str, number: str, known_on: date, *, issuer: str = "") -> int | None:
    """Return the entity that a number stands for as known on a night; the newest decision says. None: nobody.

    ``issuer`` names the office whose local number it is; empty for a credit code, community or division number.
    """
    scheme = "local" if issuer else SCHEMES[entity_type]
    row = connection.execute(
        "select identifiers.entity_id from entities.identifiers"
        " join entities.standing_decisions(%s) as made using (decision_id)"
        " join entities.entities using (entity_id)"
        " where scheme_code = %s and issuer = %s and value = %s and entities.entity_type_code = %s"
        " order by identifier_id desc limit 1",
        (known_on, scheme, issuer, number, entity_type),
    ).fetchone()
    return int(row[0]) if row else None


def required(connection: Connection, entity_type: str, number: str, known_on: date, *, issuer: str = "") -> int:
    """Return the entity of ``number`` (of ``issuer``, where it is an office's own); EntityError when nobody has it."""
    entity_id = entity_of(connection, entity_type, number, known_on, issuer=issuer)
    if entity_id is None:
        raise EntityError(
            f"no {entity_type} has the number {number} on {known_on}: it must stand in its register first"
        )
    return entity_id


def enter(
    connection: Connection, entity_type: str, by: By, decision: int, *, number: str, name: str | None, issuer: str = ""
) -> int:
    """Enter a new entity under an official number, or under an office's local one (``issuer``); return its key."""
    entity = int(
        _execute(
            connection,
            "insert into entities.entities (entity_type_code, decision_id, known_on, recorded_at)"
            " values (%s, %s, %s, %s) returning entity_id",
            (entity_type, decision, by.known_on, by.recorded_at),
        )[0]
    )
    identify(connection, entity, entity_type, by, decision, number=number, issuer=issuer)
    if name:
        call(connection, entity, by, decision, name=name)
    return entity


def identify(
    connection: Connection,
    entity: int,
    entity_type: str,
    by: By,
    decision: int,
    *,
    number: str,
    issuer: str = "",
    valid_from: date | None = None,
    valid_to: date | None = None,
    is_assumed: bool = False,
) -> None:
    """Say that ``number`` is the entity's between two days (None: open); the newest such row of a number counts."""
    _execute(
        connection,
        "insert into entities.identifiers (entity_id, scheme_code, issuer, value, valid_from, valid_to, is_assumed,"
        " decision_id, known_on, recorded_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning identifier_id",
        (
            *(entity, "local" if issuer else SCHEMES[entity_type], issuer, number, valid_from, valid_to, is_assumed),
            *(decision, by.known_on, by.recorded_at),
        ),
    )


def call(
    connection: Connection,
    entity: int,
    by: By,
    decision: int,
    *,
    name: str,
    kind: str = "registered",
    written_by: str = "",
    valid_from: date | None = None,
    is_assumed: bool = False,
) -> None:
    """Add a name of the entity: registered, former, short, or written as the office ``written_by`` writes it."""
    _execute(
        connection,
        "insert into entities.names (entity_id, kind_code, name, written_by, valid_from, is_assumed, decision_id,"
        " known_on, recorded_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning name_id",
        (entity, kind, name, written_by, valid_from, is_assumed, decision, by.known_on, by.recorded_at),
    )


def relate(
    connection: Connection,
    entity: int,
    by: By,
    decision: int,
    *,
    code: str,
    other: int | None = None,
    mention: int | None = None,
    valid_from: date | None = None,
    is_assumed: bool = False,
    scored: Mapping[str, Any] | None = None,
) -> None:
    """Write a link of ``entity`` with another one or with a mention; ``scored``: score, threshold, model_version."""
    given = scored or {}
    _execute(
        connection,
        "insert into entities.links (link_code, entity_id, other_entity_id, mention_id, valid_from, is_assumed, score,"
        " threshold, model_version, decision_id, known_on, recorded_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning link_id",
        (
            *(code, entity, other, mention, valid_from, is_assumed),
            *(given.get("score"), given.get("threshold"), given.get("model_version")),
            *(decision, by.known_on, by.recorded_at),
        ),
    )


def rename(
    connection: Connection, entity_type: str, number: str, name: str, by: By, *, effective_on: date | None
) -> int:
    """Give the entity of ``number`` another registered name from a day on; the ones before stay known."""
    entity = required(connection, entity_type, number, by.known_on)
    decision = decide(connection, "rename", entity_type, by)
    day, is_assumed = _day(effective_on, by)
    call(connection, entity, by, decision, name=name, valid_from=day, is_assumed=is_assumed)
    return decision


def enter_local(connection: Connection, entity_type: str, number: str, issuer: str, name: str, by: By) -> int:
    """Enter an enterprise or community that has no official number under one of ``issuer``'s own; return the decision.

    Names in rows are linked to it; rows that need its number wait until it has an official one (``renumber``).
    EntityError when the issuer's number is somebody's already.
    """
    if entity_of(connection, entity_type, number, by.known_on, issuer=issuer) is not None:
        raise EntityError(f"{number} of {issuer} is another {entity_type} already: `entities history {number}`")
    decision = decide(connection, "register", entity_type, by)
    enter(connection, entity_type, by, decision, number=number, name=name, issuer=issuer)
    return decision


def renumber(
    connection: Connection,
    entity_type: str,
    number: str,
    new_number: str,
    by: By,
    *,
    effective_on: date | None,
    issuer: str = "",
) -> int:
    """Give the entity of ``number`` another number (换码, renumbered): it stays one entity, whoever had the number.

    ``issuer``: ``number`` is that office's own, and the entity gets its first official one.
    """
    if entity_type == "enterprise" and (problem := credit_codes.problem_with(new_number)):
        raise EntityError(f"{new_number} is no credit code: {problem}")
    entity = required(connection, entity_type, number, by.known_on, issuer=issuer)
    decision = decide(connection, "renumber", entity_type, by)
    day, is_assumed = _day(effective_on, by)
    identify(connection, entity, entity_type, by, decision, number=new_number, valid_from=day, is_assumed=is_assumed)
    return decision


def merge(
    connection: Connection, entity_type: str, number: str, successor: str, by: By, *, effective_on: date | None
) -> int:
    """Let what the entity of ``number`` did and owed go on with ``successor`` from a day on (合并, 承继)."""
    return _succeed(connection, "merge", entity_type, number, successor, by, effective_on)


def split(
    connection: Connection, entity_type: str, number: str, successor: str, by: By, *, effective_on: date | None
) -> int:
    """Name one of those that an entity was split into; nothing follows until a person says to whom (``merge``)."""
    return _succeed(connection, "split", entity_type, number, successor, by, effective_on)


def phase(connection: Connection, number: str, whole: str, by: By, *, effective_on: date | None) -> int:
    """Say that the community of ``number`` is a phase (分期) of the community ``whole``; each keeps its own number."""
    part = required(connection, "community", number, by.known_on)
    other = _known_or_entered(connection, "community", whole, by)
    decision = decide(connection, "phase", "community", by)
    day, is_assumed = _day(effective_on, by)
    relate(connection, part, by, decision, code="part", other=other, valid_from=day, is_assumed=is_assumed)
    return decision


def deregister(connection: Connection, number: str, by: By, *, effective_on: date | None) -> int:
    """Say that an enterprise was deregistered (注销): its number ends on that day."""
    entity = required(connection, "enterprise", number, by.known_on)
    began = connection.execute(
        "select valid_from from entities.identifiers join entities.standing_decisions(%s) as made using (decision_id)"
        " where scheme_code = 'uscc' and value = %s order by identifier_id desc limit 1",
        (by.known_on, number),
    ).fetchone()
    decision = decide(connection, "deregister", "enterprise", by)
    day, is_assumed = _day(effective_on, by)
    valid_from = began[0] if began and began[0] and began[0] <= day else None
    identify(
        connection,
        entity,
        "enterprise",
        by,
        decision,
        number=number,
        valid_from=valid_from,
        valid_to=day,
        is_assumed=is_assumed,
    )
    return decision


def undo(connection: Connection, decision_id: int, by: By) -> int:
    """Take a decision back, from ``by.known_on`` on; returns the number of the undo.

    EntityError when there is no such decision, it is an undo itself, is undone already, or was made by the register:
    what a register delivered is taken back there.
    """
    row = connection.execute(
        "select entity_type_code, made_by_code, known_on from entities.decisions where decision_id = %s", (decision_id,)
    ).fetchone()
    if row is None:
        raise EntityError(f"there is no decision {decision_id}: `property-credit entities history` lists them")
    if row[1] == "register":
        raise EntityError(f"decision {decision_id} entered what a register delivered: take the delivery back instead")
    if row[2] > by.known_on:
        raise EntityError(f"decision {decision_id} is known from {row[2]} on: it cannot be undone for {by.known_on}")
    return decide(connection, "undo", str(row[0]), by, undoes=decision_id)


def link(connection: Connection, entity_type: str, mention_id: int, number: str, by: By) -> int:
    """Say that what an office wrote is the entity of ``number``, and remember the spelling as a name of it."""
    entity = required(connection, entity_type, number, by.known_on)
    written = _mention(connection, mention_id, entity_type)
    decision = decide(connection, "link", entity_type, by)
    relate(connection, entity, by, decision, code="same", mention=mention_id)
    call(connection, entity, by, decision, name=written["name"], kind="written", written_by=written["written_by"])
    return decision


def separate(connection: Connection, entity_type: str, mention_id: int, number: str, by: By) -> int:
    """Say that what an office wrote is not the entity of ``number``, whatever a score says; their link ends."""
    entity = required(connection, entity_type, number, by.known_on)
    _mention(connection, mention_id, entity_type)
    standing = connection.execute(
        "select decision_id from entities.links join entities.standing_decisions(%s) as made using (decision_id)"
        " where mention_id = %s and entity_id = %s and link_code = 'same'",
        (by.known_on, mention_id, entity),
    ).fetchall()
    for (made,) in standing:
        undo(connection, int(made), by)
    decision = decide(connection, "separate", entity_type, by)
    relate(connection, entity, by, decision, code="different", mention=mention_id)
    return decision


def _succeed(
    connection: Connection, act: str, entity_type: str, number: str, successor: str, by: By, effective_on: date | None
) -> int:
    entity = required(connection, entity_type, number, by.known_on)
    other = _known_or_entered(connection, entity_type, successor, by)
    if entity == other:
        raise EntityError(f"{number} and {successor} are the same {entity_type} already")
    decision = decide(connection, act, entity_type, by)
    day, is_assumed = _day(effective_on, by)
    relate(connection, entity, by, decision, code="successor", other=other, valid_from=day, is_assumed=is_assumed)
    return decision


def _known_or_entered(connection: Connection, entity_type: str, number: str, by: By) -> int:
    """Return the entity of ``number``; one that an event names and no register has brought yet is entered under it.

    EntityError when a person names a number that nobody has: it is more likely mistyped than new.
    """
    if by.made_by_code == "person":
        return required(connection, entity_type, number, by.known_on)
    entity_id = entity_of(connection, entity_type, number, by.known_on)
    if entity_id is not None:
        return entity_id
    decision = decide(connection, "register", entity_type, by, source=f"{by.source} names it" if by.source else "")
    return enter(connection, entity_type, by, decision, number=number, name=None)


def _day(effective_on: date | None, by: By) -> tuple[date, bool]:
    """Return the day from which something is so, and whether nobody stated it: then the night that knew it."""
    return (by.known_on, True) if effective_on is None else (effective_on, False)


def _mention(connection: Connection, mention_id: int, entity_type: str) -> dict[str, str]:
    row = connection.execute(
        "select name, written_by from entities.mentions where mention_id = %s and entity_type_code = %s",
        (mention_id, entity_type),
    ).fetchone()
    if row is None:
        raise EntityError(f"no {entity_type} is mentioned under {mention_id}: `entities candidates` lists what waits")
    return {"name": str(row[0]), "written_by": str(row[1])}


def _execute(connection: Connection, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        row = connection.execute(statement.encode(), values).fetchone()
    except psycopg.errors.CheckViolation as error:
        raise EntityError(error.diag.message_primary or str(error)) from error
    assert row is not None
    return tuple(row)
