"""The steps of a tick of supervision: pull what is new, judge the clocks, deliver what is told.

Owns how they follow one another, for the DAG ``watch_complaints`` and for the command line. Each can be run again.
"""

from datetime import date, datetime, timedelta

from cli.steps import INPUTS, UndeliveredError, _is_done, _step, conclude_ingestion, left_over
from warehouse.business_date import ZONE, arrival

STAGE = "watch_complaints"
FEED = "complaints"


def known_until(as_of: datetime) -> date:
    """Return the date whose arrivals are known at ``as_of``: midnight belongs to the day before."""
    return (as_of - timedelta(microseconds=1)).astimezone(ZONE).date()


def instant(at: datetime | None) -> datetime:
    """Return what a tick judges at: ``at``, else the present."""
    return at or arrival()


def pull_complaints(as_of: datetime) -> None:
    """Pull what the complaints APIs changed, through door 1; files wait for the night.

    What changed up to last midnight is loaded as known by that day, so that the night computed after it has it.
    Raises StoppedByGate or FeedError like a night's ingestion; a tick judges what is there all the same.
    """
    from expectations.gates import check_batch
    from ingestion.night import pull_feed

    today = known_until(as_of)
    with _step("pc_ingestion", today, STAGE, "pull_complaints", reads_marts=False) as note:
        reports = [
            report for day in (today - timedelta(days=1), today) for report in pull_feed(FEED, day, check=check_batch)
        ]
        conclude_ingestion(note, reports, today)


def judge_complaints(as_of: datetime) -> None:
    """Run one tick; its message says what was raised, told and closed, and where limits differ from the method's."""
    from supervision.limits import load
    from supervision.tick import tick

    with _step("pc_supervision", known_until(as_of), STAGE, "judge_complaints") as note:
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
    """Queue what supervision told and deliver it; once a day compare receipts with what each office lists.

    Raises UndeliveredError when notices still wait or are dead afterwards, or a receiver does not list what it took.
    """
    from publishing.notices import queue_notices
    from publishing.reconcile import reconcile
    from publishing.relay import deliver_all

    business_date = known_until(as_of)
    with _step("pc_publishing", business_date, STAGE, "deliver_notices", reads_marts=False) as note:
        queued = queue_notices()
        reports = deliver_all(takes="notices")
        delivered = sum(report.delivered_count for report in reports)
        note.is_new = bool(delivered or queued.queued_count)
        note.message = f"{queued.queued_count:,} notices queued, {delivered:,} delivered"
        left = left_over(reports)
        if queued.unclaimed_count:
            left.append(f"{queued.unclaimed_count} notices have no recipient: `property-credit recipients add`")
        if left:
            raise UndeliveredError(f"{delivered} delivered; " + " ‖ ".join(left))
        with _step("pc_publishing", business_date, STAGE, "reconcile_notices", reads_marts=False) as compared:
            compared.message = f"receipts were compared today{INPUTS}"
            compared.is_new = not _is_done(business_date, STAGE, "reconcile_notices", INPUTS)
            if compared.is_new:
                found = [reconcile(report.subscriber, business_date) for report in reports]
                if wrong := [one.summary() for one in found if not one.is_clean]:
                    raise UndeliveredError(" ‖ ".join(wrong))
                compared.message = f"receipts of {len(found)} recipients agree{INPUTS}"


def _differences(hours: dict[str, float]) -> str:
    """Say where supervision's limits are not those that the grading method counts by."""
    from scoring.method import load, warehouse_variables

    variables = warehouse_variables(load().method)
    found = [
        f"{kind} {limit:g} h, the method {variables[f'{kind}_limit_hours']:g} h"
        for kind, limit in hours.items()
        if limit != variables[f"{kind}_limit_hours"]
    ]
    return f"; limits differ from the grading method's: {', '.join(found)}" if found else ""
