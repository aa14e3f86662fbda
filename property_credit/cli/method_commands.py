"""The commands of the method: replay a published night, compare two methods over history, calibrate a next version."""

import calendar
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_json, print_rows

if TYPE_CHECKING:
    from scoring.replay import ReplayReport

SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the method's commands to the command line."""
    app.command()(replay)
    app.command("compare-methods")(compare_methods)
    app.command()(calibrate)
    app.command()(grade)


def _date(text: str) -> date:
    from property_credit.warehouse import business_date

    try:
        return business_date.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def days_of(period: str) -> tuple[date, date]:
    """Return the first and last day of ``yyyy-mm-dd`` or ``yyyy-mm``; ValueError for anything else."""
    parts = period.split("-")
    if len(parts) == 2:
        year, month = int(parts[0]), int(parts[1])
        return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
    day = date.fromisoformat(period)
    return day, day


def replay(
    period: Annotated[str, typer.Option(help="A business date (yyyy-mm-dd) or a month (yyyy-mm).")],
    as_of: Annotated[
        date | None,
        typer.Option(
            parser=_date,
            metavar="YYYY-MM-DD",
            help="Grade the night again with what is known on this later day, as a run beside the published one.",
        ),
    ] = None,
    output_format: Output = Format.TEXT,
) -> None:
    """Rebuild published nights from raw in scratch schemas and compare every grade and point; 1 when one differs."""
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.transformation import TransformationError
    from scoring.errors import ScoringError
    from scoring.replay import moved, published_runs, regrade
    from scoring.replay import replay as replay_run

    try:
        first, last = days_of(period)
    except (ValueError, calendar.IllegalMonthError):
        output.fail(f"--period must be a date (2026-10-31) or a month (2026-10), not {period!r}", code=2)
    with errors_for_people(ScoringError, TransformationError):
        require_current()
        if as_of:
            if first != last:
                output.fail("--as-of needs one night: give --period as yyyy-mm-dd", code=2)
            run_id = regrade(first, as_of)
            published = published_runs(first, last)
            rows = moved(published[-1], run_id) if published else []
            if output_format is Format.JSON:
                print_json({"run_id": run_id, "published_run_id": published[-1] if published else None, "moved": rows})
                return
            console.print(f"run {run_id} holds {first} as known on {as_of}; what was published stands beside it")
            print_rows(rows, output=output_format, title=f"{len(rows)} differ from what was published")
            return
        runs = published_runs(first, last)
        if not runs:
            output.fail(f"nothing was published for {period}: there is nothing to replay", code=2)
        reports = [replay_run(run_id) for run_id in runs]
    if output_format is Format.JSON:
        print_json([{**asdict(report), "is_identical": report.is_identical} for report in reports])
    else:
        for report in reports:
            _print(report)
    if not all(report.is_identical for report in reports):
        raise typer.Exit(1)


def compare_methods(
    method_a: Annotated[str, typer.Argument(help="Version of the method in force: a name in scoring/methods.")],
    method_b: Annotated[str, typer.Argument(help="Version of the challenger.")],
    first: Annotated[date, typer.Option("--from", parser=_date, metavar="YYYY-MM-DD", help="First day of the period.")],
    last: Annotated[date, typer.Option("--to", parser=_date, metavar="YYYY-MM-DD", help="Last day of the period.")],
    output_format: Output = Format.TEXT,
) -> None:
    """Grade history under two methods: who moves and why, fairness and sensitivity, as a report. Changes nothing."""
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.settings import get_settings
    from property_credit.warehouse.transformation import TransformationError
    from scoring.comparison import compare
    from scoring.comparison_report import write
    from scoring.errors import ScoringError

    with errors_for_people(ScoringError, TransformationError):
        require_current()
        report = compare(method_a, method_b, first, last)
    folder = get_settings().data_dir / "reports" / f"compare-{method_a}-{method_b}-{last}"
    html, _ = write(report, folder)
    if output_format is Format.JSON:
        print_json(report)
        return
    rows = [{key: night[key] for key in ("night", "enterprises", "moved")} for night in report["nights"]]
    print_rows(rows, output=Format.TEXT, title=f"{method_a} → {method_b}")
    for mover in report["movers"][:SHOWN]:
        why = "; ".join(mover["why"])
        console.print(f"  {mover['uscc']} {mover['from']} → {mover['to']}: {why}", markup=False, highlight=False)
    console.print(f"report: {html}", soft_wrap=True)


def _print(report: "ReplayReport") -> None:
    counts = f"{report.grade_count:,} grades, {report.point_count:,} indicator points"
    if report.is_identical:
        console.print(f"{report.business_date} run {report.run_id}: {counts}, all identical bit for bit")
        return
    inputs = "the same inputs" if report.is_same_input else "other inputs"
    console.print(
        f"{report.business_date} run {report.run_id}: {counts}, {report.difference_count:,} fields differ ({inputs}; "
        f"replayed as {report.replayed_run_id})"
    )
    if report.changes:
        console.print(
            f"  computed by other versions than then: {', '.join(report.changes)}", markup=False, highlight=False
        )
    print_rows([asdict(difference) for difference in report.differences[:SHOWN]], output=Format.TEXT)


