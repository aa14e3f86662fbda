"""The live board of 码上办: what is overdue now, by clock and age, what was told to whom, and what an office does.

Reads supervision's escalations as the last tick left them. A complaint that an office closes here is delivered to the
feed ``complaints`` by the next tick, which closes its escalations; taking over, notes and sending back stay here.
"""

from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.warehouse.business_date import arrival
from property_credit.workbench import acts, cases
from property_credit.workbench.acts import Act
from property_credit.workbench.areas import Areas
from property_credit.workbench.attachments import Attachment
from property_credit.workbench.errors import MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.rights import Account, Place, may, sees

KINDS = {"response": "超时未响应", "handling": "12小时未办理", "resolution": "24小时未解决"}
LEVELS_TOLD = {"district": "督促旗县区", "city": "盟市标红提醒", "region": "自治区提级督办"}
AGES = ((timedelta(hours=24), "24 小时内"), (timedelta(days=7), "1 至 7 天"), (timedelta.max, "7 天以上"))
SHOWN = 60  # complaints on a page: a phone's first view stays light
OPEN = """
select complaint_id, min(community_id) as community_id, min(region_code) as region_code,
  min(street_code) as street_code, min(uscc) as uscc, min(category_code) as category_code,
  min(submitted_at) as submitted_at, min(due_at) as due_at,
  array_agg(kind_code order by due_at) as kinds, array_agg(level_code order by due_at) as levels,
  array_agg(due_at order by due_at) as dues, array_agg(escalation_id) as escalation_ids
from supervision.escalations
where closed_at is null and (%(complaint)s::text is null or complaint_id = %(complaint)s)
  and (region_code = any(%(areas)s) or street_code = any(%(areas)s))
  and (%(community)s::text is null or community_id = %(community)s)
group by complaint_id order by min(due_at), complaint_id
"""
TOLD = """
select subject_id, kind_code, level_code, region_code, raised_at from supervision.notices
where subject_id = any(%s) order by raised_at
"""
DONE = """
select subject_id, max(subject_version) as version,
  (array_agg(act_code order by act_id desc) filter (where act_code <> 'note'))[1] as last_code,
  (array_agg(officer_code order by act_id desc) filter (where act_code = 'take'))[1] as taken_by
from workbench.acts where subject_kind = 'complaint' and subject_id = any(%s) group by subject_id
"""


def overdue(
    connection: psycopg.Connection, account: Account, areas: Areas, complaint_id: str | None = None
) -> list[dict[str, Any]]:
    """Return the complaints of the account's area with an open escalation, the longest overdue first.

    How long is said as of the last tick: that is what the board shows.
    """
    if account.role_code != "officer":
        raise NotAllowedError("此页面供经办人使用。")
    below = [code for code in areas.names if areas.holds(account.area_code, code)]
    with connection.cursor(row_factory=dict_row) as cursor:
        given = {"complaint": complaint_id, "areas": below, "community": account.community_id}
        rows = cursor.execute(OPEN, given).fetchall()
        done = {
            row["subject_id"]: row for row in cursor.execute(DONE, ([row["complaint_id"] for row in rows],)).fetchall()
        }
    judged_at = as_of(connection) or arrival()
    for row in rows:
        own = done.get(row["complaint_id"], {})
        row["version"], row["last_code"], row["taken_by"] = (
            own.get("version", 0),
            own.get("last_code"),
            own.get("taken_by"),
        )
        row["place"] = Place(row["uscc"], row["street_code"] or row["region_code"], row["community_id"])
        row["ages"] = [judged_at - due_at for due_at in row["dues"]]
        row["age"] = row["ages"][0]
    return [row for row in rows if sees(account, row["place"], areas)]


def counts(rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return how many complaints are overdue by clock, one number for each of AGES."""
    by_kind = {kind: [0] * len(AGES) for kind in KINDS}
    for row in rows:
        for kind, age in zip(row["kinds"], row["ages"], strict=True):
            bucket = next(at for at, (limit, _words) in enumerate(AGES) if age < limit)
            by_kind[kind][bucket] += 1
    return by_kind


def told(connection: psycopg.Connection, rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return what offices were told about the escalations of ``rows``, by complaint."""
    of = {one: row["complaint_id"] for row in rows for one in row["escalation_ids"]}
    notices: dict[str, list[dict[str, Any]]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for notice in cursor.execute(TOLD, (list(of),)).fetchall():
            notices.setdefault(of[notice["subject_id"]], []).append(notice)
    return notices


def as_of(connection: psycopg.Connection) -> datetime | None:
    """Return the instant that the last tick judged at; None before the first."""
    row = connection.execute("select max(as_of) from supervision.ticks").fetchone()
    return row[0] if row else None


def act(
    connection: psycopg.Connection,
    account: Account,
    areas: Areas,
    complaint_id: str,
    code: str,
    *,
    reason: str,
    attached: list[Attachment],
    follows: int,
    form_id: str,
) -> None:
    """Take a complaint over, annotate it, send it back or close it with evidence; commits nothing.

    Raises MissingError for a complaint that is not overdue in the account's area, WorkbenchError without a reason, or
    without evidence where it is closed.
    """
    rows = overdue(connection, account, areas, complaint_id)
    if not rows:
        raise MissingError("没有这件诉求，或它已不再超时，或不在您的范围内。")
    if not may(account, "complaint", code, rows[0]["place"], areas):
        raise NotAllowedError("您的账号不能办理此事项。")
    details: dict[str, Any] = {}
    if code != "take":
        details["reason"] = " ".join(cases.words(reason, "说明").split())
    if code == "close":
        if not attached:
            raise WorkbenchError("办结须上传处理结果的证明（照片或文件）。")
        details["attachments"] = [one.as_dict() for one in attached]
    acts.record(
        connection,
        account.name,
        Act("complaint", complaint_id, follows, code, details, form_id, rows[0]["place"]),
    )
