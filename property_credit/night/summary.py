"""The summary at the end of a night: what a person reads before going home.

Owns its words and tables. Reads ``ops``, ``scoring`` and ``publishing`` as they stand for one business date.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from property_credit.night.recording import TaskEvent
from property_credit.night.seconds import by_purpose
from property_credit.supervision.draw_frame import month_after
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

FEEDS = """
with batches as (
  select feed, count(*) filter (where status = 'loaded') as loaded_count,
    count(*) filter (where status = 'refused') as refused_count,
    sum(rows_in) filter (where status = 'loaded') as rows_in,
    sum(rows_accepted) filter (where status = 'loaded') as rows_accepted,
    sum(rows_rejected) filter (where status = 'loaded') as rows_rejected,
    sum(rows_waiting) filter (where status = 'loaded') as rows_waiting,
    sum(rows_duplicate) filter (where status = 'loaded') as rows_duplicate
  from ops.batches where business_date = %(business_date)s group by feed
), reasons as (
  select rejected.feed, rejected.reason_code, count(*) as row_count
  from quarantine.rejected_rows as rejected
  join ops.batches as batch on batch.batch_id = rejected.batch_id
  where batch.business_date = %(business_date)s
  group by rejected.feed, rejected.reason_code
)
select batches.*, (
  select string_agg(reason_code || ' ' || row_count, ', ' order by row_count desc, reason_code)
  from reasons where reasons.feed = batches.feed) as why
from batches order by feed
"""
GATES = """
select door, suite, subject, is_success, jsonb_path_query_array(results, '$[*] ? (@.is_success == false)') as missed
from ops.gate_results where business_date = %(business_date)s order by door, suite, subject
"""
GRADES = """
select class, count(*) as count from (
  select coalesce(grade, case status_code when 'not_rated' then 'NR' else status_code end) as class
  from scoring.grades
  where run_id = (select run_id from scoring.runs where business_date = %(business_date)s
    and as_of is null and not is_shadow order by recorded_at desc, run_id limit 1)) as classes
group by class order by array_position(array['AA', 'A', 'B', 'NR'], class), class
"""
DAGS = """
select dag, sum(seconds) as seconds, string_agg(distinct status, ', ') as status
from ops.task_runs where business_date = %(business_date)s group by dag
"""
DELIVERIES = """
select status, count(notice_id) as notices, count(*) - count(notice_id) as grades
from publishing.outbox group by status order by status
"""
ALERTS = """
select alerts.kind_code, alerts.severity_code, count(*) filter (where state_code = 'open') as open_count,
  count(*) filter (where first_seen_on = %(business_date)s) as raised_count
from supervision.alerts as alerts
group by kind_code, severity_code having count(*) filter (where state_code = 'open') > 0
order by array_position(array['serious', 'general', 'minor'], severity_code), open_count desc, kind_code
"""
ESCALATIONS = """
select coalesce(sum(raised_count), 0) as raised_count, coalesce(sum(told_count), 0) as told_count,
  coalesce(sum(closed_count), 0) as closed_count, (
    select open_count from supervision.ticks where business_date <= %(business_date)s order by tick_id desc limit 1
  ) as open_count
from supervision.ticks where business_date = %(business_date)s
"""
BUILD = """
select builds.mode, builds.reason, builds.start_seconds,
  coalesce(sum(runs.seconds) filter (where runs.kind <> 'test'), 0) as model_seconds,
  coalesce(sum(runs.seconds) filter (where runs.kind = 'test'), 0) as test_seconds
from ops.builds as builds
left join ops.model_runs as runs on runs.build_id = builds.build_id
where builds.build_id = (select max(build_id) from ops.builds where business_date = %(business_date)s)
group by builds.build_id
"""
AWAITED = """
select feed, sum(row_count)::bigint as row_count, min(oldest_on) as oldest_on,
  %(business_date)s::date - min(oldest_on) as days,
  string_agg(distinct reason_code || ' ' || source_profile, ', ') as why
