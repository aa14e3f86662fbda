"""``property-credit recipients``: which office's endpoint gets which notices of supervision."""

from typing import Annotated

import typer

from cli.output import Format, console, errors_for_people, print_json, print_rows

recipients_app = typer.Typer(help="Offices' endpoints that get notices of supervision.", no_args_is_help=True)

Output = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
Token = Annotated[str | None, typer.Option("--token-variable", help="Environment variable with its bearer token.")]


def register(app: typer.Typer) -> None:
    """Add the recipients' commands to the command line."""
    app.add_typer(recipients_app, name="recipients")


def _ready() -> None:
    from warehouse.migrate import migrate

    migrate()


@recipients_app.command("list")
def list_recipients(output_format: Output = Format.TEXT) -> None:
    """List the recipients, whose notices each gets, and what waits for each."""
    from publishing.errors import PublishingError
    from publishing.recipients import recipients

    with errors_for_people(PublishingError):
        _ready()
        rows = recipients()
    if output_format is Format.JSON:
        print_json(rows)
        return
    short = [
        {
            "recipient": row["subscriber"],
            "name": row["title_zh"],
            "takes": f"{row['region_code'] or 'all others'} {row['level_code'] or ''}".strip(),
            "endpoint": row["endpoint"] or "(default)",
            "circuit": "closed" if row["opened_at"] is None else f"open {row['opened_at']:%m-%d %H:%M}",
            "delivered": row["delivered_count"],
            "wait": row["pending_count"],
            "dead": row["dead_count"],
        }
        for row in rows
        if row["is_active"]
    ]
    print_rows(short, output=output_format, title="Recipients 督办接收方")


@recipients_app.command("add")
def add_recipient(
    name: Annotated[str, typer.Argument(help="Short name: small letters, digits, _.")],
    title: Annotated[str, typer.Option(help="Its name for people, such as 昆都仑区住建局.")],
    endpoint: Annotated[str, typer.Option(help="Base address; notices are posted to <endpoint>/v1/notices.")],
    region: Annotated[str, typer.Option(help="Notices of this division and those below, such as 150203.")],
    level: Annotated[str | None, typer.Option(help="Only this level: street, district, city or region.")] = None,
    token_variable: Token = None,
) -> None:
    """Add an office's endpoint; what waits for another and was never tried moves to it."""
    from publishing.errors import PublishingError
    from publishing.notices import queue_notices
    from publishing.recipients import add_recipient as add

    with errors_for_people(PublishingError):
        _ready()
        add(
            name,
            title_zh=title,
            endpoint=endpoint,
            region_code=region,
            level_code=level,
            token_variable=token_variable,
        )
        found = queue_notices()
    console.print(f"{name} is a recipient; {found.queued_count} notices are queued, {found.moved_count} moved")


@recipients_app.command("set")
def set_recipient(
    name: str,
    title: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Base address.")] = None,
    token_variable: Token = None,
) -> None:
    """Change a recipient's name, address or token; its circuit is closed."""
    from publishing.errors import PublishingError
    from publishing.subscribers import change

    with errors_for_people(PublishingError):
        _ready()
        change(name, title_zh=title, endpoint=endpoint, token_variable=token_variable, takes="notices")
    console.print(f"{name} is changed")


@recipients_app.command("remove")
def remove_recipient(name: str) -> None:
    """Stop delivering to a recipient; what waits for it goes to the next one that takes it."""
    from publishing.errors import PublishingError
    from publishing.notices import queue_notices
    from publishing.subscribers import remove

    with errors_for_people(PublishingError):
        _ready()
        remove(name, takes="notices")
        found = queue_notices()
    console.print(f"{name} gets nothing any more; {found.moved_count} notices moved, {found.unclaimed_count} wait")
