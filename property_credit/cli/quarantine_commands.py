"""The commands of rows that wait, and of loads: list, show, retry and drop; what came; a load taken back."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

SHOWN = 20

quarantine_app = typer.Typer(help="Rows that were not let in: what waits, for what, since when.", no_args_is_help=True)
batches_app = typer.Typer(help="Deliveries and what they became; a load taken back.", no_args_is_help=True)
corrections_app = typer.Typer(help="Keys that collide (KEY_REUSED): what was decided of them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(quarantine_app, name="quarantine")
    app.add_typer(batches_app, name="batches")
    app.add_typer(corrections_app, name="corrections")


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


OneFeed = Annotated[str | None, typer.Option("--feed", help="Only rows of this feed.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only rows with this reason code, REFERENCE_UNKNOWN say.")]
Office = Annotated[str | None, typer.Option("--office", help="Only rows of this office: its name or source profile.")]
Batch = Annotated[str | None, typer.Option("--batch", help="Only rows of this batch or delivery.")]
Night = Annotated[
    date | None,
    typer.Option(
        "--business-date", parser=_date, metavar="YYYY-MM-DD", help="Default: the newest night that loaded anything."
    ),
]


def _night(given: date | None) -> date:
    from property_credit.warehouse import business_date
    from property_credit.warehouse.connection import connect

    if given:
        return given
    with connect("pc_gatekeeper") as connection:
        row = connection.execute("select max(business_date) from ops.batches where status = 'loaded'").fetchone()
    return row[0] if row and row[0] else business_date.last_closed()


def _which(feed: str | None, reason: str | None, office: str | None, batch: str | None) -> Any:
    from property_credit.ingestion.waiting import Which

    which = Which(feed=feed, reason=reason, office=office, batch=batch)
    which.feeds()
    return which


@quarantine_app.command("list")
def list_waiting(
    feed: OneFeed = None,
    reason: Reason = None,
    office: Office = None,
    batch: Batch = None,
    business_date: Night = None,
    output_format: Output = Format.TEXT,
) -> None:
    """List how many rows wait, by feed, office and reason, and since when."""
    from property_credit.ingestion import waiting
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(IngestionError):
        require_current()
        rows = waiting.counted(_which(feed, reason, office, batch), _night(business_date))
    if not rows and output_format is Format.TEXT:
        console.print("no row waits")
        return
    print_rows(rows, output=output_format, title="等待行 rows that wait")


@quarantine_app.command("show")
def show_waiting(
    feed: OneFeed = None,
    reason: Reason = None,
    office: Office = None,
    batch: Batch = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows shown, the oldest first.")] = SHOWN,
    output_format: Output = Format.TEXT,
) -> None:
    """Show where waiting rows stand and why; what they say stays in quarantine."""
    from property_credit.ingestion import waiting
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(IngestionError):
        require_current()
        rows = waiting.shown(_which(feed, reason, office, batch), limit)
    if not rows and output_format is Format.TEXT:
        console.print("no row waits")
        return
    print_rows(rows, output=output_format)


@quarantine_app.command("retry")
def retry(
    feed: OneFeed = None,
    reason: Reason = None,
    office: Office = None,
    batch: Batch = None,
    business_date: Night = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come in; load nothing.")] = False,
    output_format: Output = Format.TEXT,
) -> None:
    """Load waiting rows whose reason has ended, and read deliveries again whose profile has changed."""
    from property_credit.gates.gates import check_batch
    from property_credit.ingestion import batches
    from property_credit.ingestion.contract import IngestionError
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import retry_feed
    from property_credit.warehouse.migrate import require_current

    reports = []
    with errors_for_people(IngestionError):
        require_current()
        which = _which(feed, reason, office, batch)
        for name in which.feeds():
            tried = retry_feed(
                name,
                _night(business_date),
                check=no_check if dry_run else check_batch,
                which=which,
                is_trial=dry_run,
            )
            reports += tried
            if not dry_run and any(report.status == "loaded" for report in tried):
                batches.analyze(name)
    if output_format is Format.JSON:
        print_json([asdict(report) for report in reports])
    else:
        for report in reports:
            output.print_batch(report, is_trial=dry_run)
        if not reports:
            console.print(
                "nothing to load: no reason has ended (property-credit quarantine list says what rows wait for)"
            )
    if any(report.status == "refused" for report in reports):
        output.fail("A delivery could not be read again: what was loaded of it stays.", code=1)


@quarantine_app.command("drop")
def drop(
    why: Annotated[str, typer.Option(help="Why these rows are given up; kept with them.")],
    feed: OneFeed = None,
    reason: Reason = None,
    office: Office = None,
    batch: Batch = None,
    by: Annotated[str | None, typer.Option(help="Who decides. Default: the user of this machine.")] = None,
    business_date: Night = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Give up waiting rows for good: they stay in quarantine, refused."""
    from property_credit.ingestion import waiting
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.migrate import require_current

    if (feed, reason, office, batch) == (None, None, None, None):
        output.fail("say which rows: --feed, --reason, --office or --batch", code=2)
    with errors_for_people(IngestionError):
        require_current()
        dropped = waiting.drop(_which(feed, reason, office, batch), by=by, why=why, on=_night(business_date))
    if output_format is Format.JSON:
        print_json(dropped)
    else:
        summary = ", ".join(f"{count:,} of {name}" for name, count in dropped.items()) or "none"
        console.print(f"given up: {summary}", highlight=False)


