"""What people take into Excel as CSV that it opens as UTF-8, and the rows of workbooks.

A text that a spreadsheet would run as a formula stays text: CSV gets an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from property_credit.scorecards import supervision, targets
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.figures import catalogue

RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")
COMMUNITY_COLUMNS = (
    ("小区编号", "community_id", 14),
    ("小区", "community_name", 26),
    ("类型", "community_type_zh", 14),
    ("户数", "household_count", 9),
    ("管理人", "manager_name", 34),
    ("管理人代码", "current_uscc", 22),
    ("诉求量", "complaint_count", 9),
    ("上月诉求量", "complaint_count_before", 11),
    ("24小时已届满", "resolution_due_count", 12),
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


def area_csv(code: str, name: str, view: Mapping[str, Any]) -> bytes:
    """Return an area's figures, one a line; one that is not known says what it lacks."""
    head = ("地区代码", "地区", "指标代码", "指标", "本月", view["against"], view["against_year"], "缺报", "口径")
    return csv_bytes(head, ((code, name, *row) for row in figure_rows(view)))


def figure_rows(view: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return figures with their names, values now, a month and a year before, what they lack, and definitions.

    They are in the catalogue's order.
    """
    values, year_before, why = view["values"], view["year_values"], view["why"]
    return [
        (code, entry.label, *values[code], year_before.get(code), why.get(code), entry.definition)
        for code, entry in catalogue().items()
        if code in values
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
        ([yes(row[column]) for _, column, _ in EVIDENCE_COLUMNS] for row in rows),
    )


def enterprise_csv(uscc: str, view: Mapping[str, Any]) -> bytes:
    """Return an enterprise's points, one indicator a line."""
    return csv_bytes(ENTERPRISE_HEAD, ((uscc, view["name"], *row) for row in points_rows(view)))


TODO_HEAD = (
    ("事项", 12), ("编号", 30), ("级别或种类", 36), ("金额（元）", 14), ("企业", 22), ("小区编号", 14), ("小区", 26),
    ("地区", 16), ("期限或首次发现", 18), ("已过天数", 9),
)  # fmt: skip


def todo_csv(facts: Facts, code: str) -> bytes:
    """Return every matter of an area that is open, one a line: what its page counts and lists in part."""
    return csv_bytes([title for title, _ in TODO_HEAD], supervision.todo_rows(facts, code))


def targets_csv(facts: Facts, code: str) -> bytes:
    """Return the communities of an area that each target still lacks, one a line; none where its data are missing."""
    head = ("目标代码", "缺口", "小区编号", "小区", "地区", "管理人代码", "管理人")
    return csv_bytes(
        head,
        (
            (kpi, what, row["community_id"], row["community_name"], facts.areas.names[row["leaf_area_code"]],
             row["current_uscc"], row["manager_name"])
            for kpi, (what, _) in targets.LACKING.items()
            if (code, kpi) not in facts.missing_kpis
            for row in targets.lacking_in(facts, code, kpi) or []
        ),
    )  # fmt: skip


IDS_A_CELL = 20
ENTERPRISE_EVIDENCE_HEAD = (
    ("指标", 8), ("名称", 26), ("证据编号", 30), ("发生日", 12), ("小区编号", 14), ("小区", 26), ("未做到", 20),
)  # fmt: skip


def enterprise_evidence(view: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return everything that an enterprise lost points for, one a row."""
    return [
        (item["code"], item["name"], one["id"], one["event_on"], one["community_id"], one["place"], one["missed"])
        for pillar in view["pillars"]
        for domain in pillar["domains"].values()
        for item in domain["indicators"]
        for one in item["every_evidence"]
    ]


def enterprise_evidence_csv(view: Mapping[str, Any]) -> bytes:
    """Return everything that an enterprise lost points for, as CSV."""
    return csv_bytes([title for title, _ in ENTERPRISE_EVIDENCE_HEAD], enterprise_evidence(view))


ENTERPRISE_HEAD = ("代码", "企业", "指标", "名称", "得分", "满分", "已计分", "原因", "证据编号")


def points_rows(view: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return an enterprise's points with their reasons, one indicator a row."""
    return [
        (
            item["code"],
            item["name"],
            item["points"],
            item["max_points"],
            "是" if item["is_available"] else "否",
            item["reason"],
            " ".join(one["id"] for one in item["every_evidence"][:IDS_A_CELL])
            + (f" 另有 {more} 条，见证据清单" if (more := len(item["every_evidence"]) - IDS_A_CELL) > 0 else ""),
        )
        for pillar in view["pillars"]
        for domain in pillar["domains"].values()
        for item in domain["indicators"]
    ]


def yes(value: Any) -> Any:
    """Return 是 or 否 for a boolean, and anything else as it is."""
    return ("是" if value else "否") if isinstance(value, bool) else value
