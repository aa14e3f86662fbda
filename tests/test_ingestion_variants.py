"""Neighbours of the faults of test_ingestion_cases: the right value, or a refusal of that row for its own reason."""

import gzip
from datetime import date, datetime

import openpyxl
import polars
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from property_credit.ingestion import feeds, rules
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import file_blocks
from property_credit.ingestion.mapping import Mapper

DAY = date(2026, 10, 31)
LEDGER = """\
feed: funds
office_zh: 测试
format: csv
files: "*"
header: {row: 1}
columns: {entry_id: 号, booked_on: 日期, amount: 金额, summary: 摘要, account_no: 账号}
optional: [summary, account_no]
constants: {account_type_code: operating, currency_code: CNY}
dates: {booked_on: ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", excel, chinese]}
"""
CASES = """\
feed: complaints
office_zh: 测试
format: csv
files: "*"
header: {row: 1}
columns: {complaint_id: 号, submitted_at: 时间}
constants: {status_code: handling, channel_code: hotline, category_code: lift, region_code: "150203", community_id: C1}
dates: {submitted_at: ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y年%m月%d日 %p%I时%M分", excel, chinese]}
"""
HEADER = "号,日期,金额,摘要,账号\n"
ROWS = "".join(f"E{day},2026-10-{day:02d},{day}.00,维修摘要,1\n" for day in range(1, 6))
ALL = [f"E{day}" for day in range(1, 6)]


def read(folder, content, source=LEDGER, *, name="a.csv", field="entry_id"):
    """Return the field's value of each row, or the reason it is refused for; the message where the file is refused."""
    (folder / "p.yml").write_text(source, encoding="utf-8")
    path = folder / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    values, skipped, totals = [], 0, {}
    try:
        profile = profiles.load(folder / "p.yml")
        feed = feeds.get(profile.feed)
        known = {one.references: polars.Series(["C1"]) for one in feed.fields if one.references}
        mapper, checker = Mapper(feed, profile, name), rules.Checker(feed, profile, DAY, known)
        for block in file_blocks(path, profile):
            mapped = mapper.map(block)
            checked = checker.check(mapped)
            refused = rules.refused_rows(feed, checked) if checked.problems else None
            codes = dict(zip(refused.places.tolist(), refused.codes, strict=True)) if refused else {}
            values += [codes.get(place, value) for place, value in enumerate(checked.typed[field].to_list())]
            skipped, totals = skipped + mapped.skipped, totals | mapped.stated_totals
    except IngestionError as error:
        return str(error)
    return values if not skipped else (values, skipped, {key: str(value) for key, value in totals.items()})


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, "ID_DESTROYED") for text in (
            "1.50203e17", "1,50203E+17", "1.50203E17", "1.50203 E+17", "1.50203E-05", "１．５Ｅ＋17", "1.5×10^17",
            "2E+10",
            "#N/A", "#REF!", "###", "12345.0", "1502030000000001.0", "150.203E+15", "3月1日",
            "2026年3月", "2026-03-01 00:00:00", "15,02e+16", "12E+3",
        )),
        *((text, "ID_PLACEHOLDER") for text in (
            "NULL", "nan", "None", "无", "--", "合计", "小 计", "累计：", "本页合计", "（合计）", "承前页", "过次页",
            "10月合计", "Total", "Grand Total", "Sub-total:", "第1页合计", "以上合计", "年初余额", "上年结余",
            "TRUE", "\\N",
        )),
        ("2E10", "2E10"), ("1e5", "1e5"), ("3.0", "3.0"), ("合同-1", "合同-1"), ("计1", "计1"),
        ("TS\u2009\u200901\u2009", "TS  01"),
        ("\u202aTS01\u202c", "TS01"), ("\u2066TS01\u2069", "TS01"), ("ＴＳ－０１", "TS-01"),
        ("‘001", "001"), ('= "001"', "001"),
        ("TS\x1f01", "ID_UNREADABLE"), ("ΤS01", "ID_UNREADABLE"),
    ],
)  # fmt: skip
def test_identifier__a_neighbour_of_a_destroyed_one__is_an_identifier_or_refused(tmp_path, text, expected):
    identifiers = read(tmp_path, f"{HEADER}{quoted(text)},2026-10-01,1.00,甲,1\nZ9,2026-10-02,2.00,乙,1\n")
    assert identifiers == [expected, "Z9"]


PLAIN, COMMA, GROUPED = "", 'numbers: {amount: {decimal: ",", remove: ["."]}}\n', 'numbers: {amount: {remove: [","]}}\n'


