"""What people take into Excel: workbooks with typed cells, and CSV that Excel opens as UTF-8.

A text that a spreadsheet would run as a formula stays text: a workbook's strings are strings, CSV gets an apostrophe.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import xlsxwriter

from scorecards.facts import Facts
from scorecards.figures import catalogue, figure

RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")
LEVELS_WITH_COMMUNITIES = ("district", "street")
COMMUNITY_COLUMNS = (
    ("小区编号", "community_id", 14),
    ("小区", "community_name", 26),
    ("类型", "community_type_zh", 14),
    ("户数", "household_count", 9),
    ("管理人", "manager_name", 34),
    ("管理人代码", "current_uscc", 22),
    ("诉求量", "complaint_count", 9),
    ("上月诉求量", "complaint_count_before", 11),
    ("24小时解决", "resolved_within_24h_count", 11),
    ("每千户月诉求量", "complaints_per_1k_household_months", 15),
    ("检查次数", "inspection_count", 9),
    ("检查发现", "finding_count", 9),
    ("逾期未整改", "open_overdue_order_count", 11),
    ("近12月有公示", "is_disclosed", 13),
    ("承接日", "taken_over_on", 12),
)
EVIDENCE_COLUMNS = (
    ("证据编号", "evidence_id", 24),
    ("种类", "kind", 12),
    ("小区编号", "community_id", 14),
    ("小区", "community_name", 26),
    ("责任企业", "uscc", 22),
    ("发生日", "event_on", 12),
    ("事由或轻重", "what", 14),
    ("责任方", "party", 14),
    ("解决用时（小时）", "resolution_hours", 15),
    ("按时", "is_in_time", 7),
    ("整改期限", "due_on", 12),
)
KINDS = {"complaint": "诉求", "finding": "检查发现", "overdue_order": "逾期未整改"}


def safe(value: Any) -> Any:
    """Return a CSV cell that no spreadsheet runs: text that begins like a formula gets an apostrophe before it.

    >>> safe("=HYPERLINK(1)"), safe("-"), safe(Decimal("-1.5"))
    ("'=HYPERLINK(1)", "'-", Decimal('-1.5'))
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(RUNS) else value


def csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return CSV with a byte order mark, so that Excel reads it as UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(["" if cell is None else safe(cell) for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def area_csv(code: str, name: str, values: Mapping[str, tuple[Any, Any]]) -> bytes:
    """Return an area's figures, one a line."""
    head = ("地区代码", "地区", "指标代码", "指标", "本月", "上月", "口径")
    return csv_bytes(head, ((code, name, *row) for row in figure_rows(values)))


def figure_rows(values: Mapping[str, tuple[Any, Any]]) -> list[tuple[Any, ...]]:
    """Return figures with their names, both values and definitions, in the catalogue's order."""
    return [
        (code, entry.label, *values[code], entry.definition) for code, entry in catalogue().items() if code in values
    ]


def evidence_rows(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return every piece of the month's evidence in an area; never what anybody wrote."""
    return [
        {
            **row,
            "kind": KINDS[row["kind_code"]],
            "community_name": community["community_name"],
            "what": facts.word("category" if row["kind_code"] == "complaint" else "tier", row["summary_code"]),
            "party": facts.word("responsible_party", row["responsible_party_code"])
            if row["responsible_party_code"]
            else None,
        }
        for leaf in sorted(facts.areas.below(code))
        for community in facts.communities.get(leaf, [])
        for row in facts.evidence.get(community["community_id"], [])
    ]


def evidence_csv(facts: Facts, code: str) -> bytes:
    """Return an area's evidence of the month, one a line."""
    rows = evidence_rows(facts, code)
    return csv_bytes(
        [title for title, _, _ in EVIDENCE_COLUMNS],
        ([_yes(row[column]) for _, column, _ in EVIDENCE_COLUMNS] for row in rows),
    )


def enterprise_csv(uscc: str, view: Mapping[str, Any]) -> bytes:
    """Return an enterprise's points, one indicator a line."""
    return csv_bytes(ENTERPRISE_HEAD, ((uscc, view["name"], *row) for row in _points(view)))


ENTERPRISE_HEAD = ("代码", "企业", "指标", "名称", "得分", "满分", "已计分", "原因", "证据编号")


def _points(view: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (
            item["code"],
            item["name"],
            item["points"],
            item["max_points"],
            "是" if item["is_available"] else "否",
            item["reason"],
            " ".join(one for one, _ in item["evidence"]),
        )
        for pillar in view["pillars"]
        for domain in pillar["domains"].values()
        for item in domain["indicators"]
    ]


def _yes(value: Any) -> Any:
    return ("是" if value else "否") if isinstance(value, bool) else value


def area_workbook(facts: Facts, code: str, view: Mapping[str, Any], enterprises: Iterable[Mapping[str, Any]]) -> bytes:
    """Return an area's workbook: figures, areas below, enterprises; from the district down communities and evidence."""
    book = Workbook()
    head = [("代码", 26), ("指标", 22), ("本月", 12), ("上月", 12), ("口径", 90)]
    book.sheet("指标", head, figure_rows(view["values"]))
    if view["has_children"]:
        columns = [column for table in view["tables"].values() for column in table["columns"]]
        rows = zip(*(table["rows"] for table in view["tables"].values()), strict=True)
        book.sheet(
            "分地区",
            [("代码", 11), ("地区", 18), *((figure(column).label, 14) for column in columns)],
            (
                (parts[0]["code"], parts[0]["name"], *(value for part in parts for _, value in part["cells"]))
                for parts in rows
            ),
        )
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
                row["score"],
                row["served"],
                _yes(row["is_key_supervision"]),
                " ".join(row["caps"]),
            )
            for row in enterprises
        ),
    )
    if facts.areas.levels[code] in LEVELS_WITH_COMMUNITIES:
        communities = [row for leaf in sorted(facts.areas.below(code)) for row in facts.communities.get(leaf, [])]
        for name, columns_of, rows_of in (
            ("小区", COMMUNITY_COLUMNS, communities),
            ("证据", EVIDENCE_COLUMNS, evidence_rows(facts, code)),
        ):
            book.sheet(
                name,
                [(title, width) for title, _, width in columns_of],
                ([_typed(column, row[column]) for _, column, _ in columns_of] for row in rows_of),
            )
    return book.content(facts.business_date)


def enterprise_workbook(facts: Facts, uscc: str, view: Mapping[str, Any]) -> bytes:
    """Return an enterprise's workbook: its points with reasons and evidence."""
    book = Workbook()
    widths = (22, 34, 8, 26, 9, 9, 8, 70, 60)
    book.sheet(
        "得分", list(zip(ENTERPRISE_HEAD, widths, strict=True)), ((uscc, view["name"], *row) for row in _points(view))
    )
    return book.content(facts.business_date)


def _typed(column: str, value: Any) -> Any:
    """Return a date for a date column: an edition keeps dates as text."""
    return date.fromisoformat(value) if value and column.endswith("_on") else _yes(value)


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

    def sheet(self, name: str, head: Sequence[tuple[str, float]], rows: Iterable[Sequence[Any]]) -> None:
        """Add a sheet with ``head`` (title, column width) over ``rows``."""
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 2)
        for column, (title, width) in enumerate(head):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, self._head)
        last = 0
        for last, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                if value is None:
                    continue
                if isinstance(value, int | float | Decimal):
                    sheet.write_number(last, column, value)
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
