"""What grading reads: the scoring marts, in one canonical order, with the hash that says which inputs gave a grade.

Owns the queries and their canonical form: rows sorted by key in C order, numbers without trailing zeros, so that the
hash does not depend on where rows lie in a table. Computes nothing.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, LiteralString, TypeVar

import numpy as np
import polars as pl
import psycopg
from psycopg import sql

from scoring.errors import InputsError
from scoring.formulas import RelativeRisk
from scoring.method import Indicator

Item = TypeVar("Item")

ENTERPRISES: LiteralString = """
    select uscc, enterprise_name, trim_scale(service_months::numeric) as service_months,
      trim_scale(household_months::numeric) as household_months,
      trim_scale(protected_household_months_ratio::numeric) as protected_ratio, inspection_count,
      survey_response_count, is_listed_without_basis
    from {marts}.mart_scoring__enterprises
    order by uscc collate "C"
"""
COUNTS: LiteralString = """
    select indicator_code, uscc, stratum_code, coalesce(window_months, 0) as window_months,
      trim_scale(numerator::numeric) as numerator, trim_scale(denominator::numeric) as denominator
    from {marts}.mart_scoring__indicator_counts
    order by indicator_code collate "C", uscc collate "C", 4, stratum_code collate "C"
"""
EVIDENCE: LiteralString = """
    select indicator_code, uscc, evidence_id
    from {marts}.mart_scoring__indicator_evidence
    order by indicator_code collate "C", uscc collate "C", weight desc, event_on desc, evidence_id collate "C"
"""
CAPS: LiteralString = """
    select uscc, cap_code, evidence_id, starts_on, ends_on, basis, authority_name, decision_no, is_disputed
    from {marts}.mart_scoring__caps
    order by uscc collate "C", cap_code collate "C", evidence_id collate "C"
"""
FEEDS: LiteralString = """
    select feed, is_available from {marts}.mart_scoring__feeds order by feed collate "C"
"""
DISPUTED: LiteralString = """
    select indicator_code, uscc, stratum_code, coalesce(window_months, 0) as window_months,
      trim_scale(numerator::numeric) as numerator, trim_scale(denominator::numeric) as denominator
    from {marts}.mart_scoring__disputed_counts
    order by indicator_code collate "C", uscc collate "C", 4, stratum_code collate "C"
"""
OBJECTIONS: LiteralString = """
    select uscc, objection_id, target_type_code, target_id, filed_on
    from {marts}.mart_scoring__objections
    order by uscc collate "C", filed_on, objection_id collate "C"
"""
RECORDS: LiteralString = """
    select uscc, record_id, record_type_code, tier_code, decided_on, shown_on
    from {marts}.mart_scoring__records
    order by uscc collate "C", shown_on, record_id collate "C"
"""
KNOWN_UNTIL: LiteralString = """
    select jsonb_object_agg(feed, known_until) from {marts}.mart_scoring__feeds where known_until is not null
"""
STRATUM_MONTHS: LiteralString = """
    select stratum_code, sum(complaint_count)::numeric as complaint_count,
      trim_scale(sum(household_months)::numeric) as household_months
    from {marts}.mart_scoring__stratum_months
    group by stratum_code
    order by stratum_code collate "C"
