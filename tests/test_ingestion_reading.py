"""Reading CSV: characters, cutting into blocks, structure; the fast and the careful way must not be told apart."""

import csv
import io
import subprocess
import sys

import numpy
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from property_credit.ingestion import blocks, csv_reader, transcoding
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile

HEADER = "a,b,c\n"


def profile(**changes):
    given_keys = {
        "name": "p",
        "feed": "surveys",
        "office_zh": "测",
        "format": "csv",
        "files": ["*"],
        "header": {"row": 1},
        "columns": {"survey_id": ["a"], "community_id": ["b"], "agency_name": ["c"]},
        "constants": {"surveyed_on": "2026-01-01", "response_count": "1", "satisfaction_score": "1"},
    }
    return Profile(**{**given_keys, **changes})


def rows_of(content, tmp_path, *, block_bytes=1 << 20, **changes):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    rows = []
    for block in csv_reader.read(path, profile(**changes), block_bytes=block_bytes):
        bad = {}
        for (code, _column), mask in block.flags.items():
            bad |= {place: code for place in mask.nonzero()[0]}
        payloads = block.payloads(list(range(block.frame.height)))
        for place, row in enumerate(block.frame.iter_rows()):
            values = tuple(value or "" for value in row)
            rows.append((int(block.row_numbers[place]), values, bad.get(place), payloads[place]))
    return rows


def test_gb18030__every_code__iconv_and_codecs_agree():
    careful = transcoding.Transcoder("gb18030")
    codes = [bytes([lead, trail]) for lead in range(0x81, 0xFF) for trail in range(0x40, 0xFF) if trail != 0x7F]
    codes += list(transcoding.differing_codes())
    try:
        iconv = transcoding.Iconv()
    except OSError:
        pytest.skip("this C library has no iconv")
    for code in codes:
        fast = iconv.convert(code)
        slow, is_readable = careful.line_to_utf8(code)
        assert fast is None or (is_readable and fast == slow), code


def test_gb18030__codes_on_which_libraries_differ__have_one_character_on_every_path():
    assert transcoding.iconv_is_right() or transcoding.Transcoder("gb18030").method == "codecs"
    transcoder = transcoding.Transcoder("gbk")
    for code, character in transcoding.differing_codes().items():
        assert transcoder.to_utf8(b"x" + code) == b"x" + character.encode()
        assert transcoder.line_to_utf8(code) == (character.encode(), True)
    assert len(transcoding.differing_codes()) >= 44


def test_gb18030__self_test_fails__codecs_take_over(monkeypatch):
    monkeypatch.setattr(transcoding, "iconv_is_right", lambda: False)
    transcoder = transcoding.Transcoder("gb18030")
    assert transcoder.method == "codecs"
    assert transcoder.to_utf8("包头市".encode("gb18030")) == "包头市".encode()


CELLS = st.text(alphabet=st.sampled_from(list('ab,"\n 物业㐀\t')), max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    block_bytes=st.integers(1, 200),
    encoding=st.sampled_from(["utf-8", "gb18030"]),
)
def test_blocks__cut_anywhere__give_the_rows_of_the_csv_module(tmp_path, rows, block_bytes, encoding):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    content = text.getvalue().encode(encoding)
    expected = [
        (number, tuple(row), None) for number, row in enumerate(rows, start=2) if any(cell.strip() for cell in row)
    ]
    for size in (block_bytes, 1 << 20):
        read = rows_of(content, tmp_path, block_bytes=size, encoding=encoding)
        kept = [(number, row, code) for number, row, code, _payload in read if any(cell.strip() for cell in row)]
        assert kept == expected


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(
        st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"\x81", b"\xce\xef", b"\x00", b" "]), max_size=40
    ),
    block_bytes=st.integers(1, 60),
    few_bytes=st.integers(1, 60),
)
def test_blocks__any_bytes__do_not_depend_on_where_they_are_cut(tmp_path, body, block_bytes, few_bytes):
    content = HEADER.encode() + b"".join(body)

    def filled(size, few):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_reader, "FEW_BYTES", few)
            rows = rows_of(content, tmp_path, block_bytes=size, encoding="gb18030")
        return [one for one in rows if any(cell.strip() for cell in one[1]) or one[2]]

    assert filled(block_bytes, 1 << 16) == filled(1 << 20, few_bytes) == filled(1 << 20, 1 << 16)


