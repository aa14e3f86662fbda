"""How commands answer: a table for people or JSON for programs, and an error that says what to do."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 140  # a table in a file or behind `| less` is read on more than the 80 columns of an unknown terminal

console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)
stderr = Console(stderr=True)
SHOWN_REFUSALS = 10


class Format(StrEnum):
    """How a reading command prints."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]


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


def missing_text(report: Any) -> str:
    """Say how many rows that the office sent before are not in the delivery, and which are the first."""
    named = f" ({', '.join(report.missing_keys)}{', …' if report.rows_missing > len(report.missing_keys) else ''})"
    became = "ended, cause vanished" if report.rows_vanished else "they stay as they were"
    return (
        f"{report.rows_missing:,} rows that the office sent before are not in it{named * bool(report.missing_keys)}; "
        f"{became}"
    )


def print_batch(report: Any, *, is_trial: bool = False) -> None:
    """Print what became of one delivery and, of a loaded one, where its first refused rows stand and why.

    ``is_trial``: it was only tried, nothing is in the warehouse.
    """
    from property_credit.ingestion.describe import reason_of

    if report.status == "seen before":
        why = f" ({report.message})" if report.message else ""
        console.print(
            f"{report.source_file}: seen before as batch {report.batch_id}{why}; nothing changed", soft_wrap=True
        )
        return
    waiting = f"{report.rows_waiting:,} waiting + " if report.rows_waiting else ""
    kind = {"reading": ", read again", "release": ", rows that waited"}.get(report.kind, "")
    console.print(
        f"{report.source_file}: {'would be ' * is_trial}{report.status}{kind}, batch {report.batch_id}: "
        f"{report.rows_in:,} rows in = "
        f"{report.rows_accepted:,} accepted + {report.rows_rejected:,} rejected + {waiting}"
        f"{report.rows_duplicate:,} exact duplicates; {report.rows_skipped:,} left out by the profile; "
        f"{report.seconds:.1f} s",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    if report.rows_newer or report.rows_older or report.rows_duplicate:
        console.print(
            f"  {report.rows_new:,} new, {report.rows_newer:,} newer versions, {report.rows_duplicate:,} the same, "
            f"{report.rows_older:,} older than what is known (kept, never current)",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
    if report.message:
        console.print(f"  {report.message}", soft_wrap=True, highlight=False, markup=False)
    if report.rows_colliding:
        console.print(
            f"  {report.rows_colliding:,} collide: their keys stand with other values that cannot change, and neither "
            "side counts; decide each by property-credit corrections accept KEY or refuse KEY",
            soft_wrap=True,
        )
    if report.rows_missing:
        console.print(f"  {missing_text(report)}", soft_wrap=True, markup=False)
    if report.rows_withdrawn:
        console.print(f"  {report.rows_withdrawn:,} versions that stood before no longer count")
    refused = report.rows_rejected + report.rows_waiting
    if is_trial and report.reasons:
        console.print("  reasons: " + ", ".join(f"{code} {count:,}" for code, count in report.reasons.items()))
        for example in report.examples[:SHOWN_REFUSALS]:
            reason = reason_of(report.feed, example.reason_code)
            console.print(
                f"  row {example.row_number}, {example.column or 'whole row'}: {reason}", soft_wrap=True, markup=False
            )
        if refused > SHOWN_REFUSALS:
            console.print(f"  … {refused - SHOWN_REFUSALS:,} more")
    if report.status == "loaded" and refused and not is_trial:
        for row, column, reason, waits_for in _first_refused(report.batch_id):
            waits = f" (waits: {waits_for})" if waits_for else ""
            console.print(f"  row {row}, {column or 'whole row'}: {reason}{waits}", soft_wrap=True, markup=False)
        if refused > SHOWN_REFUSALS:
            console.print(f"  … {refused - SHOWN_REFUSALS:,} more in quarantine.rejected_rows")
        if report.rows_waiting > report.rows_colliding:
            console.print("  rows that wait come back by themselves: property-credit quarantine list")


def print_validation(report: Any, out: Any, *, output: Format) -> None:
    """Print every gate with its figure and aim, why one is not met, and where the report lies."""
    from scoring.validation.run import summary

    if output is Format.JSON:
        print_json(report.document())
        return
    _print_gates(report.gates, summary(report))
    console.print(f"report: {out / 'report.html'} · model card: {out / 'model-card.html'}", soft_wrap=True)


def print_outcomes(report: Any, out: Any, *, output: Format) -> None:
    """Print what later outcomes say of a night's grades, what became of the file's rows, and where the report lies."""
    from scoring.validation.outcomes import document
    from scoring.validation.report import figure

    if output is Format.JSON:
        print_json(document(report))
        return
    about = report.about
    rows = ", ".join(f"{name} {count:,}" for name, count in about["rows"].items())
    console.print(f"rows: {rows}", soft_wrap=True, highlight=False)
    _print_gates(report.gates, f"{about['method_version']}, {about['business_date']}: {about['rated']} rated")
    named = {"entities": "n", "figure": about["figure"]}
    print_rows(
        [
            {named.get(name, name): row[name] if name in ("grade", "entities") else figure(row[name]) for name in row}
            for row in report.by_grade
        ],
        output=output,
    )
    console.print(f"report: {out / 'outcomes.html'}", soft_wrap=True)


def print_worlds(report: Any, out: Any, *, output: Format) -> None:
    """Print the table of worlds and methods, the worst world of each method, and where the files lie."""
    from scoring.validation.worlds import HEADINGS, MARKS

    if output is Format.JSON:
        print_json({"parameters": report.parameters, "rows": [asdict(row) for row in report.rows]})
        return
    colours = {"met": "green", "missed": "red", "cannot_tell": "yellow", "not_measured": "dim"}
    table = Table(title="worlds × methods", title_justify="left", header_style="bold")
    for name in ("world", "method", "n", *HEADINGS, "shares"):
        table.add_column(name, overflow="fold")

    def cell(one: Any) -> str:
        return f"[{colours[one.status]}]{MARKS[one.status]}[/{colours[one.status]}] {one.shown}"

    for row in report.rows:
        grades = " ".join(f"{grade} {count}" for grade, count in row.grades.items())
        table.add_row(row.world, row.method, str(row.rated), *map(cell, row.cells.values()), grades)
    console.print(table)
    for method in dict.fromkeys(row.method for row in report.rows):
        for heading, row in report.worst(method).items():
            console.print(
                f"{method} worst: {HEADINGS[heading]}: {row.world} {cell(row.cells[heading])}", soft_wrap=True
            )
    console.print(f"table: {out / 'worlds.md'} · {out / 'worlds.json'}", soft_wrap=True)


def _print_gates(gates: Sequence[Any], title: str) -> None:
    from scoring.validation.report import figure

    marks = {
        "met": "[green]✓[/green]", "missed": "[red]✗[/red]", "cannot_tell": "[yellow]?[/yellow]",
        "not_measured": "[dim]·[/dim]",
    }  # fmt: skip
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in ("", "gate", "figure", "95 %", "aim", "n"):
        table.add_column(name, overflow="fold")
    for gate in gates:
        estimate = gate.estimate
        interval = f"{figure(estimate.low)} – {figure(estimate.high)}" if estimate.low is not None else ""
        name = f"{gate.zh}\n[dim]{gate.en}[/dim]" + (
            f"\n{gate.reason_zh}" if gate.status in ("missed", "cannot_tell") else ""
        )
        table.add_row(marks[gate.status], name, figure(estimate.value), interval, gate.aim, str(estimate.size))
    console.print(table)


def _first_refused(batch_id: str) -> list[tuple[int, str | None, str, str | None]]:
    from property_credit.warehouse.connection import connect

    with connect("pc_gatekeeper") as connection:
        return connection.execute(
            "select row_number, column_name, reason, waits_for from quarantine.rejected_rows where batch_id = %s "
            "order by row_number limit %s",
            (batch_id, SHOWN_REFUSALS),
        ).fetchall()


def print_json(value: Any) -> None:
    """Print ``value`` as JSON that a program can read (dates and decimals as text)."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def fail(message: str, *, code: int) -> NoReturn:
    """Say on stderr what is wrong and what to do; leave with ``code`` (1 a check said no, 2 wrong usage or input)."""
    stderr.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def errors_for_people(*known: type[Exception]) -> Iterator[None]:
    """Turn the errors that people can act on into a message and an exit code; anything else is a defect and shows."""
    import psycopg

    from property_credit.warehouse.connection import SchemaError
    from property_credit.warehouse.embedded import EmbeddedServerError
    from property_credit.warehouse.locks import LockedError
    from property_credit.warehouse.marts import UnsoundMartsError
    from property_credit.warehouse.task_runs import StoppedByGate

    unusable: tuple[type[Exception], ...] = (EmbeddedServerError, SchemaError, LockedError, UnsoundMartsError, *known)
    try:
        yield
    except StoppedByGate as error:
        fail(f"Stopped by a gate: {error}", code=1)
    except unusable as error:
        fail(str(error), code=2)
    except psycopg.OperationalError as error:
        if error.sqlstate:
            raise
        reason = (str(error).strip().splitlines() or ["no answer"])[-1]
        fail(f"the warehouse cannot be reached ({reason}): is its server running, and is WAREHOUSE_URL right?", code=2)


def passphrase_of() -> Callable[[Path], str] | None:
    """Return what asks the person at the terminal for a file's passphrase, unseen; None where nobody sits."""
    if not sys.stdin.isatty():
        return None
    return lambda path: str(typer.prompt(f"口令 passphrase of {path}", hide_input=True, err=True))
