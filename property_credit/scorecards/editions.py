"""Editions: what the pages of a night were made of, kept so that a past month is shown as it was published then.

Marts hold the newest night only; grades and points stay in scoring and publishing, which are append-only. An edition is
therefore the marts' share of the pages, as canonical JSON: the same facts give the same bytes and the same id.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import psycopg

from property_credit.warehouse.business_date import arrival

Row: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, list[Row]]
NUMERIC = {1700, 700, 701}  # numeric, float4, float8: kept as text, exact


@dataclass(frozen=True)
class Edition:
    """One night's facts. ``tables``: rows by table name; dates are yyyy-mm-dd, exact numbers are Decimal."""

    edition_id: str
    business_date: date
    publication_id: int
    tables: Tables

    @property
    def month(self) -> str:
        """Return the month the edition belongs to, yyyy-mm."""
        return f"{self.business_date:%Y-%m}"


def table_document(cursor: psycopg.Cursor) -> dict[str, Any]:
    """Return the rows of ``cursor`` as a JSON-ready table: columns, which of them are exact numbers, rows."""
    columns = cursor.description or []
    exact = [index for index, column in enumerate(columns) if column.type_code in NUMERIC]
    rows = [
        [value if value is None or isinstance(value, int | str) else _plain(value) for value in row] for row in cursor
    ]
    return {"columns": [column.name for column in columns], "exact": exact, "rows": rows}


def _plain(value: Any) -> Any:
    return value if isinstance(value, list | dict) else str(value)


def encode(documents: Mapping[str, Any]) -> bytes:
    """Return ``documents`` as canonical JSON: keys in order, no spaces, UTF-8."""
    return json.dumps(documents, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode(content: bytes) -> Tables:
    """Return the tables of an edition's canonical JSON as rows by column name."""
    tables: dict[str, list[Row]] = {}
    for name, document in json.loads(content).items():
        columns, exact, rows = document["columns"], document["exact"], document["rows"]
        for index in exact:
            for row in rows:
                if row[index] is not None:
                    row[index] = Decimal(row[index])
        tables[name] = [dict(zip(columns, row, strict=True)) for row in rows]
    return tables


def store(
    connection: psycopg.Connection, *, business_date: date, publication_id: int, documents: Mapping[str, Any]
) -> str:
    """Keep an edition and return its id; the same facts of the same night and publication are kept once."""
    content = encode(documents)
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{business_date}/{publication_id}/{sha256}"
    edition_id = "e" + hashlib.sha256(name.encode()).hexdigest()[:16]
    kept = connection.execute("select 1 from scorecards.editions where edition_id = %s", (edition_id,)).fetchone()
    if kept is None:
        connection.execute(
            "insert into scorecards.editions (edition_id, month, business_date, publication_id, facts_sha256, facts, "
            "recorded_at) values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                edition_id,
                f"{business_date:%Y-%m}",
                business_date,
                publication_id,
                sha256,
                zlib.compress(content, 6),
                arrival(),
            ),
        )
    return edition_id


def load(connection: psycopg.Connection, edition_id: str) -> Edition:
    """Return a kept edition; LookupError when there is none of that id."""
    row = connection.execute(
        "select business_date, publication_id, facts from scorecards.editions where edition_id = %s", (edition_id,)
    ).fetchone()
    if row is None:
        raise LookupError(f"no edition {edition_id}")
    return Edition(edition_id, row[0], row[1], decode(zlib.decompress(row[2])))


def newest(connection: psycopg.Connection, *, month: str, until: date) -> str | None:
    """Return the id of the last edition of ``month`` (yyyy-mm) not later than ``until``; None when there is none."""
    row = connection.execute(
        "select edition_id from scorecards.editions where month = %s and business_date <= %s "
        "order by business_date desc, publication_id desc, recorded_at desc limit 1",
        (month, until),
    ).fetchone()
    return str(row[0]) if row else None


def night_of(connection: psycopg.Connection, edition_id: str) -> date:
    """Return the night of a kept edition; LookupError when there is none of that id."""
    row = connection.execute(
        "select business_date from scorecards.editions where edition_id = %s", (edition_id,)
    ).fetchone()
    if row is None:
        raise LookupError(f"no edition {edition_id}")
    night: date = row[0]
    return night


def shown_enterprises(connection: psycopg.Connection, edition_id: str) -> list[str]:
    """Return the credit codes that an edition shows, in order: all that had a grade published by then."""
    rows = connection.execute(
        "select distinct uscc from publishing.grade_history join scorecards.editions "
        "on grade_history.publication_id <= editions.publication_id where edition_id = %s order by uscc",
        (edition_id,),
    ).fetchall()
    return [uscc for (uscc,) in rows]


def first_build(connection: psycopg.Connection, edition_id: str, code_sha256: str) -> str | None:
    """Return the hash that was first noted for this edition under these templates; None when it was never built so."""
    row = connection.execute(
        "select pages_sha256 from scorecards.builds where edition_id = %s and code_sha256 = %s",
        (edition_id, code_sha256),
    ).fetchone()
    return str(row[0]) if row else None


def record_build(
    connection: psycopg.Connection, edition_id: str, *, code_sha256: str, pages_sha256: str, file_count: int
) -> str:
    """Note what the edition looked like; return the hash first noted for this edition and these templates."""
    connection.execute(
        "insert into scorecards.builds values (%s, %s, %s, %s, %s) on conflict do nothing",
        (edition_id, code_sha256, pages_sha256, file_count, arrival()),
    )
    first = first_build(connection, edition_id, code_sha256)
    assert first is not None
    return first
