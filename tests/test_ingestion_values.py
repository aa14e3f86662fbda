"""Values: every text of a source becomes what it means, or its row is refused with the right reason."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy
import polars
import pytest

from ingestion import feeds, rules
from ingestion.blocks import Block
from ingestion.contract import REASONS
from ingestion.hashing import hashes
from ingestion.mapping import Mapper
from ingestion.profile import Profile

BUSINESS_DATE = date(2026, 10, 31)
ENTERPRISE = "91350100M000100Y43"


def profile(feed, columns, **changes):
    contract = feeds.get(feed)
    constants = {
        field.name: {
            "date": "2026-01-01",
            "timestamp": "2026-01-01 00:00:00",
            "integer": "1",
            "decimal": "1",
            "boolean": "true",
        }.get(field.type, ENTERPRISE if field.type == "uscc" else (field.codes or ("150203",))[0])
        for field in contract.fields
        if field.required and field.name not in columns and field.name not in changes.get("derive", {})
    }
    dates = {name: ["%Y-%m-%d"] for name in columns if contract.field(name).type == "date"}
    dates |= {name: ["%Y-%m-%d %H:%M:%S"] for name in columns if contract.field(name).type == "timestamp"}
    return Profile(
        **{
            "name": "p", "feed": feed, "office_zh": "测", "format": "csv", "files": ["*"], "header": {"row": 1},
            "columns": {name: [name] for name in columns}, "constants": constants,
            "booleans": {"是": True, "否": False}, **changes, "dates": dates | changes.get("dates", {}),
        }
    )  # fmt: skip


def checked(feed, rows, references=None, **changes):
    """Run rows (dicts of the source's columns) through mapping and rules; return typed rows and reason codes."""
    columns = list(rows[0])
    fields = [name for name in columns if name in feeds.get(feed).field_names]
    source = profile(feed, fields, **changes)
    frame = polars.DataFrame(rows, schema=dict.fromkeys(columns, polars.String))
    block = Block(frame, numpy.arange(2, 2 + frame.height), lambda places: ["" for _ in places])
    mapped = Mapper(feeds.get(feed), source, "file.csv").map(block)
    found = rules.Checker(feeds.get(feed), source, BUSINESS_DATE, references).check(mapped)
    refused = rules.refused_rows(feeds.get(feed), found)
    codes = dict(zip(refused.places.tolist(), refused.codes, strict=True))
    return found.typed, [codes.get(place) for place in range(found.typed.height)]


def one(feed, name, text, **changes):
    typed, codes = checked(feed, [{name: text}], **changes)
    return codes[0] or typed[name][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02", date(2026, 1, 2)),
        (" 2026-01-02\u3000", date(2026, 1, 2)),
        ("2026-02-30", "TYPE_INVALID_DATE"),
        ("0226-01-02", "TYPE_INVALID_DATE"),
        ("46000", date(2025, 12, 9)),
        ("2026/1/2", date(2026, 1, 2)),
        ("2026-11-01", "DATE_IN_FUTURE"),
        ("2026-10-31", date(2026, 10, 31)),
        (None, "REQUIRED_MISSING"),
        ("  ", "REQUIRED_MISSING"),
    ],
)
def test_date__as_offices_write_it__is_read_or_refused(text, expected):
    formats = {"booked_on": ["%Y-%m-%d", "%Y/%m/%d", "excel"]}
    assert checked("funds", [{"booked_on": text, "summary": "x"}], dates=formats)[1][0] == expected or (
        one("funds", "booked_on", text or "", dates=formats) == expected
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 08:00:00", datetime(2026, 1, 2, 0, 0, tzinfo=UTC)),
        ("1988-07-01 08:00:00", datetime(1988, 6, 30, 23, 0, tzinfo=UTC)),  # Shanghai had summer time until 1991
        ("46024.5", datetime(2026, 1, 2, 4, 0, tzinfo=UTC)),
        ("2026-10-31 23:59:59", datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC)),
        ("2026-11-01 00:00:00", "DATE_IN_FUTURE"),
        ("昨天", "TYPE_INVALID_TIMESTAMP"),
    ],
)
def test_timestamp__in_local_time__becomes_an_instant(text, expected):
    assert one("complaints", "submitted_at", text, dates={"submitted_at": ["%Y-%m-%d %H:%M:%S", "excel"]}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.3", Decimal("12.30")),
        ("-1,234.50", Decimal("-1234.50")),
        ("¥5", Decimal("5.00")),
        ("0.30000000000000004", Decimal("0.30")),
        ("12.345", "TYPE_INVALID_NUMBER"),
        ("12.3.4", "TYPE_INVALID_NUMBER"),
        ("NaN", "TYPE_INVALID_NUMBER"),
        ("1e3", Decimal("1000.00")),
        ("12345678901234567890", "TYPE_INVALID_NUMBER"),
        ("0", "AMOUNT_ZERO"),
    ],
)
def test_amount__as_offices_write_it__is_read_or_refused(text, expected):
    assert one("funds", "amount", text, numbers={"amount": {"remove": [",", "¥"]}}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12", 12), ("12.0", 12), ("12.5", "TYPE_INVALID_NUMBER"), ("99999999999", "TYPE_INVALID_NUMBER"),
     ("0", "VALUE_OUT_OF_RANGE"), ("100001", "VALUE_OUT_OF_RANGE"), ("十二", "TYPE_INVALID_NUMBER")],
)  # fmt: skip
def test_count__as_offices_write_it__is_read_or_refused(text, expected):
    assert one("communities", "household_count", text) == expected


