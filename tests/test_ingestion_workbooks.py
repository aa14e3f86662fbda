"""Workbooks: what a spreadsheet hides is read or refused, and what kills the reader refuses its file alone."""

import os
import re
import signal
import zipfile
from datetime import date

import openpyxl
import polars
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from property_credit.ingestion import csv_reader, identifiers, reader_process, xlsx_reader
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile

FIELDS = ["entry_id", "booked_on", "amount", "summary", "account_no"]
HEADER = ["号", "日期", "金额", "摘要", "账号"]
ROW = ["E1", date(2026, 10, 1), 1.5, "甲", "A1"]


def profile(**changes):
    keys = {
        "name": "p", "feed": "funds", "office_zh": "测", "format": "xlsx", "files": ["*"], "header": {"row": 1},
        "columns": dict(zip(FIELDS, ([one] for one in HEADER), strict=True)),
        "constants": {"account_type_code": "operating", "currency_code": "CNY"},
        "dates": {"booked_on": ["excel"]},
    }  # fmt: skip
    return Profile(**keys | changes)


def book(path, *rows, sheets=(), edit=None, merge=()):
    """Write a workbook; ``edit`` changes the XML of its first sheet, or of the part it names."""
    written = openpyxl.Workbook()
    for row in rows:
        written.active.append(row)
    for area in merge:
        written.active.merge_cells(area)
    for title, more in sheets:
        sheet = written.create_sheet(title)
        for row in more:
            sheet.append(row)
    written.save(path)
    if edit:
        part, change = edit if isinstance(edit, tuple) else ("xl/worksheets/sheet1.xml", edit)
        kept = path.with_suffix(".kept")
        path.rename(kept)
        with zipfile.ZipFile(kept) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.infolist():
                content = source.read(entry)
                target.writestr(entry.filename, change(content) if entry.filename == part else content)
    return path


def rows_of(path, **changes):
    """Return (row number, values, reason codes) of every row, read in the other process."""
    rows = []
    for block in xlsx_reader.read(path, profile(**changes)):
        codes = [set() for _row in block.row_numbers]
        for (code, _column), mask in block.flags.items():
            for place in mask.nonzero()[0]:
                codes[place].add(code)
        rows += zip(block.row_numbers.tolist(), block.frame.rows(), codes, strict=True)
    return rows


def refusal(path, **changes):
    with pytest.raises(IngestionError) as caught:
        rows_of(path, **changes)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_calendar__of_1904__is_read_as_it_was_meant(tmp_path):
    written = openpyxl.Workbook()
    written.epoch = CALENDAR_MAC_1904
    for row in (HEADER, ROW, ["E2", 43_830, 1.5, "乙", "A1"]):
        written.active.append(row)
    written.save(tmp_path / "mac.xlsx")
    days = [values[1] for _number, values, _codes in rows_of(tmp_path / "mac.xlsx")]
    assert days[0].startswith("2026-10-01") and float(days[1]) == 43_830 + 1462  # 2024-01-01


def with_cell(row, reference):
    more = f'</row><row r="{row}"><c r="{reference}"><v>1</v></c></row></sheetData>'.encode()
    return lambda xml: xml.replace(b"</row></sheetData>", more)


FAR = {
    "last corner": with_cell(1_048_576, "XFD1048576"),
    "14 digits": lambda xml: xml.replace(b'r="E2"', b'r="E20000000000002"'),
    "row beyond": lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999999"'),
    "sparse": with_cell(1_048_576, "ZZ1048576"),
}


@pytest.mark.parametrize("kind", FAR)
def test_cell__far_outside_the_table__refuses_the_file_in_little_memory(tmp_path, kind):
    path = book(tmp_path / "far.xlsx", HEADER, ROW, edit=FAR[kind])
    assert "save the table into a new workbook" in refusal(path)
    assert rows_of(book(tmp_path / "good.xlsx", HEADER, ROW))  # the same process reads on


