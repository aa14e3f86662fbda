"""Steps of the night that oversee: the inspection draw, clocks of objections and repairs, policy targets."""

from datetime import date

from cli.steps import _newest_build, _step
from warehouse.connection import connect
from warehouse.stages import StageNote

SUPERVISE, CLOSE = "supervise_region", "close_month"
DRAW_FROM_DAY = 25  # the first night from then on draws the next month: days to plan, and a bad night does no harm


def draw_inspections(business_date: date) -> None:
    """Draw next month's inspections, on the first night from the 25th on; a month that is drawn is left alone.

    A month with nothing published has nothing to draw from: it says so and tries again the next night.
    """
    from supervision.draw_frame import month_after
    from supervision.draw_record import make_draw, newest_month

    with _step("pc_supervision", business_date, CLOSE, "draw_inspections") as note:
        month, newest = month_after(business_date), newest_month()
        if business_date.day < DRAW_FROM_DAY:
            note.is_new, note.message = False, f"{month:%Y-%m} is drawn from the {DRAW_FROM_DAY}th on"
        elif not _has_published(business_date):
            note.is_new, note.message = False, "no grades are published yet: nothing to draw by"
        elif newest and newest >= month:
            note.is_new, note.message = False, f"{newest:%Y-%m} is drawn already"
        elif _marts_hold(business_date, note):
            counts = make_draw(month, business_date).counts
            note.message = (
                f"{month:%Y-%m}: {counts['checks']} checks in {counts['visits']} visits, "
                f"{counts['visits_saved_by_merging']} saved by merging, {counts['checks_put_off']} put off"
            )


def keep_clocks(business_date: date) -> None:
    """Bring the clocks of objections, repairs and lists to what tonight's marts say; remind whom they concern."""
    from supervision.clocks import keep_clocks as keep

    with _step("pc_supervision", business_date, SUPERVISE, "keep_clocks") as note:
        if not _marts_hold(business_date, note):
            return
        report = keep(business_date)
        note.is_new = bool(report.changed or report.told)
        note.message = (
            "a later night has been here"
            if report.is_past
            else f"{report.changed} clocks changed, {report.told} notices; {report.running} run, {report.overdue} late"
        )


def record_kpis(business_date: date) -> None:
    """Keep the month's policy targets on its last night, and what became of the draws on every night."""
    from supervision.draw_outcomes import compare_draws
    from supervision.kpis import record_kpis as record

    with _step("pc_supervision", business_date, CLOSE, "record_kpis") as note:
        if not _marts_hold(business_date, note):
            return
        compared = compare_draws(business_date)
        report = record(business_date)
        note.is_new = bool(compared or report.recorded)
        note.message = (
            f"{report.month:%Y-%m}: {report.recorded} targets kept" + (" as corrections" if report.corrected else "")
            if report.is_month_end
            else f"{report.month:%Y-%m} is kept on its last night"
        )


def _marts_hold(business_date: date, note: StageNote) -> bool:
    """Say whether the marts are those of the night; what another night's say is not known of this one."""
    night = newest_night()
    if night == business_date:
        return True
    note.is_new, note.message = False, f"the marts are {f'of {night}' if night else 'of no whole night'}: left alone"
    return False


def newest_night() -> date | None:
    """Return the night the marts hold; None when they are torn or not built."""
    found = _newest_build()
    return found[0] if found else None


def _has_published(business_date: date) -> bool:
    with connect("pc_supervision") as connection:
        return bool(
            connection.execute(
                "select 1 from publishing.publications where business_date <= %s limit 1", (business_date,)
            ).fetchone()
        )
