"""``names match``: names in a file against a register in a file, without the warehouse."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from property_credit.cli.output import console, errors_for_people

if TYPE_CHECKING:
    import polars

names_app = typer.Typer(help="Names as offices write them, against a register.", no_args_is_help=True)


class Kind(StrEnum):
    """What the names are names of."""

    COMMUNITY = "community"
    ENTERPRISE = "enterprise"


class TableError(Exception):
    """A table that cannot be read, or lacks a column: the message says which."""


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(names_app, name="names")


@names_app.callback()
def _names() -> None:  # keeps `match` a word of its own while it is the only command
    """Names as offices write them, against a register."""


@names_app.command("match")
def match_names(
    kind: Annotated[Kind, typer.Argument(help="What the names are names of.")],
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8 with the column name; division and street where known.")],
    register: Annotated[Path, typer.Option(help="CSV in UTF-8 with entity and name; division and street where known.")],
    out: Annotated[Path, typer.Option(help="Where the answers go (CSV).")],
) -> None:
    """Say of each name in a file which entity of a register it means: linked, waiting with candidates, or none."""
    import polars

    from property_credit.entities import matching
    from property_credit.entities.model import ModelError

    with errors_for_people(TableError, ModelError):
        mentions, known = _read(file, "name"), _read(register, "entity", "name")
        matches = matching.match(mentions, known, kind.value)
    shown = polars.element().struct.field("entity").cast(polars.String)
    answers = polars.concat(
        [mentions.drop(matches.columns, strict=False), matches.drop("candidates")], how="horizontal"
    )
    answers = answers.with_columns(matches["candidates"].list.eval(shown).list.join(" ").alias("candidates"))
    answers.write_csv(out)
    counts = dict(matches["outcome"].value_counts().iter_rows())
    summary = ", ".join(f"{counts.get(one, 0):,} {one}" for one in ("linked", "waiting", "none"))
    console.print(f"{out}: {matches.height:,} names: {summary}", soft_wrap=True, highlight=False, markup=False)


def _read(path: Path, *needed: str) -> "polars.DataFrame":
    import polars

    try:
        table = polars.read_csv(path, infer_schema=False)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise TableError(f"{path}: not a CSV file in UTF-8 ({type(error).__name__})") from error
    if missing := [name for name in needed if name not in table.columns]:
        raise TableError(f"{path}: the column {', '.join(missing)} is missing")
    return table