def test_directory__that_lies_about_sizes__refuses_the_file(tmp_path):
    path = book(tmp_path / "lie.xlsx", HEADER, ROW, edit=lambda xml: xml + b" " * (8 << 20))
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (2_000).to_bytes(4, "little")))
    assert "its directory says 2000 bytes" in refusal(path)


NUL_ESCAPED = (b"ABC", b"ABC_x0000_")  # ASCII: whichever library writes the XML writes it as it is


def test_characters__that_a_database_cannot_hold__refuse_their_row(tmp_path):
    path = tmp_path / "nul.xlsx"
    book(path, HEADER, ROW, ["E2", date(2026, 10, 1), 1, "ABC", "A1"], edit=lambda xml: xml.replace(*NUL_ESCAPED))
    assert [codes for _number, _values, codes in rows_of(path)] == [set(), {"TEXT_UNREADABLE"}]
    assert "\x00" not in str(rows_of(path))


def test_identifier__in_a_numeric_cell__is_refused_from_sixteen_digits_on(tmp_path):
    rows = [
        [number, date(2026, 10, 1), 1, "甲", "A1"] for number in (123456789012345, 1234567890123456, "1234567890123456")
    ]
    read = rows_of(book(tmp_path / "ids.xlsx", HEADER, *rows))
    assert [codes for _number, _values, codes in read] == [set(), {"ID_DESTROYED"}, set()]
    assert read[0][1][0] == "123456789012345"


def test_identifier__in_a_cell_that_shows_another_than_it_holds__is_refused(tmp_path):
    """Zeros or letters before a number, or a day, are the cell's format: what the office sees is not in the cell."""
    path = tmp_path / "shown.xlsx"
    written = openpyxl.Workbook()
    written.active.append(HEADER)
    for number, shown in ((123, "000000"), (123, '"TS"0'), (123456, "000000"), (123, "0"), (date(2026, 3, 1), "m-d")):
        written.active.append([number, *ROW[1:]])
        written.active.cell(written.active.max_row, 1).number_format = shown
    written.save(path)
    read = rows_of(path)
    assert [codes for _number, _values, codes in read] == [{"ID_DESTROYED"}, {"ID_DESTROYED"}, set(), set(), set()]
    assert [values[0] for _number, values, _codes in read[2:4]] == ["123456", "123"]
    assert identifiers.problems(polars.Series([read[4][1][0]]), "dress")[0][0] == "ID_DESTROYED"


@pytest.mark.parametrize(
    "write",
    [
        lambda xml: re.sub(r"<(/?)([a-zA-Z])", r"<\1x:\2", xml).replace("xmlns=", "xmlns:x=", 1),
        lambda xml: re.sub(r'<c r="([A-Z]+[0-9]+)"((?: [a-z]+="[^"]*")+)', r'<c\2 r="\1"', xml),
        lambda xml: re.sub(r'r="([A-Z]+[0-9]+)"', r"r='\1'", xml),
        lambda xml: re.sub(r' r="[A-Z]*[0-9]+"', "", xml),
        lambda xml: xml.replace("1502030000000012", "1.502030000000012e+15"),
    ],
    ids=["prefixes", "order", "quotes", "places left out", "small e"],
)
def test_sheet__as_any_program_writes_it__hides_nothing(tmp_path, write):
    day = date(2026, 10, 1)
    rows = [[1502030000000012, day, 1, "甲", "A1"], ["E2", day, "#N/A", "甲", "A1"], ["E3", day, "=1+1", "甲", "A1"]]
    rows += [["E4", day, 1, "甲", "A1"], ["E5", day, 1, "甲", "A1"]]
    path = book(tmp_path / "odd.xlsx", HEADER, *rows, merge=["D5:D6"], edit=lambda xml: write(xml.decode()).encode())
    assert [codes for _number, _values, codes in rows_of(path)] == [
        {"ID_DESTROYED"}, {"CELL_ERROR"}, {"FORMULA_WITHOUT_RESULT"}, set(), {"CELL_MERGED"}
    ]  # fmt: skip


