"""Where an enterprise's grade comes from: the stored parts of the run, never a second calculation.

Reads ``scoring`` only. The parts are checked to add up to the score exactly before they are handed out.
"""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from property_credit.warehouse.connection import connect
from scoring.errors import ScoringError, UnknownEnterpriseError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["UnknownEnterpriseError", "explain", "print_explanation"]


def explain(uscc: str, as_of: date | None = None, *, run_id: str | None = None) -> dict[str, Any]:
    """Return grade, sums, caps and every indicator's points and reasons of the latest run on or before ``as_of``.

    Args:
        uscc: 统一社会信用代码.
        as_of: the last business date that counts; None: the latest run.
        run_id: this run instead, a past that was graded again with later knowledge among them.

    Returns:
        Plain types; numbers are Decimal. ``pillars`` → ``domains`` → ``indicators`` nest; every level carries
        ``points`` and ``max_points``, and the levels and ``bonus`` add up to ``score`` exactly. ``lift`` says what
        would raise it: points lost, the earliest repair date of each record, the fewest changes to the next grade.

    Raises:
        UnknownEnterpriseError: when no run up to that day graded the enterprise.
        ScoringError: when stored parts do not add up.
    """
    with connect("pc_scoring") as connection, connection.cursor(row_factory=dict_row) as cursor:
        grade = cursor.execute(
            "select grades.*, runs.fit_id, runs.computed_by, methods.document from scoring.grades"
            " join scoring.runs using (run_id) join scoring.methods on methods.method_version = runs.method_version"
            " where grades.uscc = %(uscc)s and grades.business_date <= coalesce(%(as_of)s::date, 'infinity')"
            " and case when %(run_id)s::text is null then runs.as_of is null and not runs.is_shadow"
            " else run_id = %(run_id)s end"
            " order by grades.business_date desc, runs.recorded_at desc, run_id limit 1",
            {"uscc": uscc, "as_of": as_of, "run_id": run_id},
        ).fetchone()
        if grade is None:
            if run_id:
                raise UnknownEnterpriseError(
                    f"enterprise {uscc} was not graded by run {run_id}: is either one misspelt?"
                )
            until = f" on or before {as_of}" if as_of else ""
            raise UnknownEnterpriseError(
                f"enterprise {uscc} was not graded{until}; is the code right, and was a night run?"
            )
        points = _points(cursor, grade["run_id"], uscc)
    document = grade.pop("document")
    result = {
        **{key: grade[key] for key in grade if key not in ("bonus_points",)},
        "pillars": _pillars(document, points),
        "bonus": _level(document, [points[code] for code in points if _pillar(document, code) == "bonus"]),
    }
    result["bonus"]["counted_points"] = grade["bonus_points"]
    for loss in (result["lift"] or {}).get("lost", []):
        loss["evidence_ids"] = points[loss["indicator_code"]]["evidence_ids"]
    _check(result)
    return result


def _points(cursor: psycopg.Cursor[dict[str, Any]], run_id: str, uscc: str) -> dict[str, dict[str, Any]]:
    rows = cursor.execute(
        "select indicator_code, status_code, is_available, window_months, numerator, denominator, indicator_value,"
        " interval_low, interval_high, points, max_points, evidence_ids, reason_zh, reason_en"
        " from scoring.indicator_points where run_id = %s and uscc = %s",
        (run_id, uscc),
    ).fetchall()
    return {row["indicator_code"]: row for row in rows}


def _pillar(document: dict[str, Any], code: str) -> str:
    return document["domains"][document["indicators"][code]["domain"]]["pillar"]