@pytest.mark.parametrize(
    ("bad", "code", "regions"), [(b"1,\x81,3\n", "TEXT_UNREADABLE", 0), (b"1,2\n", "ROW_WRONG_WIDTH", 3)]
)
def test_bad_row_among_many__costs_the_lines_around_it(tmp_path, monkeypatch, bad, code, regions):
    good = [b'%d,"x, y",3\n' % number for number in range(100_000)]
    for place in (10, 50_000, 99_990):
        good[place] = bad
    slowly, parse = [], csv_reader._parse_slowly
    monkeypatch.setattr(
        csv_reader, "_parse_slowly", lambda data, *rest, **more: slowly.append(len(data)) or parse(data, *rest, **more)
    )
    rows = rows_of(HEADER.encode() + b"".join(good), tmp_path, encoding="gb18030")
    assert [(one[0], one[2]) for one in rows if one[2]] == [(12, code), (50_002, code), (99_992, code)]
    assert len(rows) == len(good)
    assert len(slowly) == regions
    assert all(size < csv_reader.FEW_BYTES + 20 for size in slowly)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"1,2\n", "ROW_WRONG_WIDTH"),
        (b"1,2,3,4\n", "ROW_WRONG_WIDTH"),
        (b"1,2,3,\n", None),
        (b"1,\x81,3\n", "TEXT_UNREADABLE"),
        (b"1,\x00,3\n", "TEXT_UNREADABLE"),
        (b'1,x"y,3\n', None),
        (b'"1",2,"3\n4"\n', None),
    ],
)
def test_row__of_doubtful_structure__is_marked_and_its_neighbours_are_not(tmp_path, line, code):
    content = HEADER.encode() + b"0,0,0\n" + line + b"9,9,9\n"
    rows = rows_of(content, tmp_path, encoding="gb18030")
    assert [one[2] for one in rows] == [None, code, None]
    assert [one[0] for one in rows] == [2, 3, 4]


def test_short_and_long_rows__that_cancel_out__are_both_found(tmp_path):
    rows = rows_of(HEADER.encode() + b"1,2\n1,2,3,4\n5,6,7\n", tmp_path)
    assert [one[2] for one in rows] == ["ROW_WRONG_WIDTH", "ROW_WRONG_WIDTH", None]


def test_payload__of_a_row_over_several_lines__is_its_original_text(tmp_path):
    rows = rows_of(HEADER.encode() + b'1,"x\ny",3\n4,5,6\n', tmp_path)
    assert [one[3] for one in rows] == ['1,"x\ny",3', "4,5,6"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends__of_every_kind__give_the_same_rows(tmp_path, ending):
    content = ending.join(["a,b,c", "1,2,3", "4,5,6", ""]).encode()
    for size in (1, 5, 1 << 20):
        assert [one[1] for one in rows_of(content, tmp_path, block_bytes=size)] == [("1", "2", "3"), ("4", "5", "6")]


def test_encoding__utf_16__is_read(tmp_path):
    rows = rows_of("a,b,c\n1,物业,3\n".encode("utf-16"), tmp_path, encoding="utf-16", block_bytes=7)
    assert [one[1] for one in rows] == [("1", "物业", "3")]


@pytest.mark.parametrize(
    ("real", "said", "told"),
    [
        ("utf-8", "gb18030", "the text is utf-8"),
        ("utf-8", "cp1252", "the text is utf-8"),
        ("gbk", "latin-1", "gb18030"),
    ],
)
def test_encoding__other_than_the_profile_says_under_ascii_headers__is_noticed(tmp_path, real, said, told):
    with pytest.raises(IngestionError, match=told) as caught:
        rows_of("a,b,c\n1,稀土高新区物业,3\n2,x,3\n".encode(real), tmp_path, encoding=said)
    assert "file.csv" in str(caught.value) and "`encoding`" in str(caught.value)


def test_encoding__as_the_profile_says__is_left_alone(tmp_path):
    for text in ("联通", "业业业业业业"):  # in GBK these are valid UTF-8 as well
        assert rows_of(f"a,b,c\n1,{text},3\n".encode("gbk"), tmp_path, encoding="gb18030")[0][1][1] == text
    assert rows_of("a,b,c\n1,café à Noël Ünïø,3\n".encode("cp1252"), tmp_path, encoding="cp1252")[0][1][1][:4] == "café"


def test_byte_order_mark__in_front__is_no_part_of_the_header(tmp_path):
    assert rows_of("\ufeffa,b,c\n1,2,3\n".encode(), tmp_path)[0][1] == ("1", "2", "3")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", r"c \(agency_name\) is missing"),
        (b"a,b,c,d\n1,2,3,4\n", "unknown column d"),
        (b"a,b,c,a\n1,2,3,4\n", "appears twice"),
        ("编号,b,c\n".encode("gb18030"), "cannot be read as utf-8"),
    ],
)
def test_file__that_is_no_such_export__is_refused_with_what_and_where(tmp_path, content, told):
    with pytest.raises(IngestionError, match=told) as caught:
        rows_of(content, tmp_path)
    assert "file.csv" in str(caught.value)


