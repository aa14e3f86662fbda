"""``property-credit ledgers compare``: two sources of one ledger, before either is believed."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, errors_for_people, print_rows

ledgers_app = typer.Typer(help="账目核对 · compare ledgers.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(ledgers_app, name="ledgers")


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@ledgers_app.command("compare")
def compare_ledgers(
    files: Annotated[list[Path], typer.Argument(help="Files of the one source.")],
    source: Annotated[str, typer.Option(help="Its profile: a name in ingestion/sources or a .yml file.")],
    other_source: Annotated[str, typer.Option(help="The other source's profile.")],
    other_file: Annotated[list[Path], typer.Option(help="A file of the other source; may be repeated.")],
    business_date: Annotated[
        date, typer.Option(parser=_date, metavar="YYYY-MM-DD", help="Entries after this day count as unreadable.")
    ],
    show_all: Annotated[bool, typer.Option("--all", help="Show the months on which both agree as well.")] = False,
    output_format: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.TEXT,
) -> None:
    """Compare two sources of one ledger per month and account; nothing is loaded. Exit code 1: they differ."""
    from property_credit.ingestion.comparison import compare, differs
    from property_credit.ingestion.contract import IngestionError

    with errors_for_people(IngestionError):
        outcome = compare((source, files), (other_source, other_file), business_date=business_date)
    rows = [group for group in outcome.groups if show_all or differs(group)]
    if output_format is Format.JSON:
        output.print_json(
            {
                "are_equal": outcome.are_equal,
                "refused_here": outcome.refused_here,
                "refused_there": outcome.refused_there,
                "groups": rows,
            }
        )
    else:
        print_rows(rows, output=output_format, title="Months and accounts on which the sources differ")
    if not outcome.are_equal:
        refused = f"; rows that could not be read: {outcome.refused_here} here, {outcome.refused_there} there"
        output.fail(f"The sources differ in {sum(map(differs, outcome.groups))} months of accounts{refused}.", code=1)
