"""``property-credit case-file``: the signed bundle of one grade and day, for review, 复议 or court."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("case-file")(case_file)


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def case_file(
    uscc: Annotated[str | None, typer.Argument(help="统一社会信用代码; left out with --requested.")] = None,
    as_of: Annotated[
        date | None,
        typer.Option(
            parser=_date, metavar="YYYY-MM-DD", help="The day whose grade it is about; default: the last one proved."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file; default: case-file-<USCC>-<day>.zip here.")] = None,
    requested: Annotated[bool, typer.Option(help="Make those that were asked for in the workbench, and go.")] = False,
    replay: Annotated[bool, typer.Option(help="Compute the run again from raw, too: minutes.")] = True,
    output_format: Output = Format.TEXT,
) -> None:
    """Make a signed case file 卷宗 of one grade and day; `property-credit verify FILE` checks it anywhere, offline.

    Method, inputs, evidence, decisions, notices served, replay, place in the log, a summary page; no complainant.
    Exit 1: the replay came out differently (the file is made all the same, and says so).
    """
    import json
    import zipfile

    from property_credit.night import case_files
    from property_credit.publishing.errors import PublishingError
    from property_credit.warehouse.credit_codes import why_wrong
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.transformation import TransformationError
    from scoring.errors import ScoringError

    if requested == bool(uscc):
        output.fail("give a credit code, or --requested", code=2)
    if uscc and (problem := why_wrong(uscc)):
        output.fail(f"{uscc}: {problem.en}", code=2)
    with errors_for_people(PublishingError, ScoringError, TransformationError):
        require_current()
        if uscc is None:
            outcomes = case_files.make_requested(replays=replay)
            if output_format is Format.JSON:
                print_json(outcomes)
                return
            for number, outcome in outcomes.items():
                console.print(f"{number}: {outcome}", highlight=False, markup=False)
            console.print(f"{len(outcomes)} requests answered", highlight=False)
            return
        day = as_of or case_files.last_day()
        with console.status("making the case file"):
            bundle = case_files.make(uscc, day, replays=replay)
    path = out or Path(f"case-file-{uscc}-{day}.zip")
    path.write_bytes(bundle.content)
    with zipfile.ZipFile(path) as opened:
        proof = json.loads(opened.read("replay.json"))
    if output_format is Format.JSON:
        print_json({"case_file_id": bundle.case_file_id, "path": str(path), "replay": proof})
    else:
        console.print(f"{path}: version {bundle.version_no}, {len(bundle.content):,} bytes", highlight=False)
    if proof["is_made"] and not proof["is_identical"]:
        output.fail("the replay came out differently: see replay.json in the file", code=1)
