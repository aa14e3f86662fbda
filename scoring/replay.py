"""Replay: a recorded night computed again from raw, and compared with what was recorded bit for bit (§2).

The warehouse is built in scratch schemas with exactly what the recorded run's build had read: each feed up to the
arrival that the run keeps, hysteresis from the runs recorded before it, the method, the fit and the edition of the
rules of reading and counting that it names. Writes nothing.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from property_credit.warehouse.connection import connect
from property_credit.warehouse.scratch import scratch_schemas
from property_credit.warehouse.transformation import build
from scoring import history, provenance
from scoring.assessment import assessed, copy_rows
from scoring.errors import ScoringError
from scoring.fit import stored_fit
from scoring.inputs import MODELS, read_inputs
from scoring.method import LoadedMethod, load, warehouse_variables
from scoring.run import combined, identify

TABLES: dict[str, tuple[LiteralString, ...]] = {"grades": ("uscc",), "indicator_points": ("uscc", "indicator_code")}
SHOWN = 1000  # differing fields kept of one run: more would say nothing new


@dataclass(frozen=True)
class Recorded:
    """A run as ``scoring.runs`` keeps it."""

    run_id: str
    business_date: date
    method_version: str
    fit_id: str
    input_sha256: str
    recorded_at: datetime
    known_until: dict[str, str] | None
    as_of: date | None
    computed_by: dict[str, str] | None
    content_sha256: str
    edition: int


@dataclass(frozen=True)
class Difference:
    """One field that came out differently; the whole row where one side has none."""

    table: str
    uscc: str
    indicator_code: str | None
    column: str
    recorded: str | None
    replayed: str | None


@dataclass(frozen=True)
class ReplayReport:
    """The result of a replay. ``is_same_input`` tells whether the inputs or the arithmetic came out differently.

    ``changes`` names what of the code, the models and the libraries has changed since the run was recorded.
    """

    run_id: str
    business_date: date
    replayed_run_id: str
    is_same_input: bool
    grade_count: int
    point_count: int
    difference_count: int
    changes: list[str]
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_identical(self) -> bool:
        """Whether every grade and point, and the run's own id, came out the same."""
        return not self.difference_count and self.run_id == self.replayed_run_id


def published_runs(first: date, last: date) -> list[str]:
    """Return the runs published for business dates from ``first`` to ``last``, oldest first."""
    with connect("pc_gatekeeper") as connection:
        rows = connection.execute(
            "select run_id from publishing.publications where business_date between %s and %s order by publication_id",
            (first, last),
        ).fetchall()
    return [str(run_id) for (run_id,) in rows]


def replay(run_id: str) -> ReplayReport:
    """Compute ``run_id`` again from raw in scratch schemas and compare.

    Raises:
        ScoringError: when there is no such run, it does not say what it knew, or its method's file says something else
            today.
        TransformationError: when the warehouse cannot be built.
    """
    run = recorded(run_id)
    loaded = load(run.method_version)
    if loaded.sha256 != run.content_sha256:
        raise ScoringError(f"run {run_id}: the file of method {run.method_version} no longer says what the run used")
    if run.known_until is None:
        raise ScoringError(f"run {run_id} was recorded before runs kept what they knew; it cannot be replayed exactly")
    variables = warehouse_variables(loaded.method) | {"known_until": run.known_until, "edition": run.edition}
    if run.as_of:
        variables["as_of"] = run.as_of.isoformat()
    prefix = f"replay_{run.run_id[1:9]}_"
    with scratch_schemas(prefix) as marts:
        build(run.business_date, variables=variables, schema_prefix=prefix, select=MODELS, tests=False)
        return compare(run, loaded, marts=marts)


def regrade(business_date: date, as_of: date, *, method_version: str | None = None) -> str:
    """Grade a past night with what is known on ``as_of``, record it beside the published run, return its run id.

    The night's events, windows and ages stay those of ``business_date``; rows that became known later count.
    """
    from scoring.run import grade

    loaded = load(method_version)
    variables = warehouse_variables(loaded.method) | {"as_of": as_of.isoformat()}
    prefix = f"regrade_{business_date:%Y%m%d}_"
    with scratch_schemas(prefix) as marts:
        build(business_date, variables=variables, schema_prefix=prefix, select=MODELS, tests=False)
        return grade(business_date, method_version=method_version, marts=marts, as_of=as_of).run_id


