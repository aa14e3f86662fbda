"""What an enterprise's page shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scorecards import charts, labels
from scorecards.facts import Facts, Row
from scorecards.regions import RegionTree

TREND_MONTHS = 24
EVIDENCE_SHOWN = 20


def badge(version: Row) -> dict[str, str]:
    """Return the text and the style class of a grade or of the status that stands for one."""
    if version["grade"]:
        return {"text": version["grade"], "kind": f"grade-{str(version['grade']).lower()}"}
    return {"text": labels.label(labels.STATUSES, version["status_code"]), "kind": version["status_code"]}


def enterprise_page(facts: Facts, regions: RegionTree, uscc: str, *, drawings: Path) -> dict[str, Any]:
    """Return what the template of enterprise ``uscc`` needs; charts are kept below ``drawings``."""
    standing = facts.standing[uscc]
    score = facts.scores.get(uscc)
    profile = facts.enterprises.get(uscc)
    code = profile["region_code"] if profile and profile["region_code"] in regions.names else None
    return {
        "uscc": uscc,
        "name": standing["enterprise_name"],
        "standing": standing,
        "badge": badge(standing),
        "status_zh": labels.label(labels.STATUSES, standing["status_code"]),
        "path": _path(regions, code),
        "profile": profile,
        "score": score,
        "pillars": _pillars(facts, uscc, score),
        "caps": _caps(facts, uscc, score),
        "not_rated_reasons": [reason["reason_zh"] for reason in score["not_rated_reasons"]] if score else [],
        "objections": score["objections"] if score else [],
        "lift": _lift(facts, uscc, score),
        "versions": [
            {**version, "badge": badge(version), "note": "更正" if version["is_correction"] else ""}
            for version in reversed(facts.versions[uscc])
        ],
        "figures": _figures(facts, regions, uscc, drawings),
        "region_name": regions.names[regions.root],
    }


def _path(regions: RegionTree, code: str | None) -> list[dict[str, str]]:
    way = regions.path(code) if code else [regions.root]
    return [
        {"name": regions.names[step], "href": "../index.html" if step == regions.root else f"../region/{step}.html"}
        for step in way
    ]


def _pillars(facts: Facts, uscc: str, score: Row | None) -> list[dict[str, Any]]:
    """Return pillars with their domains and indicators, in the method's order."""
    indicators = facts.method.get("indicators", {})
    domains = facts.method.get("domains", {})
    by_code = {row["indicator_code"]: row for row in facts.points.get(uscc, [])}
    order = [code for code in indicators if code in by_code] + [code for code in by_code if code not in indicators]
    pillars: dict[str, dict[str, Any]] = {}
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
                "points": 0,
                "max_points": 0,
                "domains": {},
            },
        )
        shown = pillar["domains"].setdefault(
            domain_code, {"name": _name(domain, ""), "points": 0, "max_points": 0, "indicators": []}
        )
        for part in (pillar, shown):
            part["points"] += row["points"]
            part["max_points"] += row["max_points"]
        shown["indicators"].append(
            {
                "code": code,
                "name": _name(given, code),
                "is_available": row["is_available"],
                "points": row["points"],
                "max_points": row["max_points"],
                "share": float(row["points"] / row["max_points"]) if row["max_points"] else 0.0,
                "reason": row["reason_zh"],
                "evidence": list(row["evidence_ids"])[:EVIDENCE_SHOWN],
                "evidence_left": max(0, len(row["evidence_ids"]) - EVIDENCE_SHOWN),
            }
        )
    return [pillars[code] for code in labels.PILLARS if code in pillars]


def _name(entry: Mapping[str, Any], otherwise: str) -> str:
    return str(entry.get("name", {}).get("zh", otherwise))


def _caps(facts: Facts, uscc: str, score: Row | None) -> list[dict[str, Any]]:
    """Return caps and vetoes with what they rest on."""
    return [
        {
            "code": cap["code"],
            "reason": cap["reason_zh"],
            "until": cap.get("until"),
            "evidence": cap.get("evidence_ids") or [],
            "details": [
                {**detail, "authority": labels.label(labels.AUTHORITIES, detail["authority_name"] or "")}
                for detail in facts.cap_details.get((uscc, cap["code"]), [])[:EVIDENCE_SHOWN]
            ],
        }
        for cap in (score["caps"] if score else [])
    ]


def _lift(facts: Facts, uscc: str, score: Row | None) -> dict[str, Any] | None:
    """Return what would lift the enterprise, with the names of indicators and the evidence of what was lost."""
    found = score["lift"] if score else None
    if not found:
        return None
    given = facts.method.get("indicators", {})
    evidence = {row["indicator_code"]: list(row["evidence_ids"]) for row in facts.points.get(uscc, [])}

    def named(row: Mapping[str, Any]) -> dict[str, Any]:
        code = row["indicator_code"]
        return {**row, "name": _name(given.get(code, {}), code), "evidence": evidence.get(code, [])[:EVIDENCE_SHOWN]}

    ahead = found["next"]
    return {
        "lost": [named(row) for row in found["lost"]],
        "records": found["records"],
        "next": {**ahead, "changes": [named(row) for row in ahead["changes"]]} if ahead else None,
    }


def _figures(facts: Facts, regions: RegionTree, uscc: str, folder: Path) -> list[dict[str, Any]]:
    """Return the two trends over the last months, with all enterprises together beside them."""
    everyone = facts.all_enterprises_months
    own = {row["month"]: row for row in facts.enterprise_months.get(uscc, [])}
    months = sorted(everyone)[-TREND_MONTHS:]
    if not months:
        return []
    found = []
    for column, title, is_ratio in (
        ("complaints_per_1k_household_months", "每千户月有责诉求（件）", False),
        ("resolved_within_24h_ratio", "24小时解决率", True),
    ):
        lines = [
            charts.Series("本企业", values(own, months, column)),
            charts.Series(f"{regions.names[regions.root]}全部企业", values(everyone, months, column), is_main=False),
        ]
        found.append(
            {
                "title": title,
                "svg": charts.trend(months, lines, folder=folder, is_ratio=is_ratio),
                "months": months,
                "lines": lines,
                "is_ratio": is_ratio,
                "digits": 2,
            }
        )
    return found


def values(rows: Mapping[str, Row], months: list[str], column: str) -> list[float | None]:
    """Return ``column`` for each of ``months`` as floats for drawing; None where there is no figure."""
    return [
        float(rows[month][column]) if month in rows and rows[month][column] is not None else None for month in months
    ]