"""
_FRAMES = ("enterprises", "counts", "evidence", "disputed")
COUNT_COLUMNS = ("indicator_code", "uscc", "stratum_code", "window_months", "numerator", "denominator")


@dataclass(frozen=True)
class CapCase:
    """A final decision that caps or vetoes.

    ``ends_on`` is the last day it binds (None: until cured); ``is_disputed``: it would fall with the open objections.
    """

    code: str
    evidence_id: str
    starts_on: date
    ends_on: date | None
    basis: str | None
    authority_name: str | None
    decision_no: str | None
    is_disputed: bool = False


@dataclass(frozen=True)
class Objection:
    """An open objection of an enterprise; the target is a complaint, an inspection (or a line), a record or a grade."""

    objection_id: str
    target_type_code: str
    target_id: str
    filed_on: date


@dataclass(frozen=True)
class Record:
    """A standing public credit record; ``shown_on`` is its first day of display."""

    record_id: str
    record_type_code: str
    tier_code: str
    decided_on: date
    shown_on: date


@dataclass(frozen=True)
class Inputs:
    """One night's score inputs, every frame sorted by its key; all values are text as PostgreSQL prints them.

    ``disputed`` is the part of ``counts`` that is under an open objection, in the same columns. ``counted_codes`` are
    the indicators that the warehouse counts for anybody: kept when the inputs are cut to some enterprises.
    """

    enterprises: pl.DataFrame
    counts: pl.DataFrame
    evidence: pl.DataFrame
    caps: dict[str, list[CapCase]]
    available_feeds: frozenset[str]
    sha256: str
    disputed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict.fromkeys(COUNT_COLUMNS, pl.String)))
    objections: dict[str, list[Objection]] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)
    counted_codes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Learn the counted indicators from the counts unless they are given."""
        if not self.counted_codes:
            object.__setattr__(self, "counted_codes", frozenset(self.counts["indicator_code"].unique()))

    def cut(self, usccs: pl.Series) -> "Inputs":
        """Return the inputs of some enterprises only; each is then valued just as among all."""
        wanted = pl.col("uscc").is_in(usccs.implode())
        frames = {name: getattr(self, name).filter(wanted) for name in _FRAMES}
        return self._of(usccs, frames)

    def blocks(self, size: int) -> Iterator["Inputs"]:
        """Yield the inputs ``size`` enterprises at a time, in order.

        Memory then does not grow with the region, and neither does an enterprise's cost: rows are dealt out once.
        """
        usccs = self.enterprises["uscc"]
        if len(usccs) <= size:
            yield self
            return
        block_of = usccs.to_frame().with_columns((pl.int_range(pl.len()) // size).alias("_block"))
        dealt = {
            name: getattr(self, name)
            .join(block_of, on="uscc", how="inner", maintain_order="left")
            .partition_by("_block", maintain_order=True, include_key=False, as_dict=True)
            for name in _FRAMES
        }
        for number, start in enumerate(range(0, len(usccs), size)):
            frames = {name: found.pop((number,), None) for name, found in dealt.items()}
            yield self._of(
                usccs.slice(start, size),
                {name: getattr(self, name).clear() if frame is None else frame for name, frame in frames.items()},
            )

    def _of(self, usccs: pl.Series, frames: dict[str, Any]) -> "Inputs":
        return replace(
            self,
            **frames,
            caps={uscc: self.caps[uscc] for uscc in usccs if uscc in self.caps},
            objections={uscc: self.objections[uscc] for uscc in usccs if uscc in self.objections},
            records={uscc: self.records[uscc] for uscc in usccs if uscc in self.records},
        )


def read_canonical(
    connection: psycopg.Connection, query: LiteralString, digest: Any, *, marts: str = "marts"
) -> pl.DataFrame:
    """Return the rows of ``query`` on schema ``marts`` as text columns and feed the same bytes to ``digest``.

    Raises InputsError when the warehouse has not been built.
    """
    buffer = io.BytesIO()
    copying = sql.SQL("copy ({}) to stdout (format csv, header)").format(
        sql.SQL(query).format(marts=sql.Identifier(marts))
    )
    try:
        with connection.cursor().copy(copying) as blocks:
            for block in blocks:
                digest.update(block)
                buffer.write(block)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        text = (error.diag.message_primary or "").replace("relation ", "")
        raise InputsError(f"the scoring marts are not as expected: {text}; build the warehouse first") from error
    buffer.seek(0)
    return pl.read_csv(buffer, infer_schema=False)


def known_until(connection: psycopg.Connection, *, marts: str = "marts") -> dict[str, str]:
    """Return the arrival of the newest delivery of each feed that the marts were built from, as ISO text."""
    row = connection.execute(sql.SQL(KNOWN_UNTIL).format(marts=sql.Identifier(marts))).fetchone()
    return (row[0] if row else None) or {}


def read_inputs(connection: psycopg.Connection, *, marts: str = "marts") -> Inputs:
    """Read tonight's score inputs from schema ``marts`` in one snapshot.

    Raises InputsError when a mart is missing, there is no enterprise, or one appears twice.
    """
    digest = hashlib.sha256()
    enterprises, counts, evidence, cases, feeds, disputed, objections, records = (
        read_canonical(connection, query, digest, marts=marts)
        for query in (ENTERPRISES, COUNTS, EVIDENCE, CAPS, FEEDS, DISPUTED, OBJECTIONS, RECORDS)
    )
    if enterprises.is_empty():
        raise InputsError("marts.mart_scoring__enterprises is empty: there is nobody to grade")
    repeated = enterprises.filter(pl.col("uscc").is_duplicated())
    if len(repeated):
        raise InputsError(f"marts.mart_scoring__enterprises: {repeated['uscc'][0]} appears more than once")
    return Inputs(
        enterprises=enterprises,
        counts=counts,
        evidence=evidence,
        caps=_of_enterprises(
            cases,
            lambda row: CapCase(
                code=row["cap_code"],
                evidence_id=row["evidence_id"],
                starts_on=date.fromisoformat(row["starts_on"]),
                ends_on=date.fromisoformat(row["ends_on"]) if row["ends_on"] else None,
                basis=row["basis"],
                authority_name=row["authority_name"],
                decision_no=row["decision_no"],
                is_disputed=row["is_disputed"] == "t",
            ),
        ),
        available_feeds=frozenset(feeds.filter(pl.col("is_available") == "t")["feed"]),
        sha256=digest.hexdigest(),
        disputed=disputed,
        objections=_of_enterprises(
            objections,
            lambda row: Objection(
                row["objection_id"], row["target_type_code"], row["target_id"], date.fromisoformat(row["filed_on"])
            ),
        ),
        records=_of_enterprises(
            records,
            lambda row: Record(
                row["record_id"],
                row["record_type_code"],
                row["tier_code"],
                date.fromisoformat(row["decided_on"]),
                date.fromisoformat(row["shown_on"]),
            ),
        ),
    )


def _of_enterprises(rows: pl.DataFrame, make: Callable[[dict[str, Any]], Item]) -> dict[str, list[Item]]:
    """Return what ``make`` makes of each row, by enterprise."""
    found: dict[str, list[Item]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(row["uscc"], []).append(make(row))
    return found


def read_fit_data(
    connection: psycopg.Connection, *, marts: str = "marts", digest: Any = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what a fit is estimated from: complaints and household-months by stratum, and the counts."""
    digest = digest or hashlib.sha256()
    strata = read_canonical(connection, STRATUM_MONTHS, digest, marts=marts)
    return strata, read_canonical(connection, COUNTS, digest, marts=marts)


def indicator_rows(counts: pl.DataFrame, code: str, indicator: Indicator) -> pl.DataFrame:
    """Return the counts of one indicator, sorted by enterprise.

    Raises InputsError when the warehouse counted another window than the method asks for.
    """
    rows = counts.filter(pl.col("indicator_code") == code)
    expected = {indicator.window_months}
    if isinstance(indicator.formula, RelativeRisk):
        expected.add(indicator.formula.long_window_months)
    if indicator.window_months is not None:
        other = set(rows["window_months"].cast(pl.Int64)) - expected
        if other:
            raise InputsError(
                f"marts.mart_scoring__indicator_counts: {code} was counted over {sorted(other)} months, the method "
                f"asks for {sorted(filter(None, expected))}: build the warehouse with this method's variables"
            )
    return rows


def decimals(column: pl.Series) -> np.ndarray[Any, Any]:
    """Return a text column as an array of Decimal objects, nulls as 0."""
    return np.array([Decimal(text) if text else Decimal(0) for text in column], dtype=object)
