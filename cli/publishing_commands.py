"""The commands of publishing: subscribers, deliveries, API keys, signing keys, replies, verify."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.output import Format, console, errors_for_people, print_rows

subscribers_app = typer.Typer(help="Who gets grades pushed.", no_args_is_help=True)
deliveries_app = typer.Typer(help="What was delivered, waits or is dead.", no_args_is_help=True)
keys_app = typer.Typer(help="Keys of the read API.", no_args_is_help=True)
signing_keys_app = typer.Typer(help="Keys that sign lists and deliveries.", no_args_is_help=True)
replies_app = typer.Typer(help="Right of reply: an enterprise's words beside its grade.", no_args_is_help=True)

Output = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
Fields = Annotated[str | None, typer.Option(help="Fields of the published body, separated by commas.")]
Endpoint = Annotated[str | None, typer.Option(help="Base address; grades are posted to <endpoint>/v1/grades.")]
Token = Annotated[str | None, typer.Option("--token-variable", help="Environment variable with its bearer token.")]


def register(app: typer.Typer) -> None:
    """Add publishing's commands to the command line."""
    app.add_typer(subscribers_app, name="subscribers")
    app.add_typer(deliveries_app, name="deliveries")
    app.add_typer(keys_app, name="keys")
    app.add_typer(signing_keys_app, name="signing-keys")
    app.add_typer(replies_app, name="replies")
    app.command()(deliver)
    app.command()(verify)


def _ready() -> None:
    from warehouse.migrate import migrate

    migrate()


def _split(fields: str | None) -> list[str] | None:
    return [name.strip() for name in fields.split(",") if name.strip()] if fields else None


def deliver(
    subscriber: Annotated[str | None, typer.Option(help="One subscriber only; default: all, side by side.")] = None,
) -> None:
    """Deliver what waits in the outbox; a receiver that failed before is tried again now."""
    from publishing.errors import PublishingError
    from publishing.notices import queue_notices
    from publishing.relay import deliver as deliver_one
    from publishing.relay import deliver_all

    with errors_for_people(PublishingError):
        _ready()
        queue_notices()
        reports = [deliver_one(subscriber, is_asked=True)] if subscriber else deliver_all(is_asked=True)
    left = []
    for report in reports:
        counts = f"{report.delivered_count} delivered, {report.pending_count} wait, {report.dead_count} are dead"
        console.print(f"{report.subscriber}: {counts}", highlight=False)
        if report.pending_count or report.dead_count:
            left.append(f"{report.subscriber}: {report.problem or 'see `property-credit deliveries list`'}")
    if left:
        output.fail("\n".join(left), code=1)


@subscribers_app.command("list")
def list_subscribers(output_format: Output = Format.TEXT) -> None:
    """List the subscribers, their fields, and what waits for each."""
    from publishing.errors import PublishingError
    from publishing.subscribers import subscribers

    with errors_for_people(PublishingError):
        _ready()
        rows = subscribers()
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    short = [
        {
            "subscriber": row["subscriber"],
            "name": row["title_zh"],
            "endpoint": row["endpoint"] or "(default)",
            "circuit": "closed" if row["opened_at"] is None else f"open {row['opened_at']:%m-%d %H:%M}",
            "delivered": row["delivered_count"],
            "wait": row["pending_count"],
            "dead": row["dead_count"],
        }
        for row in rows
        if row["is_active"]
    ]
    print_rows(short, output=output_format, title="Subscribers 订阅方")
    for row in rows:
        about = "fields" if row["is_active"] else "removed; had fields"
        console.print(f"{row['subscriber']} {about}: {', '.join(row['fields'])}", highlight=False, soft_wrap=True)


@subscribers_app.command("add")
def add_subscriber(
    name: Annotated[str, typer.Argument(help="Short name: small letters, digits, _.")],
    title: Annotated[str, typer.Option(help="Its name for people, such as 市场监督管理局.")],
    endpoint: Annotated[str, typer.Option(help="Base address; grades are posted to <endpoint>/v1/grades.")],
    fields: Annotated[str, typer.Option(help="Fields it gets, separated by commas.")],
    token_variable: Token = None,
) -> None:
    """Add a subscriber and queue the grades that stand for it."""
    from publishing.errors import PublishingError
    from publishing.subscribers import add

    with errors_for_people(PublishingError):
        _ready()
        wanted = _split(fields) or []
        count = add(name, title_zh=title, endpoint=endpoint, fields=wanted, token_variable=token_variable)
    console.print(f"{name} is a subscriber; {count} grades that stand are queued for it")


