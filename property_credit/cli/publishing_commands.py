"""The commands of publishing: subscribers, deliveries, API keys, signing keys, replies, verify."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

subscribers_app = typer.Typer(help="Who gets grades pushed.", no_args_is_help=True)
deliveries_app = typer.Typer(help="What was delivered, waits or is dead.", no_args_is_help=True)
keys_app = typer.Typer(help="Keys of the read API.", no_args_is_help=True)
signing_keys_app = typer.Typer(help="Keys that sign lists and deliveries.", no_args_is_help=True)
witness_app = typer.Typer(help="Witness the public log: cosign what only grows.", no_args_is_help=True)
replies_app = typer.Typer(help="Right of reply: an enterprise's words beside its grade.", no_args_is_help=True)

Fields = Annotated[str | None, typer.Option(help="Fields of the published body, separated by commas.")]
Endpoint = Annotated[str | None, typer.Option(help="Base address; grades are posted to <endpoint>/v1/grades.")]
Token = Annotated[str | None, typer.Option("--token-variable", help="Environment variable with its bearer token.")]


def register(app: typer.Typer) -> None:
    """Add publishing's commands to the command line."""
    app.add_typer(subscribers_app, name="subscribers")
    app.add_typer(deliveries_app, name="deliveries")
    app.add_typer(keys_app, name="keys")
    app.add_typer(signing_keys_app, name="signing-keys")
    app.add_typer(witness_app, name="witness")
    app.add_typer(replies_app, name="replies")
    app.command()(deliver)
    app.command()(verify)
    app.command()(conformance)


def _ready() -> None:
    from property_credit.warehouse.migrate import require_current

    require_current()


def _split(fields: str | None) -> list[str] | None:
    return [name.strip() for name in fields.split(",") if name.strip()] if fields else None


def deliver(
    subscriber: Annotated[str | None, typer.Option(help="One subscriber only; default: all, side by side.")] = None,
) -> None:
    """Deliver what waits in the outbox; a receiver that failed before is tried again now."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.notices import queue_notices
    from property_credit.publishing.relay import deliver as deliver_one
    from property_credit.publishing.relay import deliver_all

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
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import subscribers

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
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import add

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
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import change

    with errors_for_people(PublishingError):
        _ready()
        change(name, title_zh=title, endpoint=endpoint, fields=_split(fields), token_variable=token_variable)
    console.print(f"{name} is changed")


@subscribers_app.command("remove")
def remove_subscriber(name: str) -> None:
    """Stop delivering to a subscriber; its deliveries and receipts stay."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import remove

    with errors_for_people(PublishingError):
        _ready()
        remove(name)
    console.print(f"{name} removed; no further deliveries")


