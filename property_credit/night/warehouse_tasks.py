"""The task that builds the warehouse, and what the tasks behind it do where the marts are of another night."""

from datetime import date

from property_credit.night.recording import recorded
from property_credit.warehouse import builds
from property_credit.warehouse.connection import connect
from property_credit.warehouse.marts import standing
from property_credit.warehouse.task_runs import TaskNote

DAG, TASK = "build_warehouse", "build_models"


def build_models(business_date: date, *, is_anew: bool = False) -> None:
    """Build the warehouse as known on ``business_date``; nothing new when the marts hold just that already.

    On top of the last build where that is sound. Marts of a later night are left as they are: an older night is
    compared in scratch schemas (``property-credit replay``). ``is_anew`` makes every table anew in any case.
    """
    from property_credit.warehouse.transformation import TransformationError, build, planned
    from scoring.method import load, warehouse_variables

    with recorded("pc_dbt", business_date, DAG, TASK, reads_marts=False) as note:
        variables = warehouse_variables(load().method)
        if not is_anew:
            if is_of_a_later_night(business_date, note):
                return
            if planned(business_date, variables=variables).is_nothing_new:
                note.is_new, note.message = False, "the marts hold just this already"
                return
        with connect("pc_dbt") as connection:  # a kill in the middle leaves marts of two nights: say so beforehand
            connection.execute(
                "select ops.record_task(%s, %s, %s, 'failed', %s, 0, null, null)",
                (business_date, DAG, TASK, "it was interrupted; the marts may be of two nights"),
            )
        try:
            results = build(business_date, variables=variables, is_incremental=not is_anew)
        except TransformationError:
            made = builds.newest()
            if made is None or made.mode != "incremental":
                raise
            results = build(business_date, variables=variables)  # made anew: what fails now is wrong in the data
        made = builds.newest()
        note.message = f"{len(results)} models and tests" + (f", {made.mode}: {made.reason}" if made else "")


def is_of_a_later_night(business_date: date, note: TaskNote) -> bool:
    """Say, in ``note`` too, whether sound marts of a later night stand: an older one leaves them as they are."""
    marts = standing()
    if not (marts.is_sound and marts.business_date and marts.business_date > business_date):
        return False
    note.is_new, note.message = False, f"the marts hold the later night of {marts.business_date}: left as they are"
    return True


def marts_hold(business_date: date, note: TaskNote) -> bool:
    """Say, in ``note`` too, whether the marts are those of the night: what another night's say is not known of it."""
    held = standing().business_date
    if held == business_date:
        return True
    note.is_new = False
    note.message = f"the marts hold the {'later' if held and held > business_date else 'earlier'} night of {held}: left"
    return False
