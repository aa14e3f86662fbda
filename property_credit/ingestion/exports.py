"""What an export looks like: kind, encoding, delimiter, where its header is and what its columns hold.

Owns these findings and how sure each is. Must not know feeds: ``drafts`` compares the findings with them.
"""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars

from property_credit.ingestion import dates, file_kinds
from property_credit.ingestion.blocks import clean_header
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.workbook_scan import open_workbook
from property_credit.warehouse.credit_codes import why_wrong

HEAD_BYTES = 4 << 20
LOOKED_AT = 3_000  # rows
HEADER_WITHIN = 60
SAMPLES = 400  # values of a column
TOLERATED = 0.75  # of values that are what their column is: rows are torn, a fifth of one file seen
UNREADABLE = 0.02  # of characters that are not ASCII: a torn row is no other encoding
LEAST_USUAL = 0.8  # of these characters, in GB 2312
LEAST_TORN = 3  # values of which one may be torn
FEW = 40  # different values of a column of codes
DELIMITERS = ",\t;|"
TOTAL_WORDS = r"^\s*(?:本?[页月年]?[合总小共]计|累计|TOTAL|Total|Grand Total|Sub-?[Tt]otal)\s*[:：]?\s*$"
NUMBER = re.compile(r"^[(（]?[-+−]?\s*[¥￥$£€]?\s*[0-9][0-9,，' ]*(?:\.[0-9]+)?\s*(?:元|万元|亿元)?[)）-]?$")
PAIRS = ("是 否", "有 无", "Y N", "true false", "TRUE FALSE", "√ ×", "已 未", "yes no")
BOOLEANS = [set(pair.split()) for pair in PAIRS]
FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日%H时%M分", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%Y年%m月%d日", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip
IDENTIFIER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_\-./]*$")
DATE_CELL = re.compile(r"^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?$")


@dataclass(frozen=True)
class Column:
    """One column: its header, what its values are, and the values themselves (of the first rows, not blank)."""

    header: str
    kind: str  # date, number, uscc, boolean, code, id, text, empty
    values: tuple[str, ...]
    formats: tuple[str, ...] = ()
    other_formats: tuple[str, ...] = ()  # that read the same values otherwise: a person must say
    remove: tuple[str, ...] = ()
    filled: float = 1.0
    is_unique: bool = False

    @property
    def distinct(self) -> tuple[str, ...]:
        """Return the different values, the most frequent first."""
        return tuple(value for value, _count in Counter(self.values).most_common())


@dataclass(frozen=True)
class Export:
    """What was seen of a file. ``doubts``: findings that are guesses, by name, each with why."""

    path: Path
    format: str
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: int = 1
    sheets: int = 1
    header_row: int = 1
    columns: tuple[Column, ...] = ()
    totals: tuple[tuple[str, str], ...] = ()  # (header of the cell, its words)
    has_nameless: bool = False
    doubts: dict[str, str] = field(default_factory=dict)


def look(path: Path) -> Export:
    """Look at an export; IngestionError when it is no table that can be read, with what to do."""
    if not path.is_file():
        raise IngestionError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise IngestionError(f"{path.name}: the file is empty")
    kind = file_kinds.kind_of(path)
    if kind and kind[0] == file_kinds.WORKBOOK:
        return _look_at_workbook(path)
    if kind:
        raise IngestionError(f"{path.name}: not a table but {kind[1]}: {file_kinds.ADVICE[kind[0]]}")
    data = path.read_bytes()[:HEAD_BYTES]
    encoding, why = _encoding(data)
    text = data.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    delimiter = _delimiter(text)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))[: LOOKED_AT + HEADER_WITHIN]
    doubts = {"encoding": why} if why else {}
    return _described(Export(path, "csv", encoding=encoding, delimiter=delimiter, doubts=doubts), rows)


def _look_at_workbook(path: Path) -> Export:
    import fastexcel

    open_workbook(path, path.name)
    try:
        book = fastexcel.read_excel(path.read_bytes())
        frames = [
            book.load_sheet(place, header_row=None, skip_rows=0, dtypes="string", n_rows=LOOKED_AT).to_polars()
            for place in range(len(book.sheet_names))
        ]
    except fastexcel.FastExcelError as error:
        raise IngestionError(f"{path.name}: not a readable .xlsx workbook: {type(error).__name__}") from error
    largest = max(range(len(frames)), key=lambda place: frames[place].height * frames[place].width)
    rows = [["" if cell is None else cell for cell in row] for row in frames[largest].iter_rows()]
    filled = sum(frame.height > 1 for frame in frames)
    doubts = {"sheet": f"{filled} sheets hold rows; the largest was taken"} if filled > 1 else {}
    export = Export(path, "xlsx", sheet=largest + 1, sheets=len(frames), doubts=doubts)
    return _described(export, rows)


