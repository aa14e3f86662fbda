"""Columns of raw that only ingestion reads: names, telephone numbers and free text of people.

Owns the list and the grants. dbt and the gates read every other column; a query that asks for one of these is refused
by the server, whoever wrote it. Applied after the migrations, so a column that is added later is granted by itself and
a table that is granted whole by a later migration is narrowed again. Must not know what a feed means.
"""

import psycopg
from psycopg import sql

READERS = ("pc_dbt", "pc_gatekeeper")
WITHHELD = {
    "complaints": ("reporter_name", "reporter_phone", "title", "content", "reply"),
    "funds": ("counterparty_name", "summary"),
    "inspections": ("finding",),
    "objections": ("reply",),
    "personnel": ("staff_name",),
    "public_credit": ("summary",),
    "related_parties": ("party_name",),
}
# Codes of officers: no names, and which of them are the same person is what the recusal rule asks (§8.2).
CODES = {"objections": ("original_officer_code", "decider_code", "reviewer_code")}

_STANDS = """
    select a.attname, has_column_privilege(%(role)s, a.attrelid, a.attnum, 'select')
    from pg_attribute a where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped
    order by a.attnum
"""


def withhold(opened: psycopg.Connection) -> None:
    """Grant the readers every column of these tables but the withheld ones; where that stands, nothing is changed."""
    for table, withheld in WITHHELD.items():
        name = sql.Identifier("raw", table)
        for role in READERS:
            rows = opened.execute(_STANDS, {"role": role, "table": f"raw.{table}"}).fetchall()
            if all(may_read == (column not in withheld) for column, may_read in rows):
                continue
            columns = sql.SQL(", ").join(sql.Identifier(column) for column, _ in rows if column not in withheld)
            opened.execute(sql.SQL("revoke select on {} from {}").format(name, sql.Identifier(role)))
            opened.execute(sql.SQL("grant select ({}) on {} to {}").format(columns, name, sql.Identifier(role)))
