"""An enterprise's grade as it stands and as the next list would have it, with every lost point and its evidence.

Reads scoring, publishing and marts; writes nothing and computes nothing.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.warehouse import quarters
from property_credit.workbench.errors import MissingError

STATUSES = {"rated": "已评级", "not_rated": "暂不评级（数据不足）", "serious_dishonesty": "严重失信"}
TARGETS = {"complaints": "complaint", "inspections": "inspection", "public_credit": "public_credit"}  # by feed
TARGETS_ZH = {
    "complaint": "诉求",
    "inspection": "检查记录",
    "public_credit": "公共信用记录",
    "grade": "信用等级",
    "indicator": "评价指标",
}
EVIDENCE_SHOWN = 60
RUN = """
select run_id, business_date, method_version from scoring.runs where as_of is null and not is_shadow
order by business_date desc, recorded_at desc limit 1
"""
TONIGHT = """
select uscc, enterprise_name, grade, status_code, score, public_pct, market_pct, bonus_points, grade_before_caps, held,
  caps, not_rated_reasons, objections, score_without_disputed, grade_without_disputed, lift
from scoring.grades where run_id = %s and uscc = %s
"""
POINTS = """
select indicator_code, is_available, status_code, points, max_points, reason_zh, evidence_ids
from scoring.indicator_points where run_id = %s and uscc = %s
"""
PUBLISHED = """
select grade, status_code, valid_from, method_version, enterprise_name, body ->> 'reply' as reply
from publishing.grade_history where uscc = %s order by version_no desc limit 1
"""
EVIDENCE = """
select evidence_id, evidence_feed, event_on from marts.mart_scoring__indicator_evidence
where uscc = %s and indicator_code = %s order by weight desc, event_on desc, evidence_id
"""
ALL_EVIDENCE = """
select indicator_code, evidence from marts.mart_scorecards__indicator_evidence where uscc = %s
"""
FEEDS = """
select distinct indicator_code, evidence_feed from marts.mart_scoring__indicator_evidence where uscc = %s
"""
RECORDS = """
select record_id, record_type_code, tier_code, decided_on, shown_on from marts.mart_scoring__records where uscc = %s
order by shown_on, record_id
"""


@dataclass(frozen=True)
class Grades:
    """What an enterprise sees of itself; ``published`` and ``tonight`` are rows, None where there is none."""

    uscc: str
    name: str
    published: dict[str, Any] | None
    tonight: dict[str, Any] | None
    business_date: date | None
    method_version: str | None
    binds_from: date | None
    preview_from: date | None
    domains: list[dict[str, Any]]
    records: list[dict[str, Any]]


def of(connection: psycopg.Connection, uscc: str, today: date) -> Grades:
    """Return the grades of ``uscc``. Raises MissingError when no night knows it."""
    cursor = connection.cursor(row_factory=dict_row)
    run = cursor.execute(RUN).fetchone()
    published = cursor.execute(PUBLISHED, (uscc,)).fetchone()
    tonight = cursor.execute(TONIGHT, (run["run_id"], uscc)).fetchone() if run else None
    if published is None and tonight is None:
        raise MissingError("评价范围内没有这家企业的数据，请次日再来或联系主管部门。")
    domains: list[dict[str, Any]] = []
    if run and tonight:
        method = cursor.execute(
            "select document from scoring.methods where method_version = %s", (run["method_version"],)
        ).fetchone()
        points = cursor.execute(POINTS, (run["run_id"], uscc)).fetchall()
        domains = _domains(method["document"] if method else {}, points, _evidence(cursor, uscc, points))
    binds_from = quarters.next_quarter_on(max(today, run["business_date"] + timedelta(days=1))) if run else None
    return Grades(
        uscc=uscc,
        name=(tonight or published or {})["enterprise_name"],
        published=published,
        tonight=tonight,
        business_date=run["business_date"] if run else None,
        method_version=run["method_version"] if run else None,
        binds_from=binds_from,
        preview_from=quarters.preview_from(binds_from) if binds_from else None,
        domains=domains,
        records=_records(cursor, uscc, tonight),
    )


def standing_of(connection: psycopg.Connection, uscc: str) -> dict[str, Any] | None:
    """Return the newest night's grade of an enterprise; None when it has none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        run = cursor.execute(RUN).fetchone()
        return cursor.execute(TONIGHT, (run["run_id"], uscc)).fetchone() if run else None


