"""What supervision keeps, for people and programs that ask: clocks and a month's policy targets. Reads only."""

from datetime import date
from typing import Any

from psycopg.rows import dict_row

from property_credit.supervision.divisions import prefix
from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.connection import connect

STATUSES = ("running", "due", "overdue", "done", "done_late", "passed", "void")
OPEN = ["running", "due", "overdue"]
CLOCKS = """
select clock_id, status_code, due_on, is_due_provisional, started_on, done_on, uscc, region_code
from supervision.clocks
where status_code = any(%(statuses)s) and region_code like %(region)s
order by due_on, clock_id
"""
TARGETS = """
select months.kpi_code, definitions.content ->> 'kpi_zh' as kpi_zh, months.actual_value, months.base_value,
  months.current_value, months.target_year, months.target_text, months.is_met, months.version_no,
  months.definition_version
from supervision.current_kpi_months as months
join supervision.kpi_definitions as definitions using (kpi_code, definition_version)
where months.month = %(month)s and months.region_code = %(region)s
order by months.kpi_code
"""


def clocks(*, status: str | None = None, region: str | None = None) -> list[dict[str, Any]]:
    """Return clocks, the next to end first; without ``status`` the open ones. Raises SupervisionError for no status."""
    if status is not None and status not in STATUSES:
        raise SupervisionError(f"there is no status {status!r}; statuses are: {', '.join(STATUSES)}")
    wanted = {"statuses": [status] if status else OPEN, "region": prefix(region) + "%"}
    with connect("pc_supervision") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(CLOCKS, wanted).fetchall()


def targets(month: date, region: str) -> list[dict[str, Any]]:
    """Return the targets of ``region`` kept for ``month`` (its first day). Raises SupervisionError when none are."""
    with connect("pc_supervision") as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(TARGETS, {"month": month, "region": region}).fetchall()
    if not rows:
        raise SupervisionError(
            f"nothing is kept for {month:%Y-%m} and region {region}: a month is kept on its last night, for regions "
            "with communities"
        )
    return rows
