"""What supervision has to say about an area that night: escalations, alerts, duties past their day, draws."""

from collections import Counter
from datetime import date
from typing import Any

from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts

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
    waiting = {row["complaint_id"] for row in escalations if row["is_open"]}
    outcomes = facts.within("draw_outcomes", code)
    figures = {
        "escalations.month": len({row["complaint_id"] for row in escalations if row["month"] == facts.month}),
        "escalations.open": len(waiting),
        "alerts.open": len(alerts),
        "alerts.new": sum(row["first_seen_on"][:7] == facts.month for row in alerts),
        "alerts.serious": sum(row["severity_code"] == "serious" for row in alerts),
        "alerts.amount": sum((row["amount_cny"] or 0 for row in alerts), 0),
        "clocks.overdue": len(facts.within("clocks", code)),
        "draws.drawn": sum(row["drawn_count"] for row in outcomes),
        "draws.carried_out": sum(row["carried_out_count"] for row in outcomes),
    }
    return {name: (value, None) for name, value in figures.items()}


def section(facts: Facts, code: str) -> dict[str, Any]:
    """Return what the section of an area's page lists: kinds with their counts, and cases one by one."""
    alerts = alerts_in(facts, code)
    escalations = facts.within("escalations", code)
    worst_first = open_alerts(facts, code)
    waiting = open_complaints(facts, code)
    overdue = overdue_duties(facts, code)
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
                "kind": "、".join(ESCALATIONS[kind] for kind in row["kinds"]),
                "age_days": _age(facts, row["due_at"]),
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
                "decide_by": row.get("decide_by"),
                "is_late": row["state_code"] == "open" and (row.get("decide_by") or "9") < str(facts.business_date),
                "enterprise": facts.standing[row["uscc"]]["enterprise_name"] if row["uscc"] in facts.standing else None,
            }
            for row in worst_first[:shown]
        ],
        "alerts_left": max(0, len(worst_first) - shown),
        "clocks": [
            {**row, "kind": CLOCKS.get(row["clock_kind_code"], row["clock_kind_code"])} for row in overdue[:shown]
        ],
        "clocks_left": max(0, len(overdue) - shown),
    }


def open_complaints(facts: Facts, code: str) -> list[Row]:
    """Return the complaints of an area with an escalation that is open, once each with all its levels.

    The highest level comes first, then what has waited longest.
    """
    levels = list(reversed(ESCALATIONS))
    by_complaint: dict[str, list[Row]] = {}
    for row in facts.within("escalations", code):
        if row["is_open"]:
            by_complaint.setdefault(row["complaint_id"], []).append(row)
    complaints = []
    for rows in by_complaint.values():
        rows = sorted(rows, key=lambda row: levels.index(row["kind_code"]))
        complaints.append({**rows[0], "kinds": [row["kind_code"] for row in rows]})
    return sorted(complaints, key=lambda row: (levels.index(row["kind_code"]), row["due_at"], row["complaint_id"]))


def open_alerts(facts: Facts, code: str) -> list[Row]:
    """Return the alerts of an area that are not closed: by severity, then the largest amount, then the oldest."""
    order = list(SEVERITIES)
    return sorted(
        alerts_in(facts, code),
        key=lambda row: (
            order.index(row["severity_code"]),
            -(row["amount_cny"] or 0),
            row["first_on"] or row["first_seen_on"],
            row["alert_id"],
        ),
    )


def overdue_duties(facts: Facts, code: str) -> list[Row]:
    """Return the duties of the offices that are past their day, the oldest first."""
    return sorted(facts.within("clocks", code), key=lambda row: (row["due_on"], row["clock_id"]))


def _age(facts: Facts, since: str) -> int:
    return (facts.business_date - date.fromisoformat(since[:10])).days


def todo_rows(facts: Facts, code: str) -> list[tuple[Any, ...]]:
    """Return every open matter of an area for its file, in the order of its page."""

    def at(row: Row) -> tuple[Any, ...]:
        community = facts.community.get(row.get("community_id") or "")
        name = community["community_name"] if community else None
        return row.get("community_id"), name, facts.areas.names.get(facts.place_of(row) or "")

    matters: list[tuple[Any, ...]] = [
        ("超时诉求", row["complaint_id"], "、".join(ESCALATIONS[kind] for kind in row["kinds"]), None, None, *at(row),
         row["due_at"], _age(facts, row["due_at"]))
        for row in open_complaints(facts, code)
    ]  # fmt: skip
    matters += [
        ("预警", row["alert_id"], f"{SEVERITIES[row['severity_code']]} {facts.word('alert_kind', row['kind_code'])}",
         row["amount_cny"], row["uscc"], *at(row), row["first_on"] or row["first_seen_on"],
         _age(facts, row["first_on"] or row["first_seen_on"]))
        for row in open_alerts(facts, code)
    ]  # fmt: skip
    matters += [
        ("逾期事项", row["subject_id"], CLOCKS.get(row["clock_kind_code"], row["clock_kind_code"]), None, row["uscc"],
         *at(row), row["due_on"], _age(facts, row["due_on"]))
        for row in overdue_duties(facts, code)
    ]  # fmt: skip
    orders = [
        (community, row)
        for leaf in sorted(facts.areas.below(code))
        for community in facts.communities.get(leaf, [])
        for row in facts.evidence.get(community["community_id"], [])
        if row["kind_code"] == "overdue_order"
    ]
    tiers = list(SEVERITIES)
    orders.sort(key=lambda one: (tiers.index(one[1]["summary_code"]) if one[1]["summary_code"] in tiers else 9,
                                 one[1]["due_on"], one[1]["evidence_id"]))  # fmt: skip
    matters += [
        ("逾期未整改", row["evidence_id"], facts.word("tier", row["summary_code"]), None, row["uscc"],
         community["community_id"], community["community_name"], facts.areas.names[community["leaf_area_code"]],
         row["due_on"], _age(facts, row["due_on"]))
        for community, row in orders
    ]  # fmt: skip
    return matters


def _place(facts: Facts, row: Row) -> dict[str, Any]:
    community = facts.community.get(row["community_id"] or "")
    leaf = facts.place_of(row)
    return {
        "place": community["community_name"] if community else facts.areas.names.get(leaf or "", "—"),
        "href": f"{leaf}.html#c-{row['community_id']}" if community else None,
    }
