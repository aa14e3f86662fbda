"""The three gates: check, record, leave a page, and stop what stands behind the door.

Owns what a failed gate does. A missed warning is recorded and shown and stops nothing.
"""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date
from typing import Any

from psycopg.types.json import Jsonb

from expectations import suites
from expectations.outcomes import GateReport
from warehouse.connection import connect, parameters
from warehouse.stages import StoppedByGate


def check_batch(stats: Any) -> None:
    """Door 1: check the statistics of one batch before it is committed.

    ``stats`` is ingestion's statistics (a mapping or a dataclass). Raises StoppedByGate when a critical expectation is
    missed: the batch is not loaded, the feed's earlier data stays.
    """
    from expectations.checking import check_statistics

    found: Mapping[str, Any] = asdict(stats) if is_dataclass(stats) and not isinstance(stats, type) else stats
    suite = suites.load("door1_batch")
    outcomes = check_statistics(suite, measures(found, _history(found, suite.settings), suite.settings))
    examples = tuple(dict(row) for row in found.get("examples", ())[:5])
    if examples:  # the statistics are one row; the rows people look for are the refused ones
        outcomes = [
            one
            if one.is_success or one.rows and one.name.startswith("batch_fill")
            else type(one)(**{**asdict(one), "rows": examples})
            for one in outcomes
        ]
    report = GateReport(
        door=1,
        suite=f"{suite.suite}.{found['feed']}",
        subject=str(found["batch_id"]),
        business_date=_as_date(found["business_date"]),
        zh=f"{suite.zh} · {found['feed']} · {found['profile']}",
        en=f"{suite.en}: {found.get('source_file') or found['profile']}",
        outcomes=tuple(outcomes),
    )
    _conclude(report)


def check_score_inputs(business_date: date) -> None:
    """Door 2: check the scoring marts. Raises StoppedByGate when they would give wrong grades: none are computed."""
    from expectations.checking import check_tables

    suite = suites.load("door2_score_inputs")
    outcomes = check_tables(
        suite, address=parameters("pc_gatekeeper"), parameters={"business_date": business_date.isoformat()}
    )
    _conclude(GateReport(2, suite.suite, f"night {business_date}", business_date, suite.zh, suite.en, tuple(outcomes)))


def check_grades(run_id: str, business_date: date) -> None:
    """Door 3: check the grades of run ``run_id``. Raises StoppedByGate when they look impossible: none is published."""
    from expectations.checking import check_tables

    suite = suites.load("door3_grades")
    outcomes = check_tables(suite, address=parameters("pc_gatekeeper"), parameters={"run_id": run_id})
    _conclude(GateReport(3, suite.suite, run_id, business_date, suite.zh, suite.en, tuple(outcomes)))


def measures(
    stats: Mapping[str, Any], history: list[Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return what door 1's suite is checked on: plain numbers, None where there is nothing to compare with.

    ``history`` holds the statistics of the profile's earlier loaded batches, newest first.
    """
    rows_in = stats["rows_in"]
    usual = history if len(history) >= settings["least_history_batches"] else []
    usual_rows = statistics.median(one["rows_in"] for one in usual) if usual else None
    age = stats.get("days_since_latest_event")
    limits = settings["stale_after_days"]
    return {
        "rows_in": rows_in,
        "rows_difference": rows_in - stats["rows_accepted"] - stats["rows_rejected"] - stats["rows_duplicate"],
        "total_difference": stats.get("total_difference"),
        "rejected_ratio": stats["rows_rejected"] / rows_in if rows_in else None,
        "unknown_code_ratio": sum((stats.get("unknown_codes") or {}).values()) / rows_in if rows_in else None,
        "usual_rows": usual_rows,
        "volume_ratio": rows_in / usual_rows if usual_rows else None,
        "largest_fill_drop": max(fill_drops(stats, usual).values(), default=None),
        "days_since_latest_event": age,
        "days_over_stale_limit": None if age is None else age - limits.get(stats["feed"], limits["default"]),
    }


def fill_drops(stats: Mapping[str, Any], usual: list[Mapping[str, Any]]) -> dict[str, float]:
    """Return per field how far its fill ratio (0-1) lies below the median of the profile's earlier batches."""
    drops = {}
    for field, ratio in (stats.get("fill") or {}).items():
        earlier = [one["fill"][field] for one in usual if field in one.get("fill", {})]
        if earlier and ratio is not None:
            drops[field] = statistics.median(earlier) - ratio
    return drops


def _history(stats: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    with connect("pc_gatekeeper") as connection:
        rows = connection.execute(
            """
            select rows_in, profile_stats from ops.batches
            where source_profile = %s and status = 'loaded' and batch_id <> %s and rows_in > 0
            order by business_date desc, received_at desc, batch_id limit %s
            """,
            (stats["profile"], stats["batch_id"], settings["history_batches"]),
        ).fetchall()
    return [{**profile_stats, "rows_in": rows_in} for rows_in, profile_stats in rows]


def _as_date(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _conclude(report: GateReport) -> None:
    from expectations import page

    with connect("pc_gatekeeper") as connection:
        connection.execute(
            "select ops.record_gate(%s, %s, %s, %s, %s, %s)",
            (
                report.door,
                report.suite,
                report.subject,
                report.business_date,
                report.is_success,
                Jsonb(report.as_json()),
            ),
        )
    written = page.write(report)
    if not report.is_success:
        raise StoppedByGate(report.refusal(page=str(written)))
