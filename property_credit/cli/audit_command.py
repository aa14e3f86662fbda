"""``property-credit audit``: from the delivered files to what was published, every step proven again."""

import calendar
from datetime import date
from typing import Annotated, Any

import typer

from property_credit.cli import output
from property_credit.cli.method_commands import days_of
from property_credit.cli.output import Format, console, errors_for_people, print_rows


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(audit)


def audit(
    period: Annotated[str, typer.Option(help="A night (yyyy-mm-dd), a month (yyyy-mm) or a quarter (yyyy-Qn).")],
    replays: Annotated[bool, typer.Option(help="Compute every published run again, too: minutes each.")] = True,
    output_format: Annotated[
        Format, typer.Option("--format", help="text for people, json for programs.")
    ] = Format.TEXT,
) -> None:
    """Prove what was published in a period from the archive on; exit 1 when a step does not follow from the last.

    Copies against the ledger of deliveries, rows of raw against the copies and their own hashes, grades against a
    replay from raw, versions against runs and log, the log against its signatures, deliveries against receipts.
    """
    from property_credit.warehouse.data_key import DataKeyError
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.transformation import TransformationError
    from scoring.errors import ScoringError

    try:
        first, last = _days(period)
    except (ValueError, calendar.IllegalMonthError):
        output.fail(f"--period must be like 2026-10-31, 2026-10 or 2026-Q4, not {period!r}", code=2)
    with errors_for_people(ScoringError, TransformationError, DataKeyError):
        require_current()
        with console.status("auditing"):
            rows = [*_archive(), *_raw(last), *_published(first, last), *(_replays(first, last) if replays else [])]
    print_rows(rows, output=output_format, title=f"audit of {first} to {last}")
    raise typer.Exit(0 if all(row["is_sound"] for row in rows) else 1)


def _days(period: str) -> tuple[date, date]:
    year, _, quarter = period.partition("-Q")
    if not quarter:
        return days_of(period)
    if quarter not in ("1", "2", "3", "4"):
        raise ValueError(period)
    month = int(quarter) * 3
    return date(int(year), month - 2, 1), date(int(year), month, calendar.monthrange(int(year), month)[1])


def _row(step: str, compared: str, problems: list[str]) -> dict[str, Any]:
    return {"step": step, "compared": compared, "is_sound": not problems, "problems": "; ".join(problems)}


def _archive() -> list[dict[str, Any]]:
    from property_credit.ingestion import archive

    problems = [f"{one.place}: {one.why}" for one in archive.check()]
    return [_row("archive", "every copy with the hash of its delivery", problems)]


def _raw(last: date) -> list[dict[str, Any]]:
    from property_credit.ingestion import feeds
    from property_credit.ingestion.provenance import prove

    rows = []
    for name in feeds.NAMES:
        proof = prove(name, last)
        told = f"{proof.rows:,} rows with their copies"
        told += f"; {proof.rows_of_other_readings:,} of earlier readings by their hash alone" * bool(
            proof.rows_of_other_readings
        )
        rows.append(_row(f"raw.{name}", told, [*proof.unreadable, *proof.differing, *proof.broken]))
    return rows


def _published(first: date, last: date) -> list[dict[str, Any]]:
    from property_credit.publishing import integrity

    told = "log, signatures, lists, versions, deliveries and receipts with one another"
    return [_row("publishing", told, integrity.check(first, last))]


def _replays(first: date, last: date) -> list[dict[str, Any]]:
    from scoring.replay import published_runs, replay

    rows = []
    for report in map(replay, published_runs(first, last)):
        told = f"{report.grade_count:,} grades and {report.point_count:,} points computed again from raw"
        problems = [] if report.is_identical else [f"{report.difference_count:,} fields differ"]
        rows.append(_row(f"run {report.run_id} of {report.business_date}", told, problems))
    return rows
