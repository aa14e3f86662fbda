"""``property-credit``: every command, its arguments and its exit code.

Exit codes: 0 done · 1 a gate or a check said no (says which) · 2 wrong usage or unreadable input (says where).
The packages are imported inside the commands: ``--help`` answers at once.
"""

import os
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cli import (
    alert_commands,
    backup_commands,
    clock_commands,
    inspection_commands,
    method_commands,
    model_commands,
    output,
    publishing_commands,
    recipient_commands,
    scorecards_commands,
    watch_commands,
)
from cli.output import Format, console, errors_for_people, print_json, print_rows

app = typer.Typer(
    name="property-credit",
    help="物业服务企业信用评价 · credit evaluation of residential property-service enterprises.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
feeds_app = typer.Typer(help="The contracts of the feeds.", invoke_without_command=True)
warehouse_app = typer.Typer(help="The database under everything.", no_args_is_help=True)
app.add_typer(feeds_app, name="feeds")
app.add_typer(warehouse_app, name="warehouse")
publishing_commands.register(app)
method_commands.register(app)
scorecards_commands.register(app)
alert_commands.register(app)
recipient_commands.register(app)
inspection_commands.register(app)
watch_commands.register(app)
clock_commands.register(app)
model_commands.register(app, warehouse_app)
backup_commands.register(warehouse_app)


def _business_date(text: str) -> date:
    from warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


BusinessDate = Annotated[date, typer.Option("--business-date", parser=_business_date, metavar="YYYY-MM-DD")]
OptionalDate = Annotated[
    date | None, typer.Option("--as-of", parser=_business_date, metavar="YYYY-MM-DD", help="Default: the newest run.")
]
Output = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]


@app.command()
def run(
    preset: Annotated[str, typer.Option(help="Size of the sample region: hamlet or city.")] = "city",
    seed: Annotated[int, typer.Option(help="Seed of the sample region.")] = 2026,
) -> None:
    """Make the sample region if it is missing and run one full night on it (what `make run` does)."""
    from cli.airflow_environment import AirflowError
    from cli.nightly import NightError
    from cli.sample import SampleError, run_sample_night
    from simulation.region import SimulationError

    with errors_for_people(SampleError, SimulationError, NightError, AirflowError):
        raise typer.Exit(run_sample_night(preset=preset, seed=seed))


@app.command()
def nightly(business_date: BusinessDate) -> None:
    """Run one night through the Airflow DAGs: ingest, model, grade, publish, pages."""
    from cli.airflow_environment import AirflowError
    from cli.nightly import NightError, run_night
    from warehouse.migrate import migrate

    with errors_for_people(NightError, AirflowError):
        migrate()
        raise typer.Exit(run_night(business_date))


@app.command()
def up(
    scheduler: Annotated[bool, typer.Option(help="Start Airflow's scheduler and web UI too.")] = True,
) -> None:
    """Serve everything on this machine: Airflow UI, read API, pages, tendering sandbox. Ctrl-C stops all."""
    from cli.airflow_environment import AirflowError
    from cli.nightly import NightError
    from cli.services import ServiceError, serve_all
    from warehouse.migrate import migrate

    with errors_for_people(ServiceError, NightError, AirflowError):
        migrate()
        raise typer.Exit(serve_all(with_scheduler=scheduler))


@app.command()
def ingest(
    feed: Annotated[str, typer.Argument(help="Feed, as `property-credit feeds` lists them.")],
    files: Annotated[list[Path], typer.Argument(help="Files as the office delivered them.")],
    source: Annotated[str, typer.Option(help="Source profile: a name in ingestion/sources or a .yml file.")],
    business_date: BusinessDate,
    output_format: Output = Format.TEXT,
) -> None:
    """Load files of one office into one feed; refused rows go to quarantine with their reason."""
    from expectations.gates import check_batch
    from ingestion import batches
    from ingestion.contract import IngestionError
    from ingestion.load import ingest_file
    from warehouse.migrate import migrate

    reports = []
    with errors_for_people(IngestionError):
        migrate()
        for path in files:
            reports.append(
                ingest_file(feed=feed, profile=source, path=path, business_date=business_date, check=check_batch)
            )
        if any(report.status == "loaded" for report in reports):
            batches.analyze(feed)
    if output_format is Format.JSON:
        print_json([asdict(report) for report in reports])
    else:
        for report in reports:
            output.print_batch(report)
    refused = [report for report in reports if report.status == "refused"]
    if refused:
        is_gate = all(report.is_stopped_by_gate for report in refused)
        output.fail("A batch was refused: nothing of it was loaded, earlier data stays.", code=1 if is_gate else 2)