def test_codes__unlisted_null_and_default__are_told_apart():
    mapping = {"severity_code": {"一般": "general", "无": None, "": "minor"}}
    typed, codes = checked(
        "inspections",
        [{"severity_code": text, "inspection_id": "i"} for text in ("一般", "无", None, "特别")],
        codes=mapping,
    )
    assert typed["severity_code"].to_list()[:3] == ["general", None, "minor"]
    assert codes == [None, None, None, "CODE_UNKNOWN"]


def test_required_code__meaning_nothing__is_missing():
    mapping = {"channel_code": {"电话": "hotline", "-": None}}
    assert one("complaints", "channel_code", "-", codes=mapping) == "REQUIRED_MISSING"


def test_reference__unknown__is_refused_and_empty_is_not():
    known = {"communities": polars.Series(["C1"]), "enterprises": polars.Series([ENTERPRISE])}
    rows = [{"complaint_id": "a", "community_id": text} for text in ("C1", "C2", None)]
    assert checked("complaints", rows, known)[1] == [None, "REFERENCE_UNKNOWN", None]


def test_signs__money_out__is_negative_and_a_reversal_positive():
    sign = {"amount": {"negate_when": {"column": "借贷", "equals": ["借"]}}}
    rows = [{"amount": text, "借贷": side} for text, side in (("5", "借"), ("5", "贷"), ("-5", "借"), ("+5", "借"))]
    typed, codes = checked("funds", rows, signs=sign)
    assert typed["amount"].to_list() == [Decimal(-5), Decimal(5), Decimal(5), Decimal(-5)]
    assert codes == [None] * 4


def test_derive__with_captures_and_hash__fills_fields_and_misses_when_a_part_is_missing():
    rows = [{"summary": "票据 A-17 维修", "account_no": "1"}, {"summary": "维修", "account_no": "1"}]
    typed, codes = checked(
        "funds", rows,
        captures=[{"source": "summary", "pattern": r"(?P<voucher>[A-Z]-\d+)"}],
        derive={"voucher_no": "{voucher}", "entry_id": "{source_file}:{row_number}:{summary|hash}"},
    )  # fmt: skip
    assert typed["voucher_no"].to_list() == ["A-17", None] and codes == [None, None]
    first, second = typed["entry_id"].to_list()
    assert first.startswith("file.csv:2:") and second.startswith("file.csv:3:") and first[11:] != second[11:]


