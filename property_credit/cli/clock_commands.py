"""What supervision keeps, read on the terminal: the clocks of objections and repairs, and a month's policy targets."""

from datetime import date
from typing import Annotated

import typer

from property_credit.cli.inspection_commands import _month
from property_credit.cli.output import Format, Output, errors_for_people, print_rows

Region = Annotated[str | None, typer.Option(help="Region code; everything below it: 1502 or 150200 is 包头.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("clocks")(clocks)
    app.command("targets")(targets)


def clocks(
    status: Annotated[
        str | None, typer.Option(help="running, due, overdue, done, done_late, passed or void; default: what is open.")
    ] = None,
    region: Region = None,
    output_format: Output = Format.TEXT,
) -> None:
    """List the clocks of objections, reviews, freezes, previews and repairs, the next to end first."""
    from property_credit.supervision.errors import SupervisionError
    from property_credit.supervision.reading import clocks as read
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(SupervisionError):
        require_current()
        rows = read(status=status, region=region)
    print_rows(rows, output=output_format, title="Clocks 时限")


def targets(
    month: Annotated[date, typer.Option(parser=_month, metavar="YYYY-MM", help="A month that is kept.")],
    region: Annotated[str, typer.Option(help="Region code.")] = "150000",
    output_format: Output = Format.TEXT,
) -> None:
    """Print the policy targets of a region as they were kept for a month, with the version that stands."""
    from property_credit.supervision.errors import SupervisionError
    from property_credit.supervision.reading import targets as read
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(SupervisionError):
        require_current()
        rows = read(month, region)
    print_rows(rows, output=output_format, title=f"Targets 政策目标 {month:%Y-%m} {region}")
