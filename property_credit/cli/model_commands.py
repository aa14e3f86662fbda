"""The commands of the warehouse's models: what each took in a build, every table rebuilt, and dbt itself."""

import os
import re
import subprocess
import sys
from datetime import date
from typing import Annotated, Any

import typer
import yaml
from psycopg.rows import dict_row

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

SHOWN = 30
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer, warehouse_app: typer.Typer) -> None:
    """Add the models' commands to the command line."""
    app.command()(models)
    app.command("dbt-profile")(print_profile)
    app.command("dbt", context_settings=PASSED_ON)(run_dbt)
    app.command("airflow", context_settings=PASSED_ON)(run_airflow)
    warehouse_app.command("rebuild")(rebuild)


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

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
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import require_current

    with errors_for_people():
        require_current()
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
    from property_credit.night.lock import NightError, exclusive
    from property_credit.night.warehouse_tasks import build_models
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.transformation import TransformationError

    with errors_for_people(NightError, TransformationError):
        require_current()
        with exclusive():
            build_models(business_date, is_anew=True)
    console.print(f"the marts hold {business_date}, every table rebuilt")


def print_profile(
    name: Annotated[str, typer.Argument(help="Your schemas' beginning: ann builds into ann_staging, ann_marts …")],
) -> None:
    """Make schemas of your own and print a profile for ~/.dbt/profiles.yml, so that a plain `dbt build` goes there.

    The password is not in it: dbt reads it from PC_DBT_PASSWORD.
    """
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.scratch import own_schemas
    from property_credit.warehouse.transformation import environment

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise typer.BadParameter("a name is lower-case letters, digits and underscores, and begins with a letter")
    with errors_for_people(ValueError):
        require_current()
        own_schemas(f"{name}_")
        address = environment()
    profile = {
        "type": "postgres",
        **{key: address[f"PC_DBT_{key.upper()}"] for key in ("host", "user", "sslmode")},
        "port": int(address["PC_DBT_PORT"]),
        "dbname": address["PC_DBT_DATABASE"],
        "password": "{{ env_var('PC_DBT_PASSWORD', '') }}",
        "schema": name,
        "threads": 4,
    }
    written = {"property_credit": {"target": name, "outputs": {name: profile}}}
    typer.echo(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), nl=False)


def run_dbt(context: typer.Context) -> None:
    """Run dbt itself on this warehouse, into schemas of your own (dev_staging …; PC_DBT_PREFIX names others).

    Such as: property-credit dbt build --select +dim_enterprise --vars '{business_date: "2026-10-31"}'
    """
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.scratch import own_schemas
    from property_credit.warehouse.transformation import PROJECT_DIR, environment, target_dir

    prefix = os.environ.get("PC_DBT_PREFIX", "dev_")
    with errors_for_people(ValueError):
        require_current()
        own_schemas(prefix)
        folder = target_dir() / prefix
        folder.mkdir(parents=True, exist_ok=True)
        variables = {
            **os.environ,
            **environment(),
            "DBT_PROJECT_DIR": str(PROJECT_DIR),
            "DBT_PROFILES_DIR": str(PROJECT_DIR),
            "DBT_TARGET_PATH": str(folder),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *context.args]
    raise typer.Exit(subprocess.run(command, env=variables, check=False).returncode)


def run_airflow(context: typer.Context) -> None:
    """Run Airflow's own command line on this installation's metadata, DAGs and settings.

    Such as: property-credit airflow dags list-import-errors
    """
    from property_credit.night.airflow_environment import AirflowError, prepare_apart, variables
    from property_credit.warehouse.migrate import require_current

    with errors_for_people(AirflowError):
        require_current()
        prepare_apart(api_port=8080)
        environment = {**variables(), **os.environ}
    command = [sys.executable, "-m", "airflow", *context.args]
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
