"""``property-credit entities …``: who is who, and the decisions of people about it."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

entities_app = typer.Typer(
    help="主体登记簿 · who is who: enterprises and communities, their numbers, names and successors.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(entities_app, name="entities")


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Kind = Annotated[str, typer.Option("--entity", help="enterprise or community.")]
Number = Annotated[str, typer.Argument(help="Its credit code or community number.")]
Mention = Annotated[int, typer.Argument(help="Key of what an office wrote, as `entities candidates` prints it.")]
By = Annotated[str, typer.Option(help="Code of the officer or office that decides, never a name.")]
Why = Annotated[str, typer.Option(help="One sentence; nothing about a person.")]
On = Annotated[
    date | None,
    typer.Option("--on", parser=_date, metavar="YYYY-MM-DD", help="Takes effect on; default: from when it is known."),
]
Night = Annotated[
    date | None,
    typer.Option(
        "--business-date", parser=_date, metavar="YYYY-MM-DD", help="First night that knows it; default: the next one."
    ),
]


@entities_app.command("link")
def link(mention: Mention, number: Number, by: By, why: Why, entity: Kind = "community", night: Night = None) -> None:
    """Say that what an office wrote is this enterprise or community."""
    _decide("link", entity, night, by, why, number=number, mention=str(mention))


@entities_app.command("separate")
def separate(
    mention: Mention, number: Number, by: By, why: Why, entity: Kind = "community", night: Night = None
) -> None:
    """Say that it is not, whatever a score says; a link between them ends."""
    _decide("separate", entity, night, by, why, number=number, mention=str(mention))


@entities_app.command("enter")
def enter(
    number: Annotated[str, typer.Argument(help="The office's own number of it.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    issuer: Annotated[str, typer.Option(help="The office whose number it is.")],
    by: By,
    why: Why,
    entity: Kind = "enterprise",
    night: Night = None,
) -> None:
    """Enter an enterprise or community that has no official number (在办, abroad); `renumber --issuer` gives it one."""
    _decide("enter", entity, night, by, why, number=number, name=name, issuer=issuer)


@entities_app.command("rename")
def rename(
    number: Number,
    name: Annotated[str, typer.Argument(help="The new name; the ones before stay known.")],
    by: By,
    why: Why,
    entity: Kind = "enterprise",
    on: On = None,
    night: Night = None,
) -> None:
    """Give an enterprise or community another name (更名)."""
    _decide("rename", entity, night, by, why, number=number, name=name, on=on)


@entities_app.command("renumber")
def renumber(
    number: Number,
    new_number: Annotated[str, typer.Argument(help="The new credit code or community number.")],
    by: By,
    why: Why,
    issuer: Annotated[str, typer.Option(help="The first number is this office's own; empty: it is official.")] = "",
    entity: Kind = "enterprise",
    on: On = None,
    night: Night = None,
) -> None:
    """Give an enterprise or community another number (换码): it stays one, with all its history."""
    _decide("renumber", entity, night, by, why, number=number, other=new_number, on=on, issuer=issuer)


@entities_app.command("merge")
def merge(
    number: Number,
    into: Annotated[str, typer.Option("--into", help="Number of the successor.")],
    by: By,
    why: Why,
    entity: Kind = "enterprise",
    on: On = None,
    night: Night = None,
) -> None:
    """Let the records of one follow to another (合并, 承继, who has them after a split); service stays where it was."""
    _decide("merge", entity, night, by, why, number=number, other=into, on=on)


@entities_app.command("undo")
def undo(
    decision: Annotated[int, typer.Argument(help="Number of the decision, as `entities history` prints it.")],
    by: By,
    why: Why,
    night: Night = None,
) -> None:
    """Take a decision back; nights before are seen as they were known."""
    _decide("undo", "enterprise", night, by, why, decision=str(decision))


@entities_app.command("decide")
def decide_file(
    file: Annotated[
        Path, typer.Argument(help="A reviewed CSV file: act,entity,number,other,name,mention,issuer,on,decision,why.")
    ],
    by: By,
    why: Annotated[str, typer.Option(help="For rows that give no reason of their own.")] = "",
    night: Night = None,
) -> None:
    """Make the decisions of a reviewed file, all of them or none."""
    from property_credit.entities import bulk
    from property_credit.entities.decisions import EntityError
    from property_credit.warehouse.connection import connect

    with errors_for_people(EntityError):
        made_by = _by(night, by, why)
        with connect("pc_entities") as connection:
            made = bulk.decide_file(connection, file, made_by)
    console.print(f"{len(made)} decisions, known from the night of {made_by.known_on} on")


@entities_app.command("candidates")
def candidates(
    entity: Annotated[str | None, typer.Option("--entity", help="Only of one kind: enterprise or community.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only what is waiting, or none.")] = None,
    office: Annotated[str | None, typer.Option("--office", help="Only what this office wrote.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Names shown, those of most rows first.")] = 50,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write all of them to a CSV file for `entities decide`: review it, then decide."),
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """List names in rows that nobody is linked to: how many rows wait, the best candidates and why none was taken."""
    from property_credit.entities import bulk, linking
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import migrate

    migrate()
    with connect("pc_entities") as connection:
        rows = linking.candidates(connection, kind=entity, outcome=outcome, office=office, limit=None if out else limit)
    if out:
        count = bulk.write_candidates(out, rows)
        console.print(
            f"{out}: {count:,} lines, one for each candidate: keep the lines that are right (act link), "
            f"write separate for those that are wrong, then `property-credit entities decide {out} --by … --why …`",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
        return
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    if not rows:
        console.print("every name is linked")
        return
    shown = [
        {
            "mention": row["mention"],
            "name": row["name"],
            "where": f"{row['division']} {row['street']}".strip(),
            "by": row["written_by"],
            "rows": row["rows"],
            "since": row["since"],
            "outcome": row["outcome"],
            "why": row["reason"],
            "candidates": "\n".join(
                f"{one['number']} {one['name'] or ''} {one['score']:.2f} {one['reason'] or ''}"
                for one in row["candidates"]
            ),
        }
        for row in rows
    ]
    print_rows(shown, output=output_format, title="待认定名称 names that wait for a person")


@entities_app.command("history")
def history(
    text: Annotated[str, typer.Argument(help="A credit code, a community number or a name, whole.")],
    as_of: Annotated[
        date | None, typer.Option("--as-of", parser=_date, metavar="YYYY-MM-DD", help="As known on this night.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Show what is known of an enterprise or community: numbers, names, successors, and every decision about it."""
    from property_credit.entities import history as read
    from property_credit.entities.decisions import EntityError
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import migrate

    with errors_for_people(EntityError):
        migrate()
        with connect("pc_entities") as connection:
            rows = read.of(connection, text, as_of or date.max)
    if not rows:
        output.fail(
            f"nobody has the number or name {text!r}: give it whole, as a register or an office writes it", code=1
        )
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    shown = [
        {
            "decision": row["decision"],
            "known": row["known_on"],
            "act": row["act"],
            "fact": row["fact"],
            "value": row["value"],
            "from": f"{row['valid_from'] or ''}{' (assumed)' if row['is_assumed'] else ''}",
            "to": row["valid_to"],
            "by": row["made_by"],
            "why": row["why"] + (f" · undone by {row['undone_by']} on {row['undone_on']}" if row["undone_by"] else ""),
        }
        for row in rows
    ]
    print_rows(shown, output=output_format, title=f"主体历史 history of {text}")


