"""``property-credit nights``: which nights were done, by whom and how, and which are missing; what one of them did."""

from datetime import date, timedelta
from typing import Annotated, Any

import typer
from psycopg.rows import dict_row

from property_credit.cli.output import Format, Output, console, errors_for_people, fail, print_json, print_rows

NIGHTS = """
select business_date, count(*) as task_count, sum(seconds)::float8 as seconds, max(finished_at) as ended_at,
  string_agg(dag || '.' || task || ' ' || status, ', ' order by finished_at)
    filter (where status in ('failed', 'stopped by gate')) as troubles,
  (select string_agg(distinct kind, ', ') from ops.night_runs where night_runs.business_date = runs.business_date)
    as started_by,
  (select mode || ': ' || reason from ops.builds where builds.business_date = runs.business_date
    order by build_id desc limit 1) as build
from ops.task_runs as runs where dag not in ('watch_complaints', 'make_case_files')
group by business_date order by business_date desc limit %s
"""


nights_app = typer.Typer(help="夜间批 · nights: done, missing, and what each did.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the nights' commands to the command line."""
    app.add_typer(nights_app, name="nights")


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@nights_app.command("show")
def show_night(
    night: Annotated[date, typer.Argument(parser=_date, metavar="YYYY-MM-DD", help="The night's business date.")],
    output_format: Output = Format.TEXT,
) -> None:
    """Show one night: who started it, feeds and rows, gates, grades, and every task with its seconds and status."""
    from property_credit.night.summary import print_night, recorded_night
    from property_credit.warehouse.migrate import require_current

    with errors_for_people():
        require_current()
        recorded = recorded_night(night)
    if not recorded["tasks"]:
        fail(f"nothing was recorded of {night}: `property-credit nights` lists the nights that were done", code=2)
    if output_format is Format.JSON:
        print_json({"business_date": night, **recorded})
    else:
        print_night(console, night, recorded)


@nights_app.callback()
def list_nights(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="Newest so many.", min=1)] = 14,
    output_format: Output = Format.TEXT,
) -> None:
    """List nights, newest first: what failed, how each was started and built, and those that nobody began."""
    if context.invoked_subcommand:
        return
    from property_credit.night.nights import read_ledger
    from property_credit.warehouse.business_date import last_closed
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import require_current

    with errors_for_people():
        require_current()
        with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:
            nights = cursor.execute(NIGHTS, (limit,)).fetchall()
        missing = read_ledger().missing(last_closed() + timedelta(days=1))
    rows: list[dict[str, Any]] = [
        {
            "night": night,
            "state": "nobody began it",
            "started by": "",
            "seconds": None,
            "build": "",
            "troubles": f"property-credit nightly --business-date {night}",
        }
        for night in reversed(missing)
    ]
    rows += [
        {
            "night": row["business_date"],
            "state": "with troubles" if row["troubles"] else "done",
            "started by": row["started_by"],
            "seconds": round(row["seconds"], 1),
            "build": row["build"],
            "troubles": row["troubles"],
        }
        for row in nights
    ]
    print_rows(rows[:limit], output=output_format, title="Nights 夜间批")
