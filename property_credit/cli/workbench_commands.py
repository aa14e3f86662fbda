"""The workbench: serving it, the first invitation, checking the record of acts.

Puts together what packages that do not import one another bring: the pages' style sheet, and scoring's answer to what a
decision would do to a grade.
"""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

if TYPE_CHECKING:
    import psycopg
    from fastapi import FastAPI

workbench_app = typer.Typer(
    help="工作台 · where enterprises and offices act; without a command it is served.", invoke_without_command=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(workbench_app, name="workbench")


def application() -> "FastAPI":
    """Return the workbench with what scoring and the pages lend it."""
    from property_credit.scorecards.render import PACKAGE
    from property_credit.workbench.service import application as workbench

    return workbench(style=PACKAGE / "assets" / "site.css", effect=_effect)


def _effect(connection: "psycopg.Connection", uscc: str, targets: list[tuple[str, str]]) -> Any:
    import psycopg

    from scoring.errors import ScoringError
    from scoring.what_if import effect

    try:
        return effect(connection, uscc, targets)
    except (ScoringError, psycopg.errors.UndefinedTable) as error:
        raise LookupError("昨夜数据中没有这家企业，或正在计算，暂不能测算，请稍后再看。") from error


@workbench_app.callback()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8600,
) -> None:
    """Serve the workbench until stopped; without --host to this machine alone."""
    if context.invoked_subcommand:
        return
    from property_credit.warehouse import serving
    from property_credit.warehouse.connection import connect
    from property_credit.workbench import attachments
    from property_credit.workbench.service import MOST_BODY_BYTES

    with errors_for_people():
        with connect("pc_workbench") as connection:
            attachments.sweep(connection)  # what forms that were refused, or cut off by a kill, have left
        serving.serve(serving.guarded(application(), most_body_bytes=MOST_BODY_BYTES), host=host, port=port)


@workbench_app.command()
def invite(
    role: Annotated[str, typer.Option(help="administrator, officer or enterprise.")],
    area: Annotated[str | None, typer.Option(help="Area code of an administrator or officer.")] = None,
    community: Annotated[str | None, typer.Option(help="Community of a 社区 officer.")] = None,
    uscc: Annotated[str | None, typer.Option(help="统一社会信用代码 of an enterprise.")] = None,
    officer_code: Annotated[str | None, typer.Option(help="What stands for an officer in records.")] = None,
    address: Annotated[str, typer.Option(help="Where people reach the workbench.")] = "http://127.0.0.1:8600",
) -> None:
    """Invite somebody; usually the first administrator of an area, who invites the others on the page."""
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import migrate
    from property_credit.workbench import accounts, areas
    from property_credit.workbench.errors import WorkbenchError

    with errors_for_people(WorkbenchError):
        migrate()
        with connect("pc_workbench") as connection:
            secret = accounts.invite(
                connection,
                None,
                areas.read(connection),
                role_code=role,
                area_code=area,
                community_id=community,
                uscc=uscc,
                officer_code=officer_code,
                form_id=str(uuid.uuid4()),
            )
    console.print(
        f"Good once, for {accounts.INVITED_DAYS} days; shown this once:\n{address}/invitations/{secret}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@workbench_app.command()
def check(
    head: Annotated[
        str | None, typer.Option(help="NUMBER:HASH as an earlier check printed it: it must still stand.")
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Compute the chain of the record of acts again; exit 1 when an act was changed, is missing or was cut off."""
    from dataclasses import asdict

    from property_credit.workbench import acts

    noted = None
    if head:
        number, separator, sha256 = head.partition(":")
        if not (separator and number.isdigit()):
            raise typer.BadParameter("--head looks like 120:9f86d0…")
        noted = (int(number), sha256)
    with errors_for_people():
        report = acts.check_chain(head=noted)
    print_rows([asdict(report)], output=output_format, title="Record of acts 办理记录")
    if report.broken_at is not None:
        output.fail(f"{report.problem}: everything from act {report.broken_at} on is in doubt", code=1)
