"""What an enterprise's page shows: its grade, points lost with evidence, trends, what would raise it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from property_credit.scorecards import charts, labels, timelines
from property_credit.scorecards.area_enterprises import desks
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.figures import figure
from property_credit.scorecards.grades import badge
from property_credit.warehouse import quarters

EVIDENCE_SHOWN, EVIDENCE_A_PAGE = 60, 500  # of an indicator and in all: a page weighs at most 300 kB; a file has all
MISSED = {"M01": "响应", "M02": "办理", "M03": "解决"}


def enterprise_page(facts: Facts, uscc: str, *, funnel: tuple[float, float, float, float] | None) -> dict[str, Any]:
    """Return what the template of enterprise ``uscc`` needs; ``funnel``: corner and size of the shared cloud."""
    standing = facts.standing[uscc]
    score = facts.scores.get(uscc)
    profile = facts.enterprises.get(uscc)
    places = facts.evidence_places
    pillars = _pillars(facts, uscc, score)
    events = timelines.of(facts, uscc)
    return {
        "uscc": uscc,
        "name": standing["enterprise_name"],
        "former_names": facts.former_names(uscc),
        "standing": standing,
        "badge": badge(standing),
        "status_zh": labels.label(labels.STATUSES, standing["status_code"]),
        "path": _path(facts, profile),
        "profile": profile,
        "desks": desks(facts, uscc),
        "has_contacts": bool(facts.contacts),
        "score": score,
        "preview": _preview(facts, standing, score),
        "spreads": _spreads(facts, score),
        "pillars": pillars,
        "contents": [(pillar["code"], pillar["name"]) for pillar in pillars],
        "caps": _caps(score, places),
        "not_rated_reasons": [reason["reason_zh"] for reason in score["not_rated_reasons"]]
        if score and standing["status_code"] == "not_rated"
        else [],
        "objections": [
            {**one, "target_zh": facts.word("target_type", one["target_type_code"])}
            for one in (score["objections"] if score else [])
        ],
        "improvement": _improvement(facts, uscc, score),
        "timeline": events[: timelines.AN_ENTERPRISE],
        "timeline_left": max(0, len(events) - timelines.AN_ENTERPRISE),
        "versions": [
            {**version, "badge": badge(version), "note": "更正" if version["is_correction"] else ""}
            for version in reversed(facts.versions[uscc])
        ],
        "charts": _charts(facts, uscc),
        "method_changes": method_changes(facts),
        "funnel": _funnel(facts, uscc, funnel),
        "served": _served(facts, uscc),
        "root_name": facts.areas.names[facts.areas.root],
    }


def _preview(facts: Facts, standing: Row, score: Row | None) -> Row | None:
    """Return the grade that the next quarter's list would bring, if it is another than the published one."""
    if not score or (score["grade"], score["status_code"]) == (standing["grade"], standing["status_code"]):
        return None
    binds_from = quarters.next_quarter_on(facts.publication["business_date"] + timedelta(days=1))
    return {
        "badge": badge(score),
        "binds_from": binds_from,
        "preview_from": quarters.preview_from(binds_from),
        "reasons": [reason["reason_zh"] for reason in score["not_rated_reasons"]],
    }


def _path(facts: Facts, profile: Row | None) -> list[dict[str, str]]:
    code = profile["region_code"] if profile and profile["region_code"] in facts.areas.names else facts.areas.root
    return [{"name": facts.areas.names[step], "href": f"../area/{step}.html"} for step in facts.areas.path(code)]


def _linked(ids: list[str], places: Mapping[str, str]) -> list[tuple[str, str | None]]:
    return [(one, places.get(one)) for one in ids]


def evidence_of(facts: Facts, uscc: str, code: str, ids: list[str]) -> list[dict[str, Any]]:
    """Return all evidence of an indicator, the heaviest first: id, day, place, what was missed, and where it leads.

    ``ids``: what the grade itself kept, for editions that kept no more.
    """
    rows = facts.indicator_evidence.get(uscc, {}).get(code)
    if rows is None:
        rows = [(one, None, None, None) for one in ids]
    evidence = []
    for evidence_id, event_on, community_id, hours in rows:
        community = facts.community.get(community_id or "")
        href = facts.evidence_places.get(evidence_id)
        if href is None and community:
            href = f"../area/{community['leaf_area_code']}.html#c-{community_id}"
        missed = None
        if code in MISSED:
            missed = (
                f"未{MISSED[code]}" if hours is None else f"{labels.trimmed(Decimal(str(hours)), 1)} 小时{MISSED[code]}"
            )
        evidence.append(
            {
                "id": evidence_id,
                "event_on": event_on,
                "community_id": community_id,
                "place": community["community_name"] if community else None,
                "missed": missed,
                "href": href or f"{uscc}.evidence.csv",
            }
        )
    return evidence


