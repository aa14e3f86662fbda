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
from scoring.schema import Indicator, Method

Item = TypeVar("Item")

MODELS = ("+mart_scoring__*",)  # dbt selectors: what is read here, and all that it needs

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
    select feed, is_available from {marts}.mart_scoring__feeds where is_scored order by feed collate "C"
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
FINDINGS: LiteralString = """
    select uscc, indicator_code, finding_code, case_count
    from {marts}.mart_scoring__findings
    order by uscc collate "C", indicator_code collate "C", finding_code collate "C"
"""
SILENCES: LiteralString = """
    select uscc, feed, is_silent, from_on, region_names, title_zh
    from {marts}.mart_scoring__silences
    order by uscc collate "C", feed collate "C"
"""
COUNTED_UNTIL: LiteralString = """
    select feed, counted_until from {marts}.mart_scoring__feeds where is_scored and counted_until is not null
    order by feed collate "C"
"""
DEPARTURES: LiteralString = """
    select uscc, departure_code, since_on
    from {marts}.mart_scoring__departures
    order by uscc collate "C", departure_code collate "C"
"""
# what a replay may know: of each feed, and of the decisions in the register of entities
KNOWN_UNTIL: LiteralString = """
    select jsonb_object_agg(feed, known_until) from (
      select feed, known_until from {marts}.mart_scoring__feeds
      union all
      select 'entities', max(decided_until) from {marts}.mart_scoring__feeds
    ) as parts where known_until is not null
"""
EDITION: LiteralString = "select max(edition) from {marts}.mart_scoring__feeds"
STRATUM_MONTHS: LiteralString = """
    select stratum_code, sum(complaint_count)::numeric as complaint_count,
      trim_scale(sum(household_months)::numeric) as household_months
    from {marts}.mart_scoring__stratum_months
    group by stratum_code
    order by stratum_code collate "C"
"""
CLUSTERS: LiteralString = """
    select indicator_code, uscc, stratum_code, coalesce(window_months, 0) as window_months, cluster_kind, cluster_count,
      trim_scale(numerator) as numerator, trim_scale(denominator) as denominator,
      trim_scale(numerator_square_sum) as numerator_square_sum, trim_scale(product_sum) as product_sum,
      trim_scale(denominator_square_sum) as denominator_square_sum
    from {marts}.mart_scoring__clusters
    order by indicator_code collate "C", uscc collate "C", 4, stratum_code collate "C", cluster_kind collate "C"
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
class Finding:
    """Limits of one indicator that ran out without anybody's finding: ``deemed`` confirmed, or ``pending`` one."""

    indicator_code: str
    finding_code: str
    case_count: int


@dataclass(frozen=True)
class Silence:
    """A feed that says nothing, for longer than it may, of districts that an enterprise serves.

    Attributes:
        is_silent: of all of them: the feed is not available; else only the events of the silent ones are left out.
        from_on: first day without a word; None: there never was one.
        region_names: the silent districts, for people; None: every district of the region.
        title_zh: name of the feed.
    """

    feed: str
    is_silent: bool
    from_on: date | None
    region_names: str | None
    title_zh: str


@dataclass(frozen=True)
class Departure:
    """Why an enterprise is not graded any more: ``deregistered`` or ``not_serving``, and since when."""

    departure_code: str
    since_on: date


