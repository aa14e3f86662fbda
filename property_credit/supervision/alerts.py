"""The register of alerts: what tonight's facts call for is raised once, told once, and closed when they do not.

Owns how candidates become alerts and how an alert follows its rows. The warehouse decides what calls for an alert
(``mart_supervision__alert_candidates``), people decide what becomes of one (``supervision.decisions``).
"""

from dataclasses import dataclass
from datetime import date, timedelta

import psycopg

from property_credit.warehouse.connection import connect

PLATFORM = "platform"  # who decided when nobody did: the rows changed
GONE = "依据已更正或情形已消除，预警自动关闭 · its rows were corrected or the state has ended"
BACK = "依据再次出现，恢复关闭前状态 · its rows are back"

RAISE = """
with fresh as (
  insert into supervision.alerts (alert_id, kind_code, severity_code, uscc, community_id, region_code, account_no,
    first_on, amount_cny, evidence, first_seen_on, last_seen_on, raised_at)
  select alert_id, kind_code, severity_code, uscc, community_id, region_code, account_no, first_on, amount_cny,
    evidence, %(night)s, %(night)s, now()
  from marts.mart_supervision__alert_candidates
  where is_raisable
  order by alert_id
  on conflict (alert_id) do nothing
  returning alert_id
)
insert into supervision.notices (notice_id, kind_code, subject_id, level_code, region_code, uscc, body, business_date,
  raised_at)
select 'alert_raised/' || candidates.alert_id, 'alert_raised', candidates.alert_id, candidates.level_code,
  case candidates.level_code
    when 'city' then left(candidates.region_code, 4) || '00'
    when 'region' then left(candidates.region_code, 2) || '0000'
    else candidates.region_code
  end,
  candidates.uscc,
  jsonb_build_object('alert_id', candidates.alert_id, 'kind_code', candidates.kind_code,
    'kind_zh', candidates.label_zh, 'kind_en', candidates.label_en, 'severity_code', candidates.severity_code,
    'community_id', candidates.community_id, 'community_name', candidates.community_name,
    'first_on', candidates.first_on, 'amount_cny', candidates.amount_cny, 'evidence', candidates.evidence,
    'decide_by', %(night)s::date + candidates.decide_within_days),
  %(night)s, now()
from fresh
join marts.mart_supervision__alert_candidates as candidates on candidates.alert_id = fresh.alert_id
order by candidates.alert_id
on conflict (notice_id) do nothing
"""
FOLLOW = """
update supervision.alerts as alerts
set last_seen_on = %(night)s, kind_code = seen.kind_code, severity_code = seen.severity_code, uscc = seen.uscc,
  region_code = seen.region_code, first_on = seen.first_on, amount_cny = seen.amount_cny, evidence = seen.evidence
from marts.mart_supervision__alert_candidates as seen
where seen.alert_id = alerts.alert_id
  and (alerts.last_seen_on, alerts.severity_code, alerts.uscc, alerts.region_code, alerts.first_on, alerts.amount_cny,
    alerts.evidence)
    is distinct from (%(night)s, seen.severity_code, seen.uscc, seen.region_code, seen.first_on, seen.amount_cny,
    seen.evidence)
"""
MOVE = """
with chosen as (
  {chosen}
), moved as (
  update supervision.alerts as alerts set state_code = chosen.state_code
  from chosen where chosen.alert_id = alerts.alert_id
  returning alerts.alert_id, alerts.state_code, alerts.kind_code, alerts.uscc, alerts.community_id, alerts.first_on
)
insert into supervision.alert_decisions (alert_id, decision_number, state_code, decided_by, decided_on, known_on,
  reason, document_no, record_id, kind_code, uscc, community_id, first_on, received_at)
select moved.alert_id, coalesce(last.decision_number, 0) + 1, moved.state_code, %(by)s, %(night)s, %(known_on)s,
  %(reason)s, last.document_no, last.record_id, moved.kind_code, moved.uscc, moved.community_id, moved.first_on, now()
from moved
left join lateral (
  select decision_number, document_no, record_id from supervision.alert_decisions as decisions
  where decisions.alert_id = moved.alert_id order by decision_number desc limit 1
) as last on true
order by moved.alert_id
"""
CLOSED = """
  select alerts.alert_id, 'closed' as state_code
  from supervision.alerts as alerts
  where alerts.state_code <> 'closed'
    and not exists (
      select from marts.mart_supervision__alert_candidates as seen where seen.alert_id = alerts.alert_id)
"""
REOPENED = """
  select alerts.alert_id, coalesce((
      select before.state_code from supervision.alert_decisions as before
      where before.alert_id = alerts.alert_id and before.decided_by <> %(by)s
      order by before.decision_number desc limit 1), 'open') as state_code
  from supervision.alerts as alerts
  join marts.mart_supervision__alert_candidates as seen on seen.alert_id = alerts.alert_id
  where alerts.state_code = 'closed' and %(by)s = (
    select last.decided_by from supervision.alert_decisions as last
    where last.alert_id = alerts.alert_id order by last.decision_number desc limit 1)
"""


@dataclass(frozen=True)
class AlertsReport:
    """What a night did to the register. ``is_past``: a later night was already processed: nothing was touched."""

    raised: int
    closed: int
    reopened: int
    open: int
    is_past: bool = False

    @property
    def is_new(self) -> bool:
        """Whether anything was raised, closed or reopened."""
        return bool(self.raised or self.closed or self.reopened)


def raise_alerts(night: date) -> AlertsReport:
    """Take what the marts call for on ``night`` into the register, in one transaction.

    A new alert gets one notice. One whose rows are gone closes itself, whatever its state, and keeps its decisions;
    when they come back it is the same alert in the state it had, without another notice. What a person closed stays
    closed.
    The marts must hold ``night``; a night before the register's newest one changes nothing.
    """
    with connect("pc_supervision") as connection:
        connection.execute("lock table supervision.alerts in share row exclusive mode")
        if _newest(connection) > night:
            return AlertsReport(0, 0, 0, _open(connection), is_past=True)
        moved = {"night": night, "by": PLATFORM, "known_on": night + timedelta(days=1)}
        raised = connection.execute(RAISE, {"night": night}).rowcount
        connection.execute(FOLLOW, {"night": night})
        closed = connection.execute(MOVE.format(chosen=CLOSED), moved | {"reason": GONE}).rowcount
        reopened = connection.execute(MOVE.format(chosen=REOPENED), moved | {"reason": BACK}).rowcount
        return AlertsReport(raised, closed, reopened, _open(connection))


def _newest(connection: psycopg.Connection) -> date:
    row = connection.execute(
        """
        select greatest((select max(last_seen_on) from supervision.alerts),
          (select max(decided_on) from supervision.alert_decisions where decided_by = %s))
        """,
        (PLATFORM,),
    ).fetchone()
    return row[0] if row and row[0] else date.min


def _open(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from supervision.alerts where state_code = 'open'").fetchone()
    return row[0] if row else 0
