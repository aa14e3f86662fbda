"""How managers were chosen in an area: tenders and agreements, bidders, and the grades those had at the opening."""

from datetime import date
from typing import Any

from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.grades import badge

LISTED = 20
STAGES = {"early": "前期物业", "later": "业主大会选聘"}
METHODS = {"open_tender": "公开招标", "invited_tender": "邀请招标", "agreement": "协议选聘"}


def section(facts: Facts, code: str) -> dict[str, Any] | None:
    """Return what an area's page lists of how managers were chosen, the newest first; None: nothing was delivered."""
    rows = facts.within("tenders", code)
    if not facts.edition.tables.get("tenders"):
        return None
    alerted: dict[str, list[str]] = {}
    for row in facts.within("alerts", code):
        if row["state_code"] != "closed":
            alerted.setdefault(row["alert_id"].partition("/")[2], []).append(row["kind_code"])
    rows = sorted(rows, key=lambda row: (row["awarded_on"] or row["announced_on"], row["tender_id"]), reverse=True)
    return {
        "tenders": [_tender(facts, row, alerted.get(row["tender_id"], [])) for row in rows[:LISTED]],
        "left": max(0, len(rows) - LISTED),
    }


def _tender(facts: Facts, row: Row, kinds: list[str]) -> dict[str, Any]:
    community = facts.community.get(row["community_id"])
    return {
        **row,
        "place": community["community_name"] if community else row["community_id"],
        "href": f"{community['leaf_area_code']}.html#c-{row['community_id']}" if community else None,
        "stage": STAGES[row["stage_code"]],
        "method": METHODS[row["method_code"]],
        "signals": [facts.word("alert_kind", kind) for kind in sorted(kinds)],
        "bidders": [_bidder(facts, row, bid) for bid in row["bids"]],
    }


def _bidder(facts: Facts, row: Row, bid: dict[str, Any]) -> dict[str, Any]:
    standing = facts.standing.get(bid["uscc"])
    at_opening = grade_on(facts, bid["uscc"], row["opened_on"])
    shown = badge(at_opening) if at_opening else None
    return {
        **bid,
        "name": standing["enterprise_name"] if standing else bid["uscc"],
        "is_published": standing is not None,
        "is_chosen": bid["uscc"] == row["uscc"],
        "badge": shown,
        "is_claim_wrong": bool(shown and bid["claimed_grade"] and at_opening["grade"] != bid["claimed_grade"])
        if at_opening
        else False,
    }


def grade_on(facts: Facts, uscc: str, day: str | None) -> Row | None:
    """Return the version of an enterprise's grade that bound on ``day`` (yyyy-mm-dd); None: none was published then."""
    if day is None:
        return None
    bound = [row for row in facts.versions.get(uscc, []) if row["valid_from"] <= date.fromisoformat(day)]
    return bound[-1] if bound else None