@dataclass(frozen=True)
class Inputs:
    """One night's score inputs, every frame sorted by its key; all values are text as PostgreSQL prints them.

    ``disputed`` is the part of ``counts`` that is under an open objection, in the same columns. ``counted_codes`` are
    the indicators that the warehouse counts for anybody: kept when the inputs are cut to some enterprises. ``edition``:
    of the rules that the warehouse was built with. ``counted_until``: the last day counted of feeds whose windows end
    before the night. ``silences``: by enterprise; both are empty for a method that counts a silent feed as it stands.
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
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    silences: dict[str, list[Silence]] = field(default_factory=dict)
    counted_until: dict[str, date] = field(default_factory=dict)
    departures: dict[str, list[Departure]] = field(default_factory=dict)
    counted_codes: frozenset[str] = frozenset()
    edition: int = 1

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
            frames = {name: parts.pop((number,), None) for name, parts in dealt.items()}
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
            findings={uscc: self.findings[uscc] for uscc in usccs if uscc in self.findings},
            silences={uscc: self.silences[uscc] for uscc in usccs if uscc in self.silences},
            departures={uscc: self.departures[uscc] for uscc in usccs if uscc in self.departures},
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


def edition(connection: psycopg.Connection, *, marts: str = "marts") -> int:
    """Return the edition of the rules of reading and counting that schema ``marts`` was built with."""
    row = connection.execute(sql.SQL(EDITION).format(marts=sql.Identifier(marts))).fetchone()
    return int(row[0]) if row and row[0] else 1


def read_inputs(connection: psycopg.Connection, *, marts: str = "marts") -> Inputs:
    """Read tonight's score inputs from schema ``marts`` in one snapshot.

    Raises InputsError when a mart is missing, there is no enterprise, or one appears twice.
    """
    digest = hashlib.sha256()
    enterprises, counts, evidence, cases, feeds, disputed, objections, records = (
        read_canonical(connection, query, digest, marts=marts)
        for query in (ENTERPRISES, COUNTS, EVIDENCE, CAPS, FEEDS, DISPUTED, OBJECTIONS, RECORDS)
    )
    findings, silences, counted_until, departures = (
        _read_if_any(connection, query, digest, marts=marts)
        for query in (FINDINGS, SILENCES, COUNTED_UNTIL, DEPARTURES)
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
        findings=_of_enterprises(
            findings,
            lambda row: Finding(row["indicator_code"], row["finding_code"], int(row["case_count"])),
        ),
        silences=_of_enterprises(
            silences,
            lambda row: Silence(
                row["feed"],
                row["is_silent"] == "t",
                date.fromisoformat(row["from_on"]) if row["from_on"] else None,
                row["region_names"],
                row["title_zh"],
            ),
        ),
        counted_until={feed: date.fromisoformat(day) for feed, day in counted_until.iter_rows()},
        departures=_of_enterprises(
            departures, lambda row: Departure(row["departure_code"], date.fromisoformat(row["since_on"]))
        ),
        edition=edition(connection, marts=marts),
    )


def _read_if_any(connection: psycopg.Connection, query: LiteralString, digest: Any, *, marts: str) -> pl.DataFrame:
    """Return the rows of ``query`` as ``read_canonical`` does; where there are none, ``digest`` hears nothing of it.

    What a method does not count is no input: the runs of one that knows nothing of it keep their hash.
    """
    content = hashlib.sha256()
    rows = read_canonical(connection, query, content, marts=marts)
    if len(rows):
        digest.update(content.digest())
    return rows


def _of_enterprises(rows: pl.DataFrame, make: Callable[[dict[str, Any]], Item]) -> dict[str, list[Item]]:
    """Return what ``make`` makes of each row, by enterprise."""
    items: dict[str, list[Item]] = {}
    for row in rows.iter_rows(named=True):
        items.setdefault(row["uscc"], []).append(make(row))
    return items


def read_fit_data(
    connection: psycopg.Connection, method: Method, *, marts: str = "marts", digest: Any = None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
    """Return what a fit is estimated from: complaints and household-months by stratum, the counts, and the clusters.

    The clusters are None for a method that takes every event as independent.
    """
    digest = digest or hashlib.sha256()
    strata = read_canonical(connection, STRATUM_MONTHS, digest, marts=marts)
    counts = read_canonical(connection, COUNTS, digest, marts=marts)
    if method.risk.overdispersion is None:
        return strata, counts, None
    return strata, counts, read_canonical(connection, CLUSTERS, digest, marts=marts)


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
