"""What validation looks at: one stored run with the inputs that gave it, and the events behind those inputs.

Owns reading, as the role that may look at everything and change nothing. Every figure comes from the warehouse's own
tables; what only a simulation knows comes in as ``Truth``.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, LiteralString

import polars as pl
import psycopg
from psycopg import sql

from property_credit.warehouse.connection import connect
from property_credit.warehouse.versions import NEWEST_FIRST
from scoring.errors import ScoringError
from scoring.fit import Fit, latest_fit
from scoring.inputs import MODELS as GRADING_MODELS
from scoring.inputs import Inputs, read_inputs
from scoring.method import LoadedMethod, load

RUN: LiteralString = """
    select run_id, fit_id from scoring.runs
    where business_date = %s and method_version = %s and as_of is null
    order by recorded_at desc, run_id limit 1
"""
SHADOW: LiteralString = """
    select count(distinct date_trunc('quarter', business_date)) from scoring.runs
    where is_shadow and business_date <= %(until)s and method_version = (
      select method_version from scoring.runs where is_shadow and business_date <= %(until)s
      order by business_date desc, recorded_at desc limit 1)
"""
GRADES: LiteralString = """
    select uscc, score::float8, public_pct::float8, market_pct::float8, bonus_points::float8, grade, status_code,
      grade_before_caps, caps::text
    from scoring.grades where run_id = %s order by uscc collate "C"
"""
MODELS = (*GRADING_MODELS, "+fct_community_months")  # dbt selectors: all that validation reads besides
PROFILES: LiteralString = """
    with shares as (
      select uscc, sum(household_months)::float8 as exposure,
        sum(household_months) filter (where stratum_code like 'old|%%')::float8 as old_exposure
      from {marts}.fct_community_months
      where is_enterprise and month_on > %(night)s::date - interval '12 months'
      group by uscc
    )
    select firms.uscc, firms.household_months::float8 as household_months, firms.project_count::int as project_count,
      coalesce(shares.old_exposure / nullif(shares.exposure, 0), 0) as old_share,
      exists (
        select 1 from {staging}.stg_communities
        where left(stg_communities.region_code, 4) = left(stg_enterprises.registered_region_code, 4)
      ) as is_local
    from {marts}.mart_scoring__enterprises as firms
    inner join {staging}.stg_enterprises on stg_enterprises.uscc = firms.uscc
    left join shares on shares.uscc = firms.uscc
    order by firms.uscc collate "C"
"""
MEASURED: LiteralString = """
    select tables.table_name
    from information_schema.tables
    where tables.table_schema = 'intermediate' and tables.table_name like 'int\\_%%\\_events\\_\\_measured'
    order by tables.table_name collate "C"
"""
OUTCOMES = sql.SQL(
    """
    with records as (
      select distinct on (record_id) uscc, record_type_code, decided_on, is_final, revoked_on
      from raw.public_credit as versions order by record_id, {newest_first}
    ), findings as (
      select distinct on (inspection_id, line_code) uscc, severity_code, inspected_on, is_confirmed
      from raw.inspections as versions
      order by inspection_id, line_code, {newest_first}
    ), contracts as (
      select distinct on (contract_id) uscc, end_reason_code, ended_on
      from raw.contracts as versions order by contract_id, {newest_first}
    ), events as (
      select uscc, record_type_code as kind, decided_on as happened_on from records
      where is_final and revoked_on is null and record_type_code in ('penalty', 'abandonment')
      union all
      select uscc, 'major_finding', inspected_on from findings where is_confirmed and severity_code = 'serious'
      union all
      select uscc, case end_reason_code when 'dismissed_for_cause' then 'dismissal' else 'abandonment' end, ended_on
      from contracts where end_reason_code in ('dismissed_for_cause', 'left_without_notice')
    )
    select uscc, kind, happened_on::text as "on" from events
    where happened_on > %(after)s and happened_on <= %(until)s
    order by 1, 2, 3
