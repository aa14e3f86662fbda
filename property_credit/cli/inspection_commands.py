"""The commands of the inspection draw: make a month's draw, commit a secret, check a draw from its files."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

draw_app = typer.Typer(help="Next month's inspections: drawn, published, checked.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the draw's commands to the command line."""
    app.add_typer(draw_app, name="draw")


def _month(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(f"{text}-01")
    except ValueError as error:
        raise typer.BadParameter(f"a month looks like 2026-12, not {text!r}") from error


@draw_app.callback()
def draw(
    context: typer.Context,
    month: Annotated[date | None, typer.Option(parser=_month, metavar="YYYY-MM", help="The month to draw for.")] = None,
    seed: Annotated[
        str | None,
        typer.Option(help="A public random number, as announced after the frame. Default: the committed secret."),
    ] = None,
    supersede: Annotated[
        str | None, typer.Option(metavar="REASON", help="Why a month that is drawn already is drawn again.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Draw the inspections of a month from the marts and the published grades; the same inputs give the same draw."""
    if context.invoked_subcommand:
        return
    if month is None:
        raise typer.BadParameter("which month? --month 2026-12")
    from property_credit.supervision.draw_record import make_draw
    from property_credit.supervision.errors import SupervisionError
    from property_credit.warehouse.marts import sound_marts
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(SupervisionError):
        require_current()
        with sound_marts() as marts:
            assert marts.business_date is not None  # sound marts are of a night
            report = make_draw(month, marts.business_date, seed=seed, supersede=supersede)
    if output_format is Format.JSON:
        print_json({**vars(report), "folder": str(report.folder)})
        return
    counts = report.counts
    was = "drawn" if report.is_new else "drawn before from the same inputs"
    console.print(
        f"{month:%Y-%m} is {was} (draw {report.draw_id}): {counts['checks']} checks in {counts['visits']} visits, "
        f"{counts['visits_saved_by_merging']} visits saved by merging, {counts['checks_put_off']} checks put off by "
        f"the cap, {counts['visits_short_of_inspectors']} visits short of inspectors",
        highlight=False,
        soft_wrap=True,
    )
    if report.is_committed_before_list is False:
        console.print(
            "the secret was committed when the grade list was published already: whoever made it could have chosen it. "
            "Next month's is committed now.",
            soft_wrap=True,
        )
    console.print(f"files: {report.folder}", soft_wrap=True)


@draw_app.command("commit")
def commit(month: Annotated[date, typer.Option(parser=_month, metavar="YYYY-MM")]) -> None:
    """Commit the secret of a month in advance and print its SHA-256, to be published."""
    from property_credit.supervision import draw_seed
    from property_credit.supervision.errors import SupervisionError
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(SupervisionError):
        require_current()
        with connect("pc_supervision") as connection:
            console.print(draw_seed.commit(connection, month), highlight=False)


@draw_app.command("verify")
def verify(
    frame: Annotated[Path, typer.Argument(help="frame.json as published.")],
    draw_file: Annotated[Path, typer.Argument(metavar="DRAW", help="draw.json as published.")],
    previous: Annotated[Path | None, typer.Option(help="draw.json of the month before.")] = None,
    announcement: Annotated[Path | None, typer.Option(help="announcement.json, published before.")] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Draw again from the published files, without database or network; 1 when something does not hold."""
    from property_credit.supervision.draw_files import verify as verify_files
    from property_credit.supervision.errors import SupervisionError

    with errors_for_people(SupervisionError):
        checks = verify_files(frame, draw_file, previous, announcement)
    rows = [{"check": check.name, "holds": check.is_met, "detail": check.detail} for check in checks]
    print_rows(rows, output=output_format)
    if not all(check.is_met for check in checks):
        output.fail("the draw does not follow from these files", code=1)