def _encoding(data: bytes) -> tuple[str, str]:
    """Return the encoding, and why it is only a guess ("": it is sure)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", ""
    if data.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig", ""
    whole = data[: data.rfind(b"\n") + 1] or data
    decoded = whole.decode("utf-8", errors="replace")
    wide, torn = sum(not character.isascii() for character in decoded), decoded.count("\ufffd")
    if not torn:
        return "utf-8", ""
    if torn <= UNREADABLE * wide:
        return "utf-8", f"{torn} bytes cannot be read so"
    # a Western letter and the ASCII one behind it make one character that nobody uses
    text = whole.decode("gb18030", errors="replace")
    characters = [character for character in text if not character.isascii()]
    usual = sum(_is_usual(character) for character in characters)
    if usual < LEAST_USUAL * len(characters):
        return "cp1252", "as GB18030 it would be odd characters; Western European is left"
    return "gb18030", "" if usual > FEW else "few Chinese characters to tell it by"


def _is_usual(character: str) -> bool:
    try:
        return bool(character.encode("gb2312"))
    except UnicodeEncodeError:
        return False


def _delimiter(text: str) -> str:
    lines = [line for line in text.split("\n")[: LOOKED_AT // 10] if line.strip()]
    counts = {mark: Counter(line.count(mark) for line in lines) for mark in DELIMITERS}

    def agreement(mark: str) -> tuple[int, int]:
        most = max(
            ((number, count) for number, count in counts[mark].items() if number),
            key=lambda one: one[1],
            default=(0, 0),
        )
        return most[1], most[0]

    best = max(DELIMITERS, key=agreement)
    return best if agreement(best)[0] else ","


def _described(export: Export, rows: list[list[str]]) -> Export:
    place, why = _header_place(rows)
    headers = [clean_header(cell) for cell in rows[place]]
    while (
        headers and not headers[-1] and all(not any(row[len(headers) - 1 : len(headers)]) for row in rows[place + 1 :])
    ):
        headers.pop()
    width = len(headers)
    body = [[cell.strip() for cell in row[:width]] + [""] * (width - len(row)) for row in rows[place + 1 :]]
    body = [row for row in body if any(row) and row != headers]  # some programs print the header on every page
    is_total = [next((at for at, cell in enumerate(row) if re.match(TOTAL_WORDS, cell)), None) for row in body]
    totals = {
        (headers[at], row[at]): None for row, at in zip(body, is_total, strict=True) if at is not None and headers[at]
    }
    data = [row for row, at in zip(body, is_total, strict=True) if at is None][:LOOKED_AT]
    columns = [_column(header, [row[at] for row in data], export.format) for at, header in enumerate(headers) if header]
    doubts = {**export.doubts, **({"header": why} if why else {})}
    return Export(
        **{
            **export.__dict__,
            "header_row": place + 1,
            "columns": tuple(columns),
            "totals": tuple(totals),
            "has_nameless": "" in headers,
            "doubts": doubts,
        }
    )


def _header_place(rows: list[list[str]]) -> tuple[int, str]:
    """Return where the header row is (from 0), and why that is a guess ("": it is sure)."""
    widths = Counter(sum(1 for cell in row if cell.strip()) for row in rows[:LOOKED_AT])
    usual = max((width for width in widths if width), key=lambda width: (widths[width] * width, width), default=0)
    candidates = []
    for place, row in enumerate(rows[:HEADER_WITHIN]):
        cells = [cell.strip() for cell in row if cell.strip()]
        if len(cells) < max(1, 0.6 * usual) or place + 1 >= len(rows):
            continue
        is_text = sum(not NUMBER.match(cell) and not DATE_CELL.match(cell) and len(cell) <= 60 for cell in cells)
        if is_text == len(cells) and len(set(cells)) == len(cells):
            candidates.append(place)
            if len(cells) >= usual:
                return place, ""
    if candidates:
        return candidates[0], "" if len(candidates) == 1 else "another row could be the header too"
    return 0, "no row looks like a header; the first was taken"


def _column(header: str, cells: list[str], kind_of_file: str) -> Column:
    values = tuple(cell for cell in cells if cell and cell not in ("-", "--", "/", "—"))
    sample = values[:: max(1, len(values) // SAMPLES)][:SAMPLES] if values else ()
    filled = len(values) / len(cells) if cells else 0.0
    is_unique = len(set(values)) == len(values) > 1
    if not sample:
        return Column(header, "empty", (), filled=0.0)
    formats, others = _formats(values, kind_of_file)
    if formats:
        return Column(header, "date", values, formats, others, filled=filled, is_unique=is_unique)
    if sum(why_wrong(value) is None for value in sample) > 0.8 * len(sample):
        return Column(header, "uscc", values, filled=filled, is_unique=is_unique)
    if any(set(values) <= pair for pair in BOOLEANS):
        return Column(header, "boolean", values, filled=filled)
    numbers = sum(NUMBER.match(value) is not None for value in sample)
    if len(sample) - numbers <= _torn(len(sample)) and numbers:
        marks = "".join(sample)
        remove = tuple(mark for mark in (",", "£", "$", "€") if mark in marks)
        is_id = all(
            value.isdigit() and (len(value) >= 9 or value.startswith("0") and len(value) > 1) for value in sample
        )
        return Column(header, "id" if is_id else "number", values, remove=remove, filled=filled, is_unique=is_unique)
    if (
        len(set(values)) <= FEW
        and (len(set(values)) * 3 <= len(values) or len(values) < 12)
        and max(map(len, values)) <= 20
    ):
        return Column(header, "code", values, filled=filled)
    kind = (
        "id" if all(IDENTIFIER.match(value) for value in sample) and any(map(str.isdigit, "".join(sample))) else "text"
    )
    return Column(header, kind, values, filled=filled, is_unique=is_unique)


def _torn(values: int) -> int:
    """Return how many of so many values may be torn without the column being another thing; of a few, one."""
    return max(1 if values >= LEAST_TORN else 0, int((1 - TOLERATED) * values))


def _formats(sample: tuple[str, ...], kind_of_file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the formats that together read the values as days or instants, and others that read the same values."""
    texts = polars.Series(list(sample), dtype=polars.String)
    begins = sum(re.match(r"^[0-9０-９〇零一二三四五六七八九十]", value) is not None for value in sample[:SAMPLES])
    if begins < min(len(sample), SAMPLES) - _torn(min(len(sample), SAMPLES)):
        return (), ()
    chosen: list[str] = []
    left = texts
    cells = texts.str.contains(DATE_CELL.pattern)
    if kind_of_file == "xlsx" and cells.any():
        chosen.append("excel")  # a true date cell and a text read alike
        left = texts.filter(~cells)
    reading = {}
    for form in FORMATS:
        if left.len() == 0:
            break
        plain = left.filter(left.str.contains("^[0-9]{8}$")) if form == "%Y%m%d" else left
        read = dates.parse_timestamps(plain, [form])
        if plain.len() and read.null_count() == plain.len():
            continue
        reading[form] = read.null_count()
        if form == "%Y%m%d" and plain.len() < left.len():
            continue
    while left.len() and reading:
        counts = {form: dates.parse_timestamps(left, [form]).is_not_null().sum() for form in reading}
        best = max(FORMATS, key=lambda form: (counts.get(form, 0), -FORMATS.index(form)))
        if not counts.get(best):
            break
        chosen.append(best)
        left = left.filter(dates.parse_timestamps(left, [best]).is_null())
    if left.len() > _torn(texts.len()) or not chosen:
        spelled = dates.parse_timestamps(texts, ["chinese"])
        return (("chinese",), ()) if spelled.null_count() <= _torn(texts.len()) else ((), ())
    swaps = {
        "%d/%m/%Y": "%m/%d/%Y",
        "%m/%d/%Y": "%d/%m/%Y",
        "%d/%m/%Y %H:%M": "%m/%d/%Y %H:%M",
        "%m/%d/%Y %H:%M": "%d/%m/%Y %H:%M",
    }
    others = tuple(
        swap
        for form in chosen
        if (swap := swaps.get(form)) and dates.parse_timestamps(texts, [swap]).null_count() <= left.len()
    )
    return tuple(chosen), others
