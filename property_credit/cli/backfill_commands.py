"""``property-credit backfill``: a reviewed file is tried in a copy of the warehouse, and swapped in."""

from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json

backfill_app = typer.Typer(
    help="Read again, or load late, what offices sent: a reviewed file, tried first, then swapped in.",
    no_args_is_help=True,
)
File = Annotated[Path, typer.Argument(help="backfills/<yyyy-mm-dd>-<what>.yml (docs/backfill.md).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(backfill_app, name="backfill")


@backfill_app.command("compare")
def compare(
    file: File,
    with_lists: Annotated[
        bool, typer.Option("--lists/--no-lists", help="Also grade again the nights of the lists published since.")
    ] = True,
    output_format: Output = Format.TEXT,
) -> None:
    """Try a backfill in a copy of the warehouse and show what it would change; exit 1: a gate or a test stops it."""
    from property_credit.night import backfill_trial, backfills
    from property_credit.warehouse.backup import BackupError
    from property_credit.warehouse.migrate import require_current
    from scoring.errors import ScoringError

    with errors_for_people(backfills.BackfillError, BackupError, ScoringError):
        require_current()
        report = backfill_trial.compare(file, with_lists=with_lists)
        text = backfill_trial.text_of(report, backfills.read(file))
    if output_format is Format.JSON:
        print_json(backfill_trial.REPORT.dump_python(report, mode="json"))
    else:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        console.print(f"report: {backfill_trial.folder_of(file) / 'report.md'}", soft_wrap=True, highlight=False)
    if report.problems:
        raise typer.Exit(1)


@backfill_app.command("swap")
def swap(file: File) -> None:
    """Make the loads that were tried and reviewed, then the night that stands once more; killed, run it again."""
    from property_credit.night import backfill_trial, backfills
    from property_credit.night.lock import NightError
    from property_credit.night.nightly import run_night
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(backfills.BackfillError, NightError):
        require_current()
        report = backfill_trial.kept_report(file)
        status = backfills.swap(file, report, run_night, tell=lambda text: console.print(text, highlight=False))
    if status:
        output.fail(f"the night of {report.night} was not done to its end: see above, then swap again", code=status)