LEDGER = {
    "feed": "funds",
    "columns": {"entry_id": ["号"], "booked_on": ["日期"], "amount": ["金额"], "summary": ["摘要"]},
    "constants": {"account_type_code": "operating", "currency_code": "CNY"},
    "dates": {"booked_on": "%Y-%m-%d"},
}


def ledger(*lines, tmp_path, **changes):
    content = "\n".join(["号,日期,金额,摘要", *lines, ""]).encode()
    rows = rows_of(content, tmp_path, **LEDGER, **changes)
    return {row[0]: code for _number, row, code, _payload in rows}, rows


def entries(first, last):
    return [f"AR{number},2026-10-01,{number}.00,x" for number in range(first, last + 1)]


@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_quote__never_closed__refuses_its_row_and_the_rows_after_it_load(tmp_path, block_bytes):
    lines = ['AR1,2026-10-01,1.00,"6寸"管 “说明', 'AR2,2026-10-01,1.00,"没有收尾', *entries(3, 60)]
    codes, rows = ledger(*lines, tmp_path=tmp_path, block_bytes=block_bytes)
    assert len(rows) == 60 and [one[0] for one in rows] == list(range(2, 62))
    assert {number: code for number, code in codes.items() if code} == {"AR2": "QUOTE_OVER_ROWS"}
    assert rows[1][3] == lines[1]


@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_quote__closed_fifty_rows_later__refuses_each_of_them_and_no_neighbour(tmp_path, block_bytes):
    opened, closed = 'AR5,2026-10-01,5.00,"开', 'AR55,2026-10-01,55.00,合"'
    lines = [*entries(1, 4), opened, *entries(6, 54), closed, *entries(56, 60)]
    codes, rows = ledger(*lines, tmp_path=tmp_path, block_bytes=block_bytes)
    assert len(rows) == len(codes) == 60
    assert [number for number, code in codes.items() if code] == [f"AR{number}" for number in range(5, 56)]


def test_quote__that_pairs_with_the_next_ones__refuses_only_the_row_that_it_stands_in(tmp_path):
    stray = 'AR5,2026-10-01,5.00,"开'
    lines = [*entries(1, 4), stray, *entries(6, 9), 'AR10,2026-10-01,"1,000.00",x', *entries(11, 20)]
    codes, _rows = ledger(*lines, tmp_path=tmp_path)
    assert [number for number, code in codes.items() if code] == ["AR5"] and len(codes) == 20
    two = [*entries(1, 4), stray, stray.replace("AR5", "AR6"), *entries(7, 9)]
    codes, _rows = ledger(*two, tmp_path=tmp_path)
    assert [number for number, code in codes.items() if code] == ["AR5", "AR6"] and len(codes) == 9


def test_quote__around_a_text_of_many_lines__is_one_row(tmp_path):
    text = "第一行，\n一,二,三,四\n2026-10-02,三,四\n末行"
    codes, rows = ledger(*entries(1, 2), f'AR3,2026-10-01,3.00,"{text}"', *entries(4, 5), tmp_path=tmp_path)
    assert set(codes.values()) == {None} and len(rows) == 5 and rows[2][1][3] == text


def test_quote__never_closed_in_a_long_file__costs_one_row_of_each(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "LOOK_AHEAD", 10_000)
    content = HEADER.encode() + b'1,2,3\n1,"2,3\n' + b"4,5,6\n" * 10_000
    rows = rows_of(content, tmp_path, block_bytes=4_000)
    assert len(rows) == 10_002 and [one[0] for one in rows if one[2]] == [3]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(
        st.sampled_from(["A1,2026-10-01,1.00,x\n", '"', "\n", "x", ",", 'A2,2026-10-01,"2.00",x\n', '"x\n', "\r"]),
        max_size=25,
    ),
    block_bytes=st.integers(1, 90),
    few_bytes=st.integers(1, 60),
)
def test_quotes__of_any_kind__are_read_alike_wherever_blocks_are_cut(tmp_path, body, block_bytes, few_bytes):
    content = "号,日期,金额,摘要\n" + "".join(body)

    def filled(size, few):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_reader, "FEW_BYTES", few)
            patch.setattr(csv_reader, "LOOK_AHEAD", 100)
            rows = rows_of(content.encode(), tmp_path, block_bytes=size, line_ending="lf", **LEDGER)
        return [one for one in rows if any(cell.strip() for cell in one[1]) or one[2]]

    whole = filled(1 << 20, 1 << 16)
    assert filled(block_bytes, 1 << 16) == whole and filled(1 << 20, few_bytes) == whole
    lines = [line for line in content.split("\n")[1:] if line.strip(' \r",')]
    assert sum(payload.count("\n") + 1 for _number, _row, _code, payload in whole) >= len(lines)  # none is lost