@feeds_app.callback()
def feeds(context: typer.Context, output_format: Output = Format.TEXT) -> None:
    """List the feeds, or describe one."""
    if context.invoked_subcommand:
        return
    from ingestion.describe import describe, feed_names

    rows = []
    for name in feed_names():
        found = describe(name)
        rows.append({key: found[key] for key in ("feed", "title_zh", "title_en", "key")})
    print_rows(rows, output=output_format, title="Feeds")


@feeds_app.command("describe")
def describe_feed(feed: str, output_format: Output = Format.TEXT) -> None:
    """Print a feed's contract: fields, types, keys, row rules, reason codes."""
    from ingestion.contract import IngestionError
    from ingestion.describe import describe

    with errors_for_people(IngestionError):
        found = describe(feed)
    if output_format is Format.JSON:
        print_json(found)
        return
    console.print(f"[bold]{found['feed']}[/bold]  {found['title_zh']} · {found['title_en']}   key: {found['key']}")
    fields = [
        {
            "field": row["field"] + (" *" if row["required"] else ""),
            "type": row["type"] + (" (personal 个人信息)" if row["personal"] else ""),
            "meaning": f"{row['zh']} {row['en']}",
            "allowed": row["allowed"],
        }
        for row in found["fields"]
    ]
    rules = [
        {"code": row["code"], "column": row["column"], "reason": f"{row['zh']}\n{row['en']}"} for row in found["rules"]
    ]
    print_rows(fields, output=Format.TEXT, title="Fields 字段 (* required 必填)")
    print_rows(rules, output=Format.TEXT, title="Row rules and reason codes 行规则与原因代码")


