"""The trial of a backfill: done in a copy of the warehouse, compared with what stands, nothing of production touched.

The copy is a database of its own beside production's, with folders of its own (the archive and what has landed are
linked into them). In it the very code of a night works: loads through the batch gate, the build, alerts, grades and
their gates. Owns the copy and the comparison.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from property_credit.night import backfills, grading_tasks, supervision_tasks, warehouse_tasks
from property_credit.night.backfills import BackfillError, Report
from property_credit.warehouse import backup
from property_credit.warehouse.connection import connect, url
from property_credit.warehouse.locks import holding
from property_credit.warehouse.marts import UnsoundMartsError
from property_credit.warehouse.settings import get_settings, settings_of
from property_credit.warehouse.task_runs import StoppedByGate
from property_credit.warehouse.transformation import TransformationError

OF_THE_LOAD = {"batch_id", "known_on", "received_at"}  # columns that say which load a row came by: other rows are new
OF_A_LOAD = (
    "feed", "profile", "source_file", "kind", "status", "rows_in", "rows_new", "rows_newer", "rows_older",
    "rows_rejected", "rows_waiting", "rows_duplicate", "rows_withdrawn",
)  # fmt: skip
SHOWN = 20
REPORT = TypeAdapter(Report)


def compare(file: Path, *, with_lists: bool = True) -> Report:
    """Try the backfill of ``file`` in a copy of the warehouse; keep and return the report of what it would change.

    ``with_lists`` grades also the nights of the lists published from its first night on, with it and without: two
    builds each. BackfillError and BackupError when there is nothing to try it on.
    """
    backfill = backfills.read(file)
    night = backfills.standing_night()
    target = folder_of(file)
    with holding(f"backfill {file.name}", f"another process tries {file.name} or swaps it in: wait until it is done"):
        with connect() as opened:
            row = opened.execute("select clock_timestamp()").fetchone()
            assert row is not None  # a clock always answers
        report = Report(file.stem, backfill.sha(), backfills.code(), night, row[0])
        with _copy(target):
            report = _tried(backfill, report, with_lists=with_lists)
    (target / "report.json").write_bytes(REPORT.dump_json(report, indent=1))
    (target / "report.md").write_text(text_of(report, backfill), encoding="utf-8")
    return report


def kept_report(file: Path) -> Report:
    """Return the report of the newest trial of ``file``; BackfillError when it was never tried."""
    path = folder_of(file) / "report.json"
    if not path.is_file():
        raise BackfillError(f"{file.name} was not tried yet: `property-credit backfill compare {file}`")
    return REPORT.validate_json(path.read_bytes())


def folder_of(file: Path) -> Path:
    """Return where the reports of a backfill lie."""
    return get_settings().data_dir / "backfills" / file.stem


@contextmanager
def _copy(target: Path) -> Iterator[None]:
    """Let this process work in a copy of the warehouse, with folders of its own below ``target``, for the block."""
    settings = get_settings()
    folder = target / "trial"
    name = f"backfill_{hashlib.sha256(str(target).encode()).hexdigest()[:12]}"
    shutil.rmtree(folder, ignore_errors=True)  # of a trial that was killed
    try:
        folder.mkdir(parents=True, mode=0o700)
        for own, kept in (("archive", settings.archive_dir), ("landing", settings.landing_dir)):
            assert kept is not None  # the settings fill it in
            _link(kept, folder / own)
        with backup.copied(name=name) as copy:
            values = {
                "WAREHOUSE_URL": url(database=copy.database),
                "DATA_DIR": str(folder),
                "ARCHIVE_DIR": str(folder / "archive"),
                "LANDING_DIR": str(folder / "landing"),
                "RECEIPTS_DIR": str(folder / "receipts"),
                "KEYS_DIR": str(settings.keys_dir),
                "CHALLENGER_METHOD": "",
            }
            with settings_of(values):
                with connect(autocommit=True) as owner:
                    owner.execute("select ops.remember_tables()")  # a copy has write counters of its own
                    owner.execute("analyze")
                yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """Lay a folder's files out in another by links, or as copies on another disk: a trial writes beside them only."""

    def linked(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    if source.is_dir():
        shutil.copytree(source, target, copy_function=linked, symlinks=True)
    else:
        target.mkdir(parents=True)


def _tried(backfill: backfills.Backfill, report: Report, *, with_lists: bool) -> Report:
    """Do it all in the copy, up to the first thing that stops it."""
    night = report.night
    before, run_before, alerts_before = _tables(), grading_tasks.newest_run(night), _alerts()
    lists = _lists(backfill.nights.first) if with_lists else []
    graded_before = [_regraded(one["night"], night) for one in lists]
    loads = backfills.load(backfill, night)
    problems = [f"{one.profile}/{one.source_file}: {one.message}" for one in loads if "refused" in one.status]
    report = replace(report, batches=[backfills.plain(one) for one in loads], problems=problems)
    try:
        warehouse_tasks.build_models(night)
        report = replace(report, tables=_changed(before, _tables()))
        supervision_tasks.raise_alerts(night)
        report = replace(report, alerts=_moved_alerts(alerts_before, _alerts()))
        grading_tasks.check_score_inputs(night)
        grading_tasks.grade_enterprises(night)
        run_id = grading_tasks.newest_run(night)
        report = replace(report, run_id=run_id, grades={"before": _counts(run_before), "after": _counts(run_id)})
        if run_before and run_id and run_id != run_before:
            from property_credit.gates.gates import check_grades
            from scoring.replay import moved

            report = replace(report, moved=moved(run_before, run_id))
            check_grades(run_id, night)
    except (StoppedByGate, TransformationError, UnsoundMartsError) as error:
        return replace(report, problems=[*problems, f"{type(error).__name__}: {error}"])
    return replace(report, lists=[_compared(one, was, night) for one, was in zip(lists, graded_before, strict=True)])


def _regraded(of_night: date, as_of: date) -> str:
    from scoring.replay import regrade

    return regrade(of_night, as_of)


def _compared(one: dict[str, Any], was: str, as_of: date) -> dict[str, Any]:
    from scoring.replay import moved

    return {**one, "moved": moved(was, _regraded(one["night"], as_of))}


def _lists(first: date) -> list[dict[str, Any]]:
    """Return the quarters' lists that were published from the night of ``first`` on."""
    with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select list_id, business_date as night from publishing.lists join publishing.publications"
            " using (publication_id) where kind = 'quarter' and business_date >= %s order by business_date",
            (first,),
        ).fetchall()