"""
).format(newest_first=sql.SQL(NEWEST_FIRST))
COUNTED = pl.Schema(
    {
        name: pl.String
        for name in ("indicator_code", "uscc", "stratum_code", "window_months", "numerator", "denominator")
    }
)
LAST = pl.Schema({"indicator_code": pl.String, "uscc": pl.String, "numerator": pl.Float64, "denominator": pl.Float64})


@dataclass(frozen=True)
class Truth:
    """What a simulation knows of a region.

    Attributes:
        quality: hidden quality 0-1 by enterprise.
        bought: ids of complaints that a rival paid for, by victim.
        best_guess: what somebody who knows how the region works, but nobody's conduct, makes of the record, by
            enterprise; empty where the simulation does not say.
    """

    quality: dict[str, float]
    bought: dict[str, list[str]]
    best_guess: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Night:
    """One stored run.

    Attributes:
        firms: one row an enterprise: uscc, score, public_pct, market_pct (0-100), grade, status_code, household_months,
            project_count, old_share (0-1, of household-months), is_local, caps (codes).
        halves: counts of the events of even and of odd weeks, like ``inputs.counts``.
        dated: indicators whose events have days of their own, and so can be halved.
        without: counts of the complaint indicators without given complaints, by the name of that set.
        last_events: what the newest day of each indicator and enterprise counted: indicator_code, uscc, numerator,
            denominator.
    """

    business_date: date
    run_id: str
    method: LoadedMethod
    fit: Fit
    inputs: Inputs
    firms: pl.DataFrame
    halves: tuple[pl.DataFrame, pl.DataFrame]
    dated: frozenset[str]
    without: dict[str, pl.DataFrame] = field(default_factory=dict)
    last_events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LAST))


def shadow_quarters(until: date) -> int:
    """Return in how many quarters the challenger that ran last by ``until`` has run in shadow (§9)."""
    with connect("pc_scoring") as connection:
        row = connection.execute(SHADOW, {"until": until}).fetchone()
    return int(row[0]) if row else 0


def read_night(business_date: date, *, method_version: str | None = None, drop: dict[str, list[str]]) -> Night:
    """Read the newest run of ``business_date`` while the marts are still of that night.

    Args:
        business_date: the night.
        method_version: None: the default method.
        drop: sets of evidence ids; the counts without each set come back as ``without``.

    Raises:
        ScoringError: there is no such run, or the marts have moved on since it was made.
    """
    loaded = load(method_version)
    with connect("pc_gatekeeper") as connection:
        connection.execute("set transaction isolation level repeatable read")
        run = connection.execute(RUN, (business_date, loaded.version)).fetchone()
        fit = latest_fit(connection, loaded.version, business_date)
        if run is None or fit is None:
            raise ScoringError(f"there is no run of {business_date} under method {loaded.version}: grade it first")
        inputs = read_inputs(connection)
        firms = _grades(connection, run[0]).join(
            read_profiles(connection, business_date), on="uscc", how="left", maintain_order="left"
        )
        if firms["uscc"].to_list() != inputs.enterprises["uscc"].to_list() or run[1] != fit.fit_id:
            raise ScoringError(f"the marts are not those of run {run[0]} any more: build that night again")
        tables = [name for (name,) in connection.execute(MEASURED)]
        _check_recount(recount(connection, tables), inputs)
        dated = _dated(connection, tables, business_date)
        return Night(
            business_date=business_date,
            run_id=run[0],
            method=loaded,
            fit=fit,
            inputs=inputs,
            firms=firms,
            halves=(recount(connection, tables, parity=0), recount(connection, tables, parity=1)),
            dated=dated,
            without={name: recount(connection, tables, drop=ids) for name, ids in drop.items()},
            last_events=_last_events(connection, tables),
        )


def read_grades(business_date: date, method_version: str) -> pl.DataFrame | None:
    """Return the grades of the newest run of ``business_date`` (uscc, score, grade, caps …); None: there is no run."""
    with connect("pc_gatekeeper") as connection:
        run = connection.execute(RUN, (business_date, method_version)).fetchone()
        return _grades(connection, run[0]) if run else None


def read_profiles(connection: psycopg.Connection, business_date: date, *, schema_prefix: str = "") -> pl.DataFrame:
    """Return what fairness is measured against, one row an enterprise: none of it is an input of a grade.

    Columns: uscc, household_months, project_count, old_share (0-1, of the last 12 months' household-months), is_local
    (registered where communities of this warehouse lie).
    """
    schemas = {name: sql.Identifier(f"{schema_prefix}{name}") for name in ("marts", "staging")}
    return _frame(connection, sql.SQL(PROFILES).format(**schemas), {"night": business_date})


def _grades(connection: psycopg.Connection, run_id: str) -> pl.DataFrame:
    grades = _frame(connection, GRADES, (run_id,))
    caps = [sorted({cap["code"] for cap in json.loads(text)}) for text in grades["caps"]]
    return grades.with_columns(pl.Series("caps", caps, dtype=pl.List(pl.String)))


def _frame(connection: psycopg.Connection, query: LiteralString | sql.Composed, parameters: Any) -> pl.DataFrame:
    cursor = connection.execute(query, parameters)
    names = [column.name for column in cursor.description or ()]
    return pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)


def _has_events(connection: psycopg.Connection, table: str) -> bool:
    return bool(
        connection.execute(
            "select 1 from information_schema.columns where table_schema = 'intermediate' and table_name = %s"
            " and column_name = 'evidence_id'",
            (table,),
        ).fetchone()
    )


def _dated(connection: psycopg.Connection, tables: list[str], business_date: date) -> frozenset[str]:
    """Return the indicators most of whose events happened before the night itself; a state of the day has no week."""
    dated: set[str] = set()
    for table in tables:
        if _has_events(connection, table):
            query = sql.SQL(
                "select indicator_code from intermediate.{} group by indicator_code"
                " having count(*) filter (where event_on < %s) * 2 > count(*)"
            ).format(sql.Identifier(table))
            dated |= {code for (code,) in connection.execute(query, (business_date - timedelta(days=1),))}
    return frozenset(dated)


def _check_recount(counts: pl.DataFrame, inputs: Inputs) -> None:
    """Raise ScoringError unless the events add up to what the run was graded on: then halves of them mean something."""
    graded = set(inputs.enterprises["uscc"])
    ours = set(counts.filter(pl.col("uscc").is_in(list(graded))).rows())
    theirs = set(inputs.counts.select(counts.columns).rows())
    if ours != theirs:
        example = min(ours ^ theirs)
        raise ScoringError(
            f"the measured events do not add up to marts.mart_scoring__indicator_counts ({len(ours ^ theirs)} rows"
            f" differ, first {example}): build the night again"
        )


def recount(
    connection: psycopg.Connection, tables: list[str], *, parity: int | None = None, drop: list[str] | None = None
) -> pl.DataFrame:
    """Count the events again as ``mart_scoring__indicator_counts`` does, all of them or some.

    Args:
        connection: as a role that reads the schema ``intermediate``.
        tables: the measured events there.
        parity: 0 or 1: only weeks of that parity (ISO weeks by Monday), and half of what no event carries.
        drop: evidence ids to leave out.

    Returns:
        The columns and order of ``inputs.COUNTS``, as text.
    """
    parts: list[sql.Composable] = []
    for table in tables:
        if _has_events(connection, table):
            part = sql.SQL(
                "select indicator_code, uscc, stratum_code, window_months, numerator, denominator"
                " from intermediate.{table} where (%(parity)s::int is null"
                " or ((event_on - date '2018-01-01') / 7 + 100000) %% 2 = %(parity)s)"
                " and not evidence_id = any(%(drop)s)"
            )
        else:
            part = sql.SQL(
                "select indicator_code, uscc, stratum_code, window_months, numerator, denominator"
                " * case when %(parity)s::int is null or numerator <> 0 then 1 else 0.5 end"
                " from intermediate.{table}"
            )
        parts.append(part.format(table=sql.Identifier(table)))
    query = sql.SQL(
        "select indicator_code, uscc, stratum_code, coalesce(window_months, 0)::text,"
        " trim_scale(sum(numerator)::numeric)::text, trim_scale(sum(denominator)::numeric)::text from ({}) as events"
        " group by 1, 2, 3, coalesce(window_months, 0)"
        ' order by indicator_code collate "C", uscc collate "C", coalesce(window_months, 0), stratum_code collate "C"'
    ).format(sql.SQL(" union all ").join(parts))
    rows = connection.execute(query, {"parity": parity, "drop": drop or []}).fetchall()
    return pl.DataFrame(rows, schema=COUNTED, orient="row")


def _last_events(connection: psycopg.Connection, tables: list[str]) -> pl.DataFrame:
    """Return the sums of the newest day of each indicator and enterprise, of events that divide by something."""
    parts = [
        sql.SQL(
            "select indicator_code, uscc, sum(numerator)::float8, sum(denominator)::float8 from (select indicator_code,"
            " uscc, numerator, denominator, event_on, max(event_on) filter (where denominator > 0)"
            " over (partition by indicator_code, uscc) as newest_on from intermediate.{}) as events"
            " where event_on = newest_on group by 1, 2"
        ).format(sql.Identifier(table))
        for table in tables
        if _has_events(connection, table)
    ]
    if not parts:
        return pl.DataFrame(schema=LAST)
    rows = connection.execute(sql.SQL(" union all ").join(parts)).fetchall()
    return pl.DataFrame(rows, schema=LAST, orient="row")


def outcomes(after: date, until: date) -> pl.DataFrame | None:
    """Return the events that a grade should foretell (§9), as known now: uscc, kind, on (text).

    Reads the newest version of each raw row, so that the marts may stay those of the night under validation. None when
    nothing has been loaded since ``until``: the time to look at is not over.
    """
    with connect("pc_gatekeeper") as connection:
        newest = connection.execute("select max(business_date) from ops.batches where status = 'loaded'").fetchone()
        if newest is None or newest[0] is None or newest[0] < until:
            return None
        return _frame(connection, OUTCOMES, {"after": after, "until": until})


def fingerprint(night: Night) -> str:
    """Return a short hash of what was validated: run, method, fit and inputs."""
    text = f"{night.run_id}|{night.method.sha256}|{night.fit.fit_id}|{night.inputs.sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
