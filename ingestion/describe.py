"""A feed's contract as plain data: what `property-credit feeds describe` prints."""

from typing import Any

from ingestion import feeds
from ingestion.contract import REASONS, Field


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
        elif code in ("ROW_WRONG_WIDTH", "TEXT_UNREADABLE", "FORMULA_WITHOUT_RESULT", "CELL_ERROR"):
            rules.append({"code": code, "column": "", "zh": reason.zh, "en": reason.en, "kind": "reading"})
    return {
        "feed": feed.name,
        "title_zh": feed.title_zh,
        "title_en": feed.title_en,
        "key": ", ".join(feed.key),
        "event_field": feed.event_field,
        "fields": [_field(field) for field in feed.fields],
        "rules": rules,
    }


def _field(field: Field) -> dict[str, Any]:
    limits = []
    if field.codes:
        limits.append(" ".join(field.codes))
    if field.references:
        limits.append(f"in {field.references}")
    if field.minimum is not None or field.maximum is not None:
        low = "" if field.minimum is None else f"{field.minimum:g}"
        high = "" if field.maximum is None else f"{field.maximum:g}"
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
