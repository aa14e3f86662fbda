"""The tasks that build and print the month's pages."""

from datetime import date, timedelta

from property_credit.night.fingerprints import files, fingerprint
from property_credit.night.recording import recorded
from property_credit.night.warehouse_tasks import marts_hold
from property_credit.warehouse.connection import connect
from property_credit.warehouse.marts import standing
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import is_done

DAG = "build_scorecards"


def build_pages(business_date: date) -> None:
    """Build the month's pages from what is published; the pages of a later night of the month stay as they are."""
    with recorded("pc_pages", business_date, DAG, "build_pages") as note:
        with connect("pc_pages") as connection:
            newest = connection.execute("select publication_id, business_date from publishing.data_age").fetchone()
            supervised = connection.execute(
                """
                select (select md5(string_agg(alert_id || state_code, ',' order by alert_id)) from supervision.alerts),
                  (select md5(string_agg(clock_id || status_code, ',' order by clock_id)) from supervision.clocks),
                  (select array[count(*), count(closed_at)] from supervision.escalations)
                """
            ).fetchone()
        note.inputs_hash = fingerprint(
            standing().build_id, newest, supervised, files("property_credit/scorecards", "py", "j2", "css", "js", "yml")
        )
        month = f"{business_date:%Y-%m}"
        if newest and newest[1] > business_date and f"{newest[1]:%Y-%m}" == month:
            note.is_new, note.message = False, f"the pages show the later night of {newest[1]}"
            return
        if not marts_hold(business_date, note):
            return
        pages = get_settings().pages_dir
        if (
            pages
            and (pages / month / "index.html").exists()
            and is_done(business_date, DAG, "build_pages", note.inputs_hash)
        ):
            note.is_new, note.message = False, "the pages show this night already"
            return
        from property_credit.scorecards.build import build

        report = build(business_date)
        note.message = f"{report.page_count} pages, {report.written_count} of {report.file_count} files are new"


def print_pages(business_date: date) -> None:
    """Print a closed month's areas as PDF, where there is a browser to print with; other nights print nothing."""
    with recorded("pc_pages", business_date, DAG, "print_pages", reads_marts=False) as note:
        from property_credit.scorecards import printing
        from property_credit.scorecards.errors import ScorecardError

        note.is_new = False
        if (business_date + timedelta(days=1)).day != 1:
            note.message = "the month is not over"
        elif printing.browser_path() is None:
            note.message = f"nothing is printed: {printing.WHAT_TO_INSTALL}"
        else:
            try:
                printed = printing.print_areas(f"{business_date:%Y-%m}", only_missing=True)
                note.is_new, note.message = bool(printed), f"{len(printed)} areas printed"
            except ScorecardError as error:  # the pages are there and print from any browser: the night is not lost
                note.message = f"nothing is printed: {error}"
