"""The tasks of supervision that follow a build: alerts on money and exits, clocks of objections and repairs."""

from datetime import date

from property_credit.night.fingerprints import files, fingerprint
from property_credit.night.recording import recorded
from property_credit.night.warehouse_tasks import marts_hold
from property_credit.warehouse.marts import standing
from property_credit.warehouse.task_runs import is_done

DAG = "supervise_region"


def take_acts(business_date: date) -> None:
    """Take what people decided about alerts in the workbench: before the build, so that tonight's grades know it."""
    from property_credit.supervision.decisions import take_acts as take

    with recorded("pc_supervision", business_date, "ingest_registers", "take_acts", reads_marts=False) as note:
        report = take(business_date)
        note.is_new = bool(report.decided_count or report.refusals)
        note.message = f"{report.decided_count} decisions about alerts from the workbench"
        if report.refusals:
            note.attention = "without effect: " + " ‖ ".join(report.refusals)


def raise_alerts(business_date: date) -> None:
    """Take what the night's marts call for into the register of alerts; each new one is told once.

    Raises StoppedByGate when that looks impossible, such as a flood without a cause: nothing is raised or told.
    """
    from property_credit.supervision.alerts import raise_alerts as take

    with recorded("pc_supervision", business_date, DAG, "raise_alerts") as note:
        if not marts_hold(business_date, note):
            return
        note.inputs_hash = fingerprint(
            standing().build_id, files("expectations", "yml"), files("property_credit/gates", "py")
        )
        if not is_done(business_date, DAG, "raise_alerts", note.inputs_hash):  # else the gate let these through
            from property_credit.gates.gates import check_alerts

            check_alerts(business_date)
        report = take(business_date)
        note.is_new = report.is_new
        note.message = (
            f"a later night is in the register; {report.open} open"
            if report.is_past
            else f"{report.raised} raised, {report.closed} closed, {report.reopened} back; {report.open} open"
        )


def keep_clocks(business_date: date) -> None:
    """Bring the clocks of objections, repairs and lists to what tonight's marts say; remind whom they concern."""
    from property_credit.supervision.clocks import keep_clocks as keep

    with recorded("pc_supervision", business_date, DAG, "keep_clocks") as note:
        if not marts_hold(business_date, note):
            return
        report = keep(business_date)
        note.is_new = bool(report.changed or report.told)
        note.message = (
            "a later night is in the register"
            if report.is_past
            else f"{report.changed} clocks changed, {report.told} notices; {report.running} run, {report.overdue} late"
        )
        if report.provisional:
            note.attention = (
                f"{report.provisional} clocks rest on a year whose working days are not announced: nobody is late by "
                "them until property_credit/warehouse/holidays.yml holds its arrangement"
            )
