"""What people decide about an alert: explained, confirmed by whom, closed; never rewritten, known to later nights.

Owns the transitions and what each needs. A confirmation counts in a grade only from the night after it, by way of the
warehouse; nothing here touches a grade.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.supervision.alerts import PLATFORM
from property_credit.supervision.divisions import prefix
from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

STATES = ("open", "explained", "confirmed", "closed")
ALLOWED: Mapping[str, Sequence[str]] = {  # to: from
    "open": ("explained", "confirmed", "closed"),
    "explained": ("open", "explained"),
    "confirmed": ("open", "explained", "confirmed"),
    "closed": ("open", "explained", "confirmed"),
}
STATE_OF = {"explain": "explained", "confirm": "confirmed", "close": "closed", "reopen": "open"}  # by act
LIST = """
select alert_id, kind_code, severity_code, state_code, uscc, community_id, region_code, account_no, first_on,
  amount_cny, first_seen_on, last_seen_on
from supervision.alerts
where (%(state)s::text is null or state_code = %(state)s) and (%(kind)s::text is null or kind_code = %(kind)s)
  and (%(region)s::text is null or region_code like %(region)s) and (%(uscc)s::text is null or uscc = %(uscc)s)
order by array_position(array['serious', 'general', 'minor'], severity_code), first_on desc nulls last, alert_id
"""
RECORD = """
insert into supervision.alert_decisions (alert_id, decision_number, state_code, decided_by, decided_on, known_on,
  reason, document_no, record_id, kind_code, uscc, community_id, first_on, received_at)
select alerts.alert_id, coalesce((select max(decision_number) from supervision.alert_decisions as decisions
    where decisions.alert_id = alerts.alert_id), 0) + 1,
  %(state)s, %(by)s, %(decided_on)s, %(known_on)s, %(reason)s, %(document_no)s, %(record_id)s,
  alerts.kind_code, alerts.uscc, alerts.community_id, alerts.first_on, now()
