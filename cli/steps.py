"""The steps of a night: each calls one package, is recorded in ``ops.stage_runs`` and can be run again.

Owns how the packages follow one another. The DAGs say when; this says what. Packages are imported inside the steps:
a scheduler's process that runs one of them pays for that one only.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from warehouse.connection import Role, connect
from warehouse.locks import reading_marts
from warehouse.settings import PROJECT_ROOT, get_settings
from warehouse.stages import StageNote, StoppedByGate, stage

if TYPE_CHECKING:
    from ingestion.batches import BatchReport
    from publishing.relay import DeliveryReport

REGISTERS_STAGE = "ingest_registers"
DONE = ("done", "nothing new")
INPUTS = " · inputs "
STILL_REFUSED = "still refused"  # in a step's message; the summary looks for both
UNCLAIMED = "no source profile is named after"
EVENT_FEEDS = ("complaints", "inspections", "funds")


class FeedError(Exception):
    """Deliveries of a feed could not be read; the message names each with its reason."""


class UndeliveredError(Exception):
    """Grades wait in the outbox because the receiver did not take them; a later try may succeed."""


@dataclass(frozen=True)
class StepEvent:
    """A step began (``seconds`` None) or ended. ``status`` is one of ``ops.stage_runs``, or 'running'."""

    stage: str
    step: str
    status: str
    message: str = ""
    seconds: float | None = None


_listeners: list[Callable[[StepEvent], None]] = []  # of this process: the night's progress on the terminal


@contextmanager
def listening(listener: Callable[[StepEvent], None]) -> Iterator[None]:
    """Tell ``listener`` of every step that begins or ends in this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def _step(role: Role, business_date: date, name: str, step: str, *, reads_marts: bool = True) -> Iterator[StageNote]:
    """Record a step and tell the listeners; while it runs no build changes the marts it reads."""
    started = time.monotonic()

    def tell(status: str, message: str = "", *, ended: bool = True) -> None:
        for listener in _listeners:
            listener(StepEvent(name, step, status, message, time.monotonic() - started if ended else None))

    tell("running", ended=False)
    try:
        with stage(role, business_date, name, step) as note, reading_marts() if reads_marts else nullcontext():
            yield note
    except BaseException as error:
        tell("stopped by gate" if isinstance(error, StoppedByGate) else "failed", str(error))
        raise
    tell("done" if note.is_new else "nothing new", note.message)


def ingest(feed: str, business_date: date) -> None:
    """Load every delivery of ``feed`` known by ``business_date``, each through door 1.

    Raises StoppedByGate when door 1 refused a batch, FeedError when one could not be read: the sound deliveries are
    loaded all the same.
    """
    from expectations.gates import check_batch
    from ingestion.night import ingest_feed

    name = f"ingest_{feed}" if feed in EVENT_FEEDS else REGISTERS_STAGE
    with _step("pc_ingestion", business_date, name, feed, reads_marts=False) as note:
        gate = _fingerprint(_files("expectations", "yml", "py"))
        conclude_ingestion(note, ingest_feed(feed, business_date, check=check_batch, gate=gate), business_date)


def check_landing(business_date: date) -> None:
    """Say which folders in landing no source profile is named after: nobody reads the files in them."""
    from ingestion.night import unclaimed_folders

    with _step("pc_ingestion", business_date, REGISTERS_STAGE, "check_landing", reads_marts=False) as note:
        found = [f"{folder.parent.name}/{folder.name}" for folder in unclaimed_folders(business_date)]
        note.is_new = bool(found)
        note.message = "every folder in landing has its source profile"
        if found:
            note.message = f"{UNCLAIMED}: landing/{', '.join(found)}: rename the folder, or add the profile"


def conclude_ingestion(note: StageNote, reports: list["BatchReport"], business_date: date) -> None:
    """Say in ``note`` what was loaded; raise StoppedByGate or FeedError when a delivery was refused in this night.

    One that an earlier night refused, and that would be refused again, is only told.
    """
    fresh = [report for report in reports if report.status in ("loaded", "refused")]
    old = [report for report in reports if report.status == "still refused" and report.refused_on != business_date]
    note.is_new = bool(fresh)
    note.message = _feed_message(fresh)
    told = [f"{_place(report)}, {STILL_REFUSED} since {report.refused_on}: {report.message}" for report in old]
    if old:
        note.message += "; " + " ‖ ".join(told)
    refused = [report for report in reports if "refused" in report.status and report not in old]
    if refused:
        why = " ‖ ".join([*(f"{_place(report)}: {report.message}" for report in refused), *told])
        raise StoppedByGate(why) if any(report.is_stopped_by_gate for report in refused) else FeedError(why)