# one row per rule that breaks it: feed → rule → the row's values
BROKEN = {
    "enterprises": {
        "DELISTED_BEFORE_LISTED": {"listed_on": "2026-02-01", "delisted_on": "2026-01-01"},
        "LISTED_WITHOUT_DATE": {"listing_status_code": "listed", "listed_on": None},
    },
    "communities": {"BUILT_IN_FUTURE": {"built_year": "2027"}},
    "contracts": {
        "ENDS_BEFORE_START": {"starts_on": "2026-02-01", "ends_on": "2026-01-01"},
        "ENDED_BEFORE_START": {"starts_on": "2026-02-01", "ended_on": "2026-01-01"},
        "END_REASON_WITHOUT_END": {"end_reason_code": "mutual", "ended_on": None},
    },
    "complaints": {
        **{
            f"{name.upper()}_BEFORE_SUBMITTED": {
                "submitted_at": "2026-02-01 00:00:00",
                f"{name}_at": "2026-01-01 00:00:00",
            }
            for name in ("responded", "handled", "resolved", "closed")
        },
        "RESOLVED_WITHOUT_TIME": {"status_code": "resolved", "resolved_at": None},
        "REPEATS_ITSELF": {"complaint_id": "a", "repeat_of_id": "a"},
    },
    "inspections": {
        "FAILED_MORE_THAN_CHECKED": {"checked_item_count": "1", "failed_item_count": "2"},
        "RECTIFIED_BEFORE_INSPECTED": {"inspected_on": "2026-02-01", "rectified_on": "2026-01-01"},
        "ORDER_DUE_BEFORE_INSPECTED": {"inspected_on": "2026-02-01", "order_due_on": "2026-01-01"},
    },
    "funds": {"AMOUNT_ZERO": {"amount": "0.00"}},
    "disclosures": {"PUBLISHED_BEFORE_PERIOD": {"period_start_on": "2026-02-01", "published_on": "2026-01-01"}},
    "public_credit": {
        f"{name.upper()}_BEFORE_DECIDED": {"decided_on": "2026-02-01", f"{name}_on": "2026-01-01"}
        for name in ("served", "repaired", "revoked")
    },
    "surveys": {},
    "personnel": {"LEFT_BEFORE_HIRED": {"hired_on": "2026-02-01", "left_on": "2026-01-01"}},
    "objections": {
        "DECIDED_BEFORE_FILED": {"filed_on": "2026-02-01", "decided_on": "2026-01-01"},
        "DECIDED_WITHOUT_DATE": {"outcome_code": "upheld", "decided_on": None},
        "DECIDED_BY_ORIGINAL_OFFICER": {
            "outcome_code": "upheld",
            "filed_on": "2026-01-01",
            "decided_on": "2026-01-05",
            "original_officer_code": "J01",
            "decider_code": "J01",
        },
        "DECIDER_UNKNOWN": {
            "outcome_code": "rejected",
            "filed_on": "2026-01-01",
            "decided_on": "2026-01-05",
            "original_officer_code": "J01",
        },
        "REVIEWED_BY_EARLIER_OFFICER": {"decider_code": "F01", "reviewer_code": "F01"},
        "REVIEW_BEFORE_DECISION": {
            "filed_on": "2026-01-01",
            "decided_on": "2026-02-01",
            "review_filed_on": "2026-01-15",
        },
        "REVIEWED_WITHOUT_DATE": {"review_outcome_code": "upheld", "review_decided_on": None},
    },
    "inspectors": {"ENDED_BEFORE_BEGUN": {"active_from": "2026-02-01", "active_until": "2026-01-01"}},
    "inspector_ties": {"ENDED_BEFORE_BEGUN": {"starts_on": "2026-02-01", "ends_on": "2026-01-01"}},
    "owners_committees": {
        "DISSOLVED_BEFORE_FORMED": {"formed_on": "2026-02-01", "dissolved_on": "2026-01-01"},
        "PARTY_MORE_THAN_MEMBERS": {"member_count": "5", "party_member_count": "6"},
        "TRAININGS_WITHOUT_YEAR": {"training_count": "2", "training_year": None},
    },
    "project_honours": {
        "REVOKED_BEFORE_GRANTED": {"granted_on": "2026-02-01", "revoked_on": "2026-01-01"},
        "LEVEL_WITHOUT_EDITION": {"honour_code": "second_level", "standard_edition": None},
    },
    "mashangban_enrolments": {"WITHDRAWN_BEFORE_ENROLLED": {"enrolled_on": "2026-02-01", "withdrawn_on": "2026-01-01"}},
    "replies": {
        "STATEMENT_NOT_ONE_LINE": {"statement": "第一行\n第二行"},
        "STATEMENT_NAMES_A_PERSON": {"statement": "请致电13800001111核实"},
        "WITHDRAWN_BEFORE_FILED": {"filed_on": "2026-02-01", "withdrawn_on": "2026-01-01"},
    },
    "fund_votes": {
        "MORE_VOTES_THAN_OWNERS": {"owner_count": "100", "voting_owner_count": "101", "approving_owner_count": "60"},
        "MORE_IN_FAVOUR_THAN_VOTED": {
            "owner_count": "100",
            "voting_owner_count": "60",
            "approving_owner_count": "50",
            "owner_area_m2": "9000",
            "voting_area_m2": "7000",
            "approving_area_m2": "7000.01",
        },
    },
    "emergency_repairs": {"FILED_BEFORE_IT_HAPPENED": {"occurred_on": "2026-02-01", "filed_on": "2026-01-01"}},
    "related_parties": {"ENDS_BEFORE_START": {"valid_from": "2026-02-01", "valid_to": "2026-01-01"}},
    "mediations": {
        "PERFORMED_BEFORE_AGREED": {"agreed_on": "2026-02-01", "performed_on": "2026-01-01"},
        "PERFORMED_WITHOUT_DATE": {"outcome_code": "performed", "performed_on": None},
    },
    "lifts": {
        "VALID_BEFORE_INSPECTED": {"inspected_on": "2026-02-01", "valid_until": "2026-01-01"},
        "PASSED_WITHOUT_VALIDITY": {"result_code": "passed", "valid_until": None},
        "OUT_OF_USE_BEFORE_IN_USE": {
            "in_use_from": "2026-02-01",
            "out_of_use_on": "2026-01-01",
            "valid_until": "2027-01-01",
        },
    },
    "standard_assessments": {"CONFORMING_MORE_THAN_ASSESSED": {"item_count": "1", "conforming_item_count": "2"}},
    "handovers": {
        "COMPLETE_WITHOUT_DATE": {
            **dict.fromkeys(("are_documents_complete", "are_facilities_complete", "are_accounts_complete"), "是"),
            "completed_on": None,
        },
    },
    "reporting_records": {
        "WRONG_MORE_THAN_CHECKED": {"checked_item_count": "1", "wrong_item_count": "2"},
        "SUBMITTED_BEFORE_PERIOD": {"period_start_on": "2026-02-01", "submitted_on": "2026-01-01"},
    },
}