@pytest.mark.parametrize(
    ("numbers", "text", "expected"),
    [
        (PLAIN, "1.234,56", None), (PLAIN, "(1,234.50)", "-1234.50"), (PLAIN, "1,234.50-", "-1234.50"),
        (PLAIN, "￥1万", "10000.00"), (PLAIN, "1.2亿", "120000000.00"), (PLAIN, "100,50", None),
        (PLAIN, "1\u2009234.56", "1234.56"), (PLAIN, "１，２３４．５０", "1234.50"), (PLAIN, "−5", "-5.00"),
        (PLAIN, "-(5)", None),
        (PLAIN, "壹佰元整", None), (PLAIN, "1,23,456.00", None), (PLAIN, "5 CR", None), (PLAIN, "1.005", None),
        (COMMA, "1.234,56", "1234.56"), (COMMA, "100,50", "100.50"), (COMMA, "1.5", None),
        (COMMA, "(1.234,50)", "-1234.50"),
        (GROUPED, "100,50", None), (GROUPED, "1,234", "1234.00"), (GROUPED, "1,2345.00", None),
    ],
)  # fmt: skip
def test_amount__a_neighbour_of_a_misread_one__is_exact_or_refused(tmp_path, numbers, text, expected):
    [amount] = read(tmp_path, f"{HEADER}E1,2026-10-01,{quoted(text)},甲,1\n", LEDGER + numbers, field="amount")
    assert (amount if amount == "TYPE_INVALID_NUMBER" else str(amount)) == (expected or "TYPE_INVALID_NUMBER")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, None) for text in (
            "0000-00-00", "1899-12-31", "1900-01-01", "9999-12-31", "2026-02-30", "10.31", "2026.10", "26-10-01", "60",
            "1759276800",
        )),
        ("46296", "2026-10-01"), ("46296.99999996528", "2026-10-01"),
        ("46295.9999999999", "2026-10-01"),
        ("2026-10-01 23:59:59.997", "2026-10-01"),
        ("２０２６－１０－０１", "2026-10-01"), ("二〇二六年十月一日", "2026-10-01"),
        ("二零二六年十月廿一日", "2026-10-21"), ("2026年十月1日", "2026-10-01"), ("20261001", "2026-10-01"),
    ],
)  # fmt: skip
def test_date__a_neighbour_of_a_misread_one__is_right_or_refused(tmp_path, text, expected):
    [day] = read(tmp_path, f"{HEADER}E1,{text},1.00,甲,1\n", field="booked_on")
    assert str(day) == (expected or "TYPE_INVALID_DATE")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01 24:00:00", "2026-10-02 00:00"), ("2026-10-01 24:00", "2026-10-02 00:00"),
        ("2026-10-01 24:30:00", None),
        ("2026年10月1日 上午12时00分", "2026-10-01 00:00"), ("2026年10月1日 下午12时00分", "2026-10-01 12:00"),
        ("2026年10月1日 中午11时30分", "2026-10-01 11:30"), ("2026年10月1日 中午1时05分", "2026-10-01 13:05"),
        ("二〇二六年十月一日中午十一时半", "2026-10-01 11:30"), ("2026年10月1日 夜间2时00分", None),
        ("2026年10月1日 夜间8时00分", "2026-10-01 20:00"), ("1900-01-01 00:00:00", None),
        ("2026年10月1日 晚上12时00分", None), ("2026年10月1日24时", "2026-10-02 00:00"),
        ("二〇二六年十月一日上午十二时", "2026-10-01 00:00"), ("0000-00-00 00:00:00", None),
        ("9999-12-31 23:59:59", None),
    ],
)  # fmt: skip
def test_time__a_neighbour_of_a_misread_one__is_right_or_refused(tmp_path, text, expected):
    [instant] = read(tmp_path, f"号,时间\nT1,{text}\n", CASES, field="submitted_at")
    if expected is None:
        assert instant == "TYPE_INVALID_TIMESTAMP"
    else:
        local = instant.astimezone(rules.ZONE).replace(tzinfo=None)
        assert local == datetime.strptime(expected, "%Y-%m-%d %H:%M")


