"""Policy targets on an area's page: the actual value beside the target, its traffic light and its trend."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Any, TypeAlias

from property_credit.scorecards import area_figures, charts, labels
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts

KPI_STATES = {
    "management_coverage": ("managed_ratio", "coverage.managed"),
    "professional_coverage": ("professional_ratio", "coverage.professional"),
    "old_community_takeover": ("old_managed_ratio", "coverage.old"),
    "disclosure_coverage": ("disclosed_ratio", "coverage.disclosed"),
    "complaint_volume_change": ("complaint_volume_change", "complaints.change_2025"),
}
KPI_TRENDS = {
    "management_coverage": "managed_ratio",
    "professional_coverage": "professional_ratio",
    "complaint_volume_change": "complaint_count",
}

Lacks: TypeAlias = Callable[[Row], bool]
# targets that count communities: what one of them lacks, by a column of the edition's communities
LACKING: Mapping[str, tuple[str, Lacks]] = {
    "management_coverage": ("无管理人", lambda row: row["current_uscc"] is None),
    "professional_coverage": ("无物业服务企业", lambda row: not row["is_enterprise"]),
    "old_community_takeover": (
        "老旧小区无管理人",
        lambda row: row["community_type_code"] == "old" and row["current_uscc"] is None,
    ),
    "old_enterprise_takeover": (
        "老旧小区无物业服务企业",
        lambda row: row["community_type_code"] == "old" and not row["is_enterprise"],
    ),
    "disclosure_coverage": ("专业化小区近12个月无公示", lambda row: row["is_enterprise"] and not row["is_disclosed"]),
    "mashangban_coverage": ("未入驻码上办", lambda row: not row["is_enrolled"]),
    "owners_committee_ratio": ("无业委会或物管会", lambda row: not row["has_committee"]),
}
BEGINS = date(2026, 1, 1)  # of what counts from nothing over several years: 电梯 2026—2028年累计
SHOWN = Decimal("0.001")  # of a share: pages show tenths of a percent
YEARLY = ("committee_training_ratio",)  # what counts from nothing in each year


def kpi_lines(facts: Facts, code: str, values: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return the nearest target of each KPI set for this area or above it, where this area has a figure for it.

    Only the area that a target is set for is judged by it; those below see their part of it.
    """
    concerned = set(facts.areas.path(code))
    state = facts.area_states.get(code, {})
    lines = []
    for row in facts.rows("kpis"):
        if row["region_code"] not in concerned:
            continue
        column, term = KPI_STATES.get(row["kpi_code"], (None, None))
        is_missing = False
        if row["kpi_code"] == "aa_enterprises":  # known only once grades are published
            actual, term = values["grades.AA"][0], "grades.AA"
        else:
            actual = facts.kpi_actuals.get((code, row["kpi_code"]))
            is_missing = (code, row["kpi_code"]) in facts.missing_kpis
            if actual is None and column and facts.areas.levels[code] == "street":
                actual = state.get(column)
        if actual is None and row["region_code"] != code and not is_missing:
            continue  # not counted below the area it is set for
        trend_column = KPI_TRENDS.get(row["kpi_code"])
        is_own = row["region_code"] == code
        due = by_now(row, facts.business_date) if is_own else None
        lines.append(
            {
                **row,
                "term": term,
                "source": labels.clause(row["source_clause"]),
                "set_for": facts.areas.names[row["region_code"]],
                "is_own": is_own,
                "actual": actual,
                "actual_text": kpi_text(actual, row["unit_code"]),
                "by_now_text": None if due is None else kpi_text(due, row["unit_code"]),
                "state": _state(facts, code, row, actual, is_missing=is_missing, due=due),
                "progress": _progress(actual, row) if is_own else None,
                "spark": charts.spark(column_values(facts, code, trend_column)) if trend_column else "",
                "href": f"{code}.targets.html#{row['kpi_code']}"
                if lacking_in(facts, code, row["kpi_code"]) is not None
                else _kpi_link(term, bool(facts.areas.children.get(code))),
            }
        )
    return lines


def _state(facts: Facts, code: str, row: Row, actual: Any, *, is_missing: bool, due: Decimal | None) -> dict[str, str]:
    if is_missing:
        return {"kind": "unknown", "shape": "○", "text": "数据缺报，不作判断"}
    if row["region_code"] == code:
        return kpi_state(actual, row, due, facts.business_date)
    above = facts.areas.names[row["region_code"]]
    if row["unit_code"] == "count" and actual is not None:
        if row["kpi_code"] == "aa_enterprises":
            whole = area_figures.values_of(facts, row["region_code"])["grades.AA"][0]
        else:
            whole = facts.kpi_actuals.get((row["region_code"], row["kpi_code"]))
        share = f"，占{above}的 {labels.percent(Decimal(actual) / Decimal(whole), 0)}" if whole else ""
        return {"kind": "part", "shape": "◇", "text": f"本地区贡献{share}"}
    lacking = lacking_in(facts, code, row["kpi_code"])
    if lacking is not None:
        gap = f"尚缺 {len(lacking)} 个小区" if lacking else "没有缺口"
        return {"kind": "part", "shape": "◇", "text": f"目标属{above}；本地区{gap}"}
    return {"kind": "part", "shape": "◇", "text": f"目标属{above}，本级供对照"}