@pytest.mark.parametrize(
    ("feed", "code"), [(name, rule.code) for name in feeds.NAMES for rule in feeds.get(name).rules]
)
def test_row_rule__broken_on_purpose__refuses_the_row_with_its_reason(feed, code):
    row = BROKEN[feed][code]
    constants = {} if "is_active" not in feeds.get(feed).field_names else {"is_active": "是"}
    source_rows = [row, dict.fromkeys(row)]
    typed_booleans = {
        field.name: "是" for field in feeds.get(feed).fields if field.type == "boolean" and field.required
    } | constants
    rows = [{**typed_booleans, **one_row} for one_row in source_rows]
    assert checked(feed, rows)[1][0] == code


@pytest.mark.parametrize(
    ("code", "feed", "row"),
    [
        ("TEXT_TOO_LONG", "complaints", {"title": "长" * 2001}),
        ("TEXT_WRONG_FORM", "complaints", {"region_code": "15020"}),
        ("TYPE_INVALID_BOOLEAN", "complaints", {"is_confirmed": "也许"}),
        ("USCC_CHECK_DIGIT", "funds", {"uscc": ENTERPRISE[:-1] + "4"}),
    ],
)
def test_field_check__broken_on_purpose__refuses_the_row_with_its_reason(code, feed, row):
    assert checked(feed, [row])[1] == [code] and code in REASONS


def test_reasons__several_in_one_row__are_all_told_and_the_first_names_it():
    row = {"submitted_at": "昨天", "channel_code": "鸽子", "title": "x"}
    columns = list(row)
    source = profile("complaints", columns, codes={"channel_code": {"电话": "hotline"}})
    frame = polars.DataFrame([row], schema=dict.fromkeys(columns, polars.String))
    mapped = Mapper(feeds.get("complaints"), source, "f").map(Block(frame, numpy.array([2]), lambda places: []))
    refused = rules.refused_rows(
        feeds.get("complaints"), rules.Checker(feeds.get("complaints"), source, BUSINESS_DATE).check(mapped)
    )
    assert refused.codes == ["CODE_UNKNOWN"] and refused.columns == ["channel_code"]
    assert "代码值不在目录中" in refused.reasons[0] and "时间无法识别" in refused.reasons[0]


def row_hash(feed, typed):
    return hashes(feed, typed)[1].item()


def test_row_hash__of_equal_values__ignores_how_they_were_written_and_sees_every_field():
    feed = feeds.get("funds")
    first, _codes = checked("funds", [{"booked_on": "2026-01-02", "amount": "5"}])
    second, _codes = checked("funds", [{"booked_on": "20260102", "amount": "5.00"}], dates={"booked_on": ["%Y%m%d"]})
    assert row_hash(feed, first) == row_hash(feed, second)
    for changed in ({"amount": "6"}, {"summary": "x"}, {"voucher_no": "x"}):
        other, _codes = checked("funds", [{"booked_on": "2026-01-02", "amount": "5", **changed}])
        assert row_hash(feed, other) != row_hash(feed, first)


def test_row_hash__today__is_what_it_always_was():
    typed, _codes = checked("funds", [{"booked_on": "2026-01-02", "amount": "5", "summary": "维修"}])
    assert row_hash(feeds.get("funds"), typed) == -2943269893291604442  # one field more than before: another hash
