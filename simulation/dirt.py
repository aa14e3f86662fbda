"""Known dirt: rows that must be refused, exact copies, and earlier versions of a row in the same file.

A refused row is a damaged copy of a good one under a key of its own, so that no true row is ever lost; it has exactly
one fault. Owns what is planted and where; the reason codes are ingestion's public vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from simulation import credit_codes, words
from simulation.offices import EXCEL, Office
from simulation.parameters import Dirt

TORN, WIDE = "\x01", "\x02"  # replaced by bytes that no table holds after encoding, and by one value too many
UNKNOWN_COMMUNITY = "150203-9999"

# profile → (kind, field, reason code); the first ones matter most where a file is too short for all
_PLAN: dict[str, tuple[tuple[str, str, str], ...]] = {
    "baotou_enterprises": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("impossible_date", "established_on", "TYPE_INVALID_DATE"),
        ("missing", "enterprise_name", "REQUIRED_MISSING"),
    ),
    "baotou_communities": (
        ("bad_number", "household_count", "TYPE_INVALID_NUMBER"),
        ("unknown_word", "community_type_code", "CODE_UNKNOWN"),
        ("missing", "community_name", "REQUIRED_MISSING"),
    ),
    "baotou_enterprise_events": (("unknown_word", "event_code", "CODE_UNKNOWN"),),
    "baotou_community_events": (("unknown_word", "event_code", "CODE_UNKNOWN"),),
    "baotou_contracts": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("impossible_date", "filed_on", "TYPE_INVALID_DATE"),
    ),
    "mashangban_api": (
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("impossible_time", "submitted_at", "TYPE_INVALID_TIMESTAMP"),
        ("too_early", "responded_at", "RESPONDED_BEFORE_SUBMITTED"),
        ("unknown_word", "category_code", "CODE_UNKNOWN"),
    ),
    "hotline_backlog": (
        ("torn", "content", "TEXT_UNREADABLE"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("impossible_time", "submitted_at", "TYPE_INVALID_TIMESTAMP"),
        ("wide", "is_pause_approved", "ROW_WRONG_WIDTH"),
        ("too_early", "responded_at", "RESPONDED_BEFORE_SUBMITTED"),
    ),
    "baotou_inspections": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("impossible_date", "inspected_on", "TYPE_INVALID_DATE"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("unknown_word", "line_type_code", "CODE_UNKNOWN"),
    ),
    "bank_ledger": (
        ("impossible_date", "booked_on", "TYPE_INVALID_DATE"),
        ("torn", "counterparty_name", "TEXT_UNREADABLE"),
        ("bad_number", "_printed", "TYPE_INVALID_NUMBER"),
        ("future", "booked_on", "DATE_IN_FUTURE"),
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
    ),
    "baotou_disclosures": (
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("unknown_word", "disclosure_class_code", "CODE_UNKNOWN"),
        ("impossible_date", "period_start_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_public_credit": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("torn", "legal_basis", "TEXT_UNREADABLE"),
        ("impossible_date", "decided_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_surveys": (
        ("out_of_range", "satisfaction_score", "VALUE_OUT_OF_RANGE"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
    ),
    "baotou_personnel": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("impossible_date", "hired_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_objections": (
        ("unknown_word", "target_type_code", "CODE_UNKNOWN"),
        ("impossible_date", "filed_on", "TYPE_INVALID_DATE"),
        ("same_officer", "decider_code", "DECIDED_BY_ORIGINAL_OFFICER"),
    ),
    "baotou_mediations": (
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("unknown_word", "outcome_code", "CODE_UNKNOWN"),
    ),
    "baotou_lifts": (
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("unknown_word", "result_code", "CODE_UNKNOWN"),
        ("impossible_date", "in_use_from", "TYPE_INVALID_DATE"),
    ),
    "baotou_street_ratings": (
        ("out_of_range", "rating_score", "VALUE_OUT_OF_RANGE"),
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("future", "rated_on", "DATE_IN_FUTURE"),
    ),
    "baotou_standard_assessments": (
        ("missing", "standard_edition", "REQUIRED_MISSING"),
        ("bad_number", "item_count", "TYPE_INVALID_NUMBER"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
    ),
    "baotou_handovers": (
        ("impossible_date", "due_on", "TYPE_INVALID_DATE"),
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
    ),
    "baotou_replies": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("impossible_date", "filed_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_reporting_records": (
        ("unknown_word", "report_type_code", "CODE_UNKNOWN"),
        ("missing", "due_on", "REQUIRED_MISSING"),
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
    ),
    "baotou_inspectors": (
        ("unknown_word", "authority_code", "CODE_UNKNOWN"),
        ("impossible_date", "active_from", "TYPE_INVALID_DATE"),
    ),
    "baotou_inspector_ties": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("unknown_word", "relation_code", "CODE_UNKNOWN"),
    ),
    "baotou_owners_committees": (
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("impossible_date", "formed_on", "TYPE_INVALID_DATE"),
        ("bad_number", "member_count", "TYPE_INVALID_NUMBER"),
    ),
    "baotou_contacts": (
        ("mobile", "telephone", "TELEPHONE_OF_A_PERSON"),
        ("unknown_word", "post_code", "CODE_UNKNOWN"),
    ),
    "baotou_project_honours": (
        ("unknown_word", "honour_code", "CODE_UNKNOWN"),
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
    ),
    "baotou_mashangban_enrolments": (("unknown_community", "community_id", "REFERENCE_UNKNOWN"),),
    "baotou_fund_votes": (
        ("bad_number", "owner_count", "TYPE_INVALID_NUMBER"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("impossible_date", "decided_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_emergency_repairs": (
        ("unknown_word", "use_code", "CODE_UNKNOWN"),
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
    ),
    "baotou_related_parties": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("missing", "party_name", "REQUIRED_MISSING"),
    ),
    "baotou_tenders": (
        ("unknown_word", "method_code", "CODE_UNKNOWN"),
        ("impossible_date", "announced_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_fee_collections": (
        ("unknown_community", "community_id", "REFERENCE_UNKNOWN"),
        ("bad_number", "received_amount", "TYPE_INVALID_NUMBER"),
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
    ),
    "baotou_disputes": (
        ("unknown_word", "origin_code", "CODE_UNKNOWN"),
        ("impossible_date", "received_on", "TYPE_INVALID_DATE"),
    ),
    "baotou_contract_terms": (("bad_number", "fee_per_m2", "TYPE_INVALID_NUMBER"),),
    "baotou_contract_items": (("bad_number", "fee_per_m2", "TYPE_INVALID_NUMBER"),),
    "baotou_joint_meetings": (("impossible_date", "established_on", "TYPE_INVALID_DATE"),),
    "baotou_tender_bids": (
        ("check_digit", "uscc", "USCC_CHECK_DIGIT"),
        ("bad_number", "price_per_m2", "TYPE_INVALID_NUMBER"),
    ),
}
_KEYS = {
    "baotou_enterprise_events": "event_id", "baotou_community_events": "event_id",
    "baotou_enterprises": "uscc", "baotou_communities": "community_id", "baotou_contracts": "contract_id",
    "mashangban_api": "complaint_id", "hotline_backlog": "complaint_id", "baotou_inspections": "inspection_id",
    "bank_ledger": "entry_id", "baotou_disclosures": "disclosure_id", "baotou_public_credit": "record_id",
    "baotou_surveys": "survey_id", "baotou_personnel": "staff_id", "baotou_objections": "objection_id",
    "baotou_mediations": "mediation_id", "baotou_lifts": "lift_id", "baotou_street_ratings": "rating_id",
    "baotou_standard_assessments": "assessment_id", "baotou_handovers": "handover_id",
    "baotou_reporting_records": "report_id", "baotou_inspectors": "inspector_code",
    "baotou_inspector_ties": "inspector_code", "baotou_owners_committees": "committee_id",
    "baotou_contacts": "contact_id", "baotou_project_honours": "honour_id",
    "baotou_mashangban_enrolments": "community_id",
    "baotou_replies": "reply_id",
    "baotou_fund_votes": "vote_id", "baotou_emergency_repairs": "emergency_id", "baotou_related_parties": "relation_id",
    "baotou_tenders": "tender_id", "baotou_tender_bids": "tender_id",
    "baotou_fee_collections": "community_id", "baotou_disputes": "dispute_id", "baotou_joint_meetings": "street_code",
    "baotou_contract_terms": "contract_id",
    "baotou_contract_items": "contract_id",
}  # fmt: skip
_EARLIER = {  # a column whose earlier version may differ: what stood there before
    "baotou_communities": ("community_name", "（暂名）"), "mashangban_api": ("title", "（初录）"),
    "hotline_backlog": ("title", "（初录）"), "baotou_inspections": ("finding", "（初稿）"),
    "baotou_public_credit": ("summary", "（初录）"), "baotou_contracts": ("service_level", "（待核）"),
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """An export with its dirt. ``rows`` has a ``_mark`` column: null, a reason code, 'duplicate' or 'correction'."""

    rows: pl.DataFrame

    def marks(self, office: Office) -> list[tuple[int, str]]:
        """Return (row number as a spreadsheet shows it, mark) of every marked row; for an API, the record's ordinal."""
        above = 0 if office.format == "json_api" else office.header_row
        numbered = self.rows.with_row_index("_row").filter(pl.col("_mark").is_not_null())
        return [(row + above + 1, mark) for row, mark in numbered.select("_row", "_mark").iter_rows()]


