"""The tasks that close a month: next month's draw, the policy targets, what is kept no longer, a restore drill."""

from datetime import date

import psycopg

from property_credit.night.recording import recorded
from property_credit.night.warehouse_tasks import marts_hold
from property_credit.warehouse.business_date import ZONE, arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.locks import reading_marts

DAG = "close_month"
DRILL_AFTER_DAYS = 14
DRAW_FROM_DAY = 25  # the first night from then on draws the next month: days to plan, and a bad night does no harm


def draw_inspections(business_date: date) -> None:
    """Draw next month's inspections, on the first night from the 25th on; a month that is drawn is left alone.

    A month with nothing published has nothing to draw from: it says so and tries again the next night.
    """
    from property_credit.supervision.draw_frame import month_after
    from property_credit.supervision.draw_record import make_draw, newest_month

    with recorded("pc_supervision", business_date, DAG, "draw_inspections") as note:
        month, newest = month_after(business_date), newest_month()
        if business_date.day < DRAW_FROM_DAY:
            note.is_new, note.message = False, f"{month:%Y-%m} is drawn from the {DRAW_FROM_DAY}th on"
        elif not _has_published(business_date):
            note.is_new, note.message = False, "no grades are published yet: nothing to draw by"
        elif newest and newest >= month:
            note.is_new, note.message = False, f"{newest:%Y-%m} is drawn already"
        elif marts_hold(business_date, note):
            counts = make_draw(month, business_date).counts
            note.message = (
                f"{month:%Y-%m}: {counts['checks']} checks in {counts['visits']} visits, "
                f"{counts['visits_saved_by_merging']} saved by merging, {counts['checks_put_off']} put off"
            )


def record_kpis(business_date: date) -> None:
    """Keep the month's policy targets on its last night, and what became of the draws on every night."""
    from property_credit.supervision.draw_outcomes import compare_draws
    from property_credit.supervision.kpis import record_kpis as record

    with recorded("pc_supervision", business_date, DAG, "record_kpis") as note:
        if not marts_hold(business_date, note):
            return
        compared = compare_draws(business_date)
        report = record(business_date)
        note.is_new = bool(compared or report.recorded)
        note.message = (
            f"{report.month:%Y-%m}: {report.recorded} targets kept" + (" as corrections" if report.corrected else "")
            if report.is_month_end
            else f"{report.month:%Y-%m} is kept on its last night"
        )


def give_up_personal_data(business_date: date) -> None:
    """Destroy one time a month what the contracts keep no longer: keys of past years, of who left, and archived copies.

    A night that has not come by the clock destroys nothing. Without DATA_KEY nothing is sealed and nothing can be given
    up: it says so. So it does, as a matter for somebody, where rows from before the key are not sealed yet, or this
    process has no owner's login.
    """
    from property_credit.ingestion.contract import IngestionError
    from property_credit.ingestion.personal import retain
    from property_credit.warehouse import data_key

    with recorded("pc_supervision", business_date, DAG, "give_up_personal_data", reads_marts=False) as note:
        note.is_new = False
        done_on = _done_on("give_up_personal_data", business_date)
        if data_key.identity() is None:
            note.message = "DATA_KEY is not set: personal data lies as it came, nothing can be given up"
            return
        if business_date > arrival().astimezone(ZONE).date():
            note.message = "the night has not come by the clock: nothing is destroyed ahead of its day"
            return
        if done_on and (done_on.year, done_on.month) == (business_date.year, business_date.month):
            note.message = f"what is kept no longer was given up on {done_on}"
            return
        try:
            done = retain(business_date)
        except psycopg.OperationalError:
            note.message = note.attention = (
                "this process has no owner's login: run `property-credit personal-data retain`"
            )
            return
        except IngestionError as error:
            note.message = note.attention = str(error)
            return
        note.is_new = True
        keys, copies = sum(one.keys for one in done), sum(one.copies for one in done)
        note.message = f"{keys:,} keys of persons destroyed, {copies:,} copies taken out of the archive"


def _done_on(task: str, business_date: date) -> date | None:
    """Return the newest night by ``business_date`` on which the task did its work."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select max(business_date) from ops.task_runs where task = %s and status = 'done' and business_date <= %s",
            (task, business_date),
        ).fetchone()
    return row[0] if row else None


def drill_restore(business_date: date) -> None:
    """Prove one time a month that a backup of the warehouse comes back, equal in every row.

    Raises BackupError when it does not: the task has failed, and `property-credit status` and alerts say so. A process
    without the owner's login cannot; it says that somebody else must.
    """
    from property_credit.warehouse.backup import BackupError, drill

    with recorded("pc_supervision", business_date, DAG, "drill_restore", reads_marts=False) as note:
        note.is_new = False
        since = _drilled_since(business_date)
        if since is not None:
            note.message = since
            return
        try:
            with reading_marts():  # a build would take tables away from under it
                done = drill()
        except psycopg.OperationalError:
            note.message = note.attention = "this process has no owner's login: run `property-credit warehouse drill`"
            return
        if done.differing:
            raise BackupError(f"tables came back from a backup otherwise: {', '.join(done.differing)}")
        note.is_new = True
        note.message = f"a backup came back equal: {done.row_count:,} rows of {done.table_count} tables"


def _drilled_since(business_date: date) -> str | None:
    """Say why no drill is due: it was done this month, or the warehouse is in its first weeks; None when it is."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select max(business_date) filter (where task = 'drill_restore' and status = 'done'), min(business_date)"
            " from ops.task_runs where business_date <= %s",
            (business_date,),
        ).fetchone()
    drilled_on, first_on = row if row else (None, None)
    if drilled_on and (drilled_on.year, drilled_on.month) == (business_date.year, business_date.month):
        return f"a backup came back equal on {drilled_on}"
    if drilled_on is None and (first_on is None or (business_date - first_on).days < DRILL_AFTER_DAYS):
        return f"the first restore drill comes {DRILL_AFTER_DAYS} nights after the first"
    return None


def _has_published(business_date: date) -> bool:
    with connect("pc_supervision") as connection:
        return bool(
            connection.execute(
                "select 1 from publishing.publications where business_date <= %s limit 1", (business_date,)
            ).fetchone()
        )
