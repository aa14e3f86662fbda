"""Case files 卷宗: asked for here, made and signed by who holds the key, fetched here.

Owns the request, which is an act like any other. The workbench holds no signing key and makes no bundle.
"""

from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.workbench import accounts, acts
from property_credit.workbench.acts import Act
from property_credit.workbench.areas import Areas
from property_credit.workbench.errors import ConflictError, MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.rights import Account, Place, does, may

MOST_A_DAY = 10  # of one account: each may cost a build of the models
REQUESTS = """
select acts.subject_id, acts.uscc, acts.area_code, acts.acted_at, acts.role_code, acts.officer_code,
  acts.details ->> 'as_of' as as_of, made.sha256, made.problem, made.made_at
from workbench.acts left join publishing.case_files as made using (act_id)
where subject_kind = 'case_file' and (%(uscc)s::text is null or acts.uscc = %(uscc)s)
  and (%(subject)s::text is null or subject_id = %(subject)s)
order by acts.act_id desc limit 500
"""


def last_day(connection: psycopg.Connection) -> date:
    """Return the last day of which a case file can prove anything: the newest publication binds from it."""
    row = connection.execute("select max(business_date) + 1 from publishing.publications").fetchone()
    return row[0] if row and row[0] else date.min


def request(
    connection: psycopg.Connection, account: Account, areas: Areas, uscc: str, as_of: date, *, form_id: str
) -> str:
    """Ask for the case file of an enterprise's grade on a day; return the receipt number.

    Raises MissingError for an enterprise outside the account's area, NotAllowedError for a role that may not,
    WorkbenchError for a day without a published grade or one that the log does not reach, ConflictError while one is
    being made or after too many.
    """
    place = Place(uscc=uscc, area_code=accounts.homes_of(connection, [uscc]).get(uscc))
    if not may(account, "case_file", "request", place, areas):
        if not does(account, "case_file", "request", areas):
            raise NotAllowedError("您的账号不能办理此事项。")
        raise MissingError("没有这家企业，或不在您的范围内。")
    if not connection.execute(
        "select 1 from publishing.grade_history where uscc = %s and valid_from <= %s", (uscc, as_of)
    ).fetchone():
        raise WorkbenchError(f"{as_of} 没有已发布的等级，请核对日期。")
    if as_of > (last := last_day(connection)):
        raise WorkbenchError(f"公开日志只到 {last}，此后的日期须待发布后才能证明，请核对日期。")
    for one in _requests(connection, uscc=uscc):
        if one["made_at"] is None and one["as_of"] == as_of.isoformat():
            raise ConflictError(f"这份卷宗正在制作，受理编号 {one['subject_id']}。")
    row = connection.execute(
        "select count(*) from workbench.acts where subject_kind = 'case_file' and account_name = %s and acted_on = %s",
        (account.name, acts.office_day(connection)),
    ).fetchone()
    if row and row[0] >= MOST_A_DAY:
        raise ConflictError(f"一个账号每天最多申请 {MOST_A_DAY} 份卷宗，请明天再来。")
    receipt = acts.receipt(connection, "JZ")
    acts.record(
        connection,
        account.name,
        Act("case_file", receipt, 0, "request", {"as_of": as_of.isoformat()}, form_id, place),
    )
    return receipt


def listed(connection: psycopg.Connection, account: Account, areas: Areas) -> list[dict[str, Any]]:
    """Return the case files that the account may fetch, with those that are being made, the newest first."""
    return [row for row in _requests(connection, uscc=account.uscc) if _is_shown(account, row, areas)]


def content(connection: psycopg.Connection, account: Account, areas: Areas, number: str) -> tuple[str, bytes]:
    """Return a case file's name and bytes. Raises MissingError when there is none, or none for this account."""
    rows = [row for row in _requests(connection, subject=number) if _is_shown(account, row, areas) and row["sha256"]]
    held = connection.execute("select content from publishing.case_files where case_file_id = %s", (number,)).fetchone()
    if not rows or held is None:
        raise MissingError("没有这份卷宗，或不在您的范围内。")
    return f"{number}-{rows[0]['uscc']}-{rows[0]['as_of']}.zip", bytes(held[0])


def _requests(
    connection: psycopg.Connection, *, uscc: str | None = None, subject: str | None = None
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(REQUESTS, {"uscc": uscc, "subject": subject}).fetchall()


def _is_shown(account: Account, row: dict[str, Any], areas: Areas) -> bool:
    return may(account, "case_file", "request", Place(uscc=row["uscc"], area_code=row["area_code"]), areas)
