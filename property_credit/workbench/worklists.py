"""Worklists of alerts on money and exits: filter, assign, explain, confirm, close, one or many at once.

Owns what may follow what. An act here becomes a decision in the night that takes it; until then the list shows it as
recorded. Several alerts in one form are one transaction: all of it is done or nothing.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.workbench import acts, cases
from property_credit.workbench.acts import Act
from property_credit.workbench.areas import Areas
from property_credit.workbench.errors import ConflictError, MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.rights import DECIDING, Account, Place, may, sees

STATES = {"open": "待核查", "explained": "已说明", "confirmed": "已确认", "closed": "已办结"}
SEVERITIES = {"serious": "严重", "general": "一般", "minor": "轻微"}
SORTS = {"severity": "严重程度", "newest": "最近发现", "oldest": "最早发生", "amount": "金额"}
STATE_OF = {"explain": "explained", "confirm": "confirmed", "close": "closed", "reopen": "open"}
FROM = {  # act → states it may follow
    "explain": ("open", "explained"),
    "confirm": ("open", "explained"),
    "close": ("open", "explained", "confirmed"),
    "reopen": ("explained", "confirmed", "closed"),
    "assign": tuple(STATES),
    "note": tuple(STATES),
}
MOST_AT_ONCE = 100
ALERTS = """
with done as (
  select acts.subject_id as alert_id, max(subject_version) as version,
    (array_agg(details ->> 'to' order by acts.act_id desc) filter (where act_code = 'assign'))[1] as assigned_to,
    (array_agg(act_code order by acts.act_id desc) filter (where taken.act_id is null
      and act_code in ('explain', 'confirm', 'close', 'reopen')))[1] as waiting_code,
    (array_agg(taken.refusal order by acts.act_id desc) filter (where taken.act_id is not null))[1] as refusal
  from workbench.acts
  left join supervision.taken_acts as taken on taken.act_id = acts.act_id
  where subject_kind = 'alert' and (%(alert_id)s::text is null or subject_id = %(alert_id)s)
  group by subject_id
)
select alerts.*, coalesce(done.version, 0) as version, done.assigned_to, done.waiting_code, done.refusal,
  codes.label_zh as kind_zh
from supervision.alerts
left join done on done.alert_id = alerts.alert_id
left join marts.mart_scorecards__codes as codes on codes.list_code = 'alert_kind' and codes.code = alerts.kind_code
where %(alert_id)s::text is null or alerts.alert_id = %(alert_id)s
"""
DECISIONS = """
select decision_number, state_code, decided_by, decided_on, known_on, reason, document_no
from supervision.alert_decisions where alert_id = %s order by decision_number
"""
CLOCKS = """
select clock_id, clock_kind_code, subject_id, uscc, region_code, started_on, due_on, status_code
from supervision.clocks where is_duty and status_code in ('running', 'due', 'overdue') order by due_on, clock_id
"""


@dataclass(frozen=True)
class Filter:
    """What of the list is shown; empty: all."""

    state: str = "open"
    kind: str = ""
    severity: str = ""
    text: str = ""
    mine: bool = False
    sort: str = "severity"


def listed(connection: psycopg.Connection, account: Account, areas: Areas, wanted: Filter) -> list[dict[str, Any]]:
    """Return the alerts of the account's area that ``wanted`` names, in its order."""
    rows = [row for row in _rows(connection, areas) if sees(account, row["place"], areas)]
    if wanted.state in STATES:
        rows = [row for row in rows if row["shown_state"] == wanted.state]
    if wanted.kind:
        rows = [row for row in rows if row["kind_code"] == wanted.kind]
    if wanted.severity:
        rows = [row for row in rows if row["severity_code"] == wanted.severity]
    if wanted.mine:
        rows = [row for row in rows if row["assigned_to"] == account.name]
    if wanted.text:
        columns = ("alert_id", "uscc", "community_id", "account_no")
        rows = [row for row in rows if any(wanted.text in str(row[name] or "") for name in columns)]
    order = list(SEVERITIES)
    if wanted.sort == "amount":
        return sorted(rows, key=lambda row: -(row["amount_cny"] or 0))
    if wanted.sort == "oldest":
        return sorted(rows, key=lambda row: str(row["first_on"] or ""))
    if wanted.sort == "newest":
        return sorted(rows, key=lambda row: str(row["first_seen_on"]), reverse=True)
    return sorted(rows, key=lambda row: (order.index(row["severity_code"]), row["first_seen_on"], row["alert_id"]))


