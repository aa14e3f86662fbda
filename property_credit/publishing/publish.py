"""Make one scoring run the current one: publication, versions, outbox and the signed log in a single transaction.

Owns what becomes a version; when a grade begins to bind is ``publishing.binding``'s. Must not send anything
(``publishing.relay`` does).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from property_credit.publishing import binding, details, log, tenders
from property_credit.publishing.content import absent, body, chosen, differs, is_absent
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.facts import Facts, read_facts
from property_credit.publishing.signing import PUBLISH_LOCK
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect


@dataclass(frozen=True)
class PublicationReport:
    """What a publication did. Counts are enterprises.

    ``is_new`` is False when the run had been published before. ``waiting_count``: enterprises whose grade of tonight
    is another than the published one and waits for the next quarter's list. ``absent_count``: enterprises with a
    published version that tonight's run does not name; ``left_count``: those of them that lose their grade, because
    this publication brings a list. ``list_id``: the quarter's list that came with it.
    """

    run_id: str
    publication_id: int
    business_date: date
    method_version: str
    is_new: bool
    change_count: int
    correction_count: int = 0
    unchanged_count: int = 0
    waiting_count: int = 0
    absent_count: int = 0
    left_count: int = 0
    list_id: str | None = None


@dataclass(frozen=True)
class Changes:
    """What a publication adds: the bodies of new versions, and of those that keep a grade the run that gave it.

    ``left_count``: versions that take the grade away from an enterprise that the run does not name.
    """

    bodies: list[dict[str, Any]]
    kept_runs: dict[str, str]
    waiting_count: int
    left_count: int = 0


def publish(run_id: str, business_date: date) -> PublicationReport:
    """Publish what differs from what stands, and queue it for every subscriber.

    Ordinary changes of grade come with the quarter's list; a first grade, a veto that begins or ends, an upheld
    objection, a repair and a revocation come at once (``publishing.binding``), and so do notices, replies and names,
    beside the grade that stands. An enterprise that the run of a quarter's list does not name loses its grade with that
    list, and its version says why; 严重失信 stays until it is decided otherwise. What is published binds from the day
    after ``business_date``: the night that computed it ran when that day had ended.
    A version that replaces one with the same first day is a correction, and so is one that an upheld objection or a
    repair brings about, even where the grade stays. The same run again changes nothing.

    Raises PublishingError when the run does not exist, is of another date or is incomplete, when a later date is
    already published, or when the signing key is missing. Two callers at once wait for one another.
    """
    with connect("pc_publishing") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (PUBLISH_LOCK,))
        known = _publication_of(connection, run_id)
        if known:
            return known
        method_version = _check_run(connection, run_id, business_date)
        _check_order(connection, run_id, business_date)
        rule = binding.read_rule(connection, business_date, method_version)
        facts = read_facts(connection, business_date)
        graded = _graded(connection, run_id)
        changes = _changes([*graded, *_absent(graded, rule, method_version)], rule, facts)
        versions = changes.bodies
        publication_id = _insert_publication(connection, run_id, business_date, method_version, len(versions))
        _insert_versions(connection, publication_id, run_id, changes)
        _queue(connection, publication_id, versions)
        _insert_corrections(connection, publication_id, facts, versions)
        details.replace(connection, publication_id, run_id, facts.regions, binding.next_list(business_date))
        tenders.replace(connection, publication_id)
        log.append_publication(connection, publication_id, rule.due_list)
        return PublicationReport(
            run_id=run_id,
            publication_id=publication_id,
            business_date=business_date,
            method_version=method_version,
            is_new=True,
            change_count=len(versions),
            correction_count=sum(version["is_correction"] for version in versions),
            unchanged_count=len(graded) - (len(versions) - changes.left_count),
            waiting_count=changes.waiting_count,
            absent_count=len(rule.standing.keys() - {row["uscc"] for row in graded}),
            left_count=changes.left_count,
            list_id=rule.due_list,
        )


def _publication_of(connection: Connection, run_id: str) -> PublicationReport | None:
    row = connection.execute(
        "select publication_id, business_date, method_version, change_count from publishing.publications "
        "where run_id = %s",
        (run_id,),
    ).fetchone()
    if row is None:
        return None
    return PublicationReport(
        run_id=run_id,
        publication_id=row[0],
        business_date=row[1],
        method_version=row[2],
        is_new=False,
        change_count=row[3],
    )


def _check_run(connection: Connection, run_id: str, business_date: date) -> str:
    run = connection.execute(
        "select business_date, method_version, enterprise_count, "
        "(select count(*) from scoring.grades where grades.run_id = runs.run_id) "
        "from scoring.runs where run_id = %s",
        (run_id,),
    ).fetchone()
    if run is None:
        raise PublishingError(f"there is no scoring run {run_id!r}: grade {business_date} first, then publish its run")
    if run[0] != business_date:
        raise PublishingError(f"run {run_id} graded {run[0]}, not {business_date}: publish it for its own date")
    if run[2] == 0 or run[2] != run[3]:
        raise PublishingError(f"run {run_id} names {run[2]} enterprises and holds {run[3]} grades: grade again")
    return str(run[1])


def _check_order(connection: Connection, run_id: str, business_date: date) -> None:
    current = connection.execute("select run_id, business_date from publishing.data_age").fetchone()
    if current and current[1] > business_date:
        raise PublishingError(
            f"run {run_id} of {business_date} is older than what is published (run {current[0]} of {current[1]}): "
            "an older night never replaces a newer one; grade and publish a date from "
            f"{current[1]} on, and its versions will carry the correction"
        )


def _graded(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select uscc, enterprise_name, grade, status_code, method_version, caps, not_rated_reasons, "
            "grade_without_disputed "
            'from scoring.grades where run_id = %s order by uscc collate "C"',
            (run_id,),
        ).fetchall()


def _absent(graded: list[dict[str, Any]], rule: binding.Rule, method_version: str) -> list[dict[str, Any]]:
    """Return what stands for the enterprises that leave the list that is due: the run does not name them."""
    if rule.due_list is None:
        return []
    named = {row["uscc"] for row in graded}
    return [
        absent(standing, method_version)
        for code, standing in sorted(rule.standing.items())
        if code not in named and not is_absent(standing) and standing["status_code"] != "serious_dishonesty"
    ]


def _changes(graded: list[dict[str, Any]], rule: binding.Rule, facts: Facts) -> Changes:
    """Return what to add, in order of code."""
    changes: list[dict[str, Any]] = []
    kept, waiting, left = {}, 0, 0
    for row in graded:
        code = row["uscc"]
        before = rule.standing.get(code)
        corrections = facts.corrections.get(code, ()) if before else ()
        binds = rule.binds(row, is_corrected=bool(corrections), objected_on=facts.objected_on.get(code, ()))
        new = body(
            row,
            notices=facts.notices.get(code, ()),
            reply=facts.replies.get(code),
            valid_from=rule.business_date + timedelta(days=1),
            standing=before,
            corrections=corrections,
            keeps_grade=not binds,
        )
        if before is None or corrections or differs(new, before):
            changes.append(new)
            left += is_absent(new)
        if before and not binds:
            kept[code] = before["run_id"]
            waiting += (row["grade"], row["status_code"]) != (new["grade"], new["status_code"])
    return Changes(changes, kept, waiting, left)


def _insert_publication(
    connection: Connection, run_id: str, business_date: date, method_version: str, change_count: int
) -> int:
    row = connection.execute(
        """
        insert into publishing.publications
          (publication_id, run_id, business_date, method_version, change_count, published_at)
        select coalesce(max(publication_id), 0) + 1, %s, %s, %s, %s, %s from publishing.publications
        returning publication_id
        """,
        (run_id, business_date, method_version, change_count, arrival()),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _insert_versions(connection: Connection, publication_id: int, run_id: str, changes: Changes) -> None:
    names = ("uscc", "version_no", "enterprise_name", "grade", "status_code", "method_version", "valid_from")
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy publishing.grade_versions (publication_id, uscc, version_no, enterprise_name, grade, status_code, "
            "method_version, valid_from, is_correction, body, run_id) from stdin"
        ) as copy,
    ):
        for version in changes.bodies:
            values = (version[name] for name in names)
            graded_by = changes.kept_runs.get(version["uscc"], run_id)
            copy.write_row((publication_id, *values, version["is_correction"], Jsonb(version), graded_by))


def _queue(connection: Connection, publication_id: int, versions: list[dict[str, Any]]) -> None:
    """Queue every version for every active subscriber, cut to the fields that it gets."""
    subscribers = connection.execute(
        "select subscriber, fields from publishing.subscribers where is_active and takes = 'grades' order by subscriber"
    ).fetchall()
    queue_bodies(connection, [(publication_id, version) for version in versions], subscribers)


def queue_bodies(
    connection: Connection, bodies: list[tuple[int, dict[str, Any]]], subscribers: list[tuple[str, list[str]]]
) -> None:
    """Add outbox rows for bodies, given with their publication, and subscribers, given with their fields."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy publishing.outbox (idempotency_key, subscriber, subject_id, uscc, version_no, publication_id, body) "
            "from stdin"
        ) as copy,
    ):
        for publication_id, whole in bodies:
            for subscriber, fields in subscribers:
                uscc, version_no = whole["uscc"], whole["version_no"]
                cut = Jsonb(chosen(whole, fields))
                key = f"{subscriber}/{uscc}/{version_no}"
                copy.write_row((key, subscriber, uscc, uscc, version_no, publication_id, cut))


def _insert_corrections(
    connection: Connection, publication_id: int, facts: Facts, versions: list[dict[str, Any]]
) -> None:
    """Keep which decisions were seen, so that each corrects once, and with which version it did."""
    correcting = {version["uscc"]: version["version_no"] for version in versions if version["is_correction"]}
    effective = {id(row) for rows in facts.corrections.values() for row in rows}
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into publishing.corrections (kind_code, target_type_code, target_id, uscc, decided_on, known_on, "
            "publication_id, version_no) values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    row["kind_code"],
                    row["target_type_code"],
                    row["target_id"],
                    row["uscc"],
                    row["decided_on"],
                    row["known_on"],
                    publication_id,
                    correcting.get(row["uscc"]) if id(row) in effective else None,
                )
                for row in facts.unseen
            ],
        )
