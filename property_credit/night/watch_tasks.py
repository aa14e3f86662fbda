"""The tasks of a tick of supervision: pull what is new, judge the clocks, deliver what is told.

Owns how they follow one another, for the DAG ``watch_complaints`` and for the command line. Each can be run again.
"""

from datetime import date, datetime, timedelta

from property_credit.night.fingerprints import fingerprint
from property_credit.night.ingestion_tasks import conclude_ingestion
from property_credit.night.publishing_tasks import UndeliveredError, left_over
from property_credit.night.recording import recorded
from property_credit.warehouse.business_date import ZONE, arrival
from property_credit.warehouse.task_runs import is_done

DAG = "watch_complaints"
FEED = "complaints"


def known_until(as_of: datetime) -> date:
    """Return the date whose arrivals are known at ``as_of``: midnight belongs to the day before."""
    return (as_of - timedelta(microseconds=1)).astimezone(ZONE).date()


def instant(at: datetime | None) -> datetime:
    """Return what a tick judges at: ``at``, else the present."""
    return at or arrival()


def pull_complaints(as_of: datetime) -> None:
    """Pull what the complaints APIs changed, through the batch gate; files wait for the night.

    What changed up to last midnight is loaded as known by that day, so that the night computed after it has it.
    Raises StoppedByGate or FeedError like a night's ingestion; a tick judges what is there all the same.
    """
    from property_credit.gates.gates import check_batch
    from property_credit.ingestion.night import pull_feed

    today = known_until(as_of)
    with recorded("pc_ingestion", today, DAG, "pull_complaints", reads_marts=False) as note:
        reports = [
            report for day in (today - timedelta(days=1), today) for report in pull_feed(FEED, day, check=check_batch)
        ]
        conclude_ingestion(note, reports, today)


def judge_complaints(as_of: datetime) -> None:
    """Run one tick; its message says what was raised, told and closed, and where limits differ from the method's."""
    from property_credit.supervision.limits import load
    from property_credit.supervision.tick import tick

    with recorded("pc_supervision", known_until(as_of), DAG, "judge_complaints", may_be_unbuilt=True) as note:
        limits = load()
        report = tick(as_of, limits=limits)
        note.is_new = report.is_new
        note.message = (
            f"{report.raised_count:,} escalations raised ({report.told_count:,} told), {report.closed_count:,} closed, "
            f"{report.reopened_count:,} opened again; {report.changed_count:,} complaints new or changed"
        )
        if report.is_first:
            note.message += "; the first tick: history is recorded, only what is unsolved is told"
        note.message += _differences({kind: limit.limit_hours for kind, limit in limits.escalations.items()})


def deliver_notices(as_of: datetime) -> None:
    """Queue what supervision told and deliver it; once a day and after every delivery compare receipts with each list.

    Raises UndeliveredError when notices still wait or are dead afterwards, or a receiver does not list what it took.
    """
    from property_credit.publishing.notices import queue_notices
    from property_credit.publishing.relay import deliver_all

    business_date = known_until(as_of)
    with recorded("pc_publishing", business_date, DAG, "deliver_notices", reads_marts=False) as note:
        queued = queue_notices()
        reports = deliver_all(takes="notices")
        names = [report.subscriber for report in reports]
        delivered = sum(report.delivered_count for report in reports)
        note.is_new = bool(delivered or queued.queued_count)
        note.message = f"{queued.queued_count:,} notices queued, {delivered:,} delivered"
        left = left_over(reports)
        if queued.unclaimed_count:
            left.append(f"{queued.unclaimed_count} notices have no recipient: `property-credit recipients add`")
        waiting = {report.subscriber for report in reports if report.pending_count}
        left += _compare_receipts([name for name in names if name not in waiting], business_date)
        if left:
            raise UndeliveredError(f"{delivered} delivered; " + " ‖ ".join(left))


def tell_people(as_of: datetime) -> None:
    """Tell what runs late in the workbench, and send every person's notices to its channels, each one time.

    A channel that takes no message fails nothing here: it is somebody's own, and the next tick tries again.
    """
    from property_credit.workbench.notices import deliver

    with recorded("pc_publishing", known_until(as_of), DAG, "tell_people", reads_marts=False) as note:
        done = deliver(as_of)
        note.is_new = bool(done.taken_count or done.late_count)
        note.message = (
            f"{done.taken_count:,} messages sent, {done.refused_count:,} not taken; {done.late_count:,} told late"
        )


def _compare_receipts(names: list[str], business_date: date) -> list[str]:
    """Compare receipts once a day, and again whenever more was delivered since; return what does not agree."""
    from property_credit.publishing.reconcile import delivered_so_far, reconcile_all

    with recorded("pc_publishing", business_date, DAG, "reconcile_notices", reads_marts=False) as note:
        inputs = fingerprint(delivered_so_far(names))
        note.message = "receipts were compared since the last delivery"
        note.is_new = not is_done(business_date, DAG, "reconcile_notices", inputs)
        wrong: list[str] = []
        if note.is_new:
            reconciled = reconcile_all(names, business_date)
            wrong = [one.summary() for one in reconciled if not one.is_clean]
            note.message = f"receipts of {len(reconciled) - len(wrong)} of {len(reconciled)} recipients agree"
        note.inputs_hash = None if wrong else inputs  # while something differs the next run compares again
        return wrong


def _differences(hours: dict[str, float]) -> str:
    """Say where supervision's limits are not those that the grading method counts by."""
    from scoring.method import load, warehouse_variables

    variables = warehouse_variables(load().method)
    differences = [
        f"{kind} {limit:g} h, the method {variables[f'{kind}_limit_hours']:g} h"
        for kind, limit in hours.items()
        if limit != variables[f"{kind}_limit_hours"]
    ]
    return f"; limits differ from the grading method's: {', '.join(differences)}" if differences else ""
