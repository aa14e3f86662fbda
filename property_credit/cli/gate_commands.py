"""``property-credit gates``: the suites of the gates as Great Expectations keeps them, for who knows the library."""

import os
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

gates_app = typer.Typer(help="The gates' suites in a Great Expectations context of its own.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(gates_app, name="gates")


@gates_app.command("check")
def check(
    checkpoint: Annotated[str, typer.Argument(help="input_gate, alert_gate or grade_gate.")],
    output_format: Output = Format.TEXT,
) -> None:
    """Make the file context of the suites anew, run a checkpoint on the night that stands, update its Data Docs.

    Records nothing and stops nothing. Exit code 1: a critical expectation is missed.
    """
    from dataclasses import asdict

    from property_credit.gates import checking, context, page
    from property_credit.gates.suites import SuiteError
    from property_credit.night.grading_tasks import newest_run
    from property_credit.warehouse.connection import parameters
    from property_credit.warehouse.marts import standing
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.settings import get_settings

    with errors_for_people(SuiteError):
        require_current()
        night, settings = standing().business_date, get_settings()
        if night is None:
            output.fail("the warehouse is not built yet: run a night first (`property-credit nightly`)", code=2)
        os.environ[context.ADDRESS] = checking.url(parameters("pc_gatekeeper"))
        folder, docs = settings.data_dir / "great_expectations", page.folder(night) / context.DOCS
        places = {"business_date": night.isoformat(), "method_version": settings.method_version}
        context.write(folder, docs=docs, parameters={**places, "run_id": newest_run(night)})
        missed = context.run(folder, checkpoint)
    if missed or output_format is Format.JSON:
        print_rows([asdict(one) for one in missed], output=output_format, title=f"{checkpoint}, night of {night}")
    else:
        console.print(f"{checkpoint}, night of {night}: nothing is missed", highlight=False)
    if output_format is Format.TEXT:
        console.print(f"Data Docs: {docs / 'index.html'}", soft_wrap=True, highlight=False)
    if any(one.severity == "critical" for one in missed):
        raise typer.Exit(1)
