"""Policy targets on an area's page: the actual value beside the target, its traffic light and its trend."""

from collections.abc import Mapping
from typing import Any

from scorecards import charts, labels
from scorecards.facts import Facts, Row

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


def kpi_lines(facts: Facts, code: str, values: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return the nearest target of each KPI set for this area or above it, where this area has a figure for it."""
    concerned = set(facts.areas.path(code))
    state = facts.area_states.get(code, {})
    lines = []
    for row in facts.rows("kpis"):
        if row["region_code"] not in concerned:
            continue
        column, term = KPI_STATES.get(row["kpi_code"], (None, None))
        if row["kpi_code"] == "aa_enterprises":  # known only once grades are published
            actual, term = values["grades.AA"][0], "grades.AA"
        else:
            actual = facts.kpi_actuals.get((code, row["kpi_code"]))
            if actual is None and column and facts.areas.levels[code] == "street":
                actual = state.get(column)
        if actual is None and row["region_code"] != code:
            continue  # not counted below the area it is set for
        trend_column = KPI_TRENDS.get(row["kpi_code"])
        lines.append(
            {
                **row,
                "term": term,
                "source": labels.clause(row["source_clause"]),
                "set_for": facts.areas.names[row["region_code"]],
                "actual": actual,
                "actual_text": kpi_text(actual, row["unit_code"]),
                "state": kpi_state(actual, row),
                "progress": _progress(actual, row),
                "spark": charts.spark(column_values(facts, code, trend_column)) if trend_column else "",
                "href": _kpi_link(term, bool(facts.areas.children.get(code))),
            }
        )
    return lines


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


def kpi_state(actual: Any, row: Row) -> dict[str, str]:
    """Return the traffic light of a KPI: it differs in colour, in shape and in words."""
    if actual is None:
        return {"kind": "unknown", "shape": "○", "text": "暂无数据"}
    target = row["target_value"]
    if target is None:
        return {"kind": "unknown", "shape": "○", "text": "无量化目标"}
    gap = target - actual if row["direction_code"] == "above" else actual - target
    if gap <= 0:
        return {"kind": "met", "shape": "●", "text": "已达到"}
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
