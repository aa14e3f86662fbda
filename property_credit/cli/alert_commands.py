"""``property-credit alerts …``: what supervision raised, and what officers decide about it."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

SHOWN = 10  # wrong and missing alerts that a message names
alerts_app = typer.Typer(help="预警 · alerts on money, exits, tenders, contracts and disputes.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(alerts_app, name="alerts")


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


AlertId = Annotated[str, typer.Argument(help="The alert's id, as `alerts list` prints it.")]
By = Annotated[str, typer.Option(help="Code of the officer or office that decides, never a name.")]
Reason = Annotated[str, typer.Option(help="One sentence; nothing about a person.")]
On = Annotated[
    date | None,
    typer.Option("--on", parser=_date, metavar="YYYY-MM-DD", help="Default: the day after the newest night."),
]


@alerts_app.command("list")
def list_alerts(
    state: Annotated[str | None, typer.Option(help="open, explained, confirmed or closed.")] = None,
    kind: Annotated[str | None, typer.Option(help="One kind, such as management_vacuum.")] = None,
    region: Annotated[str | None, typer.Option(help="A region and all below it, such as 1502 or 150203.")] = None,
    uscc: Annotated[str | None, typer.Option(help="One enterprise.")] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """List alerts, the most severe and newest first."""
    from property_credit.supervision.decisions import alerts
    from property_credit.supervision.errors import SupervisionError

    with errors_for_people(SupervisionError):
        _ready()
        rows = alerts(state=state, kind=kind, region=region, uscc=uscc)
    if output_format is Format.JSON:
        output.print_json(rows)
        return
    shown = {"severity": "severity_code", "state": "state_code", "region": "region_code", "since": "first_on"}
    short = [
        {"alert": row["alert_id"], **{label: row[name] for label, name in shown.items()}, "CNY": row["amount_cny"]}
        for row in rows
    ]
    print_rows(short, output=output_format, title=f"预警 alerts: {len(rows)}")


@alerts_app.command("show")
def show(alert_id: AlertId, output_format: Output = Format.TEXT) -> None:
    """Show one alert with its evidence rows and what was decided about it."""
    from property_credit.supervision.decisions import alert
    from property_credit.supervision.errors import SupervisionError

    with errors_for_people(SupervisionError):
        _ready()
        row = alert(alert_id)
    if output_format is Format.JSON:
        output.print_json(row)
        return
    _print(row)


@alerts_app.command("explain")
def explain(alert_id: AlertId, by: By, reason: Reason, on: On = None) -> None:
    """Record an accepted explanation; the alert stays in the register and never counts."""
    _decide(alert_id, "explained", by=by, reason=reason, decided_on=on)


@alerts_app.command("confirm")
def confirm(
    alert_id: AlertId,
    by: By,
    reason: Reason,
    document: Annotated[str, typer.Option(help="Number of the determination 认定文书号: a confirmed alert counts.")],
    record: Annotated[
        str | None, typer.Option(help="Public credit record of the same case, which then counts instead.")
    ] = None,
    on: On = None,
) -> None:
    """Confirm an alert; from the next night on it counts in the grade, as docs/supervision-funds.md says."""
    _decide(alert_id, "confirmed", by=by, reason=reason, decided_on=on, document_no=document, record_id=record)


@alerts_app.command("close")
def close(alert_id: AlertId, by: By, reason: Reason, on: On = None) -> None:
    """Close an alert for good; it stays closed while its rows stand, and counts no longer."""
    _decide(alert_id, "closed", by=by, reason=reason, decided_on=on)


@alerts_app.command("reopen")
def reopen(alert_id: AlertId, by: By, reason: Reason, on: On = None) -> None:
    """Take a decision back: the alert is open again."""
    _decide(alert_id, "open", by=by, reason=reason, decided_on=on)


@alerts_app.command("evaluate")
def evaluate(
    manifest: Annotated[Path, typer.Option(help="manifest.json of a simulated region.")],
    night: Annotated[date, typer.Option("--business-date", parser=_date, metavar="YYYY-MM-DD")],
    output_format: Output = Format.TEXT,
) -> None:
    """Precision and recall of a night's alerts on a simulated region; exit 1 when any is wrong or missing."""
    from property_credit.supervision.errors import SupervisionError
    from property_credit.supervision.evaluation import evaluate as compare_with

    with errors_for_people(SupervisionError):
        _ready()
        reports = compare_with(manifest, night)
    rows = [{**asdict(report), "precision": report.precision, "recall": report.recall} for report in reports]
    if output_format is Format.JSON:
        output.print_json(rows)
    else:
        short = [
            {
                "kind": report.kind_code, "raised": report.raised, "wanted": report.wanted,
                "precision": _share(report.precision), "recall": _share(report.recall),
            }
            for report in reports
        ]  # fmt: skip
        print_rows(short, output=output_format, title=f"预警质量 alerts against the truth, {night}")
    odd = [f"wrong {subject}" for report in reports for subject in report.wrong]
    odd += [f"missing {subject}" for report in reports for subject in report.missing]
    if odd:
        more = f"; and {len(odd) - SHOWN} more (--format json)" if len(odd) > SHOWN else ""
        output.fail("; ".join(odd[:SHOWN]) + more, code=1)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _decide(alert_id: str, state: str, **what: Any) -> None:
    from property_credit.supervision.decisions import decide
    from property_credit.supervision.errors import SupervisionError

    with errors_for_people(SupervisionError):
        _ready()
        made = decide(alert_id, state, **what)
    console.print(
        f"{made.alert_id}: {made.state_code} by {made.decided_by} on {made.decided_on}; "
        f"known from the night of {made.known_on} on",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _print(row: dict[str, Any]) -> None:
    for name in ("alert_id", "state_code", "severity_code", "uscc", "community_id", "region_code", "account_no",
                 "first_on", "amount_cny", "first_seen_on", "last_seen_on"):  # fmt: skip
        if row[name] is not None:
            console.print(f"{name:<14} {row[name]}", highlight=False)
    for part in row["evidence"]:
        console.print(f"依据 {part['feed']}: {', '.join(part['ids'])}", highlight=False, soft_wrap=True)
    print_rows(row["decisions"], output=Format.TEXT, title="处理 decisions")


def _ready() -> None:
    from property_credit.warehouse.migrate import require_current

    require_current()