@batches_app.command("list")
def list_deliveries(
    feed: OneFeed = None,
    office: Office = None,
    limit: Annotated[int, typer.Option(min=1, help="Deliveries shown, the newest first.")] = SHOWN,
    output_format: Output = Format.TEXT,
) -> None:
    """List what came, when, from whom, and what it became."""
    from property_credit.ingestion import deliveries
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(IngestionError):
        require_current()
        rows = deliveries.listed(feed=feed, office=office, limit=limit)
    print_rows(rows, output=output_format, title="报送 deliveries")


@batches_app.command("offices")
def list_offices(business_date: Night = None, output_format: Output = Format.TEXT) -> None:
    """Say of each office how often it sends, whether it is late, and what share of its rows is refused."""
    from property_credit.ingestion import deliveries
    from property_credit.warehouse.migrate import require_current

    with errors_for_people():
        require_current()
        rows = deliveries.offices(_night(business_date))
    print_rows(rows, output=output_format, title="报送单位 offices")


@batches_app.command("withdraw")
def withdraw(
    batch: Annotated[str, typer.Argument(help="The batch, or its delivery, that was loaded wrongly.")],
    why: Annotated[str, typer.Option(help="Why it is taken back; kept with it.")],
    by: Annotated[str | None, typer.Option(help="Who decides. Default: the user of this machine.")] = None,
    business_date: Night = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Take a wrong load back: from the night on, none of its rows counts and what was known before counts again."""
    from property_credit.gates.gates import check_batch
    from property_credit.ingestion import batches, withdrawal
    from property_credit.ingestion.contract import IngestionError
    from property_credit.ingestion.night import retry_feed
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(IngestionError):
        require_current()
        night = _night(business_date)
        report = withdrawal.withdraw(batch, why=why, by=by, business_date=night)
        again = retry_feed(report.feed, night, check=check_batch)
        batches.analyze(report.feed)
    if output_format is Format.JSON:
        print_json([asdict(one) for one in (report, *again)])
        return
    console.print(
        f"{report.source_file}: taken back by batch {report.batch_id}: {report.rows_withdrawn:,} versions no longer "
        f"count from the night of {night} on, {report.rows_waiting:,} rows of it no longer wait",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    for one in again:
        output.print_batch(one)


Key = Annotated[str, typer.Argument(help="The key that collides; parts of several fields joined by /.")]
Document = Annotated[str, typer.Option("--document", help="The document that decides it.")]
Why = Annotated[str, typer.Option("--why", help="The reason in words; it stands beside the rows for good.")]
By = Annotated[str | None, typer.Option("--by", help="Who decided; default: the user of this machine.")]


@corrections_app.command("accept")
def accept_correction(
    key: Key, document: Document, why: Why, feed: OneFeed = None, by: By = None, business_date: Night = None,
    output_format: Output = Format.TEXT,
) -> None:  # fmt: skip
    """Let the values that came last stand: the office has corrected what cannot change under its number."""
    _decide(key, document, why, feed, by, business_date, output_format, is_accepted=True)


@corrections_app.command("refuse")
def refuse_correction(
    key: Key, document: Document, why: Why, feed: OneFeed = None, by: By = None, business_date: Night = None,
    output_format: Output = Format.TEXT,
) -> None:  # fmt: skip
    """Let the values that stood first stand; what came under the same number is given up."""
    _decide(key, document, why, feed, by, business_date, output_format, is_accepted=False)


def _decide(
    key: str, document: str, why: str, feed: str | None, by: str | None, business_date: date | None,
    output_format: Format, *, is_accepted: bool,
) -> None:  # fmt: skip
    from property_credit.ingestion import corrections
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(IngestionError):
        require_current()
        night = _night(business_date)
        reports = corrections.decide(
            key, is_accepted=is_accepted, document=document, why=why, business_date=night, feed=feed, by=by
        )
    if output_format is Format.JSON:
        print_json([asdict(one) for one in reports])
        return
    for one in reports:
        output.print_batch(one)
    console.print(f"{key}: decided; it counts from the night of {night} on", highlight=False)