@deliveries_app.command("list")
def list_deliveries(
    subscriber: Annotated[str | None, typer.Option(help="One subscriber only.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, delivered or dead.")] = None,
    limit: Annotated[int, typer.Option(help="Newest so many.", min=1)] = 100,
    output_format: Output = Format.TEXT,
) -> None:
    """List deliveries, newest first: what became of each and why."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import deliveries

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
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.subscribers import replay, replay_all

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
    from property_credit.publishing import api_keys
    from property_credit.publishing.errors import PublishingError

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
    from property_credit.publishing import api_keys
    from property_credit.publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        _ready()
        issued = api_keys.rotate(key_id, days=days, grace_days=grace_days)
    _show(issued.text, f"key {issued.key_id} follows {key_id}, which works for {grace_days} more days")


def _show(text: str, about: str) -> None:
    typer.echo(text)
    output.stderr.print(about, highlight=False)


@keys_app.command("revoke")
def revoke_key(key_id: str) -> None:
    """End a key now."""
    from property_credit.publishing import api_keys
    from property_credit.publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        _ready()
        api_keys.revoke(key_id)
    console.print(f"key {key_id} is revoked")


@keys_app.command("list")
def list_keys(output_format: Output = Format.TEXT) -> None:
    """List the keys: scope, what they are bound to, expiry, last use."""
    from property_credit.publishing import api_keys

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
    from property_credit.publishing import signing
    from property_credit.publishing.errors import PublishingError
    from property_credit.warehouse.connection import connect

    with errors_for_people(PublishingError):
        _ready()
        with connect("pc_publishing") as connection:
            key = signing.create(connection)
    console.print(f"key {key.key_id}: back up {signing.folder() / (key.key_id + '.pem')}", soft_wrap=True)


RootKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--root-key", help="Private file of a holder's root key; default: those in KEYS_DIR/root.", exists=True
    ),
]


@signing_keys_app.command("rotate")
def rotate_signing_key(
    reason: Annotated[str, typer.Option(help="Why; it is published with the key.")],
    lost: Annotated[
        bool, typer.Option("--lost", help="The old file is gone: only root documents tie the keys.")
    ] = False,
    root_key: RootKeys = None,
) -> None:
    """Let a new key sign from now on; the old one, the new one and the holders of root keys sign the step."""
    _rotate(reason=reason, is_lost=lost, revoked_on=None, root_keys=root_key)


@signing_keys_app.command("revoke")
def revoke_signing_key(
    stolen_on: Annotated[str, typer.Option(help="First day on which it may have been used.", metavar="YYYY-MM-DD")],
    reason: Annotated[str, typer.Option(help="Why; it is published with the key.")],
    root_key: RootKeys = None,
) -> None:
    """End a stolen signing key: a new one signs, and the old one counts only for heads published until now."""
    try:
        day = date.fromisoformat(stolen_on)
    except ValueError:
        output.fail(f"--stolen-on looks like 2026-10-31, not {stolen_on!r}", code=2)
    _rotate(reason=reason, is_lost=False, revoked_on=day, root_keys=root_key)


def _rotate(*, reason: str, is_lost: bool, revoked_on: date | None, root_keys: list[Path] | None) -> None:
    from property_credit.publishing import log, signing
    from property_credit.publishing.errors import PublishingError
    from property_credit.warehouse.connection import connect

    with errors_for_people(PublishingError):
        _ready()
        with connect("pc_publishing") as connection:
            step: dict[str, Any] = {"reason": reason, "is_lost": is_lost, "revoked_on": revoked_on}
            key = signing.rotate(connection, **step, root_keys=root_keys or (), ask=output.passphrase_of())
            log.append_handover(connection)
            version = signing.newest_root(connection)["version"]
    path = signing.folder() / (key.key_id + ".pem")
    console.print(f"key {key.key_id} signs now (root document {version}): back up {path}", soft_wrap=True)
    if revoked_on:
        console.print("give every receiver root document and public keys anew: /v1/public-keys", soft_wrap=True)


@signing_keys_app.command("new-root-key")
def new_root_key(
    file: Annotated[Path, typer.Argument(help="Where the private key is written; it must not exist.")],
) -> None:
    """Make a holder's root key (or a witness's key) in a file of its own and print its public half."""
    from property_credit.publishing import signing
    from property_credit.publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        public = signing.make_root_key(file)
    typer.echo(public)
    output.stderr.print(f"private key in {file}: keep it apart from this machine", highlight=False, soft_wrap=True)


@signing_keys_app.command("root")
def change_root(
    threshold: Annotated[int, typer.Option(help="How many holders must sign a change of keys from now on.", min=1)],
    holder: Annotated[
        list[str] | None, typer.Option(help="A holder as NAME=PUBLIC (base64); all of them. Default: they stay.")
    ] = None,
    witness_threshold: Annotated[
        int | None, typer.Option(help="How many witnesses must cosign a checkpoint.", min=0)
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="A witness as NAME=PUBLIC (base64); all of them. Default: they stay.")
    ] = None,
    root_key: RootKeys = None,
) -> None:
    """Publish the next root document: other holders or witnesses, signed by thresholds of the old and the new."""
    from property_credit.publishing import log, signing
    from property_credit.publishing.errors import PublishingError
    from property_credit.warehouse.connection import connect

    with errors_for_people(PublishingError):
        _ready()
        with connect("pc_publishing") as connection:
            root = signing.change_root(
                connection,
                threshold=threshold,
                holders=_pairs(holder or [], "--holder"),
                witness_threshold=witness_threshold,
                witnesses=_pairs(witness, "--witness") if witness else None,
                root_keys=root_key or (),
                ask=output.passphrase_of(),
            )
            log.append_handover(connection)
    names = ", ".join(one["holder"] for one in root["root"]["keys"])
    console.print(f"root document {root['version']}: {threshold} of {names} sign the next one", soft_wrap=True)


def _pairs(given: list[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for one in given:
        name, mark, public = one.partition("=")
        if not (name and mark and public) or " " in name or "+" in name:
            output.fail(f"{option} looks like NAME=PUBLIC, the name without spaces, not {one!r}", code=2)
        pairs.append((name, public))
    return pairs


@signing_keys_app.command("encrypt")
def encrypt_keys() -> None:
    """Encrypt the private files under KEYS_DIR with KEYS_PASSPHRASE."""
    from property_credit.publishing import signing
    from property_credit.publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        done = signing.encrypt_files()
    console.print(f"{len(done)} private files are encrypted now", highlight=False)


@witness_app.command("cosign")
def cosign_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(help="What /v1/log/checkpoint answered.")],
    public_key: Annotated[Path, typer.Option(help="The log's public keys (/v1/public-keys), saved once.")],
    key: Annotated[Path, typer.Option(help="The witness's private key (signing-keys new-root-key makes one).")],
    name: Annotated[str, typer.Option(help="The witness's name in the log's root document.")],
    state: Annotated[Path, typer.Option(help="Where the last checkpoint is kept.")],
    proof: Annotated[Path | None, typer.Option(help="What /v1/log/consistency answered.")] = None,
) -> None:
    """Cosign a checkpoint that goes on from the kept one; exit 1 when it does not, or views split."""
    import os

    from property_credit.publishing import witness
    from property_credit.publishing.verify import UnreadableError, VerificationError, read_known, read_text

    try:
        with errors_for_people(UnreadableError):
            line = witness.cosign(
                read_text(checkpoint),
                read_known(public_key),
                name=name,
                private=witness.read_private_key(key, os.environ.get("KEYS_PASSPHRASE")),
                state=state,
                proof=witness.read_proof(proof) if proof else None,
            )
    except VerificationError as error:
        output.fail(f"不予见证 NOT COSIGNED {checkpoint}: {error}", code=1)
    typer.echo(line)


@witness_app.command("add")
def add_cosignature(
    file: Annotated[Path, typer.Argument(help="A witness's line, as `witness cosign` printed it.")],
) -> None:
    """Keep a witness's cosignature beside the checkpoint that it is of."""
    from property_credit.publishing import witness
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.verify import UnreadableError, read_text
    from property_credit.warehouse.connection import connect

    with errors_for_people(PublishingError, UnreadableError):
        _ready()
        with connect("pc_publishing") as connection:
            size, name = witness.add_cosignature(connection, read_text(file))
    console.print(f"the checkpoint of {size} leaves is cosigned by {name}", highlight=False)