def plant(
    rows: pl.DataFrame, office: Office, want: Dirt, *, first: bool, day: date, rng: np.random.Generator
) -> Planted:
    """Return the export ``rows`` with dirt among them; a night's short file stays clean."""
    rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias("_mark"))
    if not rows.height or (not first and rows.height < want.night_minimum):
        return Planted(rows)
    budget = int(want.max_share * rows.height)
    added: list[tuple[float, dict[str, object]]] = []
    number = 0
    for kind, name, reason in _PLAN[office.shape]:
        for _ in range(min(max(1, round(want.rate * rows.height)) if first else 1, budget)):
            budget -= 1
            number += 1
            made = _damaged(rows, office, kind=kind, name=name, day=day, number=number, rng=rng)
            added.append((rng.random() * rows.height, {**made, "_mark": reason}))
    for _ in range(max(1, round(want.duplicates * rows.height)) if first else 0):
        place = int(rng.integers(0, rows.height))
        added.append((place + 0.4, {**rows.row(place, named=True), "_mark": "duplicate"}))
    if office.shape in _EARLIER and first:
        name, before = _EARLIER[office.shape]
        header = office.header_of(name)
        filled = np.flatnonzero(rows[header].is_not_null().to_numpy())
        for place in rng.choice(filled, min(len(filled), max(1, round(want.corrections * rows.height))), replace=False):
            row = rows.row(int(place), named=True)
            added.append((place - 0.4, {**row, header: row[header] + before, "_mark": "correction"}))
    return Planted(_inserted(rows, added))


