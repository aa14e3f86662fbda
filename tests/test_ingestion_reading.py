"""Reading CSV: characters, cutting into blocks, structure; the fast and the careful way must not be told apart."""

import csv
import io

import numpy
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion import blocks, csv_reader, transcoding
from ingestion.contract import IngestionError
from ingestion.profile import Profile

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
    found = []
    for block in csv_reader.read(path, profile(**changes), block_bytes=block_bytes):
        bad = {}
        for (code, _column), mask in block.flags.items():
            bad |= {place: code for place in mask.nonzero()[0]}
        payloads = block.payloads(list(range(block.frame.height)))
        for place, row in enumerate(block.frame.iter_rows()):
            values = tuple(value or "" for value in row)
            found.append((int(block.row_numbers[place]), values, bad.get(place), payloads[place]))
    return found


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
        found = rows_of(content, tmp_path, block_bytes=size, encoding=encoding)
        kept = [(number, row, code) for number, row, code, _payload in found if any(cell.strip() for cell in row)]
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
            found = rows_of(content, tmp_path, block_bytes=size, encoding="gb18030")
        return [one for one in found if any(cell.strip() for cell in one[1]) or one[2]]

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
    found = rows_of(HEADER.encode() + b"".join(good), tmp_path, encoding="gb18030")
    assert [(one[0], one[2]) for one in found if one[2]] == [(12, code), (50_002, code), (99_992, code)]
    assert len(found) == len(good)
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
    found = rows_of(content, tmp_path, encoding="gb18030")
    assert [one[2] for one in found] == [None, code, None]
    assert [one[0] for one in found] == [2, 3, 4]


def test_short_and_long_rows__that_cancel_out__are_both_found(tmp_path):
    found = rows_of(HEADER.encode() + b"1,2\n1,2,3,4\n5,6,7\n", tmp_path)
    assert [one[2] for one in found] == ["ROW_WRONG_WIDTH", "ROW_WRONG_WIDTH", None]


def test_payload__of_a_row_over_several_lines__is_its_original_text(tmp_path):
    found = rows_of(HEADER.encode() + b'1,"x\ny",3\n4,5,6\n', tmp_path)
    assert [one[3] for one in found] == ['1,"x\ny",3', "4,5,6"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends__of_every_kind__give_the_same_rows(tmp_path, ending):
    content = ending.join(["a,b,c", "1,2,3", "4,5,6", ""]).encode()
    for size in (1, 5, 1 << 20):
        assert [one[1] for one in rows_of(content, tmp_path, block_bytes=size)] == [("1", "2", "3"), ("4", "5", "6")]


def test_encoding__utf_16__is_read(tmp_path):
    found = rows_of("a,b,c\n1,物业,3\n".encode("utf-16"), tmp_path, encoding="utf-16", block_bytes=7)
    assert [one[1] for one in found] == [("1", "物业", "3")]


def test_byte_order_mark__in_front__is_no_part_of_the_header(tmp_path):
    assert rows_of("\ufeffa,b,c\n1,2,3\n".encode(), tmp_path)[0][1] == ("1", "2", "3")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", r"c \(agency_name\) is missing"),
        (b"a,b,c,d\n1,2,3,4\n", "unknown column d"),
        (b"a,b,c,a\n1,2,3,4\n", "stands twice"),
        ("编号,b,c\n".encode("gb18030"), "cannot be read as utf-8"),
    ],
)
def test_file__that_is_no_such_export__is_refused_with_what_and_where(tmp_path, content, told):
    with pytest.raises(IngestionError, match=told) as caught:
        rows_of(content, tmp_path)
    assert "file.csv" in str(caught.value)


def test_quote__never_closed_in_a_long_file__is_refused_with_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "RECORD_BYTES", 10_000)
    content = HEADER.encode() + b'1,2,3\n1,"2,3\n' + b"4,5,6\n" * 10_000
    with pytest.raises(IngestionError, match="row 3: a quote is opened and not closed"):
        rows_of(content, tmp_path, block_bytes=4_000)


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
    found = list(
        blocks.joined(iter([block(1, 3), block(5, 1, torn, 1), block(6, 2), block(8, large), block(9_000, 2)]))
    )
    assert [one.frame.height for one in found] == [6 + large, 2]
    whole = found[0]
    assert whole.row_numbers[:7].tolist() == [1, 2, 3, 5, 6, 7, 8] and whole.skipped == 1
    assert whole.frame["小区"][:7].to_list() == ["r1", "r2", "r3", "r5", "r6", "r7", "r8"]
    assert numpy.flatnonzero(whole.flags["TEXT_UNREADABLE", None]).tolist() == [3]
    assert whole.payloads([6, 3, 0]) == ["原文 r8", "原文 r5", "原文 r1"]
    assert list(blocks.joined(iter([]))) == []
