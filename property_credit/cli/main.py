"""``property-credit``: every command, its arguments and its exit code.

Exit codes: 0 done · 1 a gate or a check said no (says which) · 2 wrong usage or unreadable input (says where) · 3 of
``validate``: no aim is missed, but the sample cannot tell of all.
The packages are imported inside the commands: ``--help`` answers at once.
"""

import os
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import (
    alert_commands,
    audit_command,
    backfill_commands,
    backup_commands,
    case_file_command,
    clock_commands,
    data_commands,
    entity_commands,
    gate_commands,
    inspection_commands,
    ledger_commands,
    method_commands,
    model_commands,
    name_commands,
    night_commands,
    output,
    publishing_commands,
    quarantine_commands,
    recipient_commands,
    scorecards_commands,
    source_commands,
    status_command,
    tenant_commands,
    upgrade_command,
    validation_commands,
    watch_commands,
    watchdog_command,
    workbench_commands,
)
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

app = typer.Typer(
    name="property-credit",
    help="物业服务企业信用评价 · credit evaluation of residential property-service enterprises.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
feeds_app = typer.Typer(help="The contracts of the feeds.", invoke_without_command=True)
warehouse_app = typer.Typer(help="The database under everything.", no_args_is_help=True)
app.add_typer(feeds_app, name="feeds")
app.add_typer(warehouse_app, name="warehouse")
publishing_commands.register(app)
tenant_commands.register(app)
method_commands.register(app)
validation_commands.register(app)
scorecards_commands.register(app)
alert_commands.register(app)
audit_command.register(app)
case_file_command.register(app)
recipient_commands.register(app)
inspection_commands.register(app)
ledger_commands.register(app)
watch_commands.register(app)
clock_commands.register(app)
data_commands.register(app)
entity_commands.register(app)
quarantine_commands.register(app)
source_commands.register(app)
name_commands.register(app)
model_commands.register(app, warehouse_app)
night_commands.register(app)
status_command.register(app)
watchdog_command.register(app)
workbench_commands.register(app)
gate_commands.register(app)
backfill_commands.register(app)
backup_commands.register(warehouse_app)
upgrade_command.register(warehouse_app)


def _business_date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


BusinessDate = Annotated[date, typer.Option("--business-date", parser=_business_date, metavar="YYYY-MM-DD")]
OptionalDate = Annotated[
    date | None, typer.Option("--as-of", parser=_business_date, metavar="YYYY-MM-DD", help="Default: the newest run.")
]


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"property-credit {version('property-credit')}")
        raise typer.Exit


@app.callback()
def options(
    is_version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """物业服务企业信用评价 · credit evaluation of residential property-service enterprises."""


@app.command()
def run(
    preset: Annotated[str, typer.Option(help="Size of the sample region: hamlet or city.")] = "city",
    seed: Annotated[int, typer.Option(help="Seed of the sample region.")] = 2026,
) -> None:
    """Make the sample region if it is missing and run one full night on it (what `make run` does)."""
    from property_credit.cli.sample import SampleError, run_sample_night
    from property_credit.night.airflow_environment import AirflowError
    from property_credit.night.lock import NightError
    from simulation.parameters import SimulationError

    with errors_for_people(SampleError, SimulationError, NightError, AirflowError):
        raise typer.Exit(run_sample_night(preset=preset, seed=seed))


@app.command()
def nightly(
    business_date: BusinessDate,
    is_alone: Annotated[
        bool, typer.Option("--only", help="Leave nights before it that were missed undone; they are named.")
    ] = False,
) -> None:
    """Run a night through the Airflow DAGs: ingest, model, grade, publish, pages. Missed nights come first."""
    from property_credit.night.airflow_environment import AirflowError
    from property_credit.night.lock import NightError
    from property_credit.night.nightly import run_nights
    from property_credit.warehouse.migrate import migrate

    with errors_for_people(NightError, AirflowError):
        migrate()
        raise typer.Exit(run_nights(business_date, is_alone=is_alone))


@app.command()
def up(
    scheduler: Annotated[bool, typer.Option(help="Start Airflow's scheduler and web UI too.")] = True,
) -> None:
    """Serve everything on this machine: Airflow UI, read API, pages, tendering sandbox. Ctrl-C stops all."""
    from property_credit.cli.services import ServiceError, serve_all
    from property_credit.night.airflow_environment import AirflowError
    from property_credit.night.lock import NightError
    from property_credit.warehouse.migrate import migrate

    with errors_for_people(ServiceError, NightError, AirflowError):
        migrate()
        raise typer.Exit(serve_all(with_scheduler=scheduler))


@app.command()
def ingest(
    feed: Annotated[str, typer.Argument(help="Feed, as `property-credit feeds` lists them.")],
    files: Annotated[list[Path], typer.Argument(help="Files as the office delivered them.")],
    source: Annotated[str, typer.Option(help="Source profile: a name in ingestion/sources or a .yml file.")],
    business_date: BusinessDate,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the files would become, row by row counted; load nothing.")
    ] = False,
    output_format: Output = Format.TEXT,
) -> None:
    """Load files of one office into one feed; refused rows go to quarantine with their reason.

    Rows that waited for what the files bring are loaded after them.
    """
    from property_credit.gates.gates import check_batch, try_batch
    from property_credit.ingestion import batches, receipts
    from property_credit.ingestion import profile as profiles
    from property_credit.ingestion.contract import IngestionError
    from property_credit.ingestion.load import ingest_file
    from property_credit.ingestion.night import release_after
    from property_credit.warehouse.migrate import migrate

    reports = []
    with errors_for_people(IngestionError):
        migrate()
        for path in files:
            reports.append(
                ingest_file(
                    feed=feed,
                    profile=source,
                    path=path,
                    business_date=business_date,
                    check=try_batch if dry_run else check_batch,
                    is_trial=dry_run,
                )
            )
        if not dry_run:
            for report in reports:
                receipts.write(report, profiles.named(source), business_date)
            reports += release_after(feed, business_date)
            for name in sorted({report.feed for report in reports if report.status == "loaded"}):
                batches.analyze(name)
    if output_format is Format.JSON:
        print_json([asdict(report) for report in reports])
    else:
        for report in reports:
            output.print_batch(report, is_trial=dry_run)
    refused = [report for report in reports if report.status == "refused"]
    if refused:
        is_gate = all(report.is_stopped_by_gate for report in refused)
        output.fail("A batch was refused: nothing of it was loaded, earlier data stays.", code=1 if is_gate else 2)


