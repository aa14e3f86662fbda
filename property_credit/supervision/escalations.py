"""What is escalated, as people and programs ask for it.

Owns reading ``supervision.escalations``; changes nothing.
"""

from typing import Any

from psycopg.rows import dict_row

from property_credit.supervision.divisions import prefix
from property_credit.warehouse.connection import connect


def escalations(*, region: str | None = None, is_open: bool = False, limit: int = 100) -> list[dict[str, Any]]:
    """Return escalations, newest first: those of complaints in ``region`` and below, or all; open ones only if asked.

    ``region`` is a division's code (150000, 150200, 150203); ``limit`` the newest so many.
    """
    with connect("pc_supervision") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select escalation_id, complaint_id, kind_code, level_code, community_id, street_code, region_code,
              office_region_code, uscc, category_code, submitted_at, responded_at, handled_at, resolved_at, due_at,
              raised_at, is_told, closed_at, close_reason_code, revision_no, business_date
            from supervision.escalations
            where starts_with(region_code, %(prefix)s) and (not %(is_open)s or closed_at is null)
            order by raised_at desc, due_at desc, escalation_id limit %(limit)s
            """,
            {"prefix": prefix(region), "is_open": is_open, "limit": limit},
        ).fetchall()
