"""The tasks that load what offices delivered: one a feed, and one that names folders nobody reads."""

from datetime import date
from typing import TYPE_CHECKING

from property_credit.night.fingerprints import files, fingerprint
from property_credit.night.recording import recorded
from property_credit.warehouse.connection import connect
from property_credit.warehouse.task_runs import DONE, StoppedByGate, TaskNote

if TYPE_CHECKING:
    from property_credit.ingestion.batches import BatchReport

REGISTERS_DAG = "ingest_registers"


class FeedError(Exception):
    """Deliveries of a feed could not be read; the message names each with its reason."""


def ingest(feed: str, business_date: date) -> None:
    """Load every delivery of ``feed`` known by ``business_date``, through the batch gate, and rows that waited for it.

    Raises StoppedByGate when the gate refused a batch, FeedError when one could not be read: the sound deliveries are
    loaded all the same. Nothing is loaded, and FeedError raised, while a register that the feed refers to has failed
    tonight or has not had its turn: the rows it would bring are not known yet.
    """
    from property_credit.gates.gates import check_batch
    from property_credit.ingestion.feeds import EVENTS
    from property_credit.ingestion.night import ingest_feed, referred_to

    dag = f"ingest_{feed}" if feed in EVENTS else REGISTERS_DAG
    with recorded("pc_ingestion", business_date, dag, feed, reads_marts=False) as note:
        _wait_for_registers(feed, business_date)
        if feed in referred_to():
            _begin_register(feed, business_date)
        gate = fingerprint(files("expectations", "yml"), files("property_credit/gates", "py"))
        conclude_ingestion(note, ingest_feed(feed, business_date, check=check_batch, gate=gate), business_date)


def _wait_for_registers(feed: str, business_date: date) -> None:
    """Raise FeedError unless the registers that ``feed`` refers to are in, where any register was asked for tonight."""
    from property_credit.ingestion.night import referred_to, registers_of

    with connect("pc_gatekeeper") as connection:
        status = dict(
            connection.execute(
                "select task, status from ops.task_runs where business_date = %s and dag = %s and task = any(%s)",
                (business_date, REGISTERS_DAG, sorted(referred_to() - {feed})),
            ).fetchall()
        )
    missing = [name for name in registers_of(feed) if status and status.get(name) not in DONE]
    if missing:
        why = ", ".join(f"{name} ({status.get(name, 'had no turn tonight')})" for name in missing)
        raise FeedError(f"waits for {why}: nothing is loaded before; mend that feed and run the night again")


def _begin_register(feed: str, business_date: date) -> None:
    """Say beforehand that a register is not in: should this process or the server die, what refers to it waits."""
    with connect("pc_ingestion") as connection:
        connection.execute(
            "select ops.record_task(%s, %s, %s, 'failed', 'it was interrupted', 0, null, null)",
            (business_date, REGISTERS_DAG, feed),
        )


def check_landing(business_date: date) -> None:
    """Say what lies in landing that nobody reads: folders without a profile, loose files, pipes, broken links."""
    from property_credit.ingestion.landing import unclaimed

    with recorded("pc_ingestion", business_date, REGISTERS_DAG, "check_landing", reads_marts=False) as note:
        unread = unclaimed(business_date)
        note.is_new = bool(unread)
        note.message = "every file in landing belongs to a source profile"
        if unread:
            listed = "; ".join(f"landing/{one.path} ({one.why})" for one in unread)
            note.message = note.attention = (
                f"read by no source profile: {listed}: rename or move it, or add the profile"
            )


def conclude_ingestion(note: TaskNote, reports: list["BatchReport"], business_date: date) -> None:
    """Say in ``note`` what was loaded; raise StoppedByGate or FeedError when a delivery was refused in this night.

    One that an earlier night refused, and that would be refused again, is only told.
    """
    fresh = [report for report in reports if report.status in ("loaded", "refused")]
    old = [report for report in reports if report.status == "still refused" and report.refused_on != business_date]
    note.is_new = bool(fresh)
    note.message = _feed_message(fresh)
    repeated = [f"{_place(report)}, still refused since {report.refused_on}: {report.message}" for report in old]
    if repeated:
        note.attention = " ‖ ".join(repeated)
        note.message += f"; {note.attention}"
    refused = [report for report in reports if "refused" in report.status and report not in old]
    if refused:
        why = " ‖ ".join([*(f"{_place(report)}: {report.message}" for report in refused), *repeated])
        raise StoppedByGate(why) if any(report.is_stopped_by_gate for report in refused) else FeedError(why)


def _place(report: "BatchReport") -> str:
    return f"{report.profile}/{report.source_file}"


def _feed_message(reports: list["BatchReport"]) -> str:
    if not reports:
        return "no new delivery"
    released = sum(report.rows_in for report in reports if report.kind == "release")
    again = sum(report.kind == "reading" for report in reports)
    more = f"; {again} read again as profile or contract changed" * bool(again)
    more += f"; {released:,} rows that waited came in" * bool(released)
    for report in reports:
        if report.rows_missing:
            named = f" ({', '.join(report.missing_keys)} …)" * bool(report.missing_keys)
            ended = f", {report.rows_vanished:,} ended" * bool(report.rows_vanished)
            more += f"; {report.rows_missing:,} rows sent before are not in {_place(report)}{named}{ended}"
        if report.status == "loaded" and report.message:
            more += f"; {_place(report)}: {report.message}"
    reports = [report for report in reports if report.kind != "release"]
    if not reports:
        return f"no new delivery{more}"
    total = {
        name: sum(getattr(report, f"rows_{name}") for report in reports)
        for name in ("in", "accepted", "rejected", "waiting", "duplicate")
    }
    waiting = f" {total['waiting']:,} wait," * bool(total["waiting"])
    return (
        f"{len(reports)} {'delivery' if len(reports) == 1 else 'deliveries'}, {total['in']:,} rows: "
        f"{total['accepted']:,} accepted, {total['rejected']:,} rejected,{waiting} {total['duplicate']:,} duplicates"
        f"{more}"
    )