def _place(report: "BatchReport") -> str:
    return f"{report.profile}/{report.source_file}"


def _feed_message(reports: list["BatchReport"]) -> str:
    if not reports:
        return "no new delivery"
    total = {
        name: sum(getattr(report, f"rows_{name}") for report in reports)
        for name in ("in", "accepted", "rejected", "duplicate")
    }
    return (
        f"{len(reports)} {'delivery' if len(reports) == 1 else 'deliveries'}, {total['in']:,} rows: "
        f"{total['accepted']:,} accepted, {total['rejected']:,} rejected, {total['duplicate']:,} duplicates"
    )


def build_models(business_date: date, *, is_anew: bool = False) -> None:
    """Build the warehouse as known on ``business_date``; nothing new when the marts hold just that already.

    On top of the last build where that is sound; ``is_anew`` makes every table anew in any case.
    """
    from scoring.method import load, warehouse_variables

    with _step("pc_dbt", business_date, "build_warehouse", "build_models", reads_marts=False) as note:
        variables = warehouse_variables(load().method)
        inputs = _inputs_of_models(business_date, variables)
        if _newest_build() == (business_date, inputs) and not is_anew:
            note.is_new, note.message = False, f"the marts hold these inputs already{inputs}"
            return
        with connect("pc_dbt") as connection:  # a kill in the middle leaves marts of two nights: say so beforehand
            connection.execute(
                "select ops.record_stage(%s, 'build_warehouse', 'build_models', 'failed', %s, 0)",
                (business_date, "it was interrupted; the marts may be of two nights"),
            )
        from warehouse.transformation import TransformationError, build

        try:
            results = build(business_date, variables=variables, is_incremental=not is_anew)
        except TransformationError:
            if not _last_mode().startswith("incremental"):
                raise
            results = build(business_date, variables=variables)  # made anew: what fails now is wrong in the data
        note.message = f"{len(results)} models and tests, {_last_mode()}{inputs}"


def check_score_inputs(business_date: date) -> None:
    """Door 2. Raises StoppedByGate when tonight's marts would give wrong grades."""
    with _step("pc_gatekeeper", business_date, "grade_enterprises", "check_score_inputs") as note:
        inputs = _fingerprint(_newest_build(), _files("expectations", "yml", "py"))
        note.message = f"door 2 is open{inputs}"
        if _is_done(business_date, "grade_enterprises", "check_score_inputs", inputs):
            note.is_new = False
            return
        from expectations import gates

        gates.check_score_inputs(business_date)


def grade_enterprises(business_date: date) -> None:
    """Grade every enterprise; the same inputs and method give the run that is there already."""
    from scoring.errors import ScoringError
    from scoring.run import grade, grade_in_shadow

    with _step("pc_scoring", business_date, "grade_enterprises", "grade_enterprises") as note:
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


def _counts(grades: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in grades.items() if count)


def check_grades(business_date: date) -> None:
    """Door 3 on the night's newest run. Without a run, or with one that is published, there is nothing to check."""
    with _step("pc_gatekeeper", business_date, "publish_grades", "check_grades") as note:
        run_id = newest_run(business_date)
        note.is_new = run_id is not None and not _is_published(run_id)
        if run_id is None:
            note.message = "no grades were computed for this night: what is published stands"
        elif not note.is_new:
            note.message = f"run {run_id} passed and is published"
        else:
            from expectations import gates

            gates.check_grades(run_id, business_date)
            note.message = f"door 3 is open for run {run_id}"


def publish_grades(business_date: date) -> None:
    """Make the night's newest run the current one; the same run again changes nothing."""
    from publishing.publish import publish

    with _step("pc_publishing", business_date, "publish_grades", "publish_grades") as note:
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
            if report.is_new
            else f"run {run_id} is published already"
        )