from ops.waiting where oldest_on <= %(business_date)s group by feed order by 2 desc, feed
"""
COUNTS = ("rows_in", "rows_accepted", "rows_rejected", "rows_waiting", "rows_duplicate")
TROUBLES = """
select dag, task, status, message from ops.task_runs
where business_date = %(business_date)s and status in ('failed', 'stopped by gate') order by finished_at
"""
WAITING = """
select task, attention from ops.task_runs
where business_date = %(business_date)s and attention is not null order by dag, task
"""


def print_summary(
    console: Console, business_date: date, *, seconds: Mapping[str, float], tasks: Sequence[TaskEvent], log: Path
) -> None:
    """Print feeds, gates, grades, deliveries, seconds per DAG and purpose, troubles, and where to look next."""
    with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:

        def rows(query: str) -> list[dict[str, Any]]:
            return cursor.execute(query, {"business_date": business_date}).fetchall()

        _feeds(console, rows(FEEDS))
        _awaited(console, rows(AWAITED))
        _gates(console, rows(GATES))
        _grades(console, rows(GRADES), rows(DELIVERIES))
        _alerts(console, rows(ALERTS))
        _escalations(console, rows(ESCALATIONS)[0])
        _seconds(console, rows(DAGS), seconds)
        _purposes(console, seconds, tasks, rows(BUILD))
        _troubles(console, rows(TROUBLES))
        _waiting(console, rows(WAITING))
    _where_next(console, business_date, log)


TASKS = """
select dag, task, status, seconds::float8 as seconds, finished_at, message from ops.task_runs
where business_date = %(business_date)s and dag not in ('watch_complaints', 'make_case_files')
order by finished_at, dag, task
"""
STARTS = """
select kind, min(chosen_at) as began_at, count(*) as run_count from ops.night_runs
where business_date = %(business_date)s group by kind order by began_at
"""
RUN = """
select method_version, edition from scoring.runs
where business_date = %(business_date)s and as_of is null and not is_shadow order by recorded_at desc, run_id limit 1
"""


def recorded_night(business_date: date) -> dict[str, list[dict[str, Any]]]:
    """Return what was recorded of a night: starts, run, feeds, waiting, gates, grades, deliveries, build, tasks."""
    queries = {
        "starts": STARTS, "run": RUN, "feeds": FEEDS, "waiting": AWAITED, "gates": GATES, "grades": GRADES,
        "build": BUILD, "tasks": TASKS,
    }  # fmt: skip
    with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return {
            name: cursor.execute(query, {"business_date": business_date}).fetchall() for name, query in queries.items()
        }


def print_night(console: Console, business_date: date, recorded: Mapping[str, list[dict[str, Any]]]) -> None:
    """Print what was recorded of one night: who started it, under what rules, feeds, gates, grades, every task.

    Args:
        recorded: what ``recorded_night`` returned.
    """
    starts = ", ".join(
        f"{row['kind']} at {row['began_at'].astimezone(ZONE):%Y-%m-%d %H:%M}" for row in recorded["starts"]
    )
    console.print(f"[bold]{business_date}[/bold]  started by: {starts or 'not recorded'}", highlight=False)
    for run in recorded["run"]:
        console.print(f"方法 method {run['method_version']}, rules of edition {run['edition']}", highlight=False)
    for build in recorded["build"]:
        console.print(f"建库 warehouse {build['mode']}: {escape(build['reason'])}", highlight=False, soft_wrap=True)
    _feeds(console, recorded["feeds"])
    _awaited(console, recorded["waiting"])
    _gates(console, recorded["gates"])
    counts = "  ".join(f"[bold]{row['class']}[/bold] {row['count']}" for row in recorded["grades"])
    console.print(f"等级 grades: {counts or 'none computed for this night'}", highlight=False)
    table = Table(title="任务 tasks, Shanghai time", title_justify="left", header_style="bold")
    for name in ("ended", "DAG", "task", "seconds", "status", "message"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    for row in recorded["tasks"]:
        colour = "red" if row["status"] in ("failed", "stopped by gate") else ""
        state = f"[{colour}]{row['status']}[/{colour}]" if colour else row["status"]
        ended = f"{row['finished_at'].astimezone(ZONE):%m-%d %H:%M:%S}"
        table.add_row(ended, row["dag"], row["task"], f"{row['seconds']:.1f}", state, escape(row["message"] or ""))
    console.print(table)


def _feeds(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title="数据接入 feeds", title_justify="left", header_style="bold")
    for name in ("feed", "deliveries", "rows in", "accepted", "rejected", "waiting", "duplicates", "why not accepted"):
        table.add_column(name, justify="left" if name in ("feed", "why not accepted") else "right", overflow="fold")
    for row in rows:
        deliveries = str(row["loaded_count"])
        if row["refused_count"]:
            deliveries += f" + [red]{row['refused_count']} refused[/red]"
        counts = (f"{row[key] or 0:,}" for key in COUNTS)
        table.add_row(row["feed"], deliveries, *counts, row["why"] or "")
    if rows:
        console.print(table)
    else:
        console.print("no delivery is known for this night")


def _awaited(console: Console, rows: list[dict[str, Any]]) -> None:
    """Say how many rows wait to be loaded, of which feeds, why, and since when."""
    if not rows:
        return
    total = sum(row["row_count"] for row in rows)
    console.print(f"等待行 rows that wait: {total:,} (property-credit quarantine list)", highlight=False)
    for row in rows:
        console.print(
            f"    {row['feed']}: {row['row_count']:,}, the oldest since {row['oldest_on']} ({row['days']} days): "
            f"{escape(row['why'])}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip


def _gates(console: Console, rows: list[dict[str, Any]]) -> None:
    for number, name in ((1, "批次闸门 batch gate"), (2, "输入闸门 input gate"), (3, "评级闸门 grade gate")):
        chosen = [row for row in rows if row["door"] == number]
        stopped = [row for row in chosen if not row["is_success"]]
        warned = [(row, one) for row in chosen for one in row["missed"] if one["severity"] == "warning"]
        verdict = (
            f"[red]{len(stopped)} stopped[/red]" if stopped else "[green]open[/green]" if chosen else "not reached"
        )
        console.print(f"{name}: {len(chosen)} checked, {verdict}", highlight=False)
        for row, one in warned[:6]:
            examples = "; ".join(" ".join(map(str, example.values())) for example in one["rows"][:3])
            text = f"{row['suite']} {row['subject']}: {one['zh']} {one['en']} ({examples or one['observed']})"
            console.print(f"    [yellow]![/yellow] {escape(text)}", soft_wrap=True, highlight=False)


def _grades(console: Console, grades: list[dict[str, Any]], deliveries: list[dict[str, Any]]) -> None:
    counts = (
        "  ".join(f"[bold]{row['class']}[/bold] {row['count']}" for row in grades) or "none computed for this night"
    )
    console.print(f"等级 grades: {counts}", highlight=False)
    for title, kind in (("推送 deliveries of grades", "grades"), ("告知 deliveries of notices", "notices")):
        sent = ", ".join(f"{row[kind]:,} {row['status']}" for row in deliveries if row[kind]) or "none"
        console.print(f"{title} so far: {sent}", highlight=False)


def _alerts(console: Console, rows: list[dict[str, Any]]) -> None:
    raised = sum(row["raised_count"] for row in rows)
    kinds = ", ".join(f"{row['kind_code']} {row['open_count']}" for row in rows) or "none"
    text = f"预警 open alerts: {kinds}; {raised} raised tonight (property-credit alerts list)"
    console.print(text, highlight=False, soft_wrap=True)


def _escalations(console: Console, row: dict[str, Any]) -> None:
    text = (
        f"督办 escalations of the day: {row['raised_count']:,} raised, {row['told_count']:,} told, "
        f"{row['closed_count']:,} closed; {row['open_count'] or 0:,} open (property-credit supervision escalations)"
    )
    console.print(text, highlight=False, soft_wrap=True)


def _seconds(console: Console, rows: list[dict[str, Any]], seconds: Mapping[str, float]) -> None:
    status = {row["dag"]: row["status"] for row in rows}
    table = Table(title="耗时 seconds per DAG", title_justify="left", header_style="bold")
    for name in ("DAG", "seconds", "status"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f}", status.get(name, ""))
    console.print(table)


def _purposes(
    console: Console, seconds: Mapping[str, float], tasks: Sequence[TaskEvent], builds: list[dict[str, Any]]
) -> None:
    is_built = any(task.task == "build_models" and task.status == "done" for task in tasks)
    purposes = by_purpose(seconds, tasks, builds[0] if builds and is_built else None)
    text = " · ".join(f"{name} {value:.1f}" for name, value in purposes.items() if value >= 0.05)
    console.print(f"去向 where they went: {text}", soft_wrap=True, highlight=False)
    if is_built and builds:
        console.print(
            f"    warehouse {builds[0]['mode']}: {builds[0]['reason']}; property-credit models", soft_wrap=True
        )


def _troubles(console: Console, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        console.print(
            f"[red]{row['status']}[/red] {row['dag']} · {row['task']}: {escape(row['message'])}", soft_wrap=True
        )


def _waiting(console: Console, rows: list[dict[str, Any]]) -> None:
    """Name what lies in landing and waits for somebody: no later night will load it as it is."""
    for row in rows:
        console.print(
            f"[yellow]待处理 waits for somebody[/yellow] {row['task']}: {escape(row['attention'])}", soft_wrap=True
        )


def _where_next(console: Console, business_date: date, log: Path) -> None:
    data = get_settings().data_dir
    places = {
        "页面 pages": (get_settings().pages_dir or data / "pages") / f"{business_date:%Y-%m}",
        "抽查 next month's draw": data / "draws" / f"{month_after(business_date):%Y-%m}",
        "检查结果 gate results": data / "gates" / business_date.isoformat(),
        "日志 log": log,
    }
    for name, place in places.items():
        if place.exists():
            console.print(f"{name}: {place}", soft_wrap=True, highlight=False)
    console.print("拒收行 refused rows: quarantine.rejected_rows   ·   property-credit explain <USCC>", highlight=False)