def _inserted(rows: pl.DataFrame, added: list[tuple[float, dict[str, object]]]) -> pl.DataFrame:
    """Return the rows with others put between them; a column of numbers that must hold a word becomes text."""
    if not added:
        return rows
    schema = rows.schema
    words = {
        header
        for _, row in added
        for header, value in row.items()
        if isinstance(value, str) and schema[header] != pl.String
    }
    rows = rows.with_columns(_as_text(schema, header) for header in rows.columns if header in words)
    fresh = [{h: str(v) if h in words and v is not None else v for h, v in row.items()} for _, row in added]
    extra = pl.DataFrame(fresh, schema=rows.schema).with_columns(pl.Series("_place", [place for place, _ in added]))
    placed = rows.with_columns(pl.int_range(pl.len()).cast(pl.Float64).alias("_place"))
    return pl.concat([placed, extra]).sort("_place", maintain_order=True).drop("_place")


def _as_text(schema: pl.Schema, header: str) -> pl.Expr:
    values = pl.col(header)
    return (values.cast(pl.Decimal(18, 2)) if schema[header].is_float() else values).cast(pl.String)


def _damaged(
    rows: pl.DataFrame, office: Office, *, kind: str, name: str, day: date, number: int, rng: np.random.Generator
) -> dict[str, object]:
    column = office.column_of(name)
    header = column.header
    usable = (
        rows[header].is_not_null().to_numpy() if kind in ("check_digit", "torn", "too_early", "bad_number") else None
    )
    if kind == "same_officer":  # of a decision; who withdraws is decided by nobody
        decisions = [words.OBJECTION_OUTCOMES[code] for code in ("upheld", "rejected")]
        usable = rows[office.header_of("outcome_code")].is_in(decisions).to_numpy()
    places = np.flatnonzero(usable) if usable is not None else np.arange(rows.height)
    row = rows.row(int(rng.choice(places)) if len(places) else 0, named=True)
    key = office.header_of(_KEYS[office.shape])
    if office.shape == "baotou_enterprises":
        row[key] = credit_codes.make_code("91", "150200", f"MAD0{number:04d}")
    else:
        row[key] = f"DZ{day:%y%m%d}{number:05d}"
    spoilt: dict[str, Callable[[], Any]] = {
        "check_digit": lambda: credit_codes.spoil(str(row[header])),
        "unknown_community": lambda: UNKNOWN_COMMUNITY,
        "impossible_date": lambda: date(2026, 2, 28).strftime(_text_format(column.format)).replace("28", "30"),
        "impossible_time": lambda: date(2026, 2, 28).strftime(column.format).replace("28", "30"),
        "future": lambda: (day + timedelta(days=400)).strftime(_text_format(column.format)),
        "too_early": lambda: date(2020, 1, 1).strftime(column.format),
        "unknown_word": lambda: "待定",
        "missing": lambda: None,
        "bad_number": lambda: "一百二十",
        "out_of_range": lambda: 180.0,
        "mobile": lambda: "19900000000",
        "torn": lambda: str(row[header]) + TORN,
        "same_officer": lambda: row[office.header_of("original_officer_code")],
        "wide": lambda: str(row[header] or "") + WIDE,
    }
    row[header] = spoilt[kind]()
    return row


def _text_format(column_format: str) -> str:
    return "%Y-%m-%d" if column_format == EXCEL else column_format
