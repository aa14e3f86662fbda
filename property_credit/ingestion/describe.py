"""A feed's contract as plain data: what `property-credit feeds describe` prints."""

from typing import Any

from property_credit.ingestion import feeds
from property_credit.ingestion.contract import REASONS, Field

READING = (
    "ROW_WRONG_WIDTH", "TEXT_UNREADABLE", "FORMULA_WITHOUT_RESULT", "CELL_ERROR", "CELL_MERGED", "QUOTE_OVER_ROWS",
    "SIGN_UNKNOWN",
)  # fmt: skip


def feed_names() -> tuple[str, ...]:
    """Return the names of all feeds in the order in which they refer to one another."""
    return feeds.NAMES


def describe(name: str) -> dict[str, Any]:
    """Return fields, key, row rules and reason codes of feed ``name``; IngestionError when there is none."""
    feed = feeds.get(name)
    rules = [
        {"code": rule.code, "column": rule.column, "zh": rule.zh, "en": rule.en, "kind": "row rule"}
        for rule in feed.rules
    ]
    used: dict[str, list[str]] = {}
    for field in feed.fields:
        for code in feed.checks_of(field):
            used.setdefault(code, []).append(field.name)
    for code, reason in REASONS.items():
        if code in used:
            rules.append(
                {"code": code, "column": ", ".join(used[code]), "zh": reason.zh, "en": reason.en, "kind": "field"}
            )
        elif code in READING:
            rules.append({"code": code, "column": "", "zh": reason.zh, "en": reason.en, "kind": "reading"})
    return {
        "feed": feed.name,
        "title_zh": feed.title_zh,
        "title_en": feed.title_en,
        "key": ", ".join(feed.key),
        "event_field": feed.event_field,
        "immutable": ", ".join(feed.immutable),
        "versions_ordered_by": f"{feed.changed_field}, then arrival, then place in the file",
        "fields": [_field(field) for field in feed.fields],
        "rules": rules,
    }


def reason_of(name: str, code: str) -> str:
    """Return why rows of feed ``name`` with reason ``code`` are refused, in Chinese and English."""
    reason = feeds.get(name).reason(code)
    return f"{reason.zh} / {reason.en}"


def _field(field: Field) -> dict[str, Any]:
    limits = []
    if field.codes:
        limits.append(" ".join(field.codes))
    if field.references:
        limits.append(f"in {field.references}")
    least, most = field.bounds
    if least is not None or most is not None:
        low = "" if least is None else f"{least:.15g}"
        high = "" if most is None else f"{most:.15g}"
        limits.append(f"{low}..{high}")
    if field.pattern:
        limits.append(field.pattern)
    if field.type == "text" and not field.pattern:
        limits.append(f"<= {field.maximum_length} characters")
    if field.type == "decimal":
        limits.append(f"numeric({field.precision},{field.scale})")
    return {
        "field": field.name,
        "type": field.type,
        "required": field.required,
        "zh": field.zh,
        "en": field.en,
        "allowed": "; ".join(limits),
        "personal": field.personal,
    }
