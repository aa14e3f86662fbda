"""Every figure of an area: from its months and its state, from supervision, and from the grades of its enterprises.

Owns what a figure is worth and what it leads to; the pages, tables and downloads of an area and of those above it take
it from here.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from property_credit.scorecards import coverage, supervision
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts, memoize
from property_credit.scorecards.figures import Figure, catalogue, figure
from property_credit.scorecards.grades import moves

STANDINGS = ("AA", "A", "B", "not_rated", "serious_dishonesty")
TABLES = {  # the tables by area below: what a column shows
    "complaints": (
        "complaints.count",
        "complaints.rate",
        "complaints.on_time",
        "complaints.within_12h",
        "complaints.within_24h",
        "complaints.countable",
        "communities.hot",
    ),
    "inspections": (
        "inspections.count",
        "inspections.failed_ratio",
        "inspections.serious",
        "orders.overdue",
        "orders.open",
    ),
    "coverage": (
        "communities.count",
        "coverage.managed",
        "coverage.professional",
        "communities.old",
        "coverage.old",
        "takeovers.year",
        "coverage.disclosed",
    ),
    "supervision": (
        "escalations.month",
        "escalations.open",
        "alerts.open",
        "alerts.serious",
        "alerts.amount",
        "clocks.overdue",
    ),
    "grades": (
        "enterprises.count",
        "grades.AA",
        "grades.A",
        "grades.B",
        "grades.not_rated",
        "grades.serious_dishonesty",
        "grades.key_supervision",
    ),
}


@memoize
def values_of(facts: Facts, code: str) -> dict[str, tuple[Any, Any]]:
    """Return every figure of an area as (this month's value, last month's), by figure code."""
    values: dict[str, tuple[Any, Any]] = {}
    lacking = reasons_of(facts, code)
    now = facts.area_months.get((code, facts.month), {})
    state = facts.area_states.get(code, {})
    for name, column in _columns("area_months"):
        values[name] = (now.get(column), column_of(facts, code, facts.month_before, column))
    for name, column in _columns("area_states"):
        values[name] = (state.get(column), None)
    values["communities.hot"] = (hot_spot_count(facts, code), None)
    values |= supervision.counts(facts, code)
    values |= grade_counts(facts, code)
    return {name: (None, pair[1]) if name in lacking else pair for name, pair in values.items()}


@memoize
def year_before_of(facts: Facts, code: str) -> dict[str, Any]:
    """Return an area's figures of the same month a year before, by figure code; of one in progress the same days."""
    return {name: column_of(facts, code, facts.year_before, column) for name, column in _columns("area_months")}


def column_of(facts: Facts, code: str, month: str, column: str) -> Any:
    """Return an area's ``column`` of an earlier ``month``, as far as the month shown has come; None where not known."""
    row = facts.area_months.get((code, month), {})
    return row.get(f"{column}_to_day", row.get(column))


@memoize
def reasons_of(facts: Facts, code: str) -> dict[str, str]:
    """Return why figures of an area are not known, by figure code: the feeds and offices that their period lacks."""
    if code not in facts.silences:
        return {}
    return {
        name: why
        for name, entry in catalogue().items()
        if entry.needs and (why := coverage.reason(facts, code, entry.needs, *_period(facts, entry)))
    }


def _period(facts: Facts, entry: Figure) -> tuple[date, date]:
    """Return the first and last day that a figure of the night needs."""
    night = facts.business_date
    first = night.replace(day=1)
    if entry.code == "complaints.change_2025":
        return night.replace(month=1, day=1), night
    if entry.code == "communities.hot":
        return (first - timedelta(days=59)).replace(day=1), night
    if entry.subject in ("area_month", "area_value") or entry.code == "escalations.month":
        return first, night
    return night, night


@lru_cache(maxsize=2)
def _columns(table: str) -> list[tuple[str, str]]:
    return [
        (code, entry.source.partition(".")[2])
        for code, entry in catalogue().items()
        if entry.source.startswith(table + ".") and entry.subject in ("area", "area_month")
    ]


def grade_counts(facts: Facts, code: str) -> dict[str, tuple[Any, Any]]:
    """Return how many enterprises of an area hold each grade or status now and at the month's start, and who moved."""
    here = facts.area_enterprises.get(code, [])
    first = facts.business_date.replace(day=1)
    now: Counter[str] = Counter()
    before: Counter[str] = Counter()
    known_before = 0
    for uscc in here:
        now[_standing_key(facts.versions[uscc][-1])] += 1
        earlier = [version for version in facts.versions[uscc] if version["valid_from"] <= first]
        if earlier:
            known_before += 1
            before[_standing_key(earlier[-1])] += 1
    counts: dict[str, tuple[Any, Any]] = {"enterprises.count": (len(here), known_before or None)}
    for key in STANDINGS:
        counts[f"grades.{key}"] = (now[key], before[key] if known_before else None)
    directions = Counter(move["direction"] for uscc in here if (move := moves(facts, uscc)))
    counts["grades.up"] = (directions["up"], None)
    counts["grades.down"] = (directions["down"], None)
    scores = [facts.scores[uscc] for uscc in here if uscc in facts.scores]
    counts["grades.key_supervision"] = (sum(score["is_key_supervision"] for score in scores), None)
    counts["grades.vetoed"] = (sum(any(cap["code"][:1] == "V" for cap in score["caps"]) for score in scores), None)
    return counts


def _standing_key(version: Row) -> str:
    return str(version["grade"] or version["status_code"])


def hot_spot_count(facts: Facts, code: str) -> int | None:
    """Return how many communities of an area are hot spots; None where that was not judged."""
    if facts.hot_spots is None:
        return None
    return sum(len(facts.hot_spots.get(leaf, ())) for leaf in facts.areas.below(code))


def link_of(name: str, code: str, parts: str | None, has_children: bool) -> str | None:
    """Return what a figure of the page leads to: the areas or communities that it is the sum of."""
    topic = name.partition(".")[0]
    if topic in ("grades", "enterprises"):
        return {
            "grades.key_supervision": "#key",
            "grades.up": "#moves",
            "grades.down": "#moves",
            "grades.vetoed": "#vetoes",
        }.get(name, f"{code}.enterprises.html")
    if name == "communities.hot":
        return "#hot"
    if topic in ("alerts", "escalations", "clocks"):
        return "#by-supervision" if has_children else f"#{topic}"
    if has_children:
        return {
            "complaints": "#by-complaints",
            "inspections": "#by-inspections",
            "orders": "#by-inspections",
            "draws": "#by-inspections",
        }.get(topic, "#by-coverage")
    return f"#{parts}" if parts else None


def shares(values: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return how the enterprises of an area spread over grades and statuses."""
    total = values["enterprises.count"][0]
    return [
        {
            "code": f"grades.{key}",
            "kind": f"grade-{key.lower()}" if len(key) < 3 else key,
            "text": figure(f"grades.{key}").label,
            "count": values[f"grades.{key}"][0],
            "share": values[f"grades.{key}"][0] / total if total else 0,
        }
        for key in STANDINGS
    ]


def table(facts: Facts, children: list[str], columns: tuple[str, ...]) -> dict[str, Any]:
    """Return a table of ``columns`` with a row for each of ``children``."""
    rows = []
    for child in children:
        values = values_of(facts, child)
        lacking = reasons_of(facts, child)
        rows.append(
            {
                "code": child,
                "name": facts.areas.names[child],
                "cells": [(name, values.get(name, (None, None))[0]) for name in columns],
                "why": {name: lacking[name] for name in columns if name in lacking},
            }
        )
    return {"columns": columns, "rows": rows}