def find(connection: psycopg.Connection, account: Account, areas: Areas, alert_id: str) -> dict[str, Any]:
    """Return an alert of the account's area with its decisions; MissingError for all others."""
    rows = _rows(connection, areas, alert_id)
    if not rows or account.role_code != "officer" or not sees(account, rows[0]["place"], areas):
        raise MissingError("没有这条预警，或不在您的范围内。")
    with connection.cursor(row_factory=dict_row) as cursor:
        return {**rows[0], "decisions": cursor.execute(DECISIONS, (alert_id,)).fetchall()}


def act(
    connection: psycopg.Connection,
    account: Account,
    areas: Areas,
    chosen: list[tuple[str, int]],
    code: str,
    given: dict[str, Any],
    *,
    form_id: str,
) -> None:
    """Do ``code`` to each of ``chosen`` (alert, number of its acts that the person had seen); commits nothing.

    Raises MissingError, NotAllowedError, ConflictError naming the alert that has moved on, or WorkbenchError.
    """
    if code not in FROM:
        raise WorkbenchError("请选择要办理的事项。")
    if not 1 <= len(chosen) <= MOST_AT_ONCE:
        raise WorkbenchError(f"请选择 1 至 {MOST_AT_ONCE} 条预警。")
    details = _details(connection, account, areas, code, given)
    for alert_id, follows in chosen:
        row = find(connection, account, areas, alert_id)
        if not may(account, "alert", code, row["place"], areas):
            raise NotAllowedError("您的账号不能办理此事项。")
        if follows == row["version"] and row["shown_state"] not in FROM[code]:
            raise ConflictError(f"预警 {alert_id} 目前为“{STATES[row['shown_state']]}”，不能这样办理。")
        own = acts.follow_up(form_id, alert_id) if len(chosen) > 1 else form_id
        try:
            acts.record(connection, account.name, Act("alert", alert_id, follows, code, details, own, row["place"]))
        except ConflictError as error:
            raise ConflictError(f"预警 {alert_id} 刚刚由他人办理过，所选各条均未保存，请刷新后再办理。") from error


def colleagues(connection: psycopg.Connection, account: Account, areas: Areas) -> list[Account]:
    """Return the officers that alerts of the account's area may be assigned to."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select account_name as name, role_code, area_code, community_id, uscc, officer_code "
            "from workbench.accounts where role_code = 'officer' and is_active order by area_code, account_name"
        ).fetchall()
    officers = [Account(**row) for row in rows]
    return [one for one in officers if one.level(areas) in DECIDING and areas.holds(account.area_code, one.area_code)]


def clocks(connection: psycopg.Connection, account: Account, areas: Areas) -> list[dict[str, Any]]:
    """Return the clocks of the area that run or are overdue, the next to end first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(CLOCKS).fetchall()
    return [row for row in rows if sees(account, Place(area_code=row["region_code"]), areas)]


def _details(
    connection: psycopg.Connection, account: Account, areas: Areas, code: str, given: dict[str, Any]
) -> dict[str, Any]:
    if code == "assign":
        to = next((one for one in colleagues(connection, account, areas) if one.name == given.get("to")), None)
        if to is None:
            raise WorkbenchError("请选择本地区的经办人。")
        return {"to": to.name, "to_officer_code": to.officer_code}
    details: dict[str, Any] = {"reason": " ".join(cases.words(given.get("reason"), "理由").split())}
    if code == "confirm":
        document = str(given.get("document_no") or "").strip()
        if not document or len(document) > 100 or not document.isprintable():
            raise WorkbenchError("确认须填写认定文书号：它将计入评价。")
        details |= {"document_no": document, "record_id": str(given.get("record_id") or "").strip()[:100] or None}
    return details


def _rows(connection: psycopg.Connection, areas: Areas, alert_id: str | None = None) -> list[dict[str, Any]]:
    root = next((code for code, parent in areas.parents.items() if parent is None), None)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(ALERTS, {"alert_id": alert_id}).fetchall()
    for row in rows:
        exact = areas.communities.get(row["community_id"] or "") or row["region_code"] or root
        row["place"] = Place(row["uscc"], exact, row["community_id"])
        row["shown_state"] = STATE_OF.get(row["waiting_code"] or "", row["state_code"])
    return rows
