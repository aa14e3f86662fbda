"""Tell an office something once: rows of ``supervision.notices``, which publishing delivers.

Owns how an occasion becomes an id. The same occasion has the same id, whatever is run again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from property_credit.warehouse.business_date import arrival

CITY_DIGITS, REGION_DIGITS = 4, 2


@dataclass(frozen=True)
class Notice:
    """What an office is told. ``region_code`` is where it happened; ``level_code`` whose office is told of it."""

    kind_code: str
    subject_id: str
    occasion: str
    level_code: str
    region_code: str
    uscc: str | None
    body: Mapping[str, Any]

    @property
    def notice_id(self) -> str:
        """Return the id that makes it one of its kind."""
        return "/".join(part for part in (self.kind_code, self.subject_id, self.occasion) if part)

    @property
    def office_region_code(self) -> str:
        """Return the region whose office is told."""
        if self.level_code == "city":
            return self.region_code[:CITY_DIGITS] + "00"
        return self.region_code[:REGION_DIGITS] + "0000" if self.level_code == "region" else self.region_code


def insert(connection: Connection, notices: Sequence[Notice], business_date: date) -> int:
    """Insert the notices that are not there yet; return how many were new."""
    new = 0
    for notice in notices:
        new += connection.execute(
            "insert into supervision.notices (notice_id, kind_code, subject_id, level_code, region_code, uscc, body, "
            "business_date, raised_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (notice_id) do nothing",
            (
                notice.notice_id,
                notice.kind_code,
                notice.subject_id,
                notice.level_code,
                notice.office_region_code,
                notice.uscc,
                Jsonb(dict(notice.body)),
                business_date,
                arrival(),
            ),
        ).rowcount
    return new
