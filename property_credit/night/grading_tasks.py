"""The tasks that grade: the gate on the score inputs, and the method."""

from collections.abc import Mapping
from datetime import date

from property_credit.night.fingerprints import files, fingerprint
from property_credit.night.recording import recorded
from property_credit.night.warehouse_tasks import is_of_a_later_night
from property_credit.warehouse.connection import connect
from property_credit.warehouse.marts import UnsoundMartsError, standing
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import TaskNote, is_done

DAG = "grade_enterprises"


def check_score_inputs(business_date: date) -> None:
    """The input gate. Raises StoppedByGate when tonight's marts would give wrong grades."""
    with recorded("pc_gatekeeper", business_date, DAG, "check_score_inputs") as note:
        if _is_over(business_date, note):
            return
        note.inputs_hash = fingerprint(
            standing().build_id, files("expectations", "yml"), files("property_credit/gates", "py")
        )
        note.message = "the input gate is open"
        if is_done(business_date, DAG, "check_score_inputs", note.inputs_hash):
            note.is_new = False
            return
        from property_credit.gates import gates
        from scoring.fit import register
        from scoring.method import load

        with connect("pc_scoring") as connection:  # the gate asks which indicators the method counts itself
            register(connection, load(), business_date)
        gates.check_score_inputs(business_date)


def grade_enterprises(business_date: date) -> None:
    """Grade every enterprise; the same inputs and method give the run that is there already."""
    from scoring.errors import ScoringError
    from scoring.run import grade, grade_in_shadow

    with recorded("pc_scoring", business_date, DAG, "grade_enterprises") as note:
        if _is_over(business_date, note):
            return
        report = grade(business_date)
        note.is_new = report.is_new
        note.message = f"run {report.run_id}: {_counts(report.grades)}"
        if report.is_fit_due:
            note.message += (
                f"; its estimates are of {report.fitted_on}, over a year old: run "
                f"`property-credit fit --business-date {business_date}`"
            )

        challenger = get_settings().challenger_method
        if challenger:
            try:
                shadow = grade_in_shadow(business_date, challenger)
                note.message += f"; in shadow {challenger}: {_counts(shadow.grades)}"
            except ScoringError as error:  # a challenger never costs anybody a grade
                note.message += f"; not in shadow: {error}"


def _is_over(business_date: date, note: TaskNote) -> bool:
    """Say whether a later night stands. Raises UnsoundMartsError when the marts are of an earlier one."""
    if is_of_a_later_night(business_date, note):
        return True
    held = standing().business_date
    if held != business_date:
        raise UnsoundMartsError(f"the marts hold the night of {held}: build {business_date} first, then grade it")
    return False


def _counts(grades: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in grades.items() if count)


def newest_run(business_date: date) -> str | None:
    """Return the newest run that the night of ``business_date`` made, None when there is none.

    A past that was graded again with later knowledge, or a challenger's run, stands beside it and is never published.
    """
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select run_id from scoring.runs where business_date = %s and as_of is null and not is_shadow"
            " order by recorded_at desc, run_id limit 1",
            (business_date,),
        ).fetchone()
    return str(row[0]) if row else None