@signing_keys_app.command("list")
def list_signing_keys(output_format: Output = Format.TEXT) -> None:
    """List the public signing keys, first to newest."""
    from property_credit.publishing import signing
    from property_credit.warehouse.connection import connect

    with errors_for_people():
        _ready()
        with connect("pc_publishing") as connection:
            rows = signing.public_document(connection)["keys"]
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    short = [
        {"key": row["key_id"], "status": row["status"], "public key": row["public_key"], "reason": row["reason"]}
        for row in rows
    ]
    print_rows(short, output=output_format, title="Signing keys 签名密钥")


@replies_app.command("set")
def set_reply(
    uscc: str,
    filed_on: Annotated[str, typer.Option(help="Day the enterprise filed it.", metavar="YYYY-MM-DD")],
    text: Annotated[str | None, typer.Option(help="At most 200 characters.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the reply away.")] = False,
) -> None:
    """Let an enterprise's own words stand beside its grade from the next publication on."""
    from property_credit.publishing.errors import PublishingError
    from property_credit.publishing.replies import set_reply as keep

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
    file: Annotated[Path, typer.Argument(help="A list, certificate, proof or checkpoint, as the API answered it.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM, base64, or /v1/public-keys). Default: KEYS_DIR.")
    ] = None,
    kept: Annotated[
        Path | None, typer.Option(help="A file of ours saved before: two views of one log are told apart.")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="A file that a manifest names, to be compared with it.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Check a published file offline: signature, entries, place in the log. Exit 1 when something does not fit."""
    from dataclasses import asdict

    from property_credit.publishing.signing import PUBLIC_FILE, folder
    from property_credit.publishing.verify import UnreadableError, VerificationError, verify_file

    try:
        with errors_for_people(UnreadableError):
            verdict = verify_file(file, public_key or folder() / PUBLIC_FILE, kept=kept, data=data or ())
    except VerificationError as error:
        output.fail(f"验证不通过 NOT VERIFIED {file}: {error}", code=1)
    if output_format is Format.JSON:
        output.print_json(asdict(verdict))
        return
    console.print(f"[green]验证通过 verified[/green] {verdict.said_zh}", highlight=False, soft_wrap=True)
    console.print(f"{verdict.said_en}; key {verdict.key_id}, root {verdict.root}", highlight=False, soft_wrap=True)
    for zh, en in verdict.remarks:
        console.print(f"[yellow]注意 note[/yellow] {zh} · {en}", highlight=False, soft_wrap=True)


def conformance(
    endpoint: Annotated[str, typer.Argument(help="Base address of the receiver; grades are posted to <it>/v1/grades.")],
    keys: Annotated[Path, typer.Option(help="Folder of the test keys; made on the first call.")] = Path(
        "conformance-keys"
    ),
    token_variable: Token = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Play every fault of the delivery protocol against a receiver; exit 1 if it takes one wrongly.

    Grades are invented. The first call makes test keys: let the receiver take `<keys>/public-keys.json` as the sender's
    public keys, then call again.
    """
    import os
    from dataclasses import asdict

    import httpx

    from property_credit.publishing import signing
    from property_credit.publishing.conformance import Suite
    from property_credit.publishing.errors import PublishingError

    with errors_for_people(PublishingError):
        if not (keys / "sender.pem").exists():
            signing.make_test_keys(keys)
            output.fail(
                f"{keys} holds new test keys: let the receiver take {keys / signing.PUBLIC_FILE}, then call again",
                code=2,
            )
        key, stranger = (signing.read_file(keys / f"{name}.pem") for name in ("sender", "stranger"))
    headers = {}
    if token_variable:
        if not os.environ.get(token_variable):
            output.fail(f"the environment variable {token_variable} is not set", code=2)
        headers["Authorization"] = f"Bearer {os.environ[token_variable]}"
    if not endpoint.startswith(("http://", "https://")):
        output.fail(f"an address looks like https://receiver.example, not {endpoint!r}", code=2)
    with httpx.Client(base_url=endpoint, headers=headers, timeout=30) as http:
        outcomes = Suite(http, key, stranger).outcomes()
    if output_format is Format.JSON:
        output.print_json([asdict(one) for one in outcomes])
    else:
        rows = [
            {"": "✓" if one.is_passed else "✗", "case": one.case, "wanted": one.wanted, "answered": one.answered}
            for one in outcomes
        ]
        print_rows(rows, output=output_format, title=f"Conformance of {endpoint} 接收端检验")
    failed = [one.case for one in outcomes if not one.is_passed]
    if failed:
        output.fail(f"{len(failed)} of {len(outcomes)} cases failed: {', '.join(failed)}", code=1)