def _spreads(facts: Facts, score: Row | None) -> list[dict[str, Any]]:
    """Return where the score and the pillars lie in the spread of all rated enterprises."""
    if not score:
        return []
    spreads = []
    for code, column, key, top in (
        ("enterprise.score", "score", "score", 103.0),
        ("enterprise.public", "public_pct", "public", 100.0),
        ("enterprise.market", "market_pct", "market", 100.0),
    ):
        value = score[column]
        steps = facts.spreads.get(key, [])
        spreads.append(
            {
                "code": code,
                "value": value,
                "svg": charts.strip(None if value is None else float(value), steps, top),
                "median": steps[2] if len(steps) == 5 else None,
                "words": _position(value, steps),
            }
        )
    return spreads


def _position(value: Any, steps: Any) -> str:
    """Say in words where ``value`` lies among 10th, 25th, 50th, 75th and 90th percentile."""
    if value is None or len(steps) != 5:
        return ""
    words = ("低于九成企业", "后四分之一", "低于中位", "高于中位", "前四分之一", "前一成")
    return words[sum(value >= step for step in steps)]


def _pillars(facts: Facts, uscc: str, score: Row | None) -> list[dict[str, Any]]:
    """Return pillars with their domains and indicators, in the method's order."""
    indicators = facts.method.get("indicators", {})
    domains = facts.method.get("domains", {})
    by_code = {row["indicator_code"]: row for row in facts.points.get(uscc, [])}
    order = [code for code in indicators if code in by_code] + [code for code in by_code if code not in indicators]
    pillars: dict[str, dict[str, Any]] = {}
    room = EVIDENCE_A_PAGE
    for code in order:
        row, given = by_code[code], indicators.get(code, {})
        domain_code = given.get("domain", "")
        domain = domains.get(domain_code, {})
        pillar_code = domain.get("pillar", {"P": "public", "M": "market"}.get(code[:1], "bonus"))
        pillar = pillars.setdefault(
            pillar_code,
            {
                "name": _name(facts.method.get("pillars", {}).get(pillar_code, {}), labels.PILLARS[pillar_code]),
                "code": pillar_code,
                "percent": score[f"{pillar_code}_pct"] if score and pillar_code != "bonus" else None,
                "domains": {},
            },
        )
        shown = pillar["domains"].setdefault(
            domain_code,
            {"name": _name(domain, ""), "code": domain_code, "points": 0, "max_points": 0, "indicators": []},
        )
        if row["is_available"]:
            shown["points"] += row["points"]
            shown["max_points"] += row["max_points"]
        evidence = evidence_of(facts, uscc, code, list(row["evidence_ids"]))
        listed = evidence[: min(EVIDENCE_SHOWN, room)]
        room -= len(listed)
        shown["indicators"].append(
            {
                "code": code,
                "name": _name(given, code),
                "is_available": row["is_available"],
                "points": row["points"],
                "max_points": row["max_points"],
                "share": float(row["points"] / row["max_points"]) if row["max_points"] else 0.0,
                "reason": row["reason_zh"],
                "evidence": listed,
                "every_evidence": evidence,
                "evidence_left": len(evidence) - len(listed),
            }
        )
    for pillar in pillars.values():
        for domain_code, shown in pillar["domains"].items():
            ratio = shown["points"] / shown["max_points"] if shown["max_points"] else None
            steps = facts.spreads.get(domain_code, [])
            shown["ratio"] = ratio
            shown["svg"] = charts.strip(None if ratio is None else float(ratio), steps, 1.0)
            shown["words"] = _position(ratio, steps)
    return [pillars[code] for code in labels.PILLARS if code in pillars]


def _name(entry: Mapping[str, Any], otherwise: str) -> str:
    return str(entry.get("name", {}).get("zh", otherwise))