def indicator_evidence(connection: psycopg.Connection, uscc: str, code: str) -> list[dict[str, Any]]:
    """Return the heaviest evidence of an indicator: id, objection target type (None: not by itself), day."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(EVIDENCE, (uscc, code)).fetchall()
    return [
        {"id": row["evidence_id"], "target_type_code": TARGETS.get(row["evidence_feed"]), "event_on": row["event_on"]}
        for row in rows
    ]


def owns_target(connection: psycopg.Connection, uscc: str, target_type_code: str, target_id: str) -> bool:
    """Say whether an enterprise may object to a target: it is its own evidence, record, indicator or grade."""
    if target_type_code == "grade":
        return (
            connection.execute("select 1 from publishing.grade_history where uscc = %s", (uscc,)).fetchone() is not None
        )
    if target_type_code == "indicator":
        query = (
            "select 1 from scoring.indicator_points where run_id = (select run_id from scoring.runs "
            "where as_of is null and not is_shadow order by business_date desc, recorded_at desc limit 1) "
            "and uscc = %s and indicator_code = %s"
        )
        return connection.execute(query, (uscc, target_id)).fetchone() is not None
    if target_type_code == "public_credit" and any(
        row[0] == target_id
        for row in connection.execute(
            "select record_id from marts.mart_scoring__records where uscc = %s", (uscc,)
        ).fetchall()
    ):
        return True
    query = (
        "select 1 from marts.mart_scorecards__indicator_evidence as held, jsonb_array_elements(held.evidence) as piece "
        "where held.uscc = %s and piece ->> 0 = %s and exists (select from marts.mart_scoring__disputable_counts as "
        "counted where counted.uscc = %s and counted.target_type_code = %s and counted.target_id = %s)"
    )
    return connection.execute(query, (uscc, target_id, uscc, target_type_code, target_id)).fetchone() is not None


def _evidence(
    cursor: psycopg.Cursor[dict[str, Any]], uscc: str, points: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Return every indicator's evidence, the heaviest first."""
    feeds: dict[str, set[str]] = {}
    for row in cursor.execute(FEEDS, (uscc,)).fetchall():
        feeds.setdefault(row["indicator_code"], set()).add(row["evidence_feed"])
    known = {row["indicator_code"]: row["evidence"] for row in cursor.execute(ALL_EVIDENCE, (uscc,)).fetchall()}
    evidence = {}
    for row in points:
        code = row["indicator_code"]
        own = feeds.get(code, set())
        target = TARGETS.get(next(iter(own))) if len(own) == 1 else None
        pieces = known.get(code) or [[one, None, None, None] for one in row["evidence_ids"]]
        evidence[code] = [
            {"id": one[0], "event_on": one[1], "community_id": one[2], "hours": one[3], "target_type_code": target}
            for one in pieces
        ]
    return evidence


def _domains(
    document: dict[str, Any], points: list[dict[str, Any]], evidence: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    indicators, names = document.get("indicators", {}), document.get("domains", {})
    by_code = {row["indicator_code"]: row for row in points}
    order = document.get("order", {})
    domains: dict[str, dict[str, Any]] = {}
    for code in [*order.get("indicators", indicators), *by_code]:
        row = by_code.pop(code, None)
        if row is None:
            continue
        domain = indicators.get(code, {}).get("domain", "")
        shown = domains.setdefault(
            domain,
            {"name": names.get(domain, {}).get("name", {}).get("zh", domain), "lost": 0, "indicators": []},
        )
        lost = row["max_points"] - row["points"] if row["is_available"] else 0
        shown["lost"] += lost
        shown["indicators"].append(
            {
                **row,
                "name": indicators.get(code, {}).get("name", {}).get("zh", code),
                "lost": lost,
                "evidence": evidence.get(code, [])[:EVIDENCE_SHOWN],
                "evidence_left": max(len(evidence.get(code, [])) - EVIDENCE_SHOWN, 0),
            }
        )
    return list(domains.values())


def _records(cursor: psycopg.Cursor[dict[str, Any]], uscc: str, tonight: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the standing credit records with the earliest day each can be repaired, as the run computed it."""
    improvement = (tonight or {}).get("lift") or {}
    earliest = {one["record_id"]: date.fromisoformat(one["repairable_from"]) for one in improvement.get("records", [])}
    words = {
        (row["list_code"], row["code"]): row["label_zh"]
        for row in cursor.execute(
            "select list_code, code, label_zh from marts.mart_scorecards__codes "
            "where list_code in ('record_type', 'tier')"
        ).fetchall()
    }
    return [
        {
            **row,
            "type_zh": words.get(("record_type", row["record_type_code"]), row["record_type_code"]),
            "tier_zh": words.get(("tier", row["tier_code"]), row["tier_code"]),
            "repairable_from": earliest.get(row["record_id"]),
        }
        for row in cursor.execute(RECORDS, (uscc,)).fetchall()
    ]