from supervision.alerts as alerts where alerts.alert_id = %(alert_id)s
"""


@dataclass(frozen=True)
class Decision:
    """A decision as it was recorded; ``known_on`` is the first night that counts it."""

    alert_id: str
    state_code: str
    decided_by: str
    decided_on: date
    known_on: date


def alerts(
    *, state: str | None = None, kind: str | None = None, region: str | None = None, uscc: str | None = None
) -> list[dict[str, Any]]:
    """Return the alerts, most severe and newest first; ``region`` covers everything below it (1502 or 150200: 包头)."""
    if state is not None and state not in STATES:
        raise SupervisionError(f"there is no state {state!r}; states are: {', '.join(STATES)}")
    below = prefix(region) + "%" if region else None
    with connect("pc_supervision") as connection, connection.cursor(row_factory=dict_row) as cursor:
        wanted = {"state": state, "kind": kind, "region": below, "uscc": uscc}
        return cursor.execute(LIST, wanted).fetchall()


def alert(alert_id: str) -> dict[str, Any]:
    """Return one alert with its evidence and decisions. Raises SupervisionError when there is none of that id."""
    with connect("pc_supervision") as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("select * from supervision.alerts where alert_id = %s", (alert_id,)).fetchone()
        if row is None:
            raise SupervisionError(f"there is no alert {alert_id!r}; see `property-credit alerts list`")
        decided = cursor.execute(
            "select decision_number, state_code, decided_by, decided_on, known_on, reason, document_no, record_id"
            " from supervision.alert_decisions where alert_id = %s order by decision_number",
            (alert_id,),
        ).fetchall()
    return {**row, "decisions": decided}


def decide(
    alert_id: str,
    state: str,
    *,
    by: str,
    reason: str,
    decided_on: date | None = None,
    document_no: str | None = None,
    record_id: str | None = None,
) -> Decision:
    """Record that ``by`` (code of an officer or office) put an alert into ``state``.

    Args:
        alert_id: the alert.
        state: one of STATES; ``open`` takes an earlier decision back.
        by: code of the officer or office, never a name.
        reason: one sentence, without anything about a person.
        decided_on: the day of the decision; None: the day after the newest night.
        document_no: number of the determination (认定文书); a confirmation needs it.
        record_id: the public credit record of the same case: it counts in the grade instead of the alert.

    Raises:
        SupervisionError: no such alert, a state that cannot follow, or something missing.
    """
    if not by.strip() or by == PLATFORM or not reason.strip():
        raise SupervisionError("a decision needs the code of who decided (--by) and a reason (--reason)")
    if state == "confirmed" and not (document_no or "").strip():
        raise SupervisionError(
            "a confirmation needs the number of the determination (--document): it counts in a grade"
        )
    with connect("pc_supervision") as connection:
        return _decide(
            connection,
            alert_id,
            state,
            by=by,
            reason=reason,
            decided_on=decided_on,
            document_no=document_no,
            record_id=record_id,
        )


@dataclass(frozen=True)
class TakenActs:
    """What became of the acts that people did in the workbench: how many are decisions now, and those that are none."""

    decided_count: int
    refusals: tuple[str, ...]


def take_acts(business_date: date) -> TakenActs:
    """Record what people decided about alerts in the workbench up to ``business_date``; an act is taken once.

    An act that cannot follow any more (the alert closed itself meanwhile) changes nothing and is kept with the reason.
    """
    decided, refusals = 0, []
    with connect("pc_supervision") as connection:
        acts = connection.execute("select * from workbench.alert_acts(%s)", (business_date,)).fetchall()
        for act_id, alert_id, code, by, acted_on, reason, document_no, record_id in acts:
            refusal = None
            try:
                with connection.transaction():
                    _decide(
                        connection,
                        alert_id,
                        STATE_OF[code],
                        by=by,
                        reason=reason,
                        decided_on=acted_on,
                        document_no=document_no,
                        record_id=record_id,
                    )
                decided += 1
            except SupervisionError as error:
                refusal = str(error)
                refusals.append(f"act {act_id}: {refusal}")
            connection.execute(
                "insert into supervision.taken_acts (act_id, business_date, refusal, taken_at) values (%s, %s, %s, %s)",
                (act_id, business_date, refusal, arrival()),
            )
    return TakenActs(decided, tuple(refusals))


def _decide(
    connection: psycopg.Connection,
    alert_id: str,
    state: str,
    *,
    by: str,
    reason: str,
    decided_on: date | None,
    document_no: str | None,
    record_id: str | None,
) -> Decision:
    now = _state(connection, alert_id)
    if now not in ALLOWED[state]:
        raise SupervisionError(f"alert {alert_id} is {now}: it cannot become {state}")
    next_night = _newest_night(connection) + timedelta(days=1)
    day = decided_on or next_night
    decision = Decision(alert_id, state, by, day, max(day, next_night))
    connection.execute(
        RECORD,
        {
            "alert_id": alert_id, "state": state, "by": by, "decided_on": day, "known_on": decision.known_on,
            "reason": reason, "document_no": document_no, "record_id": record_id,
        },
    )  # fmt: skip
    connection.execute("update supervision.alerts set state_code = %s where alert_id = %s", (state, alert_id))
    return decision


def _state(connection: psycopg.Connection, alert_id: str) -> str:
    row = connection.execute(
        "select state_code from supervision.alerts where alert_id = %s for update", (alert_id,)
    ).fetchone()
    if row is None:
        raise SupervisionError(f"there is no alert {alert_id!r}; see `property-credit alerts list`")
    return str(row[0])


def _newest_night(connection: psycopg.Connection) -> date:
    """Return the newest night that was built whole, or is being: what is decided now must not change its grades.

    A build of a few models (an engineer's check of tomorrow) grades nobody and postpones no decision.
    """
    row = connection.execute("select max(business_date) from ops.builds where mode <> 'partial'").fetchone()
    if row is None or row[0] is None:
        raise SupervisionError("no night has been built yet: there is nothing to decide about")
    return row[0]