@pytest.mark.parametrize("form", ["excel", '["%Y.%m.%d", "%Y-%m-%d %H:%M:%S"]', '"%Y-%m-%dT%H:%M:%S"'])
def test_time__at_24_minutes__is_no_end_of_a_day(tmp_path, form):
    source = f"{CASES[: CASES.index('dates:')]}dates: {{submitted_at: {form}}}\n"
    times = [f"2026-10-01{'T' if 'T%H' in form else ' '}{time}" for time in ("05:24:00", "24:00:00", "00:24:00")]
    read_at = read(
        tmp_path, "号,时间\n" + "".join(f"T{time[-8:]},{time}\n" for time in times), source, field="submitted_at"
    )
    local = [instant.astimezone(rules.ZONE).strftime("%d %H:%M") for instant in read_at]
    assert local == ["01 05:24", "02 00:00", "01 00:24"]


@pytest.mark.parametrize(
    ("negative", "word", "expected"),
    [
        ("借", "借", "-5.00"), ("借", "贷", "5.00"), ("借", "借\u200b", "-5.00"), ("借", "", None),
        ("借", "借方", None),
        ("D", "Ｄ", "-5.00"), ("D", "C", "5.00"), ("D", "d", None), ("付", "收", "5.00"), ("支出", "收入", "5.00"),
        ("支出", "支", None), ('"-"', "−", "-5.00"), ('"-"', "+", "5.00"), ('"-"', "±", None),
    ],
)  # fmt: skip
def test_sign__a_neighbour_of_a_known_word__is_that_word_or_refused(tmp_path, negative, word, expected):
    signs = f"signs: {{amount: {{negate_when: {{column: 标志, equals: [{negative}]}}}}}}\n"
    content = f"号,日期,金额,标志\nE1,2026-10-01,5.00,{word}\n"
    [amount] = read(tmp_path, content, LEDGER + signs, field="amount")
    assert str(amount) == (expected or "SIGN_UNKNOWN")


@pytest.mark.parametrize(
    "word", ["合计", "合 计", "小计", "累计", "本页合计", "承前页", "过次页", "（合计）", "总计："]
)
def test_total__however_called__is_left_out_by_its_rule_and_checked_and_without_one_no_entry(tmp_path, word):
    rule = 'skip_rows: [{matches: "^[（(]?(本页|累)?[合小累总]?\\\\s*计|^承前页|^过次页", total_of: amount}]\n'
    content = f"{HEADER}{ROWS}{word},2026-10-31,15.00,,\n"
    assert read(tmp_path, content, LEDGER + rule) == (ALL, 1, {"amount": "15.00"})
    assert read(tmp_path, content) == [*ALL, "ID_PLACEHOLDER"]


@pytest.mark.parametrize("ending", ["\r", "\n\r", "\r\r\n", "\r\n"])
def test_lines__however_ended__are_the_same_rows(tmp_path, ending):
    rows = read(tmp_path, (HEADER + ROWS).replace("\n", ending))
    assert (rows[0] if isinstance(rows, tuple) else rows) == ALL


@pytest.mark.parametrize("ending", ["\x85", "\u2028", "\x1e"])
def test_lines__that_end_in_no_line_end__are_no_file_without_rows(tmp_path, ending):
    told = read(tmp_path, (HEADER + ROWS).replace("\n", ending))
    assert "unknown column" in told and "维修摘要" not in told


@pytest.mark.parametrize(
    ("encoding", "said", "expected"),
    [
        ("gb18030", "utf-8", "the text is gb18030, the profile says utf-8"),
        ("utf-8", "gb18030", "the text is utf-8, the profile says gb18030"),
        ("big5", "gb18030", "the text is big5, the profile says gb18030"),
        ("utf-16-le", "utf-8", "the text is utf-16-le, the profile says utf-8"),
        ("utf-16-be", "gb18030", "the text is utf-16-be, the profile says gb18030"),
        ("utf-16", "utf-8", "the text is utf-16-le, the profile says utf-8"),
        ("utf-16-le", "utf-16", ALL),
        ("utf-16-be", "utf-16", ALL),
        ("utf-16", "utf-16", ALL),
        ("utf-8-sig", "utf-8", ALL),
    ],
)
def test_encoding__other_than_said__is_named_or_read(tmp_path, encoding, said, expected):
    source = LEDGER
    for chinese, english in (("号", "id"), ("日期", "date"), ("金额", "sum"), ("摘要", "note"), ("账号", "account")):
        source = source.replace(f": {chinese}", f": {english}")
    rows = ROWS.replace("维修摘要", "維護備註電梯停運") if encoding == "big5" else ROWS
    content = "id,date,sum,note,account\n" + rows
    answer = read(tmp_path, content.encode(encoding), source + f"encoding: {said}\n")
    assert answer == expected if isinstance(expected, list) else expected in answer