@feeds_app.callback()
def feeds(context: typer.Context, output_format: Output = Format.TEXT) -> None:
    """List the feeds, or describe one."""
    if context.invoked_subcommand:
        return
    from property_credit.ingestion.describe import describe, feed_names

    rows = []
    for name in feed_names():
        contract = describe(name)
        rows.append({key: contract[key] for key in ("feed", "title_zh", "title_en", "key")})
    print_rows(rows, output=output_format, title="Feeds")


@feeds_app.command("write")
def write_feeds(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when something would change.")] = False,
) -> None:
    """Bring what is made from the feeds' contracts up to date: lists, and first drafts of a new feed's files."""
    from property_credit.ingestion.registry import write

    report = write(is_dry=check)
    print_rows(
        [{"file": str(each.path), "state": each.state} for each in report], output=Format.TEXT, title="Files of feeds"
    )
    if check and any(each.state != "unchanged" for each in report):
        output.fail("Files differ from the contracts: run `property-credit feeds write`.", code=1)


@feeds_app.command("describe")
def describe_feed(feed: str, output_format: Output = Format.TEXT) -> None:
    """Print a feed's contract: fields, types, keys, row rules, reason codes."""
    from property_credit.ingestion.contract import IngestionError
    from property_credit.ingestion.describe import describe

    with errors_for_people(IngestionError):
        described = describe(feed)
    if output_format is Format.JSON:
        print_json(described)
        return
    console.print(
        f"[bold]{described['feed']}[/bold]  {described['title_zh']} · {described['title_en']}   key: {described['key']}"
    )
    fields = [
        {
            "field": row["field"] + (" *" if row["required"] else ""),
            "type": row["type"] + (" (personal 个人信息)" if row["personal"] else ""),
            "meaning": f"{row['zh']} {row['en']}",
            "allowed": row["allowed"],
        }
        for row in described["fields"]
    ]
    rules = [
        {"code": row["code"], "column": row["column"], "reason": f"{row['zh']}\n{row['en']}"}
        for row in described["rules"]
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
    from property_credit.warehouse.migrate import require_current
    from scoring.errors import ScoringError
    from scoring.explain import UnknownEnterpriseError, print_explanation
    from scoring.explain import explain as explain_grade

    with errors_for_people(UnknownEnterpriseError, ScoringError):
        require_current()
        explanation = explain_grade(uscc, as_of, run_id=run_id)
    if output_format is Format.JSON:
        print_json(explanation)
    else:
        print_explanation(explanation, console)


@app.command()
def fit(business_date: BusinessDate) -> None:
    """Estimate rates and stratum means from the warehouse; nights use them until the next fit."""
    from property_credit.warehouse.marts import sound_marts
    from property_credit.warehouse.migrate import require_current
    from scoring.errors import ScoringError
    from scoring.fit import fit as fit_method

    with errors_for_people(ScoringError):
        require_current()
        with sound_marts():
            fitted = fit_method(business_date)
        console.print(f"fit {fitted} is stored and used from the next night on")


@app.command()
def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder to write into.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="hamlet, town, city, province; in parts: region, nation. Default: city.", show_default=False),
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(help="A world instead of a preset: a name (--list-worlds) or the path of a file (.yml)."),
    ] = None,
    list_worlds: Annotated[bool, typer.Option("--list-worlds", help="Print the worlds there are, and stop.")] = False,
    seed: int = 2026,
    through: Annotated[
        date | None,
        typer.Option(
            parser=_business_date, metavar="YYYY-MM-DD", help="Last day of the 24 months. Default: 2026-10-31."
        ),
    ] = None,
    nights: Annotated[int, typer.Option(help="Further days, each with a delivery of its own.")] = 0,
    dirt: Annotated[bool, typer.Option(help="Plant known dirt; the manifest lists it.")] = True,
    entities: Annotated[
        bool,
        typer.Option("--entities", help="Of a preset: names in place of some numbers, and events of who is who."),
    ] = False,
    enterprises: Annotated[
        int | None,
        typer.Option("--enterprises", "--firms", min=2, help="Default: as the preset, in proportion, or the world."),
    ] = None,
    communities: Annotated[int | None, typer.Option(min=20, help="Default: as the preset or the world.")] = None,
    months: Annotated[int | None, typer.Option(min=1, help="Of history. Default: as the preset.")] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Parts of a large preset made side by side (1 GiB each). Default: one a core.",
            show_default=False,
        ),
    ] = os.cpu_count() or 1,
    output_format: Output = Format.TEXT,
) -> None:
    """Write a synthetic region's files, in the shapes that offices send, and a manifest of its truth.

    A preset is a size; a world (--world) is a truth that owes nothing to the method, with or without hostile effects.
    """
    from simulation.parameters import SimulationError, Size
    from simulation.region import THROUGH
    from simulation.region import simulate as simulate_region
    from simulation.worlds.region import simulate_world
    from simulation.worlds.world import summaries

    if list_worlds:
        with errors_for_people(SimulationError):
            output.print_rows(summaries(), output=output_format, title="worlds")
        raise typer.Exit(0)
    if out is None:
        output.fail("--out is missing: name the folder to write into", code=2)
    if world is not None and preset is not None:
        output.fail("--world and --preset exclude each other: a world says its own size; change it by --firms", code=2)
    given = (enterprises, communities, months) != (None, None, None)
    with errors_for_people(SimulationError), console.status("the first part") as status:

        def progress(done: int, of: int, rows: int) -> None:
            status.update(f"{done} of {of} parts, {rows:,} rows")

        if world is not None:
            report = simulate_world(
                world, seed=seed, out=out, firms=enterprises, communities=communities, months=months,
                through=through or THROUGH, nights=nights, dirt=dirt, processes=processes, on_part=progress,
            )  # fmt: skip
        else:
            report = simulate_region(
                preset=preset or "city",
                seed=seed,
                out=out,
                through=through or THROUGH,
                nights=nights,
                dirt=dirt,
                entities=entities,
                size=Size(enterprises=enterprises, communities=communities, months=months) if given else None,
                processes=processes,
                on_part=progress,
            )
    rows = sum(report.rows.values())
    console.print(
        f"{rows:,} rows in {report.seconds:.0f} s written to {out}; its truth is in {out / 'manifest.json'}"
        + (f" and {out / 'truth'}" if (out / "truth").exists() else "")
    )


