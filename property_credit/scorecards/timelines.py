"""What happened to an enterprise or a community, as one timeline: contracts, inspections, alerts, records, grades.

Owns which events it holds and how each is told; the newest comes first. Never what anybody wrote.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from property_credit.scorecards import labels, supervision
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts, memoize
from property_credit.scorecards.grades import badge

A_COMMUNITY, AN_ENTERPRISE = 40, 80  # events that a page lists of one subject; its file has all
PLAIN = {"taken_over": "承接接管", "contract_began": "合同生效", "contract_ended": "合同终止"}
HEAD = ("日期", "事项", "内容", "编号", "企业代码", "小区编号", "小区")


@memoize
def _by_subject(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Return all events by credit code and by community id, the newest first."""
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in [*_of_the_register(facts), *_of_alerts(facts), *_of_grades(facts)]:
        for subject in (one["uscc"], one["community_id"]):
            if subject:
                events[subject].append(one)
    for listed in events.values():
        listed.sort(key=lambda one: (one["on"], one["id"]), reverse=True)
    return dict(events)


def of(facts: Facts, subject: str) -> list[dict[str, Any]]:
    """Return the timeline of an enterprise (credit code) or a community (id), the newest event first."""
    return _by_subject(facts).get(subject, [])


def _of_the_register(facts: Facts) -> Iterator[dict[str, Any]]:
    for row in facts.edition.tables.get("events", []):  # not in editions from before 2026-12
        kind = row["kind_code"]
        if kind == "inspected":
            serious = f"，其中严重 {row['serious_count']} 项" if row["serious_count"] else ""
            words = ("检查发现", f"{row['finding_count']} 项问题{serious}")
        elif kind == "credit_record":
            words = ("信用记录", f"{facts.word('tier', row['tier_code'])}失信记录公示")
        else:
            words = (PLAIN[kind], _parties(facts, row))
        yield _event(facts, row, on=row["event_on"], words=words, subject_id=row["subject_id"])


def _parties(facts: Facts, row: Row) -> str:
    standing = facts.standing.get(row["uscc"])
    return standing["enterprise_name"] if standing else row["uscc"]


def _of_alerts(facts: Facts) -> Iterator[dict[str, Any]]:
    for row in facts.rows("alerts"):
        amount = f"，{labels.fixed(row['amount_cny'])} 元" if row["amount_cny"] else ""
        what = f"{supervision.SEVERITIES[row['severity_code']]} {facts.word('alert_kind', row['kind_code'])}{amount}"
        said = f"{what}（{supervision.STATES[row['state_code']]}）"
        yield _event(
            facts, row, on=row["first_on"] or row["first_seen_on"], words=("预警", said), subject_id=row["alert_id"]
        )


def _of_grades(facts: Facts) -> Iterator[dict[str, Any]]:
    for uscc, versions in facts.versions.items():
        for version in versions:
            kind = "等级更正" if version["is_correction"] else "等级"
            row = {"uscc": uscc, "community_id": None}
            said = f"{badge(version)['text']}，方法 {version['method_version']}"
            yield _event(
                facts, row, on=str(version["valid_from"]), words=(kind, said), subject_id=f"{version['version_no']}"
            )


def _event(facts: Facts, row: Row, *, on: str, words: tuple[str, str], subject_id: str) -> dict[str, Any]:
    community = facts.community.get(row["community_id"] or "")
    return {
        "on": on[:10],
        "kind": words[0],
        "what": words[1],
        "id": subject_id,
        "uscc": row["uscc"],
        "community_id": row["community_id"],
        "place": community["community_name"] if community else None,
        "leaf": community["leaf_area_code"] if community else None,
    }


def rows(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return events for a file, one a row."""
    return [
        (one["on"], one["kind"], one["what"], one["id"], one["uscc"], one["community_id"], one["place"])
        for one in events
    ]


def of_area(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the communities of a leaf area that anything happened to, each with its timeline."""
    return [
        {**community, "events": events[:A_COMMUNITY], "left": max(0, len(events) - A_COMMUNITY), "every": events}
        for community in facts.communities.get(code, [])
        if (events := of(facts, community["community_id"]))
    ]
