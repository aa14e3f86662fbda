"""What an area's page shows, top to bottom: what changed, targets, who to call, complaints, inspections, coverage."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from scorecards import charts, labels, ranking, supervision, targets
from scorecards.areas import LEVELS, TILES
from scorecards.facts import Facts, Row, keyed
from scorecards.figures import figure
from scorecards.grades import badge, moves, order_of

LISTED = 40  # of a list that may be long; the rest stands in the directory and in Excel
HOT_SPOTS, HOT_FROM = 10, 3
COMMUNITIES_SHOWN = 150
EVIDENCE_A_COMMUNITY = 25
DIRECTORY_PAGE = 200
TILES_SHOWN = (
    "complaints.count",
    "complaints.rate",
    "complaints.within_24h",
    "inspections.failed_ratio",
    "orders.overdue",
    "coverage.professional_month",
)
TABLES = {  # the tables by area below: what a column shows
    "complaints": (
        "complaints.count",
        "complaints.rate",
        "complaints.on_time",
        "complaints.within_12h",
        "complaints.within_24h",
        "complaints.countable",
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


def values_of(facts: Facts, code: str) -> dict[str, tuple[Any, Any]]:
    """Return every figure of an area as (this month's value, last month's), by figure code."""
    found: dict[str, tuple[Any, Any]] = {}
    now = facts.area_months.get((code, facts.month), {})
    before = facts.area_months.get((code, facts.month_before), {})
    state = facts.area_states.get(code, {})
    for table, rows in (("area_months", (now, before)), ("area_states", (state, {}))):
        for name, column in _columns(table):
            found[name] = (rows[0].get(column), rows[1].get(column))
    found |= supervision.counts(facts, code)
    return found | grade_counts(facts, code)


def _columns(table: str) -> list[tuple[str, str]]:
    from scorecards.figures import catalogue

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
    found: dict[str, tuple[Any, Any]] = {"enterprises.count": (len(here), known_before or None)}
    for key in ("AA", "A", "B", "not_rated", "serious_dishonesty"):
        found[f"grades.{key}"] = (now[key], before[key] if known_before else None)
    directions = Counter(move["direction"] for uscc in here if (move := moves(facts, uscc)))
    found["grades.up"] = (directions["up"], None)
    found["grades.down"] = (directions["down"], None)
    scores = [facts.scores[uscc] for uscc in here if uscc in facts.scores]
    found["grades.key_supervision"] = (sum(score["is_key_supervision"] for score in scores), None)
    found["grades.vetoed"] = (sum(any(cap["code"][:1] == "V" for cap in score["caps"]) for score in scores), None)
    return found


def _standing_key(version: Row) -> str:
    return str(version["grade"] or version["status_code"])


def area_page(facts: Facts, code: str) -> dict[str, Any]:
    """Return what the template of area ``code`` needs."""
    tree = facts.areas
    values = values_of(facts, code)
    children = tree.children.get(code, [])
    communities = facts.communities.get(code, [])
    parts = "communities" if communities and not children else None
    here = facts.area_enterprises.get(code, [])
    return {
        "code": code,
        "name": tree.names[code],
        "level": LEVELS[tree.levels[code]],
        "path": [{"name": tree.names[step], "href": f"{step}.html"} for step in tree.path(code)[:-1]],
        "values": values,
        "links": {name: _link(name, code, parts, bool(children)) for name in values},
        "tiles": [name for name in TILES_SHOWN if values.get(name, (None, None))[0] is not None],
        "shares": _shares(values, len(here)),
        "todo": _todo(facts, code, values, here),
        "kpis": targets.kpi_lines(facts, code, values),
        "map": _map(facts, code),
        "calls": _calls(facts, code, here),
        "lagging": _lagging(facts, children),
        "charts": _charts(facts, code),
        "tables": {name: _table(facts, children, columns) if children else None for name, columns in TABLES.items()},
        "has_children": bool(children),
        "causes": _split(facts, code, "category"),
        "parties": _split(facts, code, "responsible_party"),
        "hot_spots": _hot_spots(facts, code),
        "communities": _communities(facts, code, communities),
        "community_count": len(communities),
        "supervised": supervision.section(facts, code),
        "feeds": _feeds(facts),
        "directory": f"{code}.enterprises.html",
        "has_evidence": _has_evidence(tree.levels[code]),
    }


def _has_evidence(level: str) -> bool:
    return level in ("district", "street")


def _link(name: str, code: str, parts: str | None, has_children: bool) -> str | None:
    """Return what a figure of the page leads to: the areas or communities that it is the sum of."""
    topic = name.partition(".")[0]
    if topic in ("grades", "enterprises"):
        return {
            "grades.key_supervision": "#key",
            "grades.up": "#moves",
            "grades.down": "#moves",
            "grades.vetoed": "#vetoes",
        }.get(name, f"{code}.enterprises.html")
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


def _shares(values: Mapping[str, tuple[Any, Any]], total: int) -> list[dict[str, Any]]:
    return [
        {
            "code": f"grades.{key}",
            "kind": f"grade-{key.lower()}" if len(key) < 3 else key,
            "text": figure(f"grades.{key}").label,
            "count": values[f"grades.{key}"][0],
            "share": values[f"grades.{key}"][0] / total if total else 0,
        }
        for key in ("AA", "A", "B", "not_rated", "serious_dishonesty")
    ]


def _todo(facts: Facts, code: str, values: Mapping[str, tuple[Any, Any]], here: list[str]) -> list[dict[str, Any]]:
    """Return what to do first this month; empty when nothing asks for it."""
    found: list[dict[str, Any]] = []

    def add(figure_code: str, before: str, after: str, href: str) -> None:
        if values.get(figure_code, (0, 0))[0]:
            found.append({"figure": figure_code, "before": before, "after": after, "href": href})

    add("grades.key_supervision", "约谈重点监管企业", "家", "#key")
    add("grades.vetoed", "核对在期否决的整改", "家", "#vetoes")
    add("grades.down", "了解降级原因", "家", "#moves")
    add("escalations.open", "办结超时诉求", "件", "#supervision")
    add("alerts.serious", "处置严重预警", "件", "#supervision")
    add("clocks.overdue", "补办逾期的异议与修复", "件", "#clocks")
    add("orders.open", "督促逾期未整改", "件", "#inspections")
    return found


def _map(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the areas below as tiles where they lie, those nothing was delivered for included."""
    tree = facts.areas
    below = tree.children.get(code, [])
    if not below or tree.levels[code] not in ("region", "city"):
        return []
    every = sorted([*below, *tree.silent.get(code, [])])
    if any(one not in TILES for one in every):
        placed = {one: (index % 5, index // 5) for index, one in enumerate(every)}
    else:
        placed = {one: TILES[one] for one in every}
    left = min(column for column, _ in placed.values())
    top = min(row for _, row in placed.values())
    rates = sorted(
        facts.area_months[one, facts.month]["complaints_per_1k_household_months"] or 0
        for one in below
        if (one, facts.month) in facts.area_months
    )
    found = []
    for one in every:
        row = facts.area_months.get((one, facts.month))
        rate = row["complaints_per_1k_household_months"] if row else None
        found.append(
            {
                "code": one,
                "name": tree.names.get(one) or _known_name(facts, one),
                "column": placed[one][0] - left + 1,
                "row": placed[one][1] - top + 1,
                "value": rate,
                "kind": "silent" if rate is None else _third(rate, rates),
                "href": f"{one}.html" if one in tree.names else None,
            }
        )
    return found


def _known_name(facts: Facts, code: str) -> str:
    return str(keyed(facts.rows("areas"), "area_code")[code]["area_name"])


def _third(rate: Any, rates: list[Any]) -> str:
    """Return which third of the areas a rate is in; two areas or fewer are not told apart."""
    if len(rates) < 3:
        return "middle"
    position = sum(other < rate for other in rates) / len(rates)
    return "low" if position < 1 / 3 else "high" if position >= 2 / 3 else "middle"


def _calls(facts: Facts, code: str, here: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the enterprises to call: under key supervision, moved, vetoed. Each with the reason."""
    key, vetoes, moved = [], [], []
    first = facts.business_date.replace(day=1).isoformat()
    for uscc in sorted(here, key=order_of(facts)):
        score = facts.scores.get(uscc)
        line = {"uscc": uscc, "name": facts.standing[uscc]["enterprise_name"], "badge": badge(facts.standing[uscc])}
        if score and score["is_key_supervision"]:
            lost = (score["lift"] or {}).get("lost", [])[:3]
            names = "、".join(_indicator(facts, row["indicator_code"]) for row in lost)
            key.append(line | {"score": score["score"], "reason": f"失分最多：{names}" if names else ""})
        for cap in score["caps"] if score else []:
            if cap["code"].startswith("V"):
                decisions = cap.get("decisions") or []
                vetoes.append(
                    line
                    | {
                        "cap": cap["code"],
                        "reason": cap["reason_zh"],
                        "until": cap.get("until"),
                        "evidence": cap.get("evidence_ids") or [],
                        "is_new": any(str(one["starts_on"]) >= first for one in decisions),
                    }
                )
        move = moves(facts, uscc)
        if move:
            moved.append(line | move)
    vetoes.sort(key=lambda one: not one["is_new"])
    return {"key": key, "vetoes": vetoes, "moves": moved}


def _indicator(facts: Facts, code: str) -> str:
    return str(facts.method.get("indicators", {}).get(code, {}).get("name", {}).get("zh", code))


def _lagging(facts: Facts, children: list[str]) -> list[dict[str, Any]]:
    if len(children) < 2:
        return []
    now, before = ranking.spans(facts)
    return [
        {
            "code": one.area_code,
            "name": facts.areas.names[one.area_code],
            "href": f"{one.area_code}.html",
            "values": one.values,
            "points": one.points,
        }
        for one in ranking.progress(facts, children, now=now, before=before)
    ]


def _charts(facts: Facts, code: str) -> list[dict[str, Any]]:
    above = facts.areas.parents[code]
    found = []
    for name in ("complaints.count", "complaints.rate", "complaints.within_24h"):
        entry = figure(name)
        column = entry.source.partition(".")[2]
        lines = [charts.Series(facts.areas.names[code], targets.column_values(facts, code, column))]
        if above and name != "complaints.count":
            lines.append(
                charts.Series(facts.areas.names[above], targets.column_values(facts, above, column), is_main=False)
            )
        svg = charts.trend(facts.months, lines, is_ratio=entry.unit == "ratio")
        if svg:
            found.append(
                {
                    "code": name,
                    "svg": svg,
                    "lines": lines,
                    "months": [
                        {"month": month, "value": (facts.area_months.get((code, month)) or {}).get(column)}
                        for month in reversed(facts.months)
                    ],
                }
            )
    return found


def _table(facts: Facts, children: list[str], columns: tuple[str, ...]) -> dict[str, Any]:
    rows = []
    for child in children:
        values = values_of(facts, child)
        rows.append(
            {
                "code": child,
                "name": facts.areas.names[child],
                "cells": [(name, values.get(name, (None, None))[0]) for name in columns],
            }
        )
    return {"columns": columns, "rows": rows}


def _split(facts: Facts, code: str, dimension: str) -> list[dict[str, Any]]:
    """Return this month's complaints by cause or party, most first, with last month's beside them."""
    now: dict[str, int] = {}
    before: dict[str, int] = {}
    for row in facts.area_complaints.get(code, []):
        if row["dimension_code"] == dimension:
            side = now if row["month"] == facts.month else before if row["month"] == facts.month_before else {}
            side[row["value_code"]] = row["complaint_count"]
    most = max(now.values(), default=1)
    return [
        {
            "subject": f"{code}/{dimension}:{value}",
            "name": facts.word(dimension, value),
            "value": count,
            "before": before.get(value),
            "share": count / most,
        }
        for value, count in sorted(now.items(), key=lambda item: (-item[1], item[0]))
    ]


def _hot_spots(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the communities with the highest rates this month, of those with enough complaints to mean anything."""
    below = facts.areas.below(code)
    found = [
        row
        for leaf in below
        for row in facts.communities.get(leaf, [])
        if row["complaint_count"] >= HOT_FROM and row["complaints_per_1k_household_months"]
    ]
    found.sort(key=lambda row: (-row["complaints_per_1k_household_months"], row["community_id"]))
    return [
        {
            **row,
            "href": f"{row['leaf_area_code']}.html#c-{row['community_id']}",
            "place": facts.areas.names[row["leaf_area_code"]],
        }
        for row in found[:HOT_SPOTS]
    ]


def _communities(facts: Facts, code: str, communities: list[Row]) -> list[dict[str, Any]]:
    found = []
    listed = sorted(
        communities, key=lambda row: (-row["complaint_count"], -row["open_overdue_order_count"], row["community_id"])
    )
    for row in listed[:COMMUNITIES_SHOWN]:
        evidence = facts.evidence.get(row["community_id"], [])
        found.append(
            {
                **row,
                "has_page": row["current_uscc"] in facts.standing,
                "evidence": [_evidence(facts, one) for one in evidence[:EVIDENCE_A_COMMUNITY]],
                "evidence_left": max(0, len(evidence) - EVIDENCE_A_COMMUNITY),
            }
        )
    return found


def _evidence(facts: Facts, row: Row) -> dict[str, Any]:
    """Return one piece of evidence in words; never what anybody wrote."""
    if row["kind_code"] == "complaint":
        hours = row["resolution_hours"]
        state = "尚未解决" if hours is None else f"{labels.trimmed(hours, 1)} 小时解决"
        return {
            "id": row["evidence_id"],
            "kind": "诉求",
            "anchor": f"ev-{row['evidence_id']}",
            "event_on": row["event_on"],
            "what": f"{facts.word('category', row['summary_code'])} · "
            f"{facts.word('responsible_party', row['responsible_party_code'])}",
            "state": state,
            "is_good": row["is_in_time"],
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


def _feeds(facts: Facts) -> list[dict[str, Any]]:
    batches = keyed(facts.rows("batches"), "feed")
    return [
        {
            **row,
            **batches.get(
                row["feed"], {"batch_count": 0, "refused_count": 0, "rows_accepted": None, "rows_rejected": None}
            ),
        }
        for row in facts.rows("feeds")
    ]


def directory_pages(facts: Facts, code: str) -> list[list[dict[str, Any]]]:
    """Return the enterprises of an area, best grade first, in pages."""
    lines = []
    for uscc in sorted(facts.area_enterprises.get(code, []), key=order_of(facts)):
        score = facts.scores.get(uscc)
        lines.append(
            {
                "uscc": uscc,
                "name": facts.standing[uscc]["enterprise_name"],
                "badge": badge(facts.standing[uscc]),
                "score": score["score"] if score else None,
                "is_key_supervision": bool(score and score["is_key_supervision"]),
                "caps": [cap["code"] for cap in score["caps"]] if score else [],
                "served": facts.served.get((code, uscc), 0),
            }
        )
    return [lines[start : start + DIRECTORY_PAGE] for start in range(0, len(lines), DIRECTORY_PAGE)] or [[]]
