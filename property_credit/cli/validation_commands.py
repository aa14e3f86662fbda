"""``validate``: what grades are worth: on a simulated region, a night in use, real outcomes, or all worlds."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, errors_for_people


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(validate)


def _business_date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def validate(
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("validation"),
    preset: Annotated[
        str, typer.Option(help="Simulated region to validate on: hamlet, town, city or province.")
    ] = "town",
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Its seed; several are pooled. Default: 2026.", show_default=False),
    ] = None,
    business_date: Annotated[
        date | None,
        typer.Option(
            parser=_business_date, metavar="YYYY-MM-DD", help="Validate this night of the warehouse in use instead."
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="CSV of what happened later (entity, date, value or event) to judge grades by."),
    ] = None,
    months: Annotated[
        int | None, typer.Option(min=1, help="Outcomes count for so long after the night. Default: all of them.")
    ] = None,
    lower_is_better: Annotated[bool, typer.Option("--lower-is-better", help="Of the values in --outcomes.")] = False,
    worlds: Annotated[bool, typer.Option("--worlds", help="Judge methods in every world of the simulation.")] = False,
    world: Annotated[
        list[str] | None,
        typer.Option(help="Only these worlds: names or paths of files (.yml). Default: all.", show_default=False),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Methods to judge in the worlds. Default: all in scoring/methods.", show_default=False),
    ] = None,
    trial_seed: Annotated[
        int | None,
        typer.Option(help="Judge each world also after a trial cycle of its own, a region of this seed (calibrate)."),
    ] = None,
    firms: Annotated[
        int | None, typer.Option(min=20, help="Enterprises of each world. Default: as its file says.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Measure every validation gate (methodology §9) with intervals; the report says why one is not met.

    Exit code 0: every measured aim is met; 1: one is missed; 3: none is missed, but of some the sample cannot tell.
    """
    from property_credit.cli.validation import (
        ValidationError,
        validate_outcomes,
        validate_region,
        validate_warehouse,
    )
    from property_credit.cli.worlds import judge_worlds
    from property_credit.ingestion.contract import IngestionError
    from property_credit.warehouse.migrate import require_current
    from scoring.errors import ScoringError
    from simulation.parameters import SimulationError

    chosen = [name for name, is_given in (
        ("--business-date", business_date is not None and outcomes is None), ("--outcomes", outcomes is not None),
        ("--worlds", worlds or bool(world)),
    ) if is_given]  # fmt: skip
    if len(chosen) > 1:
        output.fail(f"{' and '.join(chosen)} exclude each other: each is a validation of its own", code=2)
    if (method or firms or trial_seed is not None) and "--worlds" not in chosen:
        output.fail("--method, --firms and --trial-seed belong to --worlds", code=2)
    with errors_for_people(ValidationError, ScoringError, SimulationError, IngestionError):
        if business_date is not None or outcomes is not None:
            require_current()
        if outcomes is not None:
            judged = validate_outcomes(
                outcomes, night=business_date, months=months, lower_is_better=lower_is_better, out=out
            )
            output.print_outcomes(judged, out, output=output_format)
            raise typer.Exit(judged.exit_code)
        if worlds or world:
            table = judge_worlds(
                world, methods=method, seeds=seed or [2026], firms=firms, trial_seed=trial_seed, out=out
            )
            output.print_worlds(table, out, output=output_format)
            raise typer.Exit(table.exit_code)
        validation = (
            validate_warehouse(business_date, out=out)
            if business_date is not None
            else validate_region(preset=preset, seeds=seed or [2026], out=out)
        )
    output.print_validation(validation, out, output=output_format)
    raise typer.Exit(validation.exit_code)
