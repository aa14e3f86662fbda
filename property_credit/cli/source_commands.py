"""``sources draft`` and ``sources check``: a first profile for an export, and what it would make of files."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli.output import SHOWN_REFUSALS, Format, Output, console, errors_for_people, print_json

sources_app = typer.Typer(
    help="Source profiles: draft one from an export, check one against files.", no_args_is_help=True
)


def _day(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(sources_app, name="sources")


@sources_app.command("draft")
def draft_profile(
    file: Annotated[Path, typer.Argument(help="An export: .csv, .txt or .xlsx.")],
    feed: Annotated[str | None, typer.Option(help="The feed it is for. Default: the one that fits best.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the profile goes (.yml). Default: print it.")] = None,
) -> None:
    """Look at an export and draft its profile: what is sure, what is a guess, what a person must decide."""
    from property_credit.ingestion import drafts
    from property_credit.ingestion.contract import IngestionError

    with errors_for_people(IngestionError):
        made = drafts.draft(file, feed=feed)
        if out is None:
            typer.echo(made.text, nl=False)
            return
        drafts.save(made, out)
    counts = {kind: sum(place.certainty == kind for place in made.places) for kind in ("sure", "guess", "decide")}
    console.print(
        f"{out}: feed {made.feed}{'' if made.is_feed_sure else ' (a guess)'}, {len(made.places)} columns: "
        + ", ".join(f"{count} {kind}" for kind, count in counts.items()),
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    for question in made.questions:
        console.print(f"  say {question}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"then: property-credit sources check {out} {file}", soft_wrap=True, highlight=False, markup=False)


@sources_app.command("check")
def check_profile(
    profile: Annotated[str, typer.Argument(help="A profile's name or the path of a .yml file.")],
    files: Annotated[list[Path], typer.Argument(help="Files to try it on.")],
    business_date: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="The night that would read them. Default: the last."),
    ] = None,
    page: Annotated[Path, typer.Option(help="The page that shows every outcome row by row.")] = Path("check.html"),
    with_registers: Annotated[
        bool, typer.Option("--registers/--no-registers", help="Look up keys of other feeds in the warehouse.")
    ] = False,
    output_format: Output = Format.TEXT,
) -> None:
    """Show row by row what a profile would make of files; nothing is loaded. 1 when a row or a file is refused."""
    from property_credit.ingestion import preview as previews
    from property_credit.ingestion import profile as profiles
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.business_date import last_closed

    night = business_date or last_closed()
    with errors_for_people(IngestionError):
        chosen = profiles.named(profile)
        for path in files:
            if not path.is_file():
                raise IngestionError(f"{path}: there is no such file")
        reports = [previews.preview(chosen, path, night, with_registers=with_registers) for path in files]
    page.write_text(previews.page(reports), "utf-8")
    if output_format is Format.JSON:
        print_json(
            [
                {"file": one.file, "refusal": one.refusal, "counts": one.counts, "reasons": one.reasons}
                for one in reports
            ]
        )
    else:
        for one in reports:
            _print(one)
        console.print(f"row by row: {page}", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(0 if all(one.is_good for one in reports) else 1)


def _print(one: object) -> None:
    from property_credit.ingestion.preview import Preview

    assert isinstance(one, Preview)
    if one.refusal:
        console.print(f"{one.file}: refused: {one.refusal}", soft_wrap=True, highlight=False, markup=False)
    counts = ", ".join(f"{count:,} {name}" for name, count in one.counts.items())
    console.print(f"{one.file}: {counts}", soft_wrap=True, highlight=False, markup=False)
    not_loaded = [row for row in one.rows if row.outcome != "accepted"]
    for row in not_loaded[:SHOWN_REFUSALS]:
        console.print(f"  row {row.number}, {row.outcome}: {row.reason}", soft_wrap=True, highlight=False, markup=False)
    if len(not_loaded) > SHOWN_REFUSALS:
        console.print("  … more on the page")