def grade(
    business_date: Annotated[date, typer.Option(parser=_date, metavar="YYYY-MM-DD", help="The night to grade.")],
    output_format: Output = Format.TEXT,
) -> None:
    """Build the warehouse as the method in force counts it, check its score inputs, and grade. Publishes nothing.

    The method in force is METHOD_VERSION. Exit code 1: the input gate said no, nothing was graded.
    """
    from property_credit.night.grading_tasks import check_score_inputs, grade_enterprises, newest_run
    from property_credit.night.warehouse_tasks import build_models
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.marts import UnsoundMartsError
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.transformation import TransformationError
    from scoring.errors import MethodError, ScoringError
    from scoring.method import load

    with errors_for_people(ScoringError, MethodError, TransformationError, UnsoundMartsError):
        version = load().version
        require_current()
        for task in (build_models, check_score_inputs, grade_enterprises):
            with output.stderr.status(task.__name__.replace("_", " ")):
                task(business_date)
        run_id = newest_run(business_date)
        if run_id is None:
            output.fail(f"{business_date} was not graded: the marts hold a later night", code=1)
        with connect("pc_gatekeeper") as connection:
            rows = connection.execute(
                "select coalesce(grade, status_code), count(*), round(avg(score), 2) from scoring.grades"
                " where run_id = %s group by 1 order by min(score) desc nulls last",
                (run_id,),
            ).fetchall()
    distribution = [{"grade": code, "enterprises": count, "mean score": score} for code, count, score in rows]
    if output_format is Format.JSON:
        print_json(
            {"run_id": run_id, "business_date": business_date, "method_version": version, "grades": distribution}
        )
        return
    print_rows(distribution, output=output_format, title=f"{version}, {business_date}: run {run_id}")


def calibrate(
    business_date: Annotated[
        date, typer.Option(parser=_date, metavar="YYYY-MM-DD", help="The last night of the trial cycle.")
    ],
    as_version: Annotated[str, typer.Option(help="Version of the proposed method, such as 2027.1.")],
    method: Annotated[str | None, typer.Option(help="The method to start from; the one in force if not given.")] = None,
    best: Annotated[float, typer.Option(help="Share of the rated that the best grade should take, 0-1.")] = 0.15,
    worst: Annotated[float, typer.Option(help="Share that the last grade should take, 0-1.")] = 0.30,
    output_format: Output = Format.TEXT,
) -> None:
    """Propose anchors and cut-offs from a trial cycle, with their effect, as a new version's file. Changes nothing."""
    from property_credit.warehouse.migrate import require_current
    from property_credit.warehouse.settings import get_settings
    from property_credit.warehouse.transformation import TransformationError
    from scoring import calibration
    from scoring.errors import InputsError, MethodError, ScoringError
    from scoring.method import load

    with errors_for_people(ScoringError, MethodError, InputsError, TransformationError):
        require_current()
        proposal = calibration.calibrate(business_date, method or load().version, best=best, worst=worst)
        folder = get_settings().data_dir / "reports" / f"calibrate-{proposal.method.version}-{business_date}"
        path = calibration.write(proposal, folder, as_version)
    if output_format is Format.JSON:
        print_json(
            {
                "from": proposal.method.version,
                "version": as_version,
                "file": str(path),
                "curves": {code: [[str(v), str(s)] for v, s in curve] for code, curve in proposal.curves.items()},
                "grades": {code: [str(number) for number in minima] for code, minima in proposal.grades.items()},
                "before": proposal.before,
                "after": proposal.after,
                "matrix": proposal.matrix,
                "scores": proposal.scores,
                "misclassified": [asdict(one) for one in proposal.misclassified],
                "signals": [asdict(one) | {"says_little": one.says_little} for one in proposal.signals],
            }
        )
        return
    console.print(f"{proposal.method.version} → {as_version}: {path}", highlight=False, soft_wrap=True)
    old = proposal.method.method
    print_rows(
        [
            {
                "指标 indicator": one.indicator_code,
                "区分度 signal": "–" if one.share is None else f"{one.share:.0%}" + (" !" if one.says_little else ""),
                "设计效应 deff": f"{one.design_effect:.2f}",
                "现锚点 anchors": _ends(getattr(old.indicators[one.indicator_code].formula, "curve", None)),
                "建议 proposed": _ends(proposal.curves.get(one.indicator_code)),
            }
            for one in proposal.signals
        ],
        output=output_format,
    )
    for code, minima in proposal.grades.items():
        was = next(grade for grade in old.grades if grade.code == code).minima()
        console.print(f"  {code}: S, P%, M% {', '.join(f'{a:f} → {b:f}' for a, b in zip(was, minima, strict=True))}")
    for at, (before, after) in proposal.scores.items():
        console.print(f"  S {at}: {before:.1f} → {after:.1f}")
    console.print(f"  {proposal.before} → {proposal.after}", markup=False)
    for wrong in proposal.misclassified:
        console.print(
            f"  误判 another grade if the true score were known, {wrong.boundary}, {wrong.size}: {wrong.share:.1%}"
            f" ({wrong.low:.1%}–{wrong.high:.1%}, {wrong.enterprise_count})",
            highlight=False,
        )
    console.print("  ! below 30 %: pool, re-scale or drop it, with a reason beyond this cycle", markup=False)
    console.print(
        f"  nothing is in force: copy the file to scoring/methods/, then `compare-methods {old.version} {as_version}`"
    )


def _ends(curve: tuple[tuple[Decimal, Decimal], ...] | None) -> str:
    return f"{curve[0][0].normalize():f} … {curve[-1][0].normalize():f}" if curve else ""
