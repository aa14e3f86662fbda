"""Workbooks: typed cells with number formats, frozen heads, no formula; the sheets an area and an enterprise have."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import xlsxwriter

from property_credit.scorecards import area_communities, supervision
from property_credit.scorecards.downloads import (
    COMMUNITY_COLUMNS,
    ENTERPRISE_EVIDENCE_HEAD,
    ENTERPRISE_HEAD,
    EVIDENCE_COLUMNS,
    TODO_HEAD,
    enterprise_evidence,
    evidence_rows,
    figure_rows,
    points_rows,
    yes,
)
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.figures import figure

LEVELS_WITH_COMMUNITIES = ("district", "street")
FORMATS = {  # as the pages write a figure of that unit
    "count": "#,##0",
    "households": "#,##0",
    "days": "#,##0",
    "ratio": "0.0%",
    "ratio_change": "0.0%",
    "per_1k": "#,##0.00",
    "points": "0.00",
    "cny": "#,##0.00",
    "cases": "#,##0.0",
    "pct": "0.0",
    "decimal": "0.00",
    "number": "0.00",
}
UNITS_OF_KPIS = {"ratio": "ratio", "count": "count"}
UNITS_OF_COLUMNS = {"complaints_per_1k_household_months": "per_1k", "resolution_hours": "cases"}


@dataclass(frozen=True)
class Styled:
    """A number with the unit that its cell is written in."""

    value: Any
    unit: str


def styled(code: str, value: Any) -> Styled:
    """Return the value of a figure with its unit."""
    return Styled(value, figure(code).unit)


def area_workbook(facts: Facts, code: str, view: Mapping[str, Any], enterprises: Iterable[Mapping[str, Any]]) -> bytes:
    """Return an area's workbook: figures, targets, areas below, ranking, enterprises, open matters one by one.

    From the district down it holds communities and evidence too.
    """
    book = Workbook()
    head = [
        ("代码", 26),
        ("指标", 22),
        ("本月", 12),
        (view["against"], 12),
        (view["against_year"], 12),
        ("缺报", 40),
        ("口径", 90),
    ]
    figures = ((row[0], row[1], *(styled(row[0], value) for value in row[2:5]), *row[5:]) for row in figure_rows(view))
    book.sheet("指标", head, figures)
    book.sheet("目标", KPI_HEAD, _kpis(view))
    if view["has_children"]:
        columns = [column for table in view["tables"].values() for column in table["columns"]]
        rows = zip(*(table["rows"] for table in view["tables"].values()), strict=True)
        book.sheet(
            "分地区",
            [("代码", 11), ("地区", 18), *((figure(column).label, 14) for column in columns)],
            (
                (parts[0]["code"], parts[0]["name"], *(styled(*cell) for part in parts for cell in part["cells"]))
                for parts in rows
            ),
        )
        book.sheet("排名", RANKING_HEAD, _ranking(view))
    book.sheet(
        "企业",
        [
            ("代码", 22),
            ("企业", 40),
            ("等级", 10),
            ("总分", 9),
            ("本地区小区", 11),
            ("重点监管", 10),
            ("封顶与否决", 14),
        ],
        (
            (
                row["uscc"],
                row["name"],
                row["badge"]["text"],
                styled("enterprise.score", row["score"]),
                row["served"],
                yes(row["is_key_supervision"]),
                " ".join(row["caps"]),
            )
            for row in enterprises
        ),
    )
    todo = supervision.todo_rows(facts, code)
    for name, matter in (("预警", "预警"), ("督办", "超时诉求"), ("待办", None)):
        rows_of = ((*row[:3], Styled(row[3], "cny"), *row[4:]) for row in todo if matter in (None, row[0]))
        book.sheet(name, list(TODO_HEAD), rows_of)
    book.sheet("热点小区", HOT_HEAD, _hot_spots(facts, code))
    if facts.areas.levels[code] in LEVELS_WITH_COMMUNITIES:
        communities = [row for leaf in sorted(facts.areas.below(code)) for row in facts.communities.get(leaf, [])]
        for name, columns_of, listed in (
            ("小区", COMMUNITY_COLUMNS, communities),
            ("证据", EVIDENCE_COLUMNS, evidence_rows(facts, code)),
        ):
            book.sheet(
                name,
                [(title, width) for title, _, width in columns_of],
                ([_typed(column, row.get(column)) for _, column, _ in columns_of] for row in listed),
            )
    return book.content(facts.business_date)


KPI_HEAD = (
    ("目标代码", 26), ("目标", 30), ("目标年度", 10), ("目标值", 16), ("实际", 12), ("时序进度", 12), ("状态", 30),
    ("目标属", 14), ("依据", 34),
)  # fmt: skip


def _kpis(view: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    return (
        (line["kpi_code"], line["kpi_zh"], line["target_year"], line["target_text"],
         Styled(line["actual"], UNITS_OF_KPIS.get(line["unit_code"], "number")), line["by_now_text"],
         line["state"]["text"], line["set_for"], line["source"])
        for line in view["kpis"]
    )  # fmt: skip


RANKING_HEAD = (
    ("次序", 8), ("代码", 11), ("地区", 18), ("落后程度", 10), ("每千户月诉求量变化", 18),
    ("24小时解决率变化（百分点）", 24), ("专业化物业覆盖率", 16), ("老旧小区覆盖率", 16),
)  # fmt: skip


def _ranking(view: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    for place, one in enumerate(view["lagging"], 1):
        values = one["values"]
        points = values["within_24h_change"]
        yield (
            place, one["code"], one["name"], Styled(one["points"], "cases"), Styled(values["rate_change"], "ratio"),
            Styled(None if points is None else points * 100, "cases"), Styled(values["professional"], "ratio"),
            Styled(values["old"], "ratio"),
        )  # fmt: skip


HOT_HEAD = (
    ("小区编号", 14), ("小区", 26), ("地区", 16), ("管理人", 34), ("近三个月诉求", 13), ("预期", 9), ("界限", 9),
    ("本月", 8), ("少数人集中反映", 15),
)  # fmt: skip


def _hot_spots(facts: Facts, code: str) -> Iterable[tuple[Any, ...]]:
    return (
        (row["community_id"], row["community_name"], row["place"], row["manager_name"], row["window_complaint_count"],
         Styled(row["window_expected_count"], "cases"), Styled(row["upper_998_count"], "cases"), row["complaint_count"],
         yes(row["is_flooded"]))
        for row in area_communities.every_hot_spot(facts, code)
    )  # fmt: skip


def enterprise_workbook(facts: Facts, uscc: str, view: Mapping[str, Any]) -> bytes:
    """Return an enterprise's workbook: its points with reasons and evidence."""
    book = Workbook()
    widths = (22, 34, 8, 26, 9, 9, 8, 70, 60)
    points = (
        (uscc, view["name"], *row[:2], Styled(row[2], "points"), Styled(row[3], "points"), *row[4:])
        for row in points_rows(view)
    )
    book.sheet("得分", list(zip(ENTERPRISE_HEAD, widths, strict=True)), points)
    book.sheet("证据", list(ENTERPRISE_EVIDENCE_HEAD), enterprise_evidence(view))
    return book.content(facts.business_date)


