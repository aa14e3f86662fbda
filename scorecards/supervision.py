"""What supervision has to say about an area that night: escalations, alerts, duties past their day, draws."""

from collections import Counter
from typing import Any

from scorecards.facts import Facts, Row

LISTED, LISTED_IN_A_LEAF = 30, 80  # cases one by one; a leaf has no pages below it that list the rest
STATES = {"open": "待核查", "explained": "已说明", "confirmed": "已认定", "closed": "已办结"}
SEVERITIES = {"serious": "■ 严重", "general": "▲ 一般", "minor": "● 轻微"}
ESCALATIONS = {  # 内政办发〔2026〕18号 四(二)
    "response": "超时未响应（旗县督促）",
    "handling": "12小时未办理（盟市标红）",
    "resolution": "24小时未解决（自治区提级）",
}
CLOCKS = {
    "mark": "异议标注",
    "forward": "异议转办",
    "decide": "异议决定",
    "review": "异议复核",
    "freeze": "降级冻结",
    "earliest_repair": "最早修复日",
    "preview": "名单预告",
}


def alerts_in(facts: Facts, code: str) -> list[Row]:
    """Return the alerts of an area that are not closed."""
    return [row for row in facts.within("alerts", code) if row["state_code"] != "closed"]


def counts(facts: Facts, code: str) -> dict[str, tuple[Any, Any]]:
    """Return the figures of an area's supervision; supervision keeps no state of the month before."""
    alerts = alerts_in(facts, code)
    escalations = facts.within("escalations", code)
    outcomes = facts.within("draw_outcomes", code)
    found = {
        "escalations.month": sum(row["month"] == facts.month for row in escalations),
        "escalations.open": sum(row["is_open"] for row in escalations),
        "alerts.open": len(alerts),
        "alerts.new": sum(row["first_seen_on"][:7] == facts.month for row in alerts),
        "alerts.serious": sum(row["severity_code"] == "serious" for row in alerts),
        "alerts.amount": sum((row["amount_cny"] or 0 for row in alerts), 0),
        "clocks.overdue": len(facts.within("clocks", code)),
        "draws.drawn": sum(row["drawn_count"] for row in outcomes),
        "draws.carried_out": sum(row["carried_out_count"] for row in outcomes),
    }
    return {name: (value, None) for name, value in found.items()}


def section(facts: Facts, code: str) -> dict[str, Any]:
    """Return what the section of an area's page lists: kinds with their counts, and cases one by one."""
    alerts = alerts_in(facts, code)
    escalations = facts.within("escalations", code)
    order = list(SEVERITIES)
    worst_first = sorted(
        alerts,
        key=lambda row: (
            order.index(row["severity_code"]),
            -int(row["first_seen_on"].replace("-", "")),
            row["alert_id"],
        ),
    )
    waiting = sorted(
        (row for row in escalations if row["is_open"]), key=lambda row: (row["due_at"], row["escalation_id"])
    )
    shown = LISTED if facts.areas.children.get(code) else LISTED_IN_A_LEAF
    month = Counter(row["kind_code"] for row in escalations if row["month"] == facts.month)
    kinds = Counter(row["kind_code"] for row in alerts)
    return {
        "escalation_kinds": [
            {"subject": f"{code}/{kind}", "name": name, "count": month[kind]} for kind, name in ESCALATIONS.items()
        ]
        if escalations
        else [],
        "escalations": [
            {
                **row,
                **_place(facts, row),
                "kind": ESCALATIONS[row["kind_code"]],
                "category": facts.word("category", row["category_code"]),
            }
            for row in waiting[:shown]
        ],
        "escalations_left": max(0, len(waiting) - shown),
        "alert_kinds": [
            {"subject": f"{code}/{kind}", "name": facts.word("alert_kind", kind), "count": count}
            for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        ],
        "alerts": [
            {
                **row,
                **_place(facts, row),
                "kind": facts.word("alert_kind", row["kind_code"]),
                "severity": SEVERITIES[row["severity_code"]],
                "state": STATES[row["state_code"]],
                "enterprise": facts.standing[row["uscc"]]["enterprise_name"] if row["uscc"] in facts.standing else None,
            }
            for row in worst_first[:shown]
        ],
        "alerts_left": max(0, len(worst_first) - shown),
        "clocks": [
            {**row, "kind": CLOCKS.get(row["clock_kind_code"], row["clock_kind_code"])}
            for row in sorted(facts.within("clocks", code), key=lambda row: (row["due_on"], row["clock_id"]))[:shown]
        ],
    }


def _place(facts: Facts, row: Row) -> dict[str, Any]:
    community = facts.community.get(row["community_id"] or "")
    leaf = facts.place_of(row)
    return {
        "place": community["community_name"] if community else facts.areas.names.get(leaf or "", "—"),
        "href": f"{leaf}.html#c-{row['community_id']}" if community else None,
    }
