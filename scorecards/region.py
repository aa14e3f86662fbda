"""What a region's page shows: the index is the page of the region at the top."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scorecards import charts, labels
from scorecards.enterprise import TREND_MONTHS, badge, values
from scorecards.facts import Facts, Row
from scorecards.regions import RegionTree

UNGRADED_ORDER = ("not_rated", "serious_dishonesty")


def region_page(facts: Facts, regions: RegionTree, code: str, *, drawings: Path) -> dict[str, Any]:
    """Return what the template of region ``code`` needs; charts are kept below ``drawings``."""
    is_root = code == regions.root
    to_root = "" if is_root else "../"
    here = _enterprises_in(facts, regions, code)
    months = facts.region_months.get(code, [])
    return {
        "code": code,
        "name": regions.names[code],
        "to_root": to_root,
        "path": [
            {"name": regions.names[step], "href": f"{to_root}index.html" if step == regions.root else f"{step}.html"}
            for step in regions.path(code)[:-1]
        ],
        "shares": _shares(facts, here),
        "enterprise_count": len(here),
        "changes": _changes(facts, here),
        "kpis": _kpis(facts, regions, code, here),
        "latest": months[-1] if months else None,
        "before": months[-2] if len(months) > 1 else None,
        "children": [_child(facts, regions, child) for child in regions.children.get(code, [])],
        "child_href": "region/" if is_root else "",
        "enterprises": [_line(facts, regions, uscc) for uscc in here],
        "figures": _figures(facts, regions, code, drawings),
    }


def _enterprises_in(facts: Facts, regions: RegionTree, code: str) -> list[str]:
    """Return the credit codes of a region: best grade first, then by score, those without a score last."""
    inside = regions.below(code)
    grades = [grade["code"] for grade in facts.method.get("grades", [])] or ["AA", "A", "B"]
    ranks = {grade: rank for rank, grade in enumerate(grades)}

    def place(uscc: str) -> tuple[int, Any, str]:
        score = facts.scores.get(uscc)
        points = -score["score"] if score and score["score"] is not None else 0
        return ranks.get(facts.standing[uscc]["grade"], len(ranks)), points, uscc

    found = [
        uscc
        for uscc in facts.standing
        if code == regions.root or (uscc in facts.enterprises and facts.enterprises[uscc]["region_code"] in inside)
    ]
    return sorted(found, key=place)


def _shares(facts: Facts, here: list[str]) -> list[dict[str, Any]]:
    """Return how many enterprises hold each grade or status."""
    counts = Counter(badge(facts.standing[uscc])["text"] for uscc in here)
    grades = [grade["code"] for grade in facts.method.get("grades", [])] or ["AA", "A", "B"]
    shown = [(grade, f"grade-{grade.lower()}") for grade in grades]
    shown += [(labels.STATUSES[status], status) for status in UNGRADED_ORDER]
    return [
        {"text": text, "kind": kind, "count": counts[text], "share": counts[text] / len(here) if here else 0}
        for text, kind in shown
    ]


def _changes(facts: Facts, here: list[str]) -> list[dict[str, Any]]:
    """Return the grades that changed during the month, from what to what; first grades are not changes."""
    first_day = facts.business_date.replace(day=1)
    found = []
    for uscc in here:
        versions = facts.versions[uscc]
        before = [version for version in versions if version["valid_from"] <= first_day]
        if before and badge(before[-1]) != badge(versions[-1]):
            found.append(
                {
                    "uscc": uscc,
                    "name": versions[-1]["enterprise_name"],
                    "before": badge(before[-1]),
                    "after": badge(versions[-1]),
                    "valid_from": versions[-1]["valid_from"],
                }
            )
    return found


def _kpis(facts: Facts, regions: RegionTree, code: str, here: list[str]) -> list[dict[str, Any]]:
    """Return the nearest target of each KPI that concerns this region; the index also shows those set above it."""
    concerned = {code}
    if code == regions.root:
        while above := facts.regions[code]["parent_region_code"]:
            concerned.add(above)
            code = above
    lines = []
    for row in facts.kpis:
        if row["region_code"] not in concerned:
            continue
        actual = row["actual_value"]
        if row["kpi_code"] == "aa_enterprises":  # known only once grades are published, so no mart can give it
            actual = sum(facts.standing[uscc]["grade"] == "AA" for uscc in here)
        lines.append(
            {
                **row,
                "region_name": facts.regions[row["region_code"]]["region_name"],
                "source": labels.clause(row["source_clause"]),
                "actual": _kpi_text(actual, row["unit_code"]),
                "state": _kpi_state(actual, row),
            }
        )
    return lines


def _kpi_text(actual: Any, unit_code: str) -> str:
    return labels.percent(actual) if unit_code == "ratio" else labels.trimmed(actual)


def _kpi_state(actual: Any, row: Row) -> dict[str, str]:
    if actual is None:
        return {"kind": "unknown", "text": "○ 暂无数据"}
    if row["target_value"] is None:
        return {"kind": "unknown", "text": "○ 无量化目标"}
    is_met = actual >= row["target_value"] if row["direction_code"] == "above" else actual <= row["target_value"]
    return {"kind": "met", "text": "● 已达到"} if is_met else {"kind": "behind", "text": "▲ 未达到"}


def _child(facts: Facts, regions: RegionTree, code: str) -> dict[str, Any]:
    here = _enterprises_in(facts, regions, code)
    months = facts.region_months.get(code, [])
    return {
        "code": code,
        "name": regions.names[code],
        "enterprise_count": len(here),
        "shares": _shares(facts, here),
        "latest": months[-1] if months else None,
    }


def _line(facts: Facts, regions: RegionTree, uscc: str) -> dict[str, Any]:
    profile: Mapping[str, Any] = facts.enterprises.get(uscc, {})
    score = facts.scores.get(uscc)
    return {
        "uscc": uscc,
        "name": facts.standing[uscc]["enterprise_name"],
        "badge": badge(facts.standing[uscc]),
        "region_name": regions.names.get(profile.get("region_code", ""), labels.DASH),
        "project_count": profile.get("project_count"),
        "score": score,
        "caps": score["caps"] if score else [],
    }


def _figures(facts: Facts, regions: RegionTree, code: str, folder: Path) -> list[dict[str, Any]]:
    own = {row["month"]: row for row in facts.region_months.get(code, [])}
    top = {row["month"]: row for row in facts.region_months.get(regions.root, [])}
    months = sorted(own)[-TREND_MONTHS:]
    found = []
    for column, title, is_ratio, is_bar in (
        ("complaint_count", "诉求量（件）", False, True),
        ("complaints_per_1k_household_months", "每千户月诉求量（件）", False, False),
        ("resolved_within_24h_ratio", "24小时解决率", True, False),
    ):
        lines = [charts.Series(regions.names[code], values(own, months, column))]
        if code != regions.root and not is_bar:
            lines.append(charts.Series(regions.names[regions.root], values(top, months, column), is_main=False))
        found.append(
            {
                "title": title,
                "svg": charts.trend(months, lines, folder=folder, is_ratio=is_ratio, is_bar=is_bar),
                "months": months,
                "lines": lines,
                "is_ratio": is_ratio,
                "digits": 0 if is_bar else 2,
            }
        )
    return found