def _typed(column: str, value: Any) -> Any:
    """Return a date for a date column, which an edition keeps as text, and a number as the pages write it."""
    if column in UNITS_OF_COLUMNS:
        return Styled(value, UNITS_OF_COLUMNS[column])
    return date.fromisoformat(value) if value and column.endswith("_on") else yes(value)


class Workbook:
    """A workbook in memory: headers frozen and bold, numbers and dates as such, text never as a formula."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._book = xlsxwriter.Workbook(
            self._bytes,
            {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
        )
        self._head = self._book.add_format({"bold": True, "bottom": 1, "bg_color": "#E6F0EF"})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._units = {unit: self._book.add_format({"num_format": style}) for unit, style in FORMATS.items()}

    def sheet(self, name: str, head: Sequence[tuple[str, float]], rows: Iterable[Sequence[Any]]) -> None:
        """Add a sheet with ``head`` (title, column width) over ``rows``."""
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 2)
        for column, (title, width) in enumerate(head):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, self._head)
        last = 0
        for last, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                value, style = (cell.value, self._units[cell.unit]) if isinstance(cell, Styled) else (cell, None)
                if value is None:
                    continue
                if isinstance(value, int | float | Decimal):
                    sheet.write_number(last, column, value, style)
                elif isinstance(value, date):
                    sheet.write_datetime(last, column, value, self._day)
                else:
                    sheet.write_string(last, column, str(value))
        sheet.autofilter(0, 0, last, len(head) - 1)

    def content(self, night: date) -> bytes:
        """Return the file; the same cells give the same bytes, because it is stamped with the night."""
        from datetime import datetime

        self._book.set_properties(
            {"created": datetime(night.year, night.month, night.day), "author": "property-credit"}
        )
        self._book.close()
        return self._bytes.getvalue()