def test_encoding__of_one_line_only__refuses_that_line(tmp_path):
    """摘要 in GB 18030 is ժҪ in UTF-8: two letters that nobody wrote."""
    content = (
        (HEADER + ROWS).encode()
        + "E9,2026-10-09,9.00,摘要,1\n".encode("gb18030")
        + "E10,2026-10-10,1.00,é,1\n".encode()
    )
    assert read(tmp_path, content) == [*ALL, "TEXT_UNREADABLE", "E10"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('E6,2026-10-06,6.00,甲,"1', "QUOTE_OVER_ROWS"),
        ('E6,2026-10-06,6.00,"甲,1', "QUOTE_OVER_ROWS"),
        ('E6,2026-10-06,6.00,甲"乙"丙,1', "E6"),
        ('E6,2026-10-06,6.00,"甲\n乙",1', "E6"),
        ("E6,2026-10-06,6.00,“甲,乙”,1", "ROW_WRONG_WIDTH"),
        ("E6,2026-10-06,6.00,'甲,乙',1", "ROW_WRONG_WIDTH"),
        ("E6,2026-10-06,6.00,甲\x0b乙\x0c丙,1", "E6"),
        ("号,日期,金额,摘要,账号", "TYPE_INVALID_DATE"),
    ],
)
def test_line__of_odd_structure__stands_for_itself_alone(tmp_path, line, expected):
    assert read(tmp_path, f"{HEADER}{line}\n{ROWS}") == [expected, *ALL]
    assert read(tmp_path, f"{HEADER}{ROWS}{line}") == [*ALL, expected]


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        ("<html><table><tr><td>号</td></tr></table></html>", "xlsx", "HTML page"),
        ("<html><table><tr><td>号</td></tr></table></html>", "csv", "HTML page"),
        (HEADER + ROWS, "xlsx", "if it is text, say `format: csv`"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "xlsx", "old .xls workbook"),
        (b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n--x\n", "xlsx", "web archive"),
        ('<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>', "xlsx", "XML document"),
        (gzip.compress(b"x", mtime=0), "csv", "unpack it first"),
    ],
)
def test_file__under_another_kinds_name__is_named_with_what_to_do(tmp_path, content, kind, told):
    assert told in read(tmp_path, content, LEDGER.replace("format: csv", f"format: {kind}"), name="a.xls")


def test_text__under_a_workbooks_name__is_read_where_the_profile_says_so(tmp_path):
    assert read(tmp_path, HEADER + ROWS, name="a.xls") == ALL


def test_workbook__of_1904_with_macros__hidden_rows_and_sheets_named_by_month__is_read(tmp_path):
    written = openpyxl.Workbook()
    written.epoch = CALENDAR_MAC_1904
    sheet = written.active
    sheet.title = "2026年10月"
    sheet.append(HEADER.strip().split(","))
    for day in range(1, 4):
        sheet.append([f"E{day}", date(2026, 10, day), 1.0, "甲", "1"])
    sheet.append(["1.50203E+17", date(2026, 10, 4), 1.0, "甲", "1"])
    sheet.row_dimensions[3].hidden = True  # a filter was on: the row is one all the same
    written.create_sheet("说明").append(["填报说明"])
    written.save(tmp_path / "a.xlsm")
    source = LEDGER.replace("format: csv", 'format: xlsx\nsheet: "*月"')
    assert read(tmp_path, None, source, name="a.xlsm") == ["E1", "E2", "E3", "ID_DESTROYED"]
    days = read(tmp_path, None, source, name="a.xlsm", field="booked_on")
    assert days[:3] == [date(2026, 10, day) for day in range(1, 4)]
    assert "there is no sheet '*季'" in read(tmp_path, None, source.replace("*月", "*季"), name="a.xlsm")


def test_workbook__with_a_hidden_sheet_of_the_same_table__is_refused_until_somebody_says_which(tmp_path):
    written = openpyxl.Workbook()
    for sheet in (written.active, written.create_sheet("旧")):
        sheet.append(HEADER.strip().split(","))
        sheet.append(["E1", date(2026, 10, 1), 1.0, "甲", "1"])
    written["旧"].sheet_state = "hidden"
    written.save(tmp_path / "a.xlsx")
    source = LEDGER.replace("format: csv", "format: xlsx")
    assert "rows under the same header" in read(tmp_path, None, source, name="a.xlsx")
    assert read(tmp_path, None, source + "ignore_sheets: [旧]\n", name="a.xlsx") == ["E1"]
