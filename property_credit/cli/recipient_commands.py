"""``property-credit recipients``: which office's endpoint gets which notices of supervision."""

from typing import Annotated

import typer

from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

recipients_app = typer.Typer(help="Offices' endpoints that get notices of supervision.", no_args_is_help=True)

Token = Annotated[str | None, typer.Option("--token-variable", help="Environment variable with its bearer token.")]


def register(app: typer.Typer) -> None:
    """Add the recipients' commands to the command line."""
    app.add_typer(recipients_app, name="recipients")


def _ready() -> None:
    from property_credit.warehouse.migrate import require_current

    require_current()


@recipients_app.command("list")
def list_recipients(output_format: Output = Format.TEXT) -> None:
    """List the recipients, whose notices each gets, and what waits for each."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.recipients import recipients

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
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.notices import queue_notices
    from property_credit.publishing.recipients import add_recipient as add

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
        queued = queue_notices()
    console.print(f"{name} is a recipient; {queued.queued_count} notices are queued, {queued.moved_count} moved")


@recipients_app.command("set")
def set_recipient(
    name: str,
    title: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Base address.")] = None,
    token_variable: Token = None,
) -> None:
    """Change a recipient's name, address or token; its circuit is closed."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import change

    with errors_for_people(PublishingError):
        _ready()
        change(name, title_zh=title, endpoint=endpoint, token_variable=token_variable, takes="notices")
    console.print(f"{name} is changed")


@recipients_app.command("remove")
def remove_recipient(name: str) -> None:
    """Stop delivering to a recipient; what waits for it goes to the next one that takes it."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.notices import queue_notices
    from property_credit.publishing.subscribers import remove

    with errors_for_people(PublishingError):
        _ready()
        remove(name, takes="notices")
        queued = queue_notices()
    console.print(
        f"{name} removed; no further deliveries; {queued.moved_count} notices moved, {queued.unclaimed_count} wait"
    )
