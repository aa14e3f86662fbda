"""Make one scoring run the current one: publication, changed grades and outbox in a single transaction.

Owns what counts as a change and when a grade starts to bind. Must not send anything (``publishing.relay`` does).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from publishing.errors import PublishingError
from warehouse.business_date import arrival
from warehouse.connection import connect

PUBLISH_LOCK = 20260501
SUBSCRIBERS = ("tendering",)


@dataclass(frozen=True)
class PublicationReport:
    """What a publication did. Counts are enterprises.

    ``is_new`` is False when the run had been published before. ``absent_count``: enterprises whose published grade
    stands although tonight's run does not name them.
    """

    run_id: str
    publication_id: int
    business_date: date
    method_version: str
    is_new: bool
    change_count: int
    correction_count: int = 0
    unchanged_count: int = 0
    absent_count: int = 0


def publish(run_id: str, business_date: date) -> PublicationReport:
    """Publish the grades of ``run_id`` that differ from what stands, and queue them for every subscriber.

    A grade binds from the day after ``business_date``: the night that computed it ran when that day had ended.
    A version that replaces one with the same first day is a correction. The same run again changes nothing.

    Raises PublishingError when the run does not exist, is of another date or is incomplete, or when a later date
    is already published. Two callers at once wait for one another.
    """
    with connect("pc_publishing") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (PUBLISH_LOCK,))
        known = _publication_of(connection, run_id)
        if known:
            return known
        method_version = _check_run(connection, run_id, business_date)
        _check_order(connection, run_id, business_date)
        versions, counts = _changes(connection, run_id, business_date + timedelta(days=1))
        publication_id = _insert_publication(connection, run_id, business_date, method_version, len(versions))
        _insert_versions(connection, publication_id, versions)
        return PublicationReport(
            run_id=run_id,
            publication_id=publication_id,
            business_date=business_date,
            method_version=method_version,
            is_new=True,
            change_count=len(versions),
            correction_count=sum(version["is_correction"] for version in versions),
            **counts,
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


def _changes(connection: Connection, run_id: str, valid_from: date) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the versions to add, by credit code, and how many grades stand as they are."""
    with connection.cursor(row_factory=dict_row) as cursor:
        changed = cursor.execute(
            """
            select graded.uscc, coalesce(standing.version_no, 0) + 1 as version_no, graded.enterprise_name,
              graded.grade, graded.status_code, graded.method_version,
              coalesce(standing.valid_from >= %(valid_from)s, false) as is_correction
            from scoring.grades as graded
            left join publishing.current_grades as standing on standing.uscc = graded.uscc
            where graded.run_id = %(run_id)s
              and (standing.uscc is null
                or (graded.grade, graded.status_code, graded.method_version, graded.enterprise_name)
                  is distinct from
                  (standing.grade, standing.status_code, standing.method_version, standing.enterprise_name))
            order by graded.uscc
            """,
            {"run_id": run_id, "valid_from": valid_from},
        ).fetchall()
    graded_count, absent_count = connection.execute(
        """
        select count(graded.uscc), count(*) filter (where graded.uscc is null)
        from (select uscc from scoring.grades where run_id = %s) as graded
        full join publishing.current_grades as standing on standing.uscc = graded.uscc
        """,
        (run_id,),
    ).fetchone() or (0, 0)
    versions = [{**row, "valid_from": valid_from, "body": delivered_body(row, valid_from)} for row in changed]
    return versions, {"unchanged_count": graded_count - len(versions), "absent_count": absent_count}


def delivered_body(version: dict[str, Any], valid_from: date) -> dict[str, Any]:
    """Return what leaves the house for one grade version: these seven fields and nothing else (method, section 7)."""
    return {
        "uscc": version["uscc"],
        "enterprise_name": version["enterprise_name"],
        "grade": version["grade"],
        "status_code": version["status_code"],
        "method_version": version["method_version"],
        "valid_from": valid_from.isoformat(),
        "is_correction": version["is_correction"],
    }


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


def _insert_versions(connection: Connection, publication_id: int, versions: list[dict[str, Any]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy publishing.grade_versions (uscc, version_no, publication_id, enterprise_name, grade, status_code, "
            "method_version, valid_from, is_correction, body) from stdin"
        ) as copy,
    ):
        for version in versions:
            copy.write_row(
                (
                    version["uscc"],
                    version["version_no"],
                    publication_id,
                    version["enterprise_name"],
                    version["grade"],
                    version["status_code"],
                    version["method_version"],
                    version["valid_from"],
                    version["is_correction"],
                    Jsonb(version["body"]),
                )
            )
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy publishing.outbox (idempotency_key, subscriber, uscc, version_no, publication_id, body) from stdin"
        ) as copy,
    ):
        for version in versions:
            for subscriber in SUBSCRIBERS:
                key = f"{subscriber}/{version['uscc']}/{version['version_no']}"
                copy.write_row(
                    (key, subscriber, version["uscc"], version["version_no"], publication_id, Jsonb(version["body"]))
                )