def _decide(
    act: str, entity: str, night: date | None, by: str, why: str, *, on: date | None = None, **given: Any
) -> None:
    from property_credit.entities import bulk
    from property_credit.entities.decisions import EntityError
    from property_credit.warehouse.connection import connect

    with errors_for_people(EntityError):
        made_by = _by(night, by, why)
        request = bulk.Request(act=act, entity=entity, on=on.isoformat() if on else "", why=why, **given)
        with connect("pc_entities") as connection:
            number = bulk.decide(connection, request, made_by)
    console.print(
        f"decision {number}: known from the night of {made_by.known_on} on; "
        f"`property-credit entities undo {number} --by … --why …` takes it back"
    )


def _by(night: date | None, by: str, why: str) -> Any:
    """Return who decides; a decision is known from the night after the newest that was built, unless told."""
    from datetime import timedelta

    from property_credit.entities.decisions import By, EntityError
    from property_credit.warehouse import builds, business_date
    from property_credit.warehouse.migrate import migrate

    migrate()
    newest = builds.newest()
    first = newest.business_date + timedelta(days=1) if newest else business_date.last_closed()
    if night and newest and night <= newest.business_date:
        raise EntityError(
            f"the night of {newest.business_date} is built: a decision can be known from {first} on, not from {night}"
        )
    return By("person", by, why, night or first, business_date.arrival(), "property-credit entities")