@app.command()
def explain(
    uscc: str,
    as_of: OptionalDate = None,
    run_id: Annotated[
        str | None, typer.Option("--run", help="This run, such as one of `replay --as-of`, instead of the newest.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Explain an enterprise's grade: every point, where it was lost, and the evidence."""
    from scoring.errors import ScoringError
    from scoring.explain import UnknownEnterpriseError, print_explanation
    from scoring.explain import explain as explain_grade
    from warehouse.migrate import migrate

    with errors_for_people(UnknownEnterpriseError, ScoringError):
        migrate()
        found = explain_grade(uscc, as_of, run_id=run_id)
    if output_format is Format.JSON:
        print_json(found)
    else:
        print_explanation(found, console)


@app.command()
def fit(business_date: BusinessDate) -> None:
    """Estimate rates and stratum means from the warehouse; nights use them until the next fit."""
    from scoring.errors import ScoringError
    from scoring.fit import fit as fit_method
    from warehouse.locks import reading_marts
    from warehouse.migrate import migrate

    with errors_for_people(ScoringError):
        migrate()
        with reading_marts():
            fitted = fit_method(business_date)
        console.print(f"fit {fitted} is stored and used from the next night on")


@app.command()
def validate(
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json and model-card.html.")] = Path(
        "validation"
    ),
    preset: Annotated[
        str, typer.Option(help="Simulated region to validate on: hamlet, town, city or province.")
    ] = "town",
    seed: Annotated[int, typer.Option(help="Seed of that region.")] = 2026,
    business_date: Annotated[
        date | None,
        typer.Option(
            parser=_business_date, metavar="YYYY-MM-DD", help="Validate this night of the warehouse in use instead."
        ),
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Measure every validation gate (methodology §9) with intervals; 1 when an aim is missed. The report says why."""
    from cli.validation import ValidationError, validate_region, validate_warehouse
    from ingestion.contract import IngestionError
    from scoring.errors import ScoringError
    from simulation.parameters import SimulationError
    from warehouse.migrate import migrate

    with errors_for_people(ValidationError, ScoringError, SimulationError, IngestionError):
        if business_date is not None:
            migrate()
        found = (
            validate_warehouse(business_date, out=out)
            if business_date is not None
            else validate_region(preset=preset, seed=seed, out=out)
        )
    output.print_validation(found, out, output=output_format)
    raise typer.Exit(1 if found.missed else 0)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    preset: Annotated[str, typer.Option(help="hamlet, town, city, province; in parts: region, nation.")] = "city",
    seed: int = 2026,
    through: Annotated[
        date | None,
        typer.Option(
            parser=_business_date, metavar="YYYY-MM-DD", help="Last day of the 24 months. Default: 2026-10-31."
        ),
    ] = None,
    nights: Annotated[int, typer.Option(help="Further days, each with a delivery of its own.")] = 0,
    dirt: Annotated[bool, typer.Option(help="Plant known dirt; the manifest lists it.")] = True,
    enterprises: Annotated[int | None, typer.Option(min=2, help="Default: as the preset, in proportion.")] = None,
    communities: Annotated[int | None, typer.Option(min=20, help="Default: as the preset.")] = None,
    months: Annotated[int | None, typer.Option(min=1, help="Of history. Default: as the preset.")] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Parts of a large preset made side by side (1 GiB each). Default: one a core.",
            show_default=False,
        ),
    ] = os.cpu_count() or 1,
) -> None:
    """Write a synthetic region's files, in the shapes that offices send, and a manifest of its truth."""
    from simulation.parameters import SimulationError, Size
    from simulation.region import THROUGH
    from simulation.region import simulate as simulate_region

    given = (enterprises, communities, months) != (None, None, None)
    with errors_for_people(SimulationError), console.status("the first part") as status:
        report = simulate_region(
            preset=preset,
            seed=seed,
            out=out,
            through=through or THROUGH,
            nights=nights,
            dirt=dirt,
            size=Size(enterprises=enterprises, communities=communities, months=months) if given else None,
            processes=processes,
            on_part=lambda done, of, rows: status.update(f"{done} of {of} parts, {rows:,} rows"),
        )
    rows = sum(report.rows.values())
    console.print(
        f"{rows:,} rows in {report.seconds:.0f} s written to {out}; its truth is in {out / 'manifest.json'}"
        + (f" and {out / 'truth'}" if (out / "truth").exists() else "")
    )


@warehouse_app.command("url")
def warehouse_url(role: Annotated[str | None, typer.Option(help="A pc_* role; default: the owner.")] = None) -> None:
    """Print the address of the warehouse, for psql and other tools."""
    from warehouse.connection import url

    with errors_for_people():
        typer.echo(url(role))  # type: ignore[arg-type]


@warehouse_app.command("migrate")
def warehouse_migrate() -> None:
    """Create the database if it is missing and apply the migrations that are missing."""
    from warehouse.migrate import migrate

    with errors_for_people():
        console.print(f"the warehouse is at revision {migrate()}")


@warehouse_app.command("distribute")
def warehouse_distribute() -> None:
    """Spread the raw tables over a Citus cluster (DISTRIBUTED=citus); nothing to do anywhere else."""
    from warehouse.distribution import DistributionError, distribute

    with errors_for_people(DistributionError):
        done = distribute()
    console.print(f"spread over the cluster: {', '.join(done)}" if done else "nothing to spread")


@warehouse_app.command("create-database")
def warehouse_create_database(name: str) -> None:
    """Create a further database on the same server (Airflow keeps its metadata in one of its own)."""
    from warehouse.migrate import create_database

    with errors_for_people():
        create_database(name)


@warehouse_app.command("stop")
def warehouse_stop() -> None:
    """Stop the embedded server (the next command starts it again)."""
    from warehouse import embedded
    from warehouse.settings import get_settings

    with errors_for_people():
        console.print("stopped" if embedded.stop(get_settings().data_dir) else "it was not running")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
