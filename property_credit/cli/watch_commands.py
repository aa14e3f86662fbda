"""``property-credit supervision``: run a tick of the 码上办 clocks, and see what is escalated."""

from datetime import datetime
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

supervision_app = typer.Typer(help="Clocks of 码上办: what is overdue and who was told.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add supervision's commands to the command line."""
    app.add_typer(supervision_app, name="supervision")


def _instant(text: str) -> datetime:
    from property_credit.warehouse.business_date import ZONE

    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"an instant looks like 2026-10-31T08:05+08:00, not {text!r}") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=ZONE)


At = Annotated[
    datetime | None,
    typer.Option("--at", parser=_instant, metavar="ISO", help="Judge at this instant (Asia/Shanghai); default: now."),
]


@supervision_app.command("tick")
def run_tick(
    at: At = None,
    pull: Annotated[bool, typer.Option(help="Ask the complaints API first.")] = True,
    deliver: Annotated[bool, typer.Option(help="Deliver what is told.")] = True,
    output_format: Output = Format.TEXT,
) -> None:
    """Read new and changed complaints, raise and close escalations, deliver their notices: what the DAG does."""
    from property_credit.night.ingestion_tasks import FeedError
    from property_credit.night.publishing_tasks import UndeliveredError
    from property_credit.night.recording import TaskEvent, listening
    from property_credit.night.watch_tasks import (
        deliver_notices,
        instant,
        judge_complaints,
        pull_complaints,
        tell_people,
    )
    from property_credit.supervision.errors import SupervisionError
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.task_runs import StoppedByGate

    as_of, steps, failures = instant(at), [], []

    def listen(event: TaskEvent) -> None:
        if event.seconds is not None:
            steps.append({"step": event.task, "status": event.status, "message": event.message})

    with errors_for_people(SupervisionError):
        require_current()
        with listening(listen):
            for step in [pull_complaints] * pull + [judge_complaints] + [deliver_notices, tell_people] * deliver:
                try:
                    step(as_of)
                except (FeedError, StoppedByGate, UndeliveredError) as error:  # the next step works on what is there
                    failures.append(str(error))
    if output_format is Format.JSON:
        print_json({"as_of": as_of.isoformat(), "steps": steps})
    else:
        for one in steps:
            console.print(
                f"{one['step']:<18} {one['status']}: {one['message'] or '-'}", highlight=False, soft_wrap=True
            )
    if failures:
        output.fail("\n".join(failures), code=1)


@supervision_app.command("escalations")
def list_escalations(
    region: Annotated[str | None, typer.Option(help="Only this division and those below, such as 150203.")] = None,
    is_open: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
    limit: Annotated[int, typer.Option(help="Newest so many.", min=1)] = 50,
    output_format: Output = Format.TEXT,
) -> None:
    """List escalations, newest first: which limit was missed, who was told, whether it is solved."""
    from property_credit.supervision.escalations import escalations
    from property_credit.warehouse.business_date import ZONE
    from property_credit.warehouse.migrate import require_current

    with errors_for_people():
        require_current()
        rows = escalations(region=region, is_open=is_open, limit=limit)
    if output_format is Format.JSON:
        print_json(rows)
        return
    short = [
        {
            "escalation": row["escalation_id"],
            "told": f"{row['level_code']} {row['office_region_code']}" if row["is_told"] else "-",
            "due": f"{row['due_at'].astimezone(ZONE):%m-%d %H:%M}",
            "raised": f"{row['raised_at'].astimezone(ZONE):%m-%d %H:%M}",
            "closed": row["closed_at"] and f"{row['closed_at'].astimezone(ZONE):%m-%d %H:%M}",
            "why": row["close_reason_code"],
        }
        for row in rows
    ]
    print_rows(short, output=output_format, title="Escalations 督办")
