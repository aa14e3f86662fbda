"""What grading reads: the scoring marts, in one canonical order, with the hash that says which inputs gave a grade.

Owns the queries and their canonical form: rows sorted by key in C order, numbers without trailing zeros, so that the
hash does not depend on where rows lie in a table. Computes nothing.
"""

import hashlib
import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, LiteralString

import numpy as np
import polars as pl
import psycopg
from psycopg import sql

from scoring.errors import InputsError
from scoring.formulas import RelativeRisk
from scoring.method import Indicator

ENTERPRISES: LiteralString = """
    select uscc, enterprise_name, trim_scale(service_months::numeric) as service_months,
      trim_scale(household_months::numeric) as household_months,
      trim_scale(protected_household_months_ratio::numeric) as protected_ratio, inspection_count,
      survey_response_count
    from marts.mart_scoring__enterprises
    order by uscc collate "C"
"""
COUNTS: LiteralString = """
    select indicator_code, uscc, stratum_code, coalesce(window_months, 0) as window_months,
      trim_scale(numerator::numeric) as numerator, trim_scale(denominator::numeric) as denominator
    from marts.mart_scoring__indicator_counts
    order by indicator_code collate "C", uscc collate "C", 4, stratum_code collate "C"
"""
EVIDENCE: LiteralString = """
    select indicator_code, uscc, evidence_id
    from marts.mart_scoring__indicator_evidence
    order by indicator_code collate "C", uscc collate "C", weight desc, event_on desc, evidence_id collate "C"
"""
CAPS: LiteralString = """
    select uscc, cap_code, evidence_id, starts_on, ends_on, basis, authority_name, decision_no
    from marts.mart_scoring__caps
    order by uscc collate "C", cap_code collate "C", evidence_id collate "C"
"""
FEEDS: LiteralString = """
    select feed, is_available from marts.mart_scoring__feeds order by feed collate "C"
"""
STRATUM_MONTHS: LiteralString = """
    select stratum_code, sum(complaint_count)::numeric as complaint_count,
      trim_scale(sum(household_months)::numeric) as household_months
    from marts.mart_scoring__stratum_months
    group by stratum_code
    order by stratum_code collate "C"
"""


@dataclass(frozen=True)
class CapCase:
    """A final decision that caps or vetoes; ``ends_on`` is the last day it binds (None: until cured)."""

    code: str
    evidence_id: str
    starts_on: date
    ends_on: date | None
    basis: str | None
    authority_name: str | None
    decision_no: str | None


@dataclass(frozen=True)
class Inputs:
    """One night's score inputs, every frame sorted by its key; all values are text as PostgreSQL prints them."""

    enterprises: pl.DataFrame
    counts: pl.DataFrame
    evidence: pl.DataFrame
    caps: dict[str, list[CapCase]]
    available_feeds: frozenset[str]
    sha256: str


def read_canonical(connection: psycopg.Connection, query: LiteralString, digest: Any) -> pl.DataFrame:
    """Return the rows of ``query`` as text columns and feed the same bytes to ``digest``.

    Raises InputsError when the warehouse has not been built.
    """
    buffer = io.BytesIO()
    copying = sql.SQL("copy ({}) to stdout (format csv, header)").format(sql.SQL(query))
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


def read_inputs(connection: psycopg.Connection) -> Inputs:
    """Read tonight's score inputs in one snapshot.

    Raises InputsError when a mart is missing, there is no enterprise, or one appears twice.
    """
    digest = hashlib.sha256()
    enterprises = read_canonical(connection, ENTERPRISES, digest)
    if enterprises.is_empty():
        raise InputsError("marts.mart_scoring__enterprises is empty: there is nobody to grade")
    repeated = enterprises.filter(pl.col("uscc").is_duplicated())
    if len(repeated):
        raise InputsError(f"marts.mart_scoring__enterprises: {repeated['uscc'][0]} appears more than once")
    counts = read_canonical(connection, COUNTS, digest)
    evidence = read_canonical(connection, EVIDENCE, digest)
    cases = read_canonical(connection, CAPS, digest)
    feeds = read_canonical(connection, FEEDS, digest)
    caps: dict[str, list[CapCase]] = {}
    for row in cases.iter_rows(named=True):
        caps.setdefault(row["uscc"], []).append(
            CapCase(
                code=row["cap_code"],
                evidence_id=row["evidence_id"],
                starts_on=date.fromisoformat(row["starts_on"]),
                ends_on=date.fromisoformat(row["ends_on"]) if row["ends_on"] else None,
                basis=row["basis"],
                authority_name=row["authority_name"],
                decision_no=row["decision_no"],
            )
        )
    return Inputs(
        enterprises=enterprises,
        counts=counts,
        evidence=evidence,
        caps=caps,
        available_feeds=frozenset(feeds.filter(pl.col("is_available") == "t")["feed"]),
        sha256=digest.hexdigest(),
    )


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
