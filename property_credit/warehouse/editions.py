"""Editions of the rules of reading and counting: which one a night is built with.

The rules themselves are ``rules`` in dbt_project.yml: each names the edition from which it says what. A night takes the
edition that binds on its business date (``ops.editions``); a replay takes the one its run was recorded with. A new
edition binds from the night after the newest that was graded when it was installed: what was published stays.
"""

from dataclasses import dataclass
from datetime import date

from property_credit.warehouse.connection import connect


@dataclass(frozen=True)
class Edition:
    """An edition and the first business date it binds; None: from the beginning."""

    edition: int
    binds_on: date | None
    why: str


def known() -> list[Edition]:
    """Return every edition, oldest first."""
    with connect("pc_dbt") as connection:
        rows = connection.execute(
            "select edition, nullif(binds_on, '-infinity'), why from ops.editions order by edition"
        ).fetchall()
    return [Edition(*row) for row in rows]


def in_force(business_date: date) -> int:
    """Return the edition that binds on ``business_date``."""
    return max(one.edition for one in known() if one.binds_on is None or one.binds_on <= business_date)