@subscribers_app.command("set")
def set_subscriber(
    name: str,
    title: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    endpoint: Endpoint = None,
    fields: Fields = None,
    token_variable: Token = None,
) -> None:
    """Change a subscriber; what waits keeps the fields it was queued with, and its circuit is closed."""
    from publishing.errors import PublishingError
    from publishing.subscribers import change

    with errors_for_people(PublishingError):
        _ready()
        change(name, title_zh=title, endpoint=endpoint, fields=_split(fields), token_variable=token_variable)
    console.print(f"{name} is changed")


@subscribers_app.command("remove")
def remove_subscriber(name: str) -> None:
    """Stop delivering to a subscriber; its deliveries and receipts stay."""
    from publishing.errors import PublishingError
    from publishing.subscribers import remove

    with errors_for_people(PublishingError):
        _ready()
        remove(name)
    console.print(f"{name} gets nothing any more")


@deliveries_app.command("list")
def list_deliveries(
    subscriber: Annotated[str | None, typer.Option(help="One subscriber only.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, delivered or dead.")] = None,
    limit: Annotated[int, typer.Option(help="Newest so many.", min=1)] = 100,
    output_format: Output = Format.TEXT,
) -> None:
    """List deliveries, newest first: what became of each and why."""
    from publishing.errors import PublishingError
    from publishing.subscribers import deliveries

    if status not in (None, "pending", "delivered", "dead"):
        output.fail(f"--status is pending, delivered or dead, not {status!r}", code=2)
    with errors_for_people(PublishingError):
        _ready()
        rows = deliveries(subscriber=subscriber, status=status, limit=limit)
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    short = [
        {
            "key": row["idempotency_key"],
            "status": row["status"],
            "tries": row["attempt_count"],
            "delivered": row["delivered_at"] and f"{row['delivered_at']:%m-%d %H:%M}",
            "why not": row["last_error"],
        }
        for row in rows
    ]
    print_rows(short, output=output_format, title="Deliveries 推送")


@deliveries_app.command("replay")
def replay_delivery(
    key: Annotated[str | None, typer.Argument(help="Idempotency key, as the list shows it.")] = None,
    all_of: Annotated[str | None, typer.Option("--all-of", help="Every dead delivery of this subscriber.")] = None,
) -> None:
    """Queue dead deliveries again (or one that its receiver was found to miss); `deliver` then sends them."""
    from publishing.errors import PublishingError
    from publishing.subscribers import replay, replay_all

    if (key is None) == (all_of is None):
        output.fail("give one idempotency key, or --all-of SUBSCRIBER", code=2)
    with errors_for_people(PublishingError):
        _ready()
        if key:
            replay(key)
        count = 1 if key else replay_all(str(all_of))
    console.print(f"{count} queued again; `property-credit deliver` sends them")


@keys_app.command("issue")
def issue_key(
    scope: Annotated[str, typer.Option(help="tendering, department, regulator or enterprise.")],
    name: Annotated[str, typer.Option(help="Who holds it.")],
    region: Annotated[str | None, typer.Option(help="Division of a regulator, such as 150200.")] = None,
    uscc: Annotated[str | None, typer.Option(help="Credit code of an enterprise.")] = None,
    fields: Fields = None,
    days: Annotated[int, typer.Option(help="Until it expires.")] = 365,
    rate: Annotated[int, typer.Option(help="Requests a minute.")] = 600,
) -> None:
    """Issue a key and print it, this once, on stdout."""
    from publishing import api_keys
    from publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        _ready()
        issued = api_keys.issue(
            scope=scope,
            name=name,
            region_code=region,
            uscc=uscc,
            fields=_split(fields),
            days=days,
            rate_per_minute=rate,
        )
    _show(issued.text, f"key {issued.key_id}, valid until {issued.expires_at:%Y-%m-%d}; it is not shown again")


@keys_app.command("rotate")
def rotate_key(
    key_id: str,
    days: Annotated[int, typer.Option(help="Until the new one expires.")] = 365,
    grace_days: Annotated[int, typer.Option(help="How long the old one still works.")] = 7,
) -> None:
    """Issue a key with the same rights; the old one works for some more days."""
    from publishing import api_keys
    from publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        _ready()
        issued = api_keys.rotate(key_id, days=days, grace_days=grace_days)
    _show(issued.text, f"key {issued.key_id} follows {key_id}, which works for {grace_days} more days")


def _show(text: str, about: str) -> None:
    typer.echo(text)
    output.complaints_console.print(about, highlight=False)


