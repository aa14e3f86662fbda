"""The three gates: check, record, leave a page, and stop what stands behind the door.

Owns what a failed gate does. A missed warning is recorded and shown and stops nothing.
"""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from expectations import suites
from expectations.outcomes import GateReport, Outcome
from warehouse.connection import connect, parameters
from warehouse.stages import StoppedByGate

AMOUNT_UNREAD = {"TYPE_INVALID_NUMBER", "REQUIRED_MISSING", "ROW_WRONG_WIDTH", "TEXT_UNREADABLE"}


def check_batch(stats: Any) -> None:
    """Door 1: check the statistics of one batch before it is committed.

    ``stats`` is ingestion's statistics (a mapping or a dataclass). Raises StoppedByGate when a critical expectation is
    missed: the batch is not loaded, the feed's earlier data stays.
    """
    from expectations.checking import check_statistics

    found: Mapping[str, Any] = asdict(stats) if is_dataclass(stats) and not isinstance(stats, type) else stats
    suite = suites.load("door1_batch")
    found = {
        **found,
        "fill_drops": fill_drops(found, _usual(history := _history(found, suite.settings), found, suite.settings)),
    }
    outcomes = check_statistics(suite, measures(found, history, suite.settings))
    outcomes = [one if one.is_success else replace(one, rows=_rows_behind(one, found)) for one in outcomes]
    report = GateReport(
        door=1,
        suite=f"{suite.suite}.{found['feed']}",
        subject=str(found["batch_id"]),
        business_date=_as_date(found["business_date"]),
        zh=f"{suite.zh} · {found['feed']} · {found['profile']}",
        en=f"{suite.en}: {found['rows_in']:,} rows of {found['feed']} from {found['profile']}",
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

    ``history`` holds the statistics of the office's earlier loaded batches, newest first.
    """
    rows_in = stats["rows_in"]
    usual = _usual(history, stats, settings)
    # a pull brings what changed since the last one: its size says how long ago that was, not whether it is torn
    sizes = [] if stats.get("is_pull") else [one["rows_in"] for one in usual]
    age = stats.get("days_since_latest_event")
    limits = settings["stale_after_days"]
    unknown = stats.get("unknown_code_counts") or {}
    unread = AMOUNT_UNREAD & set(stats.get("reasons") or {})  # their amounts are in the file's total and not in ours
    return {
        "rows_in": rows_in,
        "rows_difference": rows_in - stats["rows_accepted"] - stats["rows_rejected"] - stats["rows_duplicate"],
        "total_difference": None if unread else _total_difference(stats.get("totals") or {}),
        "rejected_ratio": stats["rows_rejected"] / rows_in if rows_in else None,
        "unknown_code_ratio": sum(unknown.values()) / rows_in if rows_in else None,
        "new_code_count": len(unknown) + sum(len(codes) for codes in (stats.get("new_codes") or {}).values()),
        "smallest_rows": min(sizes, default=None),
        "volume_to_smallest_ratio": rows_in / min(sizes) if sizes else None,
        "volume_to_largest_ratio": rows_in / max(sizes) if sizes else None,
        "largest_fill_drop": max(fill_drops(stats, usual).values(), default=None),
        "days_since_latest_event": age,
        "days_over_stale_limit": None if age is None else age - limits.get(stats["feed"], limits["default"]),
    }


def fill_drops(stats: Mapping[str, Any], usual: list[Mapping[str, Any]]) -> dict[str, float]:
    """Return per field how far its fill ratio (0-1) lies below the median of the office's earlier batches."""
    drops = {}
    for field, ratio in (stats.get("fill_ratios") or {}).items():
        earlier = [one["fill_ratios"][field] for one in usual if field in one.get("fill_ratios", {})]
        if earlier and ratio is not None:
            drops[field] = round(statistics.median(earlier) - ratio, 6)
    return drops


def _usual(
    history: list[Mapping[str, Any]], stats: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    if stats.get("is_pull") and stats["rows_in"] < settings["least_pull_rows"]:
        return []
    return history if len(history) >= settings["least_history_batches"] else []


def _total_difference(totals: Mapping[str, Mapping[str, str]]) -> float | None:
    """Return the largest difference between a sum of the rows and the total that the file states for it."""
    differences = [
        float(Decimal(one["summed"]) - Decimal(one["stated"]))
        for one in totals.values()
        if {"summed", "stated"} <= set(one)
    ]
    return max(differences, key=abs, default=None)


def _rows_behind(outcome: Outcome, stats: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The statistics are one row; what people look for are the columns, codes or refused rows behind a number."""
    if outcome.name.startswith("batch_fill"):
        fallen = sorted(stats["fill_drops"].items(), key=lambda item: -item[1])[:5]
        return tuple({"column": field, "fill_ratio_drop": drop} for field, drop in fallen if drop > 0)
    if "codes" in outcome.name:
        new = {**(stats.get("new_codes") or {}), **(stats.get("unknown_code_counts") or {})}
        if new:
            return tuple({"column": column, "codes": str(codes)} for column, codes in sorted(new.items()))
    if outcome.name in ("batch_is_fresh", "batch_is_not_from_the_future"):
        return ({"newest event": str(stats["latest_event_on"])},)
    return tuple(dict(row) for row in stats.get("examples", ())[:5]) or outcome.rows


SAME_PROFILE = sql.SQL("source_profile = %s")
SAME_SERIES = sql.SQL("source_profile = %s and ops.file_series(source_file) = ops.file_series(%s)")


def _history(stats: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the statistics of earlier batches that this one may be compared with, newest first.

    Those of the same office, by the name without its dates; where no name comes again, those of the profile, unless
    several come in a night: then they are different offices'.
    """
    least_rows = settings["least_pull_rows"] if stats.get("is_pull") else 1
    limits = (stats["batch_id"], least_rows, settings["history_batches"])
    with connect("pc_gatekeeper") as connection:
        found = _earlier(connection, SAME_SERIES, (stats["profile"], stats["source_file"], *limits))
        if len(found) >= settings["least_history_batches"]:
            return found
        every = _earlier(connection, SAME_PROFILE, (stats["profile"], *limits))
    nights = {one["business_date"] for one in every} | {_as_date(stats["business_date"])}
    return every if len(nights) > len(every) else found


def _earlier(connection: Connection, which: sql.SQL, values: tuple[Any, ...]) -> list[Mapping[str, Any]]:
    query = sql.SQL(
        """
        select rows_in, business_date, profile_stats from ops.batches
        where {} and status = 'loaded' and batch_id <> %s and rows_in >= %s
        order by business_date desc, received_at desc, batch_id limit %s
        """
    ).format(which)
    return [
        {**profile_stats, "rows_in": rows_in, "business_date": business_date}
        for rows_in, business_date, profile_stats in connection.execute(query, values).fetchall()
    ]


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
