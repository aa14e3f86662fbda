"""The supervision's steps of a night: recorded and repeatable like those of ``cli.steps``."""

from datetime import date

from cli.steps import _newest_build, _step

STAGE = "supervise_region"


def raise_alerts(business_date: date) -> None:
    """Take what the night's marts call for into the register of alerts; each new one is told once.

    Marts of another night raise nothing: what they say is not known of this one.
    """
    from supervision.alerts import raise_alerts as take

    with _step("pc_supervision", business_date, STAGE, "raise_alerts") as note:
        built = _newest_build()
        if built is None or built[0] != business_date:
            held = f"of {built[0]}" if built else "of no whole night"
            note.is_new, note.message = False, f"the marts are {held}: no alert is raised or closed"
            return
        report = take(business_date)
        note.is_new = report.is_new
        note.message = (
            f"a later night has been here; {report.open} open"
            if report.is_past
            else f"{report.raised} raised, {report.closed} closed, {report.reopened} back; {report.open} open"
        )
