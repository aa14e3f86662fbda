"""The communities of an area: hot spots, a street's communities with their evidence. Never what anybody wrote."""

from typing import Any

from property_credit.scorecards import labels
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts

HOT_SPOTS_SHOWN = 10
COMMUNITIES_SHOWN, EVIDENCE_A_COMMUNITY, EVIDENCE_A_PAGE = 60, 25, 250  # a page weighs at most 300 kB; Excel has all


def hot_spots(facts: Facts, code: str) -> list[dict[str, Any]] | None:
    """Return the area's hot spots, those with the most complaints beyond what was expected first.

    None where the edition does not say which communities are hot spots.
    """
    return None if facts.hot_spots is None else every_hot_spot(facts, code)[:HOT_SPOTS_SHOWN]


def every_hot_spot(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return all hot spots of an area in the order of its page; none where the edition does not say which they are."""
    spots = [row for leaf in facts.areas.below(code) for row in (facts.hot_spots or {}).get(leaf, ())]
    spots.sort(key=lambda row: (row["window_expected_count"] - row["window_complaint_count"], row["community_id"]))
    return [
        {
            **row,
            "href": f"{row['leaf_area_code']}.html#c-{row['community_id']}",
            "place": facts.areas.names[row["leaf_area_code"]],
        }
        for row in spots
    ]


def listed(facts: Facts, communities: list[Row]) -> list[dict[str, Any]]:
    """Return the communities that a leaf's page lists, most complaints first, each with its evidence of the month."""
    entries: list[dict[str, Any]] = []
    room = EVIDENCE_A_PAGE
    worst_first = sorted(
        communities,
        key=lambda row: (-(row["complaint_count"] or 0), -(row["open_overdue_order_count"] or 0), row["community_id"]),
    )
    for row in worst_first[:COMMUNITIES_SHOWN]:
        evidence = facts.evidence.get(row["community_id"], [])
        some = evidence[: min(EVIDENCE_A_COMMUNITY, room)]
        room -= len(some)
        entries.append(
            {
                **row,
                "has_page": row["current_uscc"] in facts.standing,
                "evidence": [_evidence(facts, one) for one in some],
                "evidence_left": len(evidence) - len(some),
            }
        )
    return entries


def _evidence(facts: Facts, row: Row) -> dict[str, Any]:
    """Return one piece of evidence in words; never what anybody wrote."""
    if row["kind_code"] == "complaint":
        hours = row["resolution_hours"]
        state = "尚未解决" if hours is None else f"{labels.trimmed(hours, 1)} 小时解决"
        if row["is_in_time"] is None:
            state += "，24小时未届满"
        return {
            "id": row["evidence_id"],
            "kind": "诉求",
            "anchor": f"ev-{row['evidence_id']}",
            "event_on": row["event_on"],
            "what": f"{facts.word('category', row['summary_code'])} · "
            f"{facts.word('responsible_party', row['responsible_party_code'])}",
            "state": state,
            "is_good": row["is_in_time"] is not False,
        }
    is_overdue = row["kind_code"] == "overdue_order"
    return {
        "id": row["evidence_id"],
        "kind": "逾期未整改" if is_overdue else "检查发现",
        "anchor": f"{'od' if is_overdue else 'ev'}-{row['evidence_id'].replace('/', '-')}",
        "event_on": row["event_on"],
        "what": f"{facts.word('tier', row['summary_code'])}问题",
        "state": f"期限 {row['due_on']}" if row["due_on"] else "无整改期限",
        "is_good": row["is_in_time"],
    }
