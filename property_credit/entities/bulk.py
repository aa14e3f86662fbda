"""Decisions by the dozen: a reviewed CSV file, one decision a row, all of them or none.

Columns: ``act`` (enter, link, separate, rename, renumber, merge, split, deregister, undo), ``entity`` (enterprise,
community), ``number`` (its credit code or community number), ``other`` (the successor's or new number), ``name`` (new),
``mention`` (key of what an office wrote), ``issuer`` (the office whose own number it is, where there is no official
one), ``on`` (the day it takes effect), ``decision`` (to undo), ``why``.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import Connection

from property_credit.entities import decisions
from property_credit.entities.decisions import By, EntityError

REVIEWED = ("act", "entity", "number", "mention", "why")
SHOWN = ("written", "division", "street", "written_by", "rows", "candidate", "score", "reason")  # beside them, to judge
COLUMNS = ("act", "entity", "number", "other", "name", "mention", "issuer", "on", "decision", "why")
# act → what its row must say besides `entity`
NEEDED: Mapping[str, tuple[str, ...]] = {
    "enter": ("number", "name", "issuer"),
    "link": ("number", "mention"),
    "separate": ("number", "mention"),
    "rename": ("number", "name"),
    "renumber": ("number", "other"),
    "merge": ("number", "other"),
    "split": ("number", "other"),
    "deregister": ("number",),
    "undo": ("decision",),
}


@dataclass(frozen=True)
class Request:
    """One decision that a person asks for; the fields of ``COLUMNS``, empty where an act needs none."""

    act: str
    entity: str = "enterprise"
    number: str = ""
    other: str = ""
    name: str = ""
    mention: str = ""
    issuer: str = ""
    on: str = ""
    decision: str = ""
    why: str = ""


def decide(connection: Connection, request: Request, by: By) -> int:
    """Make one decision and return its number; EntityError says what is missing, unknown or refused."""
    if request.act not in NEEDED:
        raise EntityError(f"{request.act!r} is no act: {', '.join(NEEDED)}")
    if request.act != "undo" and request.entity not in ("enterprise", "community"):
        raise EntityError(f"entity {request.entity!r} is neither enterprise nor community")
    missing = [name for name in NEEDED[request.act] if not getattr(request, name)]
    if missing:
        raise EntityError(f"{request.act} needs {' and '.join(missing)}")
    by = replace(by, why=request.why or by.why)
    when = _day(request.on)
    match request.act:
        case "undo":
            return decisions.undo(connection, _key("decision", request.decision), by)
        case "enter":
            return decisions.enter_local(connection, request.entity, request.number, request.issuer, request.name, by)
        case "link":
            return decisions.link(connection, request.entity, _key("mention", request.mention), request.number, by)
        case "separate":
            return decisions.separate(connection, request.entity, _key("mention", request.mention), request.number, by)
        case "rename":
            return decisions.rename(connection, request.entity, request.number, request.name, by, effective_on=when)
        case "renumber":
            return decisions.renumber(
                connection, request.entity, request.number, request.other, by, effective_on=when, issuer=request.issuer
            )
        case "merge":
            return decisions.merge(connection, request.entity, request.number, request.other, by, effective_on=when)
        case "split":
            return decisions.split(connection, request.entity, request.number, request.other, by, effective_on=when)
        case _:
            if request.entity != "enterprise":
                raise EntityError("only an enterprise is deregistered; a community is merged or split")
            return decisions.deregister(connection, request.number, by, effective_on=when)


def read(path: Path) -> list[tuple[int, Request]]:
    """Return the decisions of a reviewed file (UTF-8, header row), each with the number of the line it ends on.

    Of a file that ``write_candidates`` made, the lines without an act are left out. EntityError names the line and what
    is wrong with it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            unknown = sorted(set(reader.fieldnames or ()) - set(COLUMNS) - set(SHOWN))
            if "act" not in (reader.fieldnames or ()) or unknown:
                named = f"; it does not know {', '.join(unknown)}" if unknown else ""
                raise EntityError(f"{path.name}: the header must name act, and of {', '.join(COLUMNS)}{named}")
            is_reviewed = set(SHOWN) <= set(reader.fieldnames or ())  # lines without an act were left open
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise EntityError(f"{path.name} line {reader.line_num}: not as many values as the header names")
                request = Request(**{name: value.strip() for name, value in row.items() if name in COLUMNS})
                if request.act or not is_reviewed:
                    rows.append((reader.line_num, request))
    except (OSError, UnicodeDecodeError) as error:
        raise EntityError(f"{path.name} cannot be read as a UTF-8 file: {error}") from error
    return rows


def decide_file(connection: Connection, path: Path, by: By) -> list[int]:
    """Make every decision of a reviewed file, or none: the first that is refused takes all back, with its line."""
    made = []
    for line, request in read(path):
        try:
            made.append(decide(connection, request, replace(by, source=f"{path.name}:{line}")))
        except EntityError as error:
            raise EntityError(f"{path.name} line {line}: {error}") from error
    return made


def write_candidates(path: Path, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write what waits as a file that ``read`` takes once it is reviewed; return how many lines it has.

    ``rows`` as ``linking.candidates`` gives them. A line for each candidate, the best first, with an empty ``act``
    that a person fills in (link, separate); a name without candidates has a line with an empty ``number``. A name
    that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow((*REVIEWED, *SHOWN))
        for row in rows:
            for one in row["candidates"] or [{"number": "", "name": "", "score": "", "reason": row["reason"]}]:
                shown = (row["name"], row["division"], row["street"], row["written_by"], row["rows"])
                told = (one["name"] or "", one["score"], one["reason"] or row["reason"])
                writer.writerow(
                    ("", row["entity"], one["number"], row["mention"], "", *map(_no_formula, (*shown, *told)))
                )
                count += 1
    return count


def _no_formula(value: object) -> object:
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise EntityError(f"{text!r} is no day (YYYY-MM-DD)") from None


def _key(name: str, text: str) -> int:
    if not text.isdecimal():
        raise EntityError(f"{name} {text!r} is no number")
    return int(text)