def _counts(run_id: str | None) -> dict[str, int]:
    with connect("pc_gatekeeper") as connection:
        rows = connection.execute(
            "select coalesce(grade, status_code), count(*) from scoring.grades where run_id = %s group by 1 order by 1",
            (run_id,),
        ).fetchall()
    return {str(code): int(count) for code, count in rows}


def _alerts() -> dict[str, dict[str, Any]]:
    with connect("pc_supervision") as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select alert_id, kind_code, severity_code, state_code, uscc, community_id, amount_cny::text"
            " from supervision.alerts"
        ).fetchall()
    return {row["alert_id"]: row for row in rows}


def _moved_alerts(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    changed = [alert_id for alert_id in sorted(after) if after[alert_id] != before.get(alert_id)]
    return [{**after[one], "state_before": before[one]["state_code"] if one in before else None} for one in changed]


def _tables() -> dict[str, tuple[int, str]]:
    """Return of every built table how many rows it has and a digest of what they say."""
    with connect() as owner:
        tables = owner.execute(
            """
            select table_schema, table_name, array_agg(column_name::text order by ordinal_position)
              filter (where not column_name = any(%s))
            from information_schema.columns join information_schema.tables using (table_schema, table_name)
            where table_type = 'BASE TABLE' and table_schema in ('staging', 'intermediate', 'marts')
              and table_name not like '%%\\_\\_touched' and table_name not like '%%\\_\\_remembered'
            group by 1, 2 order by 1, 2
            """,
            (sorted(OF_THE_LOAD),),
        ).fetchall()
        digests = {}
        for schema, table, columns in tables:
            query = sql.SQL("select count(*), coalesce(sum(hashtextextended(row({})::text, 0)), 0)::text from {}")
            names = sql.SQL(", ").join(map(sql.Identifier, columns or []))
            row = owner.execute(query.format(names, sql.Identifier(schema, table))).fetchone()
            assert row is not None  # a count always is
            digests[f"{schema}.{table}"] = (int(row[0]), str(row[1]))
    return digests


def _changed(before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]) -> list[dict[str, Any]]:
    return [
        {"table": name, "rows_before": before.get(name, (0, ""))[0], "rows_after": after.get(name, (0, ""))[0]}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def text_of(report: Report, backfill: backfills.Backfill) -> str:
    """Return the report as people read it, in Markdown; never a value of a row, save numbers that grades go by."""
    lines = [
        f"# {report.name}",
        "",
        f"{backfill.reason}",
        "",
        f"Tried on the night of {report.night}, copied {report.copied_at:%Y-%m-%d %H:%M:%S%z}; code {report.code}.",
    ]
    if report.problems:
        lines += ["", "## Stopped", "", *(f"- {problem}" for problem in report.problems)]
    lines += ["", "## Loads", "", f"{len(report.batches)} loads."]
    lines += _table(OF_A_LOAD, report.batches)
    lines += ["", "## Tables", "", f"{len(report.tables)} tables hold other rows."]
    lines += _table(("table", "rows_before", "rows_after"), report.tables)
    if report.grades:
        codes = sorted(report.grades["before"].keys() | report.grades["after"].keys())
        counts = [
            {"grade": code, **{side: report.grades[side].get(code, 0) for side in ("before", "after")}}
            for code in codes
        ]
        lines += ["", "## Grades", "", f"{len(report.moved)} enterprises with another grade or score."]
        lines += _table(("grade", "before", "after"), counts)
        columns = ("uscc", "enterprise_name", "published_grade", "corrected_grade", "published_score")
        lines += _table((*columns, "corrected_score"), report.moved)
    lines += ["", "## Alerts", "", f"{len(report.alerts)} alerts raised, closed or changed."]
    lines += _table(("alert_id", "kind_code", "severity_code", "state_before", "state_code"), report.alerts)
    for one in report.lists:
        lines += ["", f"## List {one['list_id']}", ""]
        lines += [f"{len(one['moved'])} enterprises would stand in it otherwise; the list itself never changes."]
        lines += _table(("uscc", "published_grade", "corrected_grade", "published_score"), one["moved"])
    return "\n".join(lines) + "\n"


def _table(names: tuple[str, ...], rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    shown = [" | ".join("" if row.get(name) is None else str(row[name]) for name in names) for row in rows[:SHOWN]]
    more = [f"… and {len(rows) - SHOWN} more, all in report.json"] if len(rows) > SHOWN else []
    head = ["", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return [*head, *(f"| {row} |" for row in shown), *([""] * bool(more)), *more]