def test_merged_cells__are_filled_down_where_the_profile_says_so_and_else_refuse_their_rows(tmp_path):
    rows = [
        ["E1", date(2026, 10, 1), 1, "甲", "A1"],
        ["E2", date(2026, 10, 1), 2, "甲"],
        ["E3", date(2026, 10, 1), 3, "甲"],
    ]
    path = book(tmp_path / "merged.xlsx", HEADER, *rows, merge=["E2:E3"])
    assert [codes for _number, _values, codes in rows_of(path)] == [set(), {"CELL_MERGED"}, set()]
    filled = rows_of(path, fill_down=["account_no"])
    assert [values[4] for _number, values, _codes in filled] == ["A1", "A1", None] and not any(one[2] for one in filled)


def test_sheets__with_the_same_header__are_all_read_or_named_never_left_out(tmp_path):
    other = ["E2", date(2026, 11, 1), 2, "乙", "A1"]
    path = book(tmp_path / "two.xlsx", HEADER, ROW, sheets=[("11月", [HEADER, other]), ("说明", [["填表说明"]])])
    assert "sheet 11月: holds rows under the same header" in refusal(path)
    assert [one[1][0] for one in rows_of(path, ignore_sheets=["11*"])] == ["E1"]
    read = rows_of(path, sheet="all", ignore_sheets=["说明"])
    assert [(one[0], one[1][0]) for one in read] == [(10_000_002, "E1"), (20_000_002, "E2")]
    assert [one[1][0] for one in rows_of(path, sheet=["11月"], ignore_sheets=["Sheet"])] == ["E2"]


def test_index_column__without_a_header__is_passed_over_and_a_value_is_not(tmp_path):
    rows = [["", *HEADER], [0, *ROW], [7, *ROW], ["合计", *ROW]]
    assert [one[2] for one in rows_of(book(tmp_path / "index.xlsx", *rows))] == [set(), set(), {"ROW_WRONG_WIDTH"}]


def test_name__of_an_old_workbook_on_a_new_one__is_read(tmp_path):
    path = book(tmp_path / "book.xlsx", HEADER, ROW)
    path.rename(tmp_path / "book.xls")
    assert rows_of(tmp_path / "book.xls")[0][1][0] == "E1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old .xls workbook (BIFF), or a workbook with"),
        (b"\xef\xbb\xbf<html><table></table></html>", "an HTML page: a web page under a workbook's name"),
        (b"<?xml version='1.0'?><Workbook/>", "an XML document"),
        (b"%PDF-1.7", "a PDF document"),
        (b"a,b\n", "say `format: csv`"),
    ],
)  # fmt: skip
def test_file__of_another_kind__is_named_for_what_it_is_with_what_to_do(tmp_path, content, told):
    path = tmp_path / "book.xls"
    path.write_bytes(content)
    assert told in refusal(path)
    if b"," not in content:
        with pytest.raises(IngestionError, match="not a text file but"):
            list(csv_reader.read(path, profile(format="csv")))


def test_reader__over_its_memory_or_time_or_killed__refuses_that_file_and_the_next_one_loads(tmp_path, monkeypatch):
    path = book(tmp_path / "book.xlsx", HEADER, *([ROW] * 20_000))
    for name, value, told in (("MEMORY_BYTES", 1 << 20, "MiB of memory"), ("SECONDS", 0.0, "without a row")):
        with monkeypatch.context() as patch:
            patch.setattr(reader_process, name, value)
            assert told in refusal(path)
    ask = reader_process._Reader.ask

    def ask_and_kill(self, *arguments):
        ask(self, *arguments)
        os.kill(self._process.pid, signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(reader_process._Reader, "ask", ask_and_kill)
        assert "the reader stopped over it" in refusal(path)
    assert len(rows_of(path)) == 20_000
    kept = list(reader_process._idle)
    assert len(rows_of(path)) == 20_000 and reader_process._idle == kept  # used again
