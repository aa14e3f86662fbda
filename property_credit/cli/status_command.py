"""``property-credit status``: how things stand, on one screen, without changing anything."""

from typing import Any

import typer

from property_credit.cli.output import Format, Output, console, errors_for_people, print_json


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("status")(status)


def status(
    output_format: Output = Format.TEXT,
) -> None:
    """Say how things stand: the newest night, what stands published, gates, stale feeds, waiting rows, deliveries.

    Exit code 1: something needs somebody.
    """
    from property_credit.night.health import read
    from property_credit.warehouse.business_date import arrival

    with errors_for_people():
        state = read(arrival())
    if output_format is Format.JSON:
        print_json(state)
    else:
        for line in lines(state):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(1 if state["needs_somebody"] else 0)


def lines(state: dict[str, Any]) -> list[str]:
    """Return the lines of a state: what stands, then each thing that needs somebody and what to do about it.

    Args:
        state: what ``status --format json`` prints.
    """
    from property_credit.night.health import causes
    from property_credit.warehouse.business_date import arrival

    night, published, deliveries = state["night"], state["published"], state["deliveries"]
    holds = state["marts_problem"] or f"holds {state['marts_on']}"
    stands = (
        f"night of {published['business_date']}, method {published['method_version']}" if published else "nothing yet"
    )
    waiting = ", ".join(f"{row['feed']} {row['row_count']:,} since {row['oldest_on']}" for row in state["waiting"])
    begun = f"{night['business_date']}" if night else "none yet (property-credit nightly --business-date …)"
    sentences = [
        f"夜间批 night: {begun}",
        f"数据仓库 warehouse: {holds}; revision {state['revision']}",
        f"已公布 published: {stands}",
        f"等待行 rows that wait: {waiting + ' (property-credit quarantine list)' if waiting else 'none'}",
        f"推送 deliveries: {deliveries['waiting_count']:,} wait",
    ]
    sentences += [f"待处理 needs somebody: {cause.what} → {cause.todo}" for cause in causes(state, arrival().date())]
    return sentences
