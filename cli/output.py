"""How commands answer: a table for people or JSON for programs, and an error that says what to do."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 140  # a table in a file or behind `| less` is read on more than the 80 columns of an unknown terminal

console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)
complaints_console = Console(stderr=True)
SHOWN_REFUSALS = 10


class Format(StrEnum):
    """How a reading command prints."""

    TEXT = "text"
    JSON = "json"


def print_rows(rows: Sequence[Mapping[str, Any]], *, output: Format, title: str = "") -> None:
    """Print ``rows`` (all with the same keys) as a table, or as a JSON array."""
    if output is Format.JSON:
        print_json(list(rows))
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for position, name in enumerate(rows[0] if rows else ()):
        table.add_column(name, overflow="fold", no_wrap=position == 0)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)


def print_batch(report: Any) -> None:
    """Print what became of one delivery and, of a loaded one, where its first refused rows stand and why."""
    if report.status == "seen before":
        console.print(f"{report.source_file}: seen before as batch {report.batch_id}; nothing changed")
        return
    console.print(
        f"{report.source_file}: {report.status}, batch {report.batch_id}: {report.rows_in:,} rows in = "
        f"{report.rows_accepted:,} accepted + {report.rows_rejected:,} rejected + {report.rows_duplicate:,} exact "
        f"duplicates; {report.rows_skipped:,} left out by the profile; {report.seconds:.1f} s",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    if report.message:
        console.print(f"  {report.message}", soft_wrap=True, highlight=False, markup=False)
    if report.status == "loaded" and report.rows_rejected:
        for row, column, reason in _first_refused(report.batch_id):
            console.print(f"  row {row}, {column or 'whole row'}: {reason}", soft_wrap=True, markup=False)
        if report.rows_rejected > SHOWN_REFUSALS:
            console.print(f"  … {report.rows_rejected - SHOWN_REFUSALS:,} more in quarantine.rejected_rows")


def print_validation(found: Any, out: Any, *, output: Format) -> None:
    """Print every gate with its figure and aim, why one is missed, and where the report lies."""
    from scoring.validation.report import figure
    from scoring.validation.run import summary

    if output is Format.JSON:
        print_json(found.document())
        return
    marks = {"met": "[green]✓[/green]", "missed": "[red]✗[/red]", "not_measured": "[dim]·[/dim]"}
    table = Table(title=summary(found), title_justify="left", header_style="bold")
    for name in ("", "gate", "figure", "95 %", "aim", "n"):
        table.add_column(name, overflow="fold")
    for gate in found.gates:
        estimate = gate.estimate
        interval = f"{figure(estimate.low)} – {figure(estimate.high)}" if estimate.low is not None else ""
        name = f"{gate.zh}\n[dim]{gate.en}[/dim]" + (f"\n{gate.reason_zh}" if gate.status == "missed" else "")
        table.add_row(marks[gate.status], name, figure(estimate.value), interval, gate.aim, str(estimate.size))
    console.print(table)
    console.print(f"report: {out / 'report.html'} · model card: {out / 'model-card.html'}", soft_wrap=True)


def _first_refused(batch_id: str) -> list[tuple[int, str | None, str]]:
    from warehouse.connection import connect

    with connect("pc_gatekeeper") as connection:
        return connection.execute(
            "select row_number, column_name, reason from quarantine.rejected_rows where batch_id = %s "
            "order by row_number limit %s",
            (batch_id, SHOWN_REFUSALS),
        ).fetchall()


def print_json(value: Any) -> None:
    """Print ``value`` as JSON that a program can read (dates and decimals as text)."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def fail(message: str, *, code: int) -> NoReturn:
    """Say on stderr what is wrong and what to do; leave with ``code`` (1 a check said no, 2 wrong usage or input)."""
    complaints_console.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def errors_for_people(*known: type[Exception]) -> Iterator[None]:
    """Turn the errors that people can act on into a message and an exit code; anything else is a defect and shows."""
    import psycopg

    from warehouse.connection import SchemaError
    from warehouse.embedded import EmbeddedServerError
    from warehouse.locks import LockedError
    from warehouse.stages import StoppedByGate

    unusable: tuple[type[Exception], ...] = (EmbeddedServerError, SchemaError, LockedError, *known)
    try:
        yield
    except StoppedByGate as error:
        fail(f"Stopped by a gate: {error}", code=1)
    except unusable as error:
        fail(str(error), code=2)
    except psycopg.OperationalError as error:
        if error.sqlstate:
            raise
        said = (str(error).strip().splitlines() or ["no answer"])[-1]
        fail(f"the warehouse cannot be reached ({said}): is its server running, and is WAREHOUSE_URL right?", code=2)
