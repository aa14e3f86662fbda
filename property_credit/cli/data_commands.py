"""The commands of what is kept about people, and of the archive: its key, and whether every copy is whole."""

from contextlib import AbstractContextManager
from datetime import date
from typing import Annotated

import typer

from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

personal_app = typer.Typer(
    help="Personal data at rest: its key, who is erased, what is kept how long.", no_args_is_help=True
)
archive_app = typer.Typer(help="The copies of what was delivered.", no_args_is_help=True)


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(personal_app, name="personal-data")
    app.add_typer(archive_app, name="archive")


@personal_app.command("key")
def new_key() -> None:
    """Print a new DATA_KEY and its public half, for which offices may encrypt what they send (age-encryption.org)."""
    from property_credit.warehouse import data_key

    secret, public = data_key.generate()
    console.print(f"public: {public}", highlight=False)
    typer.echo(secret)


@personal_app.command("seal")
def seal() -> None:
    """Seal what was stored before DATA_KEY was given; to be run once, while no night runs."""
    from property_credit.ingestion import personal

    with _errors(), console.status("sealing"):
        _need_key()
        done = personal.seal()
    console.print(", ".join(f"{feed}: {rows:,} rows" for feed, rows in done.items()))


@personal_app.command("erase")
def erase(
    feed: Annotated[str, typer.Argument(help="The feed that knows the person: complaints, personnel, funds …")],
    value: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Telephone, name or number; asked for when left out.")
    ],
    why: Annotated[str, typer.Option(help="The request that it rests on.")],
    on: Annotated[date | None, typer.Option(parser=_date, metavar="YYYY-MM-DD", help="Default: today.")] = None,
) -> None:
    """Destroy the keys of a person for good: counts stay, what was sealed can be read by nobody, and stays erased."""
    from property_credit.ingestion import personal

    with _errors():
        done = personal.erase(feed, value, on=on or _today(), why=why)
    console.print(f"{done.feed}: {done.keys:,} keys destroyed; copies in the archive go with the rule of retention")


@personal_app.command("erase-again")
def erase_again() -> None:
    """After a restore: erase again whoever was erased before (KEYS_DIR/erased.jsonl)."""
    from property_credit.ingestion import personal

    with _errors():
        console.print(f"{personal.erase_again():,} keys destroyed")


@personal_app.command("retain")
def retain(
    on: Annotated[date | None, typer.Option(parser=_date, metavar="YYYY-MM-DD", help="Default: today.")] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Destroy what is kept no longer: keys of past years, of who left a register, and copies in the archive."""
    from dataclasses import asdict

    from property_credit.ingestion import personal

    with _errors():
        _need_key()
        print_rows([asdict(one) for one in personal.retain(on or _today())], output=output_format)


@personal_app.command("check")
def check_personal(output_format: Output = Format.TEXT) -> None:
    """Say what is personal and not sealed, and who was erased and has a key again; exit 1 when there is any."""
    from property_credit.ingestion import feeds, personal

    with _errors():
        contracts = [feeds.get(name) for name in feeds.NAMES]
        rows = [{"feed": one.name, "unsealed_rows": personal.unsealed(one)} for one in contracts if one.person]
        again = personal.not_erased()
    print_rows(rows, output=output_format)
    if again:
        console.print(f"{again:,} erased persons have a key again: `property-credit personal-data erase-again`")
    raise typer.Exit(1 if again or any(row["unsealed_rows"] for row in rows) else 0)


def _errors() -> AbstractContextManager[None]:
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.data_key import DataKeyError

    return errors_for_people(IngestionError, DataKeyError)


def _need_key() -> None:
    from property_credit.warehouse import data_key

    if data_key.identity() is None:
        raise data_key.DataKeyError("DATA_KEY is not set")


def _today() -> date:
    from property_credit.warehouse.business_date import ZONE, arrival

    return arrival().astimezone(ZONE).date()


@archive_app.command("check")
def check_archive(output_format: Output = Format.TEXT) -> None:
    """Compare every copy in the archive with the hash of what was delivered; exit 1 when one is gone or another."""
    from property_credit.ingestion import archive
    from property_credit.warehouse.data_key import DataKeyError

    with errors_for_people(DataKeyError), console.status("reading the archive"):
        problems = archive.check()
    rows = [{"delivery": one.delivery_id, "place": one.place, "why": one.why} for one in problems]
    if rows or output_format is Format.JSON:
        print_rows(rows, output=output_format)
    else:
        console.print("every copy holds what was delivered")
    raise typer.Exit(1 if problems else 0)