def lacking_in(facts: Facts, code: str, kpi_code: str) -> list[Row] | None:
    """Return the communities of an area that a target still lacks; None where it does not count communities."""
    needed = {"mashangban_coverage": "is_enrolled", "owners_committee_ratio": "has_committee"}.get(kpi_code)
    if kpi_code not in LACKING or (needed and needed not in next(iter(facts.community.values()), {})):
        return None  # an edition from before 2026-12 does not know it
    _, lacks = LACKING[kpi_code]
    rows = (row for leaf in sorted(facts.areas.below(code)) for row in facts.communities.get(leaf, []))
    return [row for row in rows if lacks(row)]


def by_now(row: Row, night: date) -> Decimal | None:
    """Return where a target that falls due at the end of its year should stand by ``night`` (时序进度), or None.

    On a straight way from the year before's target, or from nothing for what is counted up in a year or over several.
    None where the documents say neither. A share is cut to the digits that are shown: 81.7 % is not behind 81.7 %.
    """
    target, year = row["target_value"], int(row["target_year"])
    if target is None or row["direction_code"] != "above":
        return None
    begins, before = date(year, 1, 1), row.get("previous_value")
    if row["kpi_code"] in YEARLY:
        before = Decimal(0)
    if before is None:
        if row["kpi_code"] not in ("lift_renewals", "lift_additions"):
            return None
        begins, before = BEGINS, Decimal(0)
    ends = date(year, 12, 31)
    part = Decimal(min(max((night - begins).days + 1, 0), (ends - begins).days + 1)) / ((ends - begins).days + 1)
    due = Decimal(before) + (Decimal(target) - Decimal(before)) * part
    return due.quantize(SHOWN, ROUND_DOWN) if row.get("unit_code") == "ratio" else due


def _kpi_link(term: str | None, has_children: bool) -> str | None:
    """Return what a KPI's value leads to: the table of areas below that it is the sum of, else the communities."""
    if term is None or term.startswith("grades"):
        return "#calls" if term else None
    if not has_children:
        return "#communities"
    return "#by-coverage" if term.startswith("coverage") else "#by-complaints"


def kpi_text(actual: Any, unit_code: str) -> str:
    """Write a KPI's value in its unit."""
    return labels.percent(actual) if unit_code == "ratio" else labels.trimmed(actual)


def kpi_state(actual: Any, row: Row, due: Decimal | None = None, night: date | None = None) -> dict[str, str]:
    """Return the light of a KPI: it differs in colour, in shape and in words.

    Args:
        actual: the KPI's value; None: not known.
        row: its target.
        due: where it should be by now; None: the documents do not say.
        night: the night that is judged: a target of a later year without a way to it is not missed yet.
    """
    if actual is None:
        return {"kind": "unknown", "shape": "○", "text": "暂无数据"}
    target = row["target_value"]
    if target is None:
        return {"kind": "unknown", "shape": "○", "text": "无量化目标"}
    gap = target - actual if row["direction_code"] == "above" else actual - target
    if gap <= 0:
        return {"kind": "met", "shape": "●", "text": "已达到"}
    if due is not None:
        if actual >= due:
            return {"kind": "near", "shape": "▲", "text": "符合时序进度"}
        return {"kind": "behind", "shape": "■", "text": "落后于时序进度"}
    if night is not None and int(row["target_year"]) > night.year:
        return {"kind": "unknown", "shape": "○", "text": f"{row['target_year']}年到期"}
    if gap <= abs(target) / 20 or (row["unit_code"] == "ratio" and gap * 100 <= 5):
        return {"kind": "near", "shape": "▲", "text": "接近"}
    return {"kind": "behind", "shape": "■", "text": "未达到"}


def _progress(actual: Any, row: Row) -> float | None:
    if actual is None or not row["target_value"] or row["direction_code"] != "above":
        return None
    return float(min(max(actual / row["target_value"], 0), 1))


def column_values(facts: Facts, code: str, column: str) -> list[float | None]:
    """Return an area's ``column`` for each month of the trends, for drawing."""
    return [
        None if (row := facts.area_months.get((code, month))) is None or row[column] is None else float(row[column])
        for month in facts.months
    ]


def lists(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return, for each target that counts communities, those of an area that it still lacks, or how many lie where."""
    names = {row["kpi_code"]: row["kpi_zh"] for row in facts.rows("kpis")}
    children = facts.areas.children.get(code, [])
    items = []
    for kpi_code, (what, _) in LACKING.items():
        rows = lacking_in(facts, code, kpi_code)
        if kpi_code not in names or rows is None:
            continue
        items.append(
            {
                "code": kpi_code,
                "name": names[kpi_code],
                "what": what,
                "count": len(rows),
                "is_missing": (code, kpi_code) in facts.missing_kpis,
                "below": [
                    {
                        "name": facts.areas.names[child],
                        "code": child,
                        "count": len(lacking_in(facts, child, kpi_code) or []),
                    }
                    for child in children
                ],
                "rows": []
                if children
                else [{**row, "href": f"{row['leaf_area_code']}.html#c-{row['community_id']}"} for row in rows],
            }
        )
    return items
