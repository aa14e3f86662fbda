"""The gates: check, record, leave a page, and stop what comes after.

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

from property_credit.gates import suites
from property_credit.gates.outcomes import GateReport, Outcome
from property_credit.warehouse.connection import connect, parameters
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import StoppedByGate

AMOUNT_UNREAD = {
    "TYPE_INVALID_NUMBER", "REQUIRED_MISSING", "ROW_WRONG_WIDTH", "TEXT_UNREADABLE", "QUOTE_OVER_ROWS", "SIGN_UNKNOWN",
}  # fmt: skip
MEASURES = (
    "rows_in", "rows_difference", "total_difference", "rejected_ratio", "missing_ratio", "waiting_ratio",
    "unknown_code_ratio", "new_code_count", "smallest_rows", "volume_to_smallest_ratio", "volume_to_largest_ratio",
    "largest_fill_drop", "days_since_latest_event", "days_over_stale_limit",
)  # fmt: skip


def check_batch(stats: Any) -> None:
    """Batch gate: check the statistics of one batch before it is committed.

    ``stats`` is ingestion's statistics (a mapping or a dataclass). Raises StoppedByGate when a critical expectation is
    missed: the batch is not loaded, the feed's earlier data stays.
    """
    _conclude(_report(stats))


def try_batch(stats: Any) -> None:
    """Check a batch as ``check_batch`` does, of a load that is only tried: nothing is recorded, no page is left."""
    report = _report(stats)
    if not report.is_success:
        raise StoppedByGate(report.refusal(page="nothing: it was only tried"))


def _report(stats: Any) -> GateReport:
    from property_credit.gates.checking import check_statistics

    batch: Mapping[str, Any] = asdict(stats) if is_dataclass(stats) and not isinstance(stats, type) else stats
    suite = suites.load("batch_gate")
    batch = {
        **batch,
        "fill_drops": fill_drops(
            batch,
            _usual(history := _history(batch, suite.settings), batch, suite.settings),
        ),
    }
    outcomes = check_statistics(suite, measures(batch, history, suite.settings))
    outcomes = [one if one.is_success else replace(one, rows=_rows_behind(one, batch)) for one in outcomes]
    return GateReport(
        gate=suite.gate,
        suite=f"{suite.suite}.{batch['feed']}",
        subject=str(batch["batch_id"]),
        business_date=_as_date(batch["business_date"]),
        zh=f"{suite.zh} · {batch['feed']} · {batch['profile']}",
        en=f"{suite.en}: {batch['rows_in']:,} rows of {batch['feed']} from {batch['profile']}",
        outcomes=tuple(outcomes),
        notes=_waiting(str(batch["feed"])),
    )


def _waiting(feed: str) -> tuple[str, ...]:
    """Say how many rows of earlier batches of the feed wait and since when, if any do."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select sum(row_count), min(oldest_on) from ops.waiting where feed = %s", (feed,)
        ).fetchone()
    if row is None or not row[0]:
        return ()
    return (
        f"此前各批另有 {row[0]:,} 行等待入库，最早自 {row[1]}。 "
        f"{row[0]:,} rows of earlier batches wait, the oldest since {row[1]}: property-credit quarantine list",
    )


def check_score_inputs(business_date: date) -> None:
    """Input gate: check the scoring marts. StoppedByGate when they would give wrong grades: none are computed."""
    from property_credit.gates.checking import check_tables

    suite = suites.load("input_gate")
    method_version = get_settings().method_version
    outcomes = check_tables(
        suite,
        address=parameters("pc_gatekeeper"),
        parameters={"business_date": business_date.isoformat(), "method_version": method_version},
    )
    _conclude(
        GateReport(
            suite.gate, suite.suite, f"night {business_date}", business_date, suite.zh, suite.en, tuple(outcomes)
        )
    )


def check_grades(run_id: str, business_date: date) -> None:
    """Grade gate: check the grades of run ``run_id``. StoppedByGate when they look impossible: none is published."""
    from property_credit.gates.checking import check_tables

    suite = suites.load("grade_gate")
    outcomes = check_tables(suite, address=parameters("pc_gatekeeper"), parameters={"run_id": run_id})
    _conclude(GateReport(suite.gate, suite.suite, run_id, business_date, suite.zh, suite.en, tuple(outcomes)))


def check_alerts(business_date: date) -> None:
    """Check what supervision would raise tonight. Raises StoppedByGate when it looks impossible: nothing is raised."""
    from property_credit.gates.checking import check_tables

    suite = suites.load("alert_gate")
    outcomes = check_tables(
        suite, address=parameters("pc_gatekeeper"), parameters={"business_date": business_date.isoformat()}
    )
    subject = f"alerts of {business_date}"
    _conclude(GateReport(suite.gate, suite.suite, subject, business_date, suite.zh, suite.en, tuple(outcomes)))


def measures(
    stats: Mapping[str, Any], history: list[Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return what the batch gate's suite is checked on: plain numbers, None where there is nothing to compare with.

    ``history`` holds the statistics of the office's earlier loaded batches, newest first.
    """
    rows_in = stats["rows_in"]
    difference = (
        rows_in
        - stats["rows_accepted"]
        - stats["rows_rejected"]
        - stats["rows_duplicate"]
        - stats.get("rows_waiting", 0)
    )
    if stats.get("is_acts"):  # a person's act is judged as a row, never by how many others acted
        return dict.fromkeys(MEASURES) | {"rows_in": rows_in, "rows_difference": difference}
    usual = _usual(history, stats, settings)
    # a pull brings what changed since the last one: its size says how long ago that was, not whether it is torn
    sizes = [] if stats.get("is_pull") else [one["rows_in"] for one in usual]
    age = stats.get("days_since_latest_event")
    limits = settings["stale_after_days"]
    unknown = stats.get("unknown_code_counts") or {}
    unread = AMOUNT_UNREAD & set(stats.get("reasons") or {})  # their amounts are in the file's total and not in ours
    return {
        "rows_in": rows_in,
        "rows_difference": difference,
        "total_difference": None if unread else _total_difference(stats.get("totals") or {}),
        "rejected_ratio": stats["rows_rejected"] / rows_in if rows_in else None,
        "missing_ratio": stats.get("missing_ratio"),
        # a source that writes names is no source whose register is missing
        "waiting_ratio": (stats.get("rows_waiting", 0) - stats.get("rows_named", 0)) / rows_in if rows_in else None,
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
        earlier = _earlier(connection, SAME_SERIES, (stats["profile"], stats["source_file"], *limits))
        if len(earlier) >= settings["least_history_batches"]:
            return earlier
        every = _earlier(connection, SAME_PROFILE, (stats["profile"], *limits))
    nights = {one["business_date"] for one in every} | {_as_date(stats["business_date"])}
    return every if len(nights) > len(every) else earlier


def _earlier(connection: Connection, which: sql.SQL, values: tuple[Any, ...]) -> list[Mapping[str, Any]]:
    query = sql.SQL(
        """
        select rows_in, business_date, profile_stats from ops.batches
        where {} and status = 'loaded' and kind in ('load', 'reading') and batch_id <> %s and rows_in >= %s
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
    from property_credit.gates import page

    with connect("pc_gatekeeper") as connection:
        connection.execute(
            "select ops.record_gate(%s, %s, %s, %s, %s, %s)",
            (
                report.gate,
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