def test_line_ends__mixed__make_rows_of_both_and_leave_those_inside_texts(tmp_path):
    rows = ["1,2,3", "4,5,6", "7,8,9"]
    for content in ("a,b,c\r" + "\r".join(rows) + "\n", "a,b,c\n1,2,3\n4,5,6\r7,8,9\n", "a,b,c\r\n1,2,3\r4,5,6\n7,8,9"):
        assert [one[1] for one in rows_of(content.encode(), tmp_path)] == [tuple(row.split(",")) for row in rows]
    inside = rows_of(b"a,b,c\n1,x\ry,3\n4,5,6\n", tmp_path)
    assert [one[1] for one in inside] == [("1", "x y", "3"), ("4", "5", "6")]


def test_message__of_a_file_without_a_header__shows_no_value(tmp_path):
    people = "c-1,张三,13800001111\n".encode()
    for content, changes in ((people, {}), (people, {"columns": {"survey_id": ["a"], "community_id": ["b"]}})):
        with pytest.raises(IngestionError) as caught:
            rows_of(content, tmp_path, **changes)
        assert "张三" not in str(caught.value) and "1380000" not in str(caught.value)
        assert "number 2 (2 characters)" in str(caught.value)


def test_header__not_found__names_encoding_and_profile(tmp_path):
    with pytest.raises(IngestionError, match="`encoding` or `header`"):
        rows_of(b"x,y,z\n1,2,3\n", tmp_path, header={"find": ["a", "b"]})


def test_joined__small_blocks__keep_every_row_number_flag_and_payload_in_order():
    def block(first, rows, flags=None, skipped=0):
        names = [f"r{first + place}" for place in range(rows)]
        return blocks.Block(
            frame=polars.DataFrame({"小区": polars.Series(names, dtype=polars.String)}),
            row_numbers=numpy.arange(first, first + rows),
            payloads=lambda places: [f"原文 {names[place]}" for place in places],
            flags=flags or {},
            skipped=skipped,
        )

    torn = {("TEXT_UNREADABLE", None): numpy.array([True])}
    large = blocks.JOINED_ROWS
    joined = list(
        blocks.joined(iter([block(1, 3), block(5, 1, torn, 1), block(6, 2), block(8, large), block(9_000, 2)]))
    )
    assert [one.frame.height for one in joined] == [6 + large, 2]
    whole = joined[0]
    assert whole.row_numbers[:7].tolist() == [1, 2, 3, 5, 6, 7, 8] and whole.skipped == 1
    assert whole.frame["小区"][:7].to_list() == ["r1", "r2", "r3", "r5", "r6", "r7", "r8"]
    assert numpy.flatnonzero(whole.flags["TEXT_UNREADABLE", None]).tolist() == [3]
    assert whole.payloads([6, 3, 0]) == ["原文 r8", "原文 r5", "原文 r1"]
    assert list(blocks.joined(iter([]))) == []


HUGE = {  # lines of nothing but what a reader splits at: each took gigabytes
    "blank lines": (b"\n" * (6 << 20), None),
    "lone carriage returns": (b"\r" * (6 << 20), None),
    "delimiters": (b"1," * (39 << 17) + b"\n", "ROW_WRONG_WIDTH"),
    "quotes": (b'"1",' * (15 << 17) + b"\n", "ROW_WRONG_WIDTH"),
    "one line": (b"," * (20 << 20) + b"\n", "a line longer than 8 MiB: is this a text file?"),
}
READ = """
import sys
from pathlib import Path
from property_credit.ingestion import csv_reader
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile
def peak():  # getrusage would tell the parent's where that is more
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) >> 10
profile = Profile.model_validate_json(sys.argv[2])
before, said = peak(), set()
try:
    for block in csv_reader.read(Path(sys.argv[1]), profile):
        said |= {code for code, _ in block.flags}
except IngestionError as error:
    said = {str(error)}
print(peak() - before, *said)
"""


@pytest.mark.parametrize("kind", HUGE)
def test_text__of_nothing_but_separators__is_read_in_little_memory(tmp_path, kind):
    content, told = HUGE[kind]
    more = [f"x{place}" for place in range(20)]
    path = tmp_path / "huge.csv"
    path.write_bytes(HEADER.strip().encode() + b"," + ",".join(more).encode() + b"\n" + content)
    command = [sys.executable, "-c", READ, str(path), profile(ignore=more).model_dump_json(exclude_unset=True)]
    mebibytes, *said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(maxsplit=1)
    assert int(mebibytes) < 300
    assert (told in said[0].strip()) if told else not said
