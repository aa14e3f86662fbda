"""What publishing reads beside the grades: decisions that correct, notices, regions, replies.

Owns the queries on ``marts.mart_publishing__*``. Computes nothing; a warehouse without those marts has none of it.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

CORRECTIONS: LiteralString = """
    select correction.uscc, correction.kind_code, correction.target_type_code, correction.target_id,
      correction.decided_on, correction.known_on
    from marts.mart_publishing__corrections as correction
    where not exists (select from publishing.corrections as seen
      where (seen.kind_code, seen.target_type_code, seen.target_id)
        = (correction.kind_code, correction.target_type_code, correction.target_id))
    order by correction.uscc collate "C", correction.decided_on, correction.kind_code, correction.target_id collate "C"
"""
NOTICES: LiteralString = """
    select uscc, kind_code, min(starts_on) as starts_on, max(ends_on) as ends_on
    from marts.mart_publishing__notices group by uscc, kind_code order by uscc collate "C", kind_code
"""
OBJECTED_ON: LiteralString = """
    select uscc, array_agg(starts_on) as filed_on
    from marts.mart_publishing__notices where kind_code = 'objection_open' group by uscc
"""
REGIONS: LiteralString = """
    select uscc, array_agg(region_code order by region_code) as region_codes
    from marts.mart_publishing__regions group by uscc
"""
SENT_REPLIES: LiteralString = """
    select uscc, statement as reply, filed_on from marts.mart_publishing__replies order by uscc collate "C"
"""
SET_REPLIES: LiteralString = """
    select distinct on (uscc) uscc, reply, filed_on from publishing.replies
    where filed_on <= %(business_date)s order by uscc, reply_id desc
"""


@dataclass(frozen=True)
class Facts:
    """What stands beside the grades of a night, by credit code.

    ``unseen``: every decision that no publication has seen; ``corrections``: those of them that correct what stands,
    which are the ones known since the last publication (older ones were there before corrections were kept).
    ``objected_on``: when the open objections were filed.
    """

    corrections: dict[str, list[dict[str, Any]]]
    unseen: list[dict[str, Any]]
    notices: dict[str, list[dict[str, Any]]]
    objected_on: dict[str, list[date]]
    regions: dict[str, list[str]]
    replies: dict[str, str | None]


def read_facts(connection: Connection, business_date: date) -> Facts:
    """Read the facts of a night."""
    newest = connection.execute("select business_date from publishing.data_age").fetchone()
    last = newest[0] if newest else None
    unseen = _rows(connection, "corrections", CORRECTIONS)
    corrections = [row for row in unseen if last is not None and row["known_on"] >= last]
    return Facts(
        corrections=_grouped(corrections),
        unseen=unseen,
        notices=_grouped(_rows(connection, "notices", NOTICES)),
        objected_on={row["uscc"]: row["filed_on"] for row in _rows(connection, "notices", OBJECTED_ON)},
        regions={row["uscc"]: row["region_codes"] for row in _rows(connection, "regions", REGIONS)},
        replies=_replies(connection, business_date),
    )


def _replies(connection: Connection, business_date: date) -> dict[str, str | None]:
    """Return what stands beside each grade: of what an office sent and what a command set, whatever was filed later."""
    newest = {row["uscc"]: row for row in _rows(connection, "replies", SENT_REPLIES)}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(SET_REPLIES, {"business_date": business_date}):
            sent = newest.get(row["uscc"])
            if sent is None or row["filed_on"] >= sent["filed_on"]:
                newest[row["uscc"]] = row
    return {code: row["reply"] for code, row in newest.items()}


def _rows(connection: Connection, mart: str, query: LiteralString) -> list[dict[str, Any]]:
    exists = connection.execute("select to_regclass(%s) is not null", (f"marts.mart_publishing__{mart}",)).fetchone()
    if not (exists and exists[0]):
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def _grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["uscc"]].append(row)
    return dict(groups)
