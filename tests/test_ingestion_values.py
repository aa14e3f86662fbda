"""Values: every text of a source becomes what it means, or its row is refused with the right reason."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy
import polars
import pytest

from property_credit.ingestion import feeds, rules
from property_credit.ingestion.blocks import Block
from property_credit.ingestion.contract import REASONS, IngestionError
from property_credit.ingestion.mapping import Mapper
from property_credit.ingestion.profile import Profile
from property_credit.warehouse import credit_codes

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
    result = rules.Checker(feeds.get(feed), source, BUSINESS_DATE, references).check(mapped)
    refused = rules.refused_rows(feeds.get(feed), result)
    codes = dict(zip(refused.places.tolist(), refused.codes, strict=True))
    return result.typed, [codes.get(place) for place in range(result.typed.height)]


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
    ("text", "formats", "expected"),
    [
        ("11-05-26", ["%d-%m-%Y", "%d-%m-%y"], date(2026, 5, 11)),  # the first format reads the year 26
        ("10.31", ["excel", "%Y-%m-%d"], "TYPE_INVALID_DATE"),
        ("2026", ["excel"], "TYPE_INVALID_DATE"),
        ("20261031", ["excel"], "TYPE_INVALID_DATE"),
        ("0000-00-00", ["%Y-%m-%d"], "TYPE_INVALID_DATE"),
        ("9999-12-31", ["%Y-%m-%d"], "TYPE_INVALID_DATE"),
        ("二〇二六年十月三十一日", ["%Y-%m-%d", "chinese"], date(2026, 10, 31)),
        ("2026年十月廿五日", ["chinese"], date(2026, 10, 25)),
        ("２０２６-１０-０１", ["%Y-%m-%d"], date(2026, 10, 1)),
        ("2026-10-30 24:00", ["%Y-%m-%d %H:%M"], date(2026, 10, 30)),
    ],
)
def test_date__in_several_formats__is_the_plausible_one_or_refused(text, formats, expected):
    assert one("contracts", "starts_on", text, dates={"starts_on": formats}) == expected


@pytest.mark.parametrize(
    ("text", "formats", "expected"),
    [
        ("0001-01-01 00:00:00", ["%Y-%m-%d %H:%M:%S"], "TYPE_INVALID_TIMESTAMP"),  # what .NET writes for "none"
        ("0000-01-01 00:00:00", ["%Y-%m-%d %H:%M:%S"], "TYPE_INVALID_TIMESTAMP"),
        ("9999-12-31 23:59:59", ["%Y-%m-%d %H:%M:%S"], "TYPE_INVALID_TIMESTAMP"),
        ("0001-01-01T00:00:00+08:00", ["%Y-%m-%dT%H:%M:%S%z"], "TYPE_INVALID_TIMESTAMP"),
        ("2026-10-30 24:00:00", ["%Y-%m-%d %H:%M:%S"], datetime(2026, 10, 30, 16, tzinfo=UTC)),
        ("2026-10-30 24:01:00", ["%Y-%m-%d %H:%M:%S"], "TYPE_INVALID_TIMESTAMP"),
        ("2026/10/30 下午3:05", ["%Y/%m/%d %p%I:%M"], datetime(2026, 10, 30, 7, 5, tzinfo=UTC)),
        ("2026/10/30 上午 12:05", ["%Y/%m/%d %p %I:%M"], datetime(2026, 10, 29, 16, 5, tzinfo=UTC)),
        ("二〇二六年十月三十日下午三时二十分", ["chinese"], datetime(2026, 10, 30, 7, 20, tzinfo=UTC)),
        ("2026年10月29日24时", ["chinese"], datetime(2026, 10, 29, 16, 0, tzinfo=UTC)),
        ("2026/10/29 晚上8:05", ["%Y/%m/%d %p%I:%M"], datetime(2026, 10, 29, 12, 5, tzinfo=UTC)),
        ("2026/10/29 晚上12:05", ["%Y/%m/%d %p%I:%M"], "TYPE_INVALID_TIMESTAMP"),
        ("丙午年", ["chinese"], "TYPE_INVALID_TIMESTAMP"),
    ],
)
def test_timestamp__as_offices_write_it__is_an_instant_or_refused(text, formats, expected):
    assert one("complaints", "submitted_at", text, dates={"submitted_at": formats}) == expected


def test_format__that_is_none__is_told_with_profile_and_field():
    for form in ("%Y/%m/%d %p%H:%M", "%Y-%m-%d %H"):
        with pytest.raises(IngestionError, match="dates: submitted_at"):
            one("complaints", "submitted_at", "2026-10-01 08", dates={"submitted_at": [form]})


def test_timestamp__of_the_year_one__refuses_its_row_and_not_the_next():
    rows = [{"updated_at": text} for text in ("0001-01-01 00:00:00", "2026-10-01 08:00:00")]
    typed, codes = checked("complaints", rows)
    assert codes == ["TYPE_INVALID_TIMESTAMP", None] and typed["updated_at"][1] is not None
    assert checked("complaints", rows[:1], nulls=["0001-01-01 00:00:00"])[1] == [None]  # said by the profile: none


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
    ("text", "spec", "expected"),
    [
        ("(123.45)", None, "-123.45"),
        ("（1,234.50）", None, "-1234.50"),
        ("(-5)", None, None),
        ("(5", None, None),
        ("123.45-", None, "-123.45"),
        ("-5-", None, None),
        ("－５．００", None, "-5.00"),
        ("−9.00", None, "-9.00"),
        ("￥7.00", None, "7.00"),
        ("-¥7.00", None, "-7.00"),
        ("8.00元", None, "8.00"),
        ("$5.00", None, None),
        ("3.5万元", None, "35000.00"),
        ("1.23456789万元", None, None),
        ("1，000.00", None, "1000.00"),
        ("1,000", None, None),  # a thousand, or a decimal comma: nobody said
        ("1,000", {"remove": [","]}, "1000.00"),
        ("100,50", {"remove": [","]}, None),
        ("1,00,000", {"remove": [","]}, None),
        ("1,234.50-", {"remove": [","]}, "-1234.50"),
        ("1.234,50", {"decimal": ","}, "1234.50"),
        ("1234,5", {"decimal": ","}, "1234.50"),
        ("1.5", {"decimal": ","}, None),
        ("1.234", {"decimal": ","}, "1234.00"),
        ("1.2345", {"unit": "万元"}, "12345.00"),
        ("1.2345元", {"unit": "万元"}, None),
        ("2", {"unit": "分"}, "0.02"),
        ("1.23457E+11", None, None),  # six digits of twelve
        ("-0.004", None, None),
        ("1.005", None, None),
        ("1 234.50", {"remove": [" "]}, "1234.50"),
        ("12 34.50", {"remove": [" "]}, None),
    ],
)
def test_amount__by_the_grammar__is_exact_or_refused(text, spec, expected):
    amount = one("funds", "amount", text, numbers={"amount": spec} if spec else {})
    assert amount == (Decimal(expected) if expected else "TYPE_INVALID_NUMBER")


def test_amount__beside_others__does_not_depend_on_them():
    texts = ["1,000.00", "(5)", "7", "x", None, "8.00元", "2万元", "1.00"]
    typed, codes = checked("funds", [{"amount": text, "summary": "s"} for text in texts])
    assert typed["amount"].to_list() == [
        None if text is None else Decimal(text) for text in ("1000", "-5", "7", None, None, "8", "20000", "1")
    ]
    assert [place for place, code in enumerate(codes) if code] == [3, 4]


def test_score__with_a_unit_beside_it__is_no_amount():
    assert one("surveys", "satisfaction_score", "90分") == "TYPE_INVALID_NUMBER"


def test_header__that_names_a_unit__must_be_said_in_numbers():
    keys = profile("funds", ["amount"]).model_dump() | {"columns": {"amount": ["金额（万元）"]}}
    with pytest.raises(ValueError, match="unit: 万元"):
        Profile(**keys)
    assert Profile(**keys | {"numbers": {"amount": {"unit": "万元"}}})


def test_sign__every_word__is_mapped_or_refuses_its_row():
    sign = {"amount": {"negate_when": {"column": "借贷", "equals": ["借"]}}}
    rows = [{"amount": "5", "借贷": word} for word in ("借", " 贷 ", "借方", None, "D")]
    typed, codes = checked("funds", rows, signs=sign)
    assert codes == [None, None, "SIGN_UNKNOWN", "SIGN_UNKNOWN", "SIGN_UNKNOWN"]
    assert typed["amount"].to_list()[:2] == [Decimal(-5), Decimal(5)]
    assert typed["amount"].to_list()[2:] == [None] * 3  # no sum counts them under either sign
    sign["amount"]["keep_when"] = ["贷", ""]
    assert checked("funds", rows, signs=sign)[1][3] is None
    with pytest.raises(ValueError, match="keep_when"):
        profile("funds", ["amount"], signs={"amount": {"negate_when": {"column": "摘要", "equals": ["退款"]}}})


def test_row_rule__waived_by_a_profile__needs_a_reason_and_a_rule_of_the_feed():
    assert one("funds", "amount", "0.00") == "AMOUNT_ZERO"
    assert one("funds", "amount", "0.00", waive={"AMOUNT_ZERO": "作废凭证以零金额列示"}) == 0
    for wrong, told in (({"AMOUNT_ZERO": " "}, "say why"), ({"AMOUNT_NIL": "x"}, "no row rule")):
        with pytest.raises(ValueError, match=told):
            profile("funds", ["amount"], waive=wrong)


IDS = [
    ("\u200bTS0001", "TS0001"),
    ("\ufeffTS0001", "TS0001"),
    ("ＴＳ０００１", "TS0001"),
    ("TS0001\t", "TS0001"),
    ("'TS0001", "TS0001"),
    ('="TS0001"', "TS0001"),
    ("TS\u00ad00\u206001", "TS0001"),
    ("TS–0001", "TS-0001"),
    ("甲（二）－3", "甲（二）-3"),
    ("TS\t0001", "ID_UNREADABLE"),
    ("\u0422S0001", "ID_UNREADABLE"),  # a Cyrillic letter
    ("TS\ufffd1", "ID_UNREADABLE"),
    ("1.50203E+17", "ID_DESTROYED"),
    ("1,50203e+17", "ID_DESTROYED"),
    ("a/1.5E+17/2", "ID_DESTROYED"),
    ("150203202610010000", "ID_DESTROYED"),
    ("150203202610010007", "150203202610010007"),
    ("########", "ID_DESTROYED"),
    ("2E10", "2E10"),  # a building's number
]


@pytest.mark.parametrize(("text", "expected"), IDS)
def test_identifier__however_dressed__is_one_or_refused(text, expected):
    assert one("complaints", "complaint_id", text) == expected
    assert one("complaints", "repeat_of_id", text) == expected


def test_identifier__unreadable__shows_its_code_points():
    columns = ["complaint_id"]
    source = profile("complaints", columns)
    frame = polars.DataFrame([{"complaint_id": "\u0422S\x071"}])
    mapped = Mapper(feeds.get("complaints"), source, "f").map(Block(frame, numpy.array([2]), lambda places: []))
    checker = rules.Checker(feeds.get("complaints"), source, BUSINESS_DATE)
    (reason,) = rules.refused_rows(feeds.get("complaints"), checker.check(mapped)).reasons
    assert "U+0422 at character 1, U+0007 at character 3" in reason


def test_identifier__ending_in_zeros__is_refused_only_where_chance_does_not_explain_it():
    def codes(numbers, **changes):
        return checked("complaints", [{"complaint_id": number} for number in numbers], **changes)[1]

    serial = [f"15020320261001{number:04d}" for number in range(995, 1_006)]  # 1000 is one of them, by counting
    assert codes(serial) == [None] * 11
    assert codes(["1502032026100010", "1502032026100011"]) == [None] * 2
    rounded = [f"15020320261{number:04d}000" for number in range(5)]
    assert codes(rounded) == ["ID_DESTROYED"] * 5
    assert codes(rounded, long_digits=["complaint_id"]) == [None] * 5
    assert codes([f"150203202610{number}0" for number in range(100, 104)]) == ["ID_DESTROYED"] * 4
    assert codes(["6222000000000010"] * 20) == [None] * 20  # one account, in every row


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("000000000000000000", "USCC_PLACEHOLDER"),
        ("111111111111111111", "USCC_PLACEHOLDER"),
        ("123456789012345678", "USCC_PLACEHOLDER"),
        ("362322198709086409", "USCC_RESIDENT_NUMBER"),
        ("91350100M0001OOY43", "USCC_WRONG_FORM"),
        ("M000100Y4", "USCC_WRONG_FORM"),
        ("98350100M000100Y49", "USCC_NOT_ISSUED"),
        ("91990100M000100Y40", "USCC_NOT_ISSUED"),
        ("91350100m000100y43", ENTERPRISE),
        ("９１３５０１００Ｍ０００１００Ｙ４３", ENTERPRISE),
        ("9135 0100 M000 100Y 43", ENTERPRISE),
        ("\u200b91350100M000100Y43", ENTERPRISE),
        ('="91350100M000100Y43"', ENTERPRISE),
    ],
)
def test_credit_code__as_offices_write_it__is_one_or_refused_for_its_own_reason(text, expected):
    if expected == "USCC_NOT_ISSUED":
        text = text[:17] + credit_codes.check_character(text[:17])
    assert one("funds", "uscc", text) == expected


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
        for name in ("served", "repaired", "revoked", "exit")
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
    "contacts": {
        "TELEPHONE_OF_A_PERSON": {"telephone": "19900000000"},
        "HOLDER_UNCLEAR": {"area_code": "150203", "uscc": ENTERPRISE},
        "ENDED_BEFORE_BEGUN": {"area_code": "150203", "valid_from": "2026-02-01", "valid_until": "2026-01-01"},
    },
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
    "tenders": {
        "OPENED_BEFORE_ANNOUNCED": {"announced_on": "2026-02-01", "opened_on": "2026-01-31"},
        "AWARDED_BEFORE_OPENED": {"opened_on": "2026-02-01", "awarded_on": "2026-01-31", "announced_on": "2026-01-01"},
        "AWARDED_TO_NOBODY": {
            "announced_on": "2026-01-01",
            "opened_on": "2026-02-01",
            "awarded_on": "2026-02-05",
            "uscc": None,
        },
    },
    "contract_terms": {"MODEL_WITHOUT_VERSION": {"template_code": "model", "template_version": None}},
    "disputes": {
        "CLOSED_BEFORE_RECEIVED": {"received_on": "2026-02-01", "closed_on": "2026-01-31"},
        "ANSWERED_BEFORE_RECEIVED": {"received_on": "2026-02-01", "answered_on": "2026-01-31"},
        "ENDED_WITHOUT_DATE": {"outcome_code": "settled", "closed_on": None},
    },
    "joint_meetings": {
        "ENDED_BEFORE_ESTABLISHED": {"established_on": "2026-02-01", "ended_on": "2026-01-31"},
        "MET_BEFORE_ESTABLISHED": {"established_on": "2026-02-01", "last_met_on": "2026-01-31"},
    },
    "fee_collections": {
        "OWING_MORE_THAN_HOUSEHOLDS": {"household_count": "10", "owing_household_count": "11"},
        "REASONS_EXCEED_ARREARS": {"receivable_amount": "100", "received_amount": "60", "unpaid_other_amount": "40.02"},
    },
    "tender_bids": {
        "VALID_WITHOUT_SCORE": {"is_valid": "是", "total_score": None},
        "SCORES_DO_NOT_ADD_UP": {
            "technical_score": "40",
            "business_score": "30",
            "credit_score": "10",
            "total_score": "80.02",
        },
    },
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
    "community_events": {
        "OTHER_COMMUNITY_MISSING": {"event_code": "merged", "other_community_id": None},
        "OTHER_COMMUNITY_IS_ITSELF": {"event_code": "merged", "community_id": "C1", "other_community_id": "C1"},
        "NAME_MISSING": {"event_code": "renamed", "other_name": None},
    },
    "enterprise_events": {
        "NUMBER_MISSING": {"event_code": "entered", "uscc": None, "local_no": None, "other_name": "名"},
        "ENTERED_WITH_CODE": {"event_code": "entered", "uscc": ENTERPRISE, "other_name": "名"},
        "CODE_MISSING": {"event_code": "deregistered", "uscc": None, "local_no": "L1"},
        "SUCCESSOR_MISSING": {"event_code": "merged", "uscc": ENTERPRISE, "other_uscc": None},
        "SUCCESSOR_IS_ITSELF": {"event_code": "merged", "uscc": ENTERPRISE, "other_uscc": ENTERPRISE},
        "NAME_MISSING": {"event_code": "renamed", "uscc": ENTERPRISE, "other_name": None},
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
    assert refused.codes == ["TYPE_INVALID_TIMESTAMP"] and refused.columns == ["submitted_at"]  # the other may pass
    assert "代码值不在目录中" in refused.reasons[0] and "时间无法识别" in refused.reasons[0]