def _level(document: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    order = document["order"]["indicators"]
    return {
        "points": sum((row["points"] for row in rows), Decimal(0)),
        "max_points": sum((row["max_points"] for row in rows), Decimal(0)),
        "indicators": [
            {"name": document["indicators"][row["indicator_code"]]["name"], **row}
            for row in sorted(rows, key=lambda row: order.index(row["indicator_code"]))
        ],
    }


def _pillars(document: dict[str, Any], points: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    pillars = []
    for pillar in document["order"]["pillars"]:
        domains = []
        for domain in document["order"]["domains"]:
            about = document["domains"][domain]
            rows = [row for code, row in points.items() if document["indicators"][code]["domain"] == domain]
            if about["pillar"] == pillar and rows:
                domains.append({"code": domain, "name": about["name"], **_level(document, rows)})
        pillars.append(
            {
                "code": pillar,
                "name": document["pillars"][pillar]["name"],
                "points": sum((domain["points"] for domain in domains), Decimal(0)),
                "max_points": sum((domain["max_points"] for domain in domains), Decimal(0)),
                "domains": domains,
            }
        )
    return pillars


def _check(result: dict[str, Any]) -> None:
    if result["score"] is None:
        return
    total = sum((pillar["points"] for pillar in result["pillars"]), result["bonus"]["counted_points"])
    if total != result["score"]:
        raise ScoringError(
            f"run {result['run_id']}: the points of {result['uscc']} add up to {total}, its score is {result['score']}"
        )


def print_explanation(explanation: dict[str, Any], console: "Console") -> None:
    """Print what ``explain`` returned: the grade, what decided it, and every indicator with its reason and evidence."""
    from rich.table import Table

    grade = explanation["grade"] or {"not_rated": "NR 暂不评级"}.get(explanation["status_code"], "严重失信")
    score = "–" if explanation["score"] is None else explanation["score"]
    console.print(
        f"[bold]{explanation['enterprise_name']}[/bold] {explanation['uscc']}   {explanation['business_date']}",
        highlight=False,
    )
    pillars = (("公共 public", explanation["public_pct"]), ("市场 market", explanation["market_pct"]))
    halves = "".join(f"{name} {pct} %   " for name, pct in pillars if pct is not None)
    console.print(
        f"等级 grade [bold]{grade}[/bold]   得分 score {score}   {halves}"
        f"方法 method {explanation['method_version']}   run {explanation['run_id']}",
        highlight=False,
    )
    console.print("  本夜测算，公布等级随季度名单生效 of this night; published grades change with the quarter's list")
    notes = [
        *explanation["not_rated_reasons"],
        *explanation["caps"],
        *([explanation["held"]] if explanation["held"] else []),
    ]
    for note in notes:
        console.print(f"  {note.get('code', '≈')} {note['reason_zh']} · {note['reason_en']}", markup=False)
    table = Table(header_style="bold", title_justify="left")
    for heading in ("", "得分 points", "满分 max", "说明 reason", "证据 evidence"):
        table.add_column(heading, overflow="fold")
    for level in [domain for pillar in explanation["pillars"] for domain in pillar["domains"]]:
        _add_level(table, f"{level['name']['zh']} {level['name']['en']}", level)
    if explanation["bonus"]["indicators"]:
        _add_level(table, "加分 bonus", explanation["bonus"])
    console.print(table)
    for objection in explanation["objections"]:
        console.print(
            f"  异议处理中 open objection {objection['objection_id']} ({objection['target_type_code']} "
            f"{objection['target_id']}, {objection['filed_on']}); 剔除争议项 without it: "
            f"{explanation['score_without_disputed']} {explanation['grade_without_disputed'] or ''}",
            markup=False,
        )
    if explanation["lift"]:
        _print_improvement(explanation, console)
    if explanation["computed_by"]:
        named = "，".join(f"{name} {version}" for name, version in explanation["computed_by"].items())
        console.print(f"  计算环境 computed by {named}", highlight=False)


def _print_improvement(explanation: dict[str, Any], console: "Console") -> None:
    for record in explanation["lift"]["records"]:
        console.print(
            f"  记录 record {record['record_id']} ({record['tier_code']}) 最早可修复 repairable from "
            f"{record['repairable_from']}",
            markup=False,
        )
    ahead = explanation["lift"]["next"]
    if not ahead:
        return
    console.print(f"[bold]如何升至 what would raise it to {ahead['grade']}[/bold]")
    for condition in ahead["conditions"]:
        day = condition["until"] or condition["repairable_from"]
        console.print(f"  {condition['code']} {condition['reason_zh']}" + (f" → {day}" if day else ""), markup=False)
    if "advice" in explanation["lift"]:
        _print_advice(explanation["lift"]["advice"], ahead, console)
        return
    if not ahead["is_reachable"]:
        console.print("  全部指标满分仍达不到 not reachable by points alone")
    for change in ahead["changes"]:
        value = f"  {change['value']} → {change['value_needed']}" if change["value"] and change["value_needed"] else ""
        console.print(
            f"  {change['indicator_code']}  {change['points']} → {change['points_needed']} 分 points{value}"
            f"  可行自 feasible from {change['feasible_from']}",
            markup=False,
        )
    console.print(
        f"  升级须连续 {ahead['quarters_needed']} 个季度达到 for {ahead['quarters_needed']} quarters in a row"
    )


def _print_advice(advice: dict[str, Any], ahead: dict[str, Any], console: "Console") -> None:
    for step in advice["steps"]:
        console.print(
            f"  {step['indicator_code']}  再有 {step['count']} {step['action_zh']} {step['count']} more of "
            f"{step['failing']} failing in {step['of']}  {step['points']} → {step['points_then']} 分 points"
            f"  最早体现 shows from {step['shown_on']}",
            markup=False,
        )
    if advice["grade"]:
        console.print(
            f"  总分 score {advice['score']} → {advice['grade']}，最早 earliest {advice['reached_on']}"
            f"（须连续 {ahead['quarters_needed']} 个季度 for {ahead['quarters_needed']} quarters in a row）"
            "；且不出现新的否决情形、失信记录 unless a new veto or record comes"
        )
    elif "spare" in advice and Decimal(advice["score"]) >= Decimal(advice["minimum"]):
        console.print(
            f"  总分 score {advice['score']}：过 {advice['minimum']} 分线，余地不足 {advice['spare']} 分 "
            f"above the minimum by less than the {advice['spare']} points that make it sure"
        )
    else:
        console.print(f"  总分 score {advice['score']}：仍不足以升级 not enough for the next grade")


def _add_level(table: Any, name: str, level: dict[str, Any]) -> None:
    table.add_row(f"[bold]{name}[/bold]", f"[bold]{level['points']:.2f}[/bold]", f"{level['max_points']:.2f}", "", "")
    for row in level["indicators"]:
        shown = row["evidence_ids"][:3]
        more = len(row["evidence_ids"]) - len(shown)
        table.add_row(
            row["indicator_code"],
            f"{row['points']:.2f}",
            f"{row['max_points']:.2f}",
            row["reason_zh"],
            ", ".join(shown) + (f" +{more}" if more else ""),
        )
    table.add_section()