def deliver_grades(business_date: date) -> None:
    """Deliver the grades that wait to every subscriber, then compare receipts with what each receiver lists.

    Raises UndeliveredError when rows still wait or are dead afterwards, or a receiver does not list what we delivered.
    """
    from publishing.reconcile import reconcile
    from publishing.relay import deliver_all

    with _step("pc_publishing", business_date, "publish_grades", "deliver_grades", reads_marts=False) as note:
        reports = deliver_all(takes="grades")
        delivered = sum(report.delivered_count for report in reports)
        note.is_new = delivered > 0
        left = left_over(reports)
        troubled = {report.subscriber for report in reports if report.pending_count}
        compared = [
            reconcile(report.subscriber, business_date) for report in reports if report.subscriber not in troubled
        ]
        left += [found.summary() for found in compared if not found.is_clean]
        agreed = sum(found.is_clean for found in compared)
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


def build_pages(business_date: date) -> None:
    """Build the month's pages from what is published; the pages of a later night of the month stay as they are."""
    with _step("pc_pages", business_date, "build_scorecards", "build_pages") as note:
        with connect("pc_pages") as connection:
            newest = connection.execute("select publication_id, business_date from publishing.data_age").fetchone()
            supervised = connection.execute(
                """
                select (select md5(string_agg(alert_id || state_code, ',' order by alert_id)) from supervision.alerts),
                  (select md5(string_agg(clock_id || status_code, ',' order by clock_id)) from supervision.clocks),
                  (select array[count(*), count(closed_at)] from supervision.escalations)
                """
            ).fetchone()
        inputs = _fingerprint(_newest_build(), newest, supervised, _files("scorecards", "py", "j2", "css", "js", "yml"))
        month = f"{business_date:%Y-%m}"
        if newest and newest[1] > business_date and f"{newest[1]:%Y-%m}" == month:
            note.is_new, note.message = False, f"the pages show the later night of {newest[1]}"
            return
        pages = get_settings().pages_dir
        if (
            pages
            and (pages / month / "index.html").exists()
            and _is_done(business_date, "build_scorecards", "build_pages", inputs)
        ):
            note.is_new, note.message = False, f"the pages show this night already{inputs}"
            return
        from scorecards.build import build

        report = build(business_date)
        note.message = f"{report.page_count} pages, {report.written_count} of {report.file_count} files are new{inputs}"


def print_pages(business_date: date) -> None:
    """Print a closed month's areas as PDF, where there is a browser to print with; other nights print nothing."""
    with _step("pc_pages", business_date, "build_scorecards", "print_pages") as note:
        from scorecards import printing
        from scorecards.errors import ScorecardError

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


def _is_published(run_id: str) -> bool:
    with connect("pc_gatekeeper") as connection:
        return bool(connection.execute("select 1 from publishing.publications where run_id = %s", (run_id,)).fetchone())


def _inputs_of_models(business_date: date, variables: Mapping[str, Any]) -> str:
    with connect("pc_dbt") as connection:
        batches = connection.execute(
            "select batch_id, status, business_date from ops.batches where business_date <= %s order by batch_id",
            (business_date,),
        ).fetchall()
    return _fingerprint(business_date, variables, batches, _files("dbt_project", "sql", "yml", "csv"))


def _newest_build() -> tuple[date, str] | None:
    """Return the night the marts hold and the fingerprint of what they were built from; None when torn or not built."""
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            """
            select business_date, status, message from ops.stage_runs
            where stage = 'build_warehouse' and step = 'build_models' order by finished_at desc limit 1
            """
        ).fetchone()
    if row is None or row[1] not in DONE:
        return None
    return row[0], INPUTS + row[2].rpartition(INPUTS)[2]


def _last_mode() -> str:
    with connect("pc_gatekeeper") as connection:
        row = connection.execute("select mode, reason from ops.builds order by build_id desc limit 1").fetchone()
    return f"{row[0]}: {row[1]}" if row else ""


def _is_done(business_date: date, name: str, step: str, inputs: str) -> bool:
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select status, message from ops.stage_runs where business_date = %s and stage = %s and step = %s",
            (business_date, name, step),
        ).fetchone()
    return row is not None and row[0] in DONE and row[1].endswith(inputs)


def _files(folder: str, *endings: str) -> list[tuple[str, str]]:
    """Return the path and content hash of every file of a package: a step is new when its code is."""
    root = PROJECT_ROOT / folder
    skipped = {"target", "logs", "dbt_packages", "__pycache__"}
    return [
        (str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.rglob("*"))
        if path.suffix.lstrip(".") in endings and not skipped & set(path.relative_to(root).parts)
    ]


def _fingerprint(*parts: Any) -> str:
    """Return the end of a step's message that says what it worked on."""
    return INPUTS + hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:12]