@warehouse_app.command("url")
def warehouse_url(role: Annotated[str | None, typer.Option(help="A pc_* role; default: the owner.")] = None) -> None:
    """Print the address of the warehouse, for psql and other tools."""
    from property_credit.warehouse.connection import url

    with errors_for_people():
        typer.echo(url(role))  # type: ignore[arg-type]


@warehouse_app.command("migrate")
def warehouse_migrate() -> None:
    """Create the database if it is missing and apply the migrations that are missing."""
    from property_credit.warehouse.migrate import migrate

    with errors_for_people():
        console.print(f"the warehouse is at revision {migrate()}")


@warehouse_app.command("distribute")
def warehouse_distribute() -> None:
    """Spread the raw tables over a Citus cluster (DISTRIBUTED=citus); nothing to do anywhere else."""
    from property_credit.warehouse.distribution import DistributionError, distribute

    with errors_for_people(DistributionError):
        done = distribute()
    console.print(f"spread over the cluster: {', '.join(done)}" if done else "nothing to spread")


@warehouse_app.command("create-database")
def warehouse_create_database(
    name: str,
    owner: Annotated[str | None, typer.Option(help="Login role it belongs to; made if need be.")] = None,
    password_from: Annotated[str | None, typer.Option(help="Environment variable with that role's password.")] = None,
) -> None:
    """Create a further database on the same server (Airflow keeps its metadata in one of its own)."""
    from property_credit.warehouse.migrate import create_database

    password = os.environ.get(password_from) if password_from else None
    if password_from and not password:
        raise typer.BadParameter(f"{password_from} is not set", param_hint="--password-from")
    with errors_for_people():
        create_database(name, owner=owner, password=password)


@warehouse_app.command("stop")
def warehouse_stop() -> None:
    """Stop the embedded server (the next command starts it again)."""
    from property_credit.warehouse import embedded
    from property_credit.warehouse.settings import get_settings

    with errors_for_people():
        console.print("stopped" if embedded.stop(get_settings().data_dir) else "it was not running")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
