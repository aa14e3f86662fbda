"""The commands of the method: replay a published night, compare two methods over history."""

import calendar
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.output import Format, console, errors_for_people, print_json, print_rows

if TYPE_CHECKING:
    from scoring.replay import ReplayReport

SHOWN = 20

Output = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]


def register(app: typer.Typer) -> None:
    """Add the method's commands to the command line."""
    app.command()(replay)
    app.command("compare-methods")(compare_methods)


def _date(text: str) -> date:
    from warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def days_of(period: str) -> tuple[date, date]:
    """Return the first and last day of ``yyyy-mm-dd`` or ``yyyy-mm``; ValueError for anything else."""
    parts = period.split("-")
    if len(parts) == 2:
        year, month = int(parts[0]), int(parts[1])
        return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
    day = date.fromisoformat(period)
    return day, day


def replay(
    period: Annotated[str, typer.Option(help="A business date (yyyy-mm-dd) or a month (yyyy-mm).")],
    as_of: Annotated[
        date | None,
        typer.Option(
            parser=_date,
            metavar="YYYY-MM-DD",
            help="Grade the night again with what is known on this later day, as a run beside the published one.",
        ),
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Rebuild published nights from raw in scratch schemas and compare every grade and point; 1 when one differs."""
    from scoring.errors import ScoringError
    from scoring.replay import moved, published_runs, regrade
    from scoring.replay import replay as replay_run
    from warehouse.migrate import migrate
    from warehouse.transformation import TransformationError

    try:
        first, last = days_of(period)
    except (ValueError, calendar.IllegalMonthError):
        output.fail(f"--period must be a date (2026-10-31) or a month (2026-10), not {period!r}", code=2)
    with errors_for_people(ScoringError, TransformationError):
        migrate()
        if as_of:
            if first != last:
                output.fail("--as-of needs one night: give --period as yyyy-mm-dd", code=2)
            run_id = regrade(first, as_of)
            published = published_runs(first, last)
            rows = moved(published[-1], run_id) if published else []
            if output_format is Format.JSON:
                print_json({"run_id": run_id, "published_run_id": published[-1] if published else None, "moved": rows})
                return
            console.print(f"run {run_id} holds {first} as known on {as_of}; what was published stands beside it")
            print_rows(rows, output=output_format, title=f"{len(rows)} differ from what was published")
            return
        runs = published_runs(first, last)
        if not runs:
            output.fail(f"nothing was published for {period}: there is nothing to replay", code=2)
        reports = [replay_run(run_id) for run_id in runs]
    if output_format is Format.JSON:
        print_json([{**asdict(report), "is_identical": report.is_identical} for report in reports])
    else:
        for report in reports:
            _print(report)
    if not all(report.is_identical for report in reports):
        raise typer.Exit(1)


def compare_methods(
    method_a: Annotated[str, typer.Argument(help="Version of the method in force: a name in scoring/methods.")],
    method_b: Annotated[str, typer.Argument(help="Version of the challenger.")],
    first: Annotated[date, typer.Option("--from", parser=_date, metavar="YYYY-MM-DD", help="First day of the period.")],
    last: Annotated[date, typer.Option("--to", parser=_date, metavar="YYYY-MM-DD", help="Last day of the period.")],
    output_format: Output = Format.TEXT,
) -> None:
    """Grade history under two methods: who moves and why, fairness and sensitivity, as a report. Changes nothing."""
    from scoring.comparison import compare
    from scoring.comparison_report import write
    from scoring.errors import ScoringError
    from warehouse.migrate import migrate
    from warehouse.settings import get_settings
    from warehouse.transformation import TransformationError

    with errors_for_people(ScoringError, TransformationError):
        migrate()
        report = compare(method_a, method_b, first, last)
    folder = get_settings().data_dir / "reports" / f"compare-{method_a}-{method_b}-{last}"
    html, _ = write(report, folder)
    if output_format is Format.JSON:
        print_json(report)
        return
    rows = [{key: night[key] for key in ("night", "enterprises", "moved")} for night in report["nights"]]
    print_rows(rows, output=Format.TEXT, title=f"{method_a} → {method_b}")
    for mover in report["movers"][:SHOWN]:
        why = "; ".join(mover["why"])
        console.print(f"  {mover['uscc']} {mover['from']} → {mover['to']}: {why}", markup=False, highlight=False)
    console.print(f"report: {html}", soft_wrap=True)


def _print(report: "ReplayReport") -> None:
    counts = f"{report.grade_count:,} grades, {report.point_count:,} indicator points"
    if report.is_identical:
        console.print(f"{report.business_date} run {report.run_id}: {counts}, all identical bit for bit")
        return
    inputs = "the same inputs" if report.is_same_input else "other inputs"
    console.print(
        f"{report.business_date} run {report.run_id}: {counts}, {report.difference_count:,} fields differ ({inputs}; "
        f"replayed as {report.replayed_run_id})"
    )
    if report.changes:
        console.print(f"  computed by another than then: {', '.join(report.changes)}", markup=False, highlight=False)
    print_rows([asdict(difference) for difference in report.differences[:SHOWN]], output=Format.TEXT)
