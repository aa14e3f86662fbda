"""``property-credit watchdog``: tell operators what needs somebody, from outside Airflow."""

import time
from typing import Annotated

import typer

from property_credit.cli.output import Format, Output, console, errors_for_people, fail, print_json


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("watchdog")(watchdog)


def watchdog(
    every: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=10, help="Go on, a round every so many seconds; default: one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what needs somebody, and tell nobody.")] = False,
    output_format: Output = Format.TEXT,
) -> None:
    """Tell OPERATOR_CHANNELS what needs somebody: each cause one time, again after a day, and when it is over.

    Late, missing and failed nights, closed gates, stale feeds, rows that wait, a warehouse that does not answer,
    Airflow (AIRFLOW_URL) that is down. Exit code 1: something needs somebody; 2: a channel took no message.
    """
    from property_credit.night.watchdog import channels, look, watch
    from property_credit.warehouse.business_date import arrival

    if not dry_run and not channels():
        fail(
            "nobody to tell: set OPERATOR_CHANNELS, such as "
            '"mailtos://user:password@mail.example?to=duty@example wecombot://KEY", or ask with --dry-run',
            code=2,
        )
    while True:
        with errors_for_people():
            if dry_run:
                present, faults, suffix = look(arrival()), [], ""
            else:
                done = watch(arrival())
                present, faults, suffix = done.open, done.faults, f", {done.message_count} messages sent"
        if output_format is Format.JSON:
            print_json({"open": [vars(cause) for cause in present], "faults": faults})
        else:
            for cause in present:
                console.print(f"- {cause.what}\n  → {cause.todo}", highlight=False, soft_wrap=True, markup=False)
            console.print(f"{arrival():%Y-%m-%d %H:%M} {len(present)} open{suffix}", highlight=False, markup=False)
        if every is None:
            break
        for fault in faults:
            console.print(fault, highlight=False, soft_wrap=True, markup=False)
        time.sleep(every)
    if faults:
        fail("\n".join(faults), code=2)
    raise typer.Exit(1 if present else 0)