@keys_app.command("revoke")
def revoke_key(key_id: str) -> None:
    """End a key now."""
    from publishing import api_keys
    from publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        _ready()
        api_keys.revoke(key_id)
    console.print(f"key {key_id} is revoked")


@keys_app.command("list")
def list_keys(output_format: Output = Format.TEXT) -> None:
    """List the keys: scope, what they are bound to, expiry, last use."""
    from publishing import api_keys

    with errors_for_people():
        _ready()
        rows = api_keys.issued_keys()
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    short = [
        {
            "key": row["key_id"],
            "name": row["name"],
            "scope": row["scope_code"],
            "bound to": row["bound_to"],
            "valid until": "revoked" if row["revoked_at"] else f"{row['expires_at']:%Y-%m-%d}",
            "last used": row["used_at"] and f"{row['used_at']:%Y-%m-%d}",
        }
        for row in rows
    ]
    print_rows(short, output=output_format, title="API keys")


@signing_keys_app.command("create")
def create_signing_key() -> None:
    """Make the first signing key (the first publication does it otherwise)."""
    from publishing import signing
    from publishing.errors import PublishingError
    from warehouse.connection import connect

    with errors_for_people(PublishingError):
        _ready()
        with connect("pc_publishing") as connection:
            key = signing.create(connection)
    console.print(f"key {key.key_id}: back up {signing.folder() / (key.key_id + '.pem')}", soft_wrap=True)


@signing_keys_app.command("rotate")
def rotate_signing_key(
    reason: Annotated[str, typer.Option(help="Why; it is published with the key.")],
    lost: Annotated[bool, typer.Option("--lost", help="The old file is gone: nothing will tie the keys.")] = False,
) -> None:
    """Let a new key sign from now on; the old one and the new one both sign the step."""
    from publishing import signing
    from publishing.errors import PublishingError
    from warehouse.connection import connect

    with errors_for_people(PublishingError):
        _ready()
        with connect("pc_publishing") as connection:
            key = signing.rotate(connection, reason=reason, is_lost=lost)
    console.print(f"key {key.key_id} signs now: back up {signing.folder() / (key.key_id + '.pem')}", soft_wrap=True)


@signing_keys_app.command("list")
def list_signing_keys(output_format: Output = Format.TEXT) -> None:
    """List the public signing keys, first to newest."""
    from publishing import signing
    from warehouse.connection import connect

    with errors_for_people():
        _ready()
        with connect("pc_publishing") as connection:
            rows = signing.registered_keys(connection)
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    short = [{"key": row["key_id"], "public key": row["public_key"], "reason": row["reason"]} for row in rows]
    print_rows(short, output=output_format, title="Signing keys 签名密钥")


@replies_app.command("set")
def set_reply(
    uscc: str,
    filed_on: Annotated[str, typer.Option(help="Day the enterprise filed it.", metavar="YYYY-MM-DD")],
    text: Annotated[str | None, typer.Option(help="At most 200 characters.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the reply away.")] = False,
) -> None:
    """Let an enterprise's own words stand beside its grade from the next publication on."""
    from publishing.errors import PublishingError
    from publishing.replies import set_reply as keep

    if (text is None) != withdraw:
        output.fail("give --text, or --withdraw", code=2)
    try:
        day = date.fromisoformat(filed_on)
    except ValueError:
        output.fail(f"--filed-on looks like 2026-10-31, not {filed_on!r}", code=2)
    with errors_for_people(PublishingError):
        _ready()
        keep(uscc, text, filed_on=day)
    console.print(f"{uscc}: it stands beside the grade from the next publication on")


def verify(
    file: Annotated[Path, typer.Argument(help="A list or a proof, as the API answered it.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM, base64, or /v1/public-keys). Default: KEYS_DIR.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Check a published file offline: signature, entries, place in the log. Exit 1 when something does not fit."""
    from dataclasses import asdict

    from publishing.signing import PUBLIC_FILE, folder
    from publishing.verify import UnreadableError, VerificationError, verify_file

    try:
        with errors_for_people(UnreadableError):
            found = verify_file(file, public_key or folder() / PUBLIC_FILE)
    except VerificationError as error:
        output.fail(f"验证不通过 NOT VERIFIED {file}: {error}", code=1)
    if output_format is Format.JSON:
        output.print_json(asdict(found))
        return
    console.print(f"[green]验证通过 verified[/green] {found.said_zh}", highlight=False, soft_wrap=True)
    console.print(f"{found.said_en}; key {found.key_id}, root {found.root}", highlight=False, soft_wrap=True)