def moved(published: str, corrected: str) -> list[dict[str, Any]]:
    """Return what run ``corrected`` says unlike run ``published``: a row an enterprise with both grades and scores.

    The value of an enterprise that one of them does not know is None there.
    """
    with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select uscc, coalesce(later.enterprise_name, earlier.enterprise_name) as enterprise_name,
              coalesce(earlier.grade, earlier.status_code) as published_grade,
              coalesce(later.grade, later.status_code) as corrected_grade,
              earlier.score as published_score, later.score as corrected_score
            from (select * from scoring.grades where run_id = %s) as earlier
            full join (select * from scoring.grades where run_id = %s) as later using (uscc)
            where (earlier.grade, earlier.status_code, earlier.score)
              is distinct from (later.grade, later.status_code, later.score)
            order by uscc
            """,
            (published, corrected),
        ).fetchall()


def compare(run: Recorded, loaded: LoadedMethod, *, marts: str) -> ReplayReport:
    """Grade schema ``marts`` as ``run`` did and return every field that is not the same text."""
    with connect("pc_scoring") as connection:
        connection.execute("set transaction isolation level repeatable read")
        estimates = stored_fit(connection, run.fit_id)
        inputs = read_inputs(connection, marts=marts)
        standings, history_sha256 = history.standings(
            connection, loaded.method, run.business_date, recorded_before=run.recorded_at
        )
        input_sha256 = combined(inputs.sha256, history_sha256)
        tables = []
        for table in TABLES:
            name = f"replayed_{table}"
            tables.append(name)
            connection.execute(
                sql.SQL("create temporary table {} (like scoring.{} including defaults) on commit drop").format(
                    sql.Identifier(name), sql.Identifier(table)
                )
            )
        key = (run.run_id, loaded.version, run.input_sha256)  # the run's own names: only what was computed is compared
        for block, scored, decisions in assessed(
            loaded.method, estimates, inputs, business_date=run.business_date, standings=standings
        ):
            copy_rows(
                connection,
                loaded.method,
                block,
                scored,
                decisions,
                key=key,
                business_date=run.business_date,
                tables=(tables[0], tables[1]),
            )
        counts, differences = {}, []
        for table, keys in TABLES.items():
            counts[table], differing = _differences(connection, run.run_id, table, keys)
            differences += differing
        return ReplayReport(
            run_id=run.run_id,
            business_date=run.business_date,
            replayed_run_id=identify(run.business_date, loaded, estimates, input_sha256, edition=run.edition),
            is_same_input=input_sha256 == run.input_sha256,
            grade_count=counts["grades"],
            point_count=counts["indicator_points"],
            difference_count=len(differences),
            changes=provenance.changed(run.computed_by, provenance.computed_by(connection)),
            differences=differences[:SHOWN],
        )


def recorded(run_id: str) -> Recorded:
    """Return a run as it is kept; ScoringError when there is none."""
    with connect("pc_scoring") as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select run_id, business_date, runs.method_version, fit_id, input_sha256, recorded_at, known_until, as_of,"
            " computed_by, methods.content_sha256, edition from scoring.runs"
            " join scoring.methods using (method_version) where run_id = %s",
            (run_id,),
        ).fetchone()
    if row is None:
        raise ScoringError(f"there is no run {run_id!r}")
    return Recorded(**row)


def _differences(
    connection: psycopg.Connection, run_id: str, table: str, keys: tuple[LiteralString, ...]
) -> tuple[int, list[Difference]]:
    """Return how many rows are recorded, and every field whose text is not the same."""
    statement = sql.SQL(
        """
        select {keys}, to_jsonb(recorded) as recorded, to_jsonb(replayed) as replayed,
          recorded::text is not distinct from replayed::text as is_same
        from (select * from scoring.{table} where run_id = %s) as recorded
        full join {replayed} as replayed using ({keys})
        order by {keys}
        """
    ).format(
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        table=sql.Identifier(table),
        replayed=sql.Identifier(f"replayed_{table}"),
    )
    counted, differences = 0, []
    with connection.cursor(name="differences", row_factory=dict_row) as cursor:
        cursor.execute(statement, (run_id,))
        for row in cursor:
            counted += row["recorded"] is not None
            if not row["is_same"]:
                differences += _fields(table, row)
    return counted, differences


def _fields(table: str, row: dict[str, Any]) -> list[Difference]:
    recorded, replayed = row["recorded"], row["replayed"]
    where = (table, row["uscc"], row.get("indicator_code"))
    if recorded is None or replayed is None:
        return [Difference(*where, "(row)", "present" if recorded else None, "present" if replayed else None)]
    return [
        Difference(*where, name, _text(recorded[name]), _text(replayed[name]))
        for name in recorded
        if recorded[name] != replayed[name]
    ] or [Difference(*where, "(text)", str(recorded), str(replayed))]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
