"""The tasks that publish: the gate on the grades, the publication, and its delivery."""

from datetime import date
from typing import TYPE_CHECKING

from property_credit.night.grading_tasks import newest_run
from property_credit.night.recording import recorded
from property_credit.night.warehouse_tasks import is_of_a_later_night
from property_credit.warehouse.connection import connect
from property_credit.warehouse.task_runs import TaskNote

if TYPE_CHECKING:
    from property_credit.publishing.relay import DeliveryReport

DAG = "publish_grades"


class UndeliveredError(Exception):
    """Grades wait in the outbox because the receiver did not take them; a later try may succeed."""


def check_grades(business_date: date) -> None:
    """The grade gate on the night's newest run; without one, or once it is published, there is nothing to check."""
    with recorded("pc_gatekeeper", business_date, DAG, "check_grades") as note:
        if _is_past(business_date, note):
            return
        run_id = newest_run(business_date)
        note.is_new = run_id is not None and not _is_published(run_id)
        if run_id is None:
            note.message = "no grades were computed for this night: what is published stands"
        elif not note.is_new:
            note.message = f"run {run_id} passed and is published"
        else:
            from property_credit.gates import gates

            gates.check_grades(run_id, business_date)
            note.message = f"the grade gate is open for run {run_id}"


def publish_grades(business_date: date) -> None:
    """Make the night's newest run the current one; the same run again changes nothing."""
    from property_credit.publishing.publish import publish

    with recorded("pc_publishing", business_date, DAG, "publish_grades") as note:
        if _is_past(business_date, note):
            return
        run_id = newest_run(business_date)
        if run_id is None:
            note.is_new, note.message = False, "nothing to publish"
            return
        report = publish(run_id, business_date)
        note.is_new = report.is_new
        note.message = (
            f"publication {report.publication_id}: {report.change_count} versions"
            + f", with the list of {report.list_id}" * bool(report.list_id)
            + f", {report.waiting_count} changes of grade wait for the next quarter's list" * bool(report.waiting_count)
            + f", {report.absent_count} published enterprises are not in tonight's run" * bool(report.absent_count)
            + f", {report.left_count} of them leave the list" * bool(report.left_count)
            if report.is_new
            else f"run {run_id} is published already"
        )


def deliver_grades(business_date: date) -> None:
    """Deliver the grades that wait to every subscriber, then compare receipts with what each receiver lists.

    Raises UndeliveredError when rows still wait or are dead afterwards, or a receiver does not list what we delivered.
    """
    from property_credit.publishing.reconcile import reconcile_all
    from property_credit.publishing.relay import deliver_all

    with recorded("pc_publishing", business_date, DAG, "deliver_grades", reads_marts=False) as note:
        reports = deliver_all(takes="grades")
        delivered = sum(report.delivered_count for report in reports)
        note.is_new = delivered > 0
        left = left_over(reports)
        troubled = {report.subscriber for report in reports if report.pending_count}
        compared = reconcile_all(
            [report.subscriber for report in reports if report.subscriber not in troubled], business_date
        )
        left += [one.summary() for one in compared if not one.is_clean]
        agreed = sum(one.is_clean for one in compared)
        note.message = f"{delivered} delivered, receipts of {agreed} of {len(reports)} subscribers agree"
        if left:
            raise UndeliveredError(f"{delivered} delivered; " + " ‖ ".join(left))


def left_over(reports: list["DeliveryReport"]) -> list[str]:
    """Return a line for each subscriber for whom rows wait or are dead after a round."""
    return [
        f"{report.subscriber}: {report.pending_count} wait, {report.dead_count} are dead: "
        f"{report.problem or 'see `property-credit deliveries list`'}"
        for report in reports
        if report.pending_count or report.dead_count
    ]


def _is_published(run_id: str) -> bool:
    with connect("pc_gatekeeper") as connection:
        return bool(connection.execute("select 1 from publishing.publications where run_id = %s", (run_id,)).fetchone())


def _is_past(business_date: date, note: TaskNote) -> bool:
    """Say, in ``note`` too, whether a later night is published: an older one never touches what stands."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute("select business_date from publishing.data_age").fetchone()
    if row is None or row[0] <= business_date:
        return is_of_a_later_night(business_date, note)
    note.is_new, note.message = False, f"the later night of {row[0]} is published: it stands"
    return True