def _caps(score: Row | None, places: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return caps and vetoes with the decisions they rest on."""
    return [
        {
            "code": cap["code"],
            "reason": cap["reason_zh"],
            "until": cap.get("until"),
            "evidence": _linked(list(cap.get("evidence_ids") or []), places),
            "decisions": cap.get("decisions") or [],
        }
        for cap in (score["caps"] if score else [])
    ]


def _improvement(facts: Facts, uscc: str, score: Row | None) -> dict[str, Any] | None:
    """Return what would raise the enterprise to the next grade, with the names of indicators and records."""
    steps = score["lift"] if score else None
    if not steps:
        return None
    given = facts.method.get("indicators", {})
    lost = {row["indicator_code"]: row for row in facts.points.get(uscc, [])}

    def named(row: Mapping[str, Any]) -> dict[str, Any]:
        code = row["indicator_code"]
        return {
            **row,
            "name": _name(given.get(code, {}), code),
            "has_evidence": bool(lost.get(code, {}).get("evidence_ids")),
        }

    ahead = steps["next"]
    return {
        "lost": [named(row) for row in steps["lost"]],
        "records": [
            {
                **record,
                "tier_zh": facts.word("tier", record["tier_code"]),
                "type_zh": facts.word("record_type", record["record_type_code"]),
            }
            for record in steps["records"]
        ],
        "next": {**ahead, "changes": [named(row) for row in ahead["changes"]]} if ahead else None,
        "has_advice": "advice" in steps,  # runs of earlier rules have none
        "advice": {**advice, "steps": [named(row) for row in advice["steps"]]}
        if (advice := steps.get("advice"))
        else None,
    }


def method_changes(facts: Facts) -> list[dict[str, str]]:
    """Return the months that were the first under another method than the month before."""
    changes, before = [], None
    for month in sorted(facts.past_methods):
        version = facts.past_methods[month]
        if before is not None and version != before:
            changes.append({"month": month, "method_version": version, "before": before})
        before = version
    return changes


def _charts(facts: Facts, uscc: str) -> list[dict[str, Any]]:
    """Return the trends of 24 months; a score is a month's last publication, and a new method is marked."""
    months = facts.months
    own = facts.enterprise_months.get(uscc, {})
    past = {row["month"]: row for row in facts.past_scores.get(uscc, [])}
    changed = [change["month"] for change in method_changes(facts) if change["month"] in months]
    above = {month: facts.area_months.get((facts.areas.root, month), {}) for month in months}
    drawn = []
    for name, rows, column, beside in (
        ("enterprise.past_score", past, "score", None),
        ("enterprise.rate", own, "complaints_per_1k_household_months", None),
        ("enterprise.within_24h", own, "resolved_within_24h_ratio", "resolved_within_24h_ratio"),
    ):
        entry = figure(name)
        lines = [charts.Series("本企业", [_number(rows.get(month), column) for month in months])]
        if beside:
            name_above = f"{facts.areas.names[facts.areas.root]}全部诉求"
            lines.append(charts.Series(name_above, [_number(above[month], beside) for month in months], is_main=False))
        known = sum(value is not None for value in lines[0].values)
        if not known or (name == "enterprise.past_score" and known < 2):
            continue
        drawn.append(
            {
                "code": name,
                "svg": charts.trend(
                    months,
                    lines,
                    is_ratio=entry.unit == "ratio",
                    marks=changed if column == "score" else (),
                    title=entry.axis,
                    is_open=facts.is_in_progress and column != "score",
                ),
                "lines": lines,
                "is_open": facts.is_in_progress and column != "score",
                "months": [
                    {"month": month, "value": rows[month][column] if month in rows else None}
                    for month in reversed(months)
                ],
            }
        )
    return drawn


def _number(row: Row | None, column: str) -> float | None:
    return None if not row or row.get(column) is None else float(row[column])


def _funnel(facts: Facts, uscc: str, cloud: tuple[float, float, float, float] | None) -> dict[str, Any] | None:
    """Return the enterprise's observed and expected complaints, and where its mark lies over the shared cloud, in %."""
    row = facts.exposures.get(uscc)
    if row is None or cloud is None or not row["denominator"]:
        return None
    ratio = row["numerator"] / row["denominator"]
    left, top, width, height = cloud
    x, y = charts.funnel_place(float(row["denominator"]), float(ratio), facts.most_expected)
    return {
        **row,
        "raw_ratio": ratio,
        "x": round(100 * (left + x * charts.FUNNEL_WIDTH) / width, 2),
        "y": round(100 * (top + y * charts.FUNNEL_HEIGHT) / height, 2),
    }


def funnel_points(facts: Facts) -> list[tuple[float, float]]:
    """Return (expected, observed ÷ expected) of every enterprise with something to expect."""
    return [
        (float(row["denominator"]), float(row["numerator"] / row["denominator"]))
        for row in facts.exposures.values()
        if row["denominator"]
    ]


def _served(facts: Facts, uscc: str) -> list[dict[str, Any]]:
    """Return the leaf areas in which the enterprise manages communities, with their number."""
    return [
        {"name": facts.areas.names[code], "href": f"../area/{code}.html", "count": count}
        for code in sorted(facts.enterprise_areas.get(uscc, ()))
        if not facts.areas.children.get(code) and (count := facts.served.get((code, uscc), 0))
    ]
