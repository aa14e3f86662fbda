"""Disputes by level and fees by reason in an area: rows of its page that no catalogue figure stands for."""

from typing import Any

from property_credit.scorecards import coverage
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts, grouped, keyed, memoize

LEVELS = {"community": "社区（简单）", "street": "街道（复杂）", "district": "旗县区（重大疑难）"}
REASONS = {"service": "服务争议", "quality": "房屋质量", "vacant": "空置", "hardship": "困难", "other": "其他"}
FEEDS = {
    "disputes": ("disputes", "mediations"),
    "fees": ("fee_collections",),
    "contracts": ("contracts", "contract_terms"),
    "tenders": ("tenders", "tender_bids"),
}  # what each table of these duties is counted from
STEPS = {"reminded": "催告", "mediated": "调解", "arbitrated": "仲裁", "sued": "诉讼"}


def silences(facts: Facts, code: str) -> dict[str, str]:
    """Return which tables of the duties lack days of an area this year, and what is missing in words."""
    first = facts.business_date.replace(month=1, day=1)
    told = {name: coverage.reason(facts, code, feeds, first, facts.business_date) for name, feeds in FEEDS.items()}
    return {name: reason for name, reason in told.items() if reason}


def disputes(facts: Facts, code: str) -> list[Row] | None:
    """Return this year's disputes of an area by who handles them, the lowest level first; None: nothing delivered."""
    if not facts.edition.tables.get("dispute_levels"):
        return None
    by_level = keyed(_disputes(facts).get(code, []), "level_code")
    return [{**by_level[level], "name": name} for level, name in LEVELS.items() if level in by_level]


@memoize
def _disputes(facts: Facts) -> dict[str, list[Row]]:
    return grouped(facts.rows("dispute_levels"), "area_code")


def fees(facts: Facts, code: str) -> dict[str, Any] | None:
    """Return an area's fees of the last four quarters, why some are unpaid, the steps taken; None: none delivered."""
    row = _fees(facts).get(code)
    if row is None:
        return None
    known = {reason: row[f"unpaid_{reason}_cny"] for reason in REASONS if row[f"unpaid_{reason}_cny"] is not None}
    return {
        **row,
        "collected_ratio": row["received_cny"] / row["receivable_cny"] if row["receivable_cny"] else None,
        "reasons": [{"name": REASONS[reason], "amount": amount} for reason, amount in known.items()],
        "steps": [{"name": name, "count": row[f"{step}_count"]} for step, name in STEPS.items()],
    }


@memoize
def _fees(facts: Facts) -> dict[str, Row]:
    return keyed(facts.edition.tables.get("fee_collections", []), "area_code")


def contracts(facts: Facts, code: str) -> list[Row] | None:
    """Return what contracts in force in an area agree on, by level; None: no terms were delivered."""
    order = "一二三四五"
    rows = sorted(_contracts(facts).get(code, []), key=lambda row: order.find(row["service_level"][0]) % 9)
    return rows if any(row["registered_count"] for row in rows) else None


@memoize
def _contracts(facts: Facts) -> dict[str, list[Row]]:
    return grouped(facts.edition.tables.get("contract_terms", []), "area_code")
