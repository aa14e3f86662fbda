"""The commands of the warehouse's models: what each took in a build, and every table made anew."""

from datetime import date
from typing import Annotated, Any

import typer
from psycopg.rows import dict_row

from cli import output
from cli.output import Format, console, errors_for_people, print_json, print_rows

SHOWN = 30

Output = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]


def register(app: typer.Typer, warehouse_app: typer.Typer) -> None:
    """Add the models' commands to the command line."""
    app.command()(models)
    warehouse_app.command("rebuild")(rebuild)


def _date(text: str) -> date:
    from warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


BUILDS = """
    select build_id, business_date, mode, reason, status, started_at, finished_at, start_seconds,
      extract(epoch from finished_at - started_at)::float8 as seconds
    from ops.builds where %(business_date)s::date is null or business_date = %(business_date)s
    order by build_id desc limit 1
"""
RUNS = """
    select seconds::float8 as seconds, rows, kind, status, name from ops.model_runs where build_id = %(build_id)s
    order by seconds desc, kind, name
"""


def models(
    business_date: Annotated[
        date | None, typer.Option(parser=_date, metavar="YYYY-MM-DD", help="Default: the newest build.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Show what every model and test of a night's build took, and whether the build was full or incremental and why."""
    from warehouse.connection import connect
    from warehouse.migrate import migrate

    with errors_for_people():
        migrate()
        with connect("pc_gatekeeper") as connection:
            cursor = connection.cursor(row_factory=dict_row)
            build = cursor.execute(BUILDS, {"business_date": business_date}).fetchone()
            if build is None:
                output.fail(f"nothing was built{f' for {business_date}' if business_date else ''} yet", code=2)
            runs = cursor.execute(RUNS, build).fetchall()
    if output_format is Format.JSON:
        print_json({**build, "models": runs})
        return
    console.print(headline(build), highlight=False, soft_wrap=True)
    print_rows(runs[:SHOWN], output=Format.TEXT)
    if len(runs) > SHOWN:
        rest = sum(run["seconds"] for run in runs[SHOWN:])
        console.print(f"… {len(runs) - SHOWN} more took {rest:.1f} s together; all with --format json", highlight=False)


def headline(build: dict[str, Any]) -> str:
    """Return one line about a build: which night, full or incremental and why, how long."""
    took = f"{build['seconds']:.1f} s" if build["seconds"] is not None else "not ended"
    start = f", of these {build['start_seconds']:.1f} s until dbt began" if build["start_seconds"] is not None else ""
    return (
        f"build {build['build_id']} of {build['business_date']}: {build['mode']} ({build['reason']}), "
        f"{build['status']}, {took}{start}"
    )


def rebuild(
    business_date: Annotated[date, typer.Option("--business-date", parser=_date, metavar="YYYY-MM-DD")],
) -> None:
    """Make every table of the warehouse anew from raw, as known on a business date; the next night builds on it."""
    from cli.nightly import NightError, exclusive
    from cli.steps import build_models
    from warehouse.migrate import migrate
    from warehouse.transformation import TransformationError

    with errors_for_people(NightError, TransformationError):
        migrate()
        with exclusive():
            build_models(business_date, is_anew=True)
    console.print(f"the marts hold {business_date}, every table made anew")
