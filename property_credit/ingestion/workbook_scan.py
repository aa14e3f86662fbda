"""What a workbook's XML says before a library reads it: its size, its calendar, and cells that the library hides.

The library takes a sheet's corner cells at their word and allocates all that lies between, gives an empty cell for a
formula without a result, for an error and for what a merged cell covers, and a rounded number for a long identifier.
Every part is unpacked here first, in pieces and with a limit, so that a directory that lies about sizes is noticed.
"""

import html
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from property_credit.ingestion.contract import IngestionError

UNPACKED_BYTES = 1 << 30  # 1,048,576 rows of 16 columns unpack to about 800 MiB
PACKING_RATIO = 250  # deflate reaches 1,000 on a bomb, 20 to 60 on honest sheets (a million blank rows: 120)
RATIO_MATTERS_FROM = 64 << 20  # bytes unpacked; below this any ratio is harmless
SHEET_ROWS, SHEET_COLUMNS = 1_048_576, 702  # Excel's last row; the column ZZ, beyond which no export of ours goes
MOST_CELLS = 48 << 20  # between the corners: 1.1 GiB in the library
SPARSE_FROM, SPARSE_SHARE = 32 << 20, 50  # cells between the corners, and how many of them for each that is there
WINDOW = 1 << 20
CELL = re.compile(rb'<c\s[^>]*?\br="([A-Z]+)([0-9]+)"([^>]*?)(?:/>|>(.*?)</c>)', re.DOTALL)
STORED = re.compile(rb"<v[^>]*>[^<]+</v>")
ROW = re.compile(rb'<row\b[^>]*?\br="([0-9]+)"')
FAR = re.compile(rb'\br="([A-Z]{3,}[0-9]+|[A-Z]+[0-9]{8,})"')
TWO_LETTERS = re.compile(rb'\br="([A-Z]{2})[0-9]')
LONG_NUMBER = re.compile(
    rb'<c\s+r="([A-Z]+)([0-9]+)"(?:\s+s="[0-9]*")?(?:\s+t="n")?\s*>\s*'
    rb"<v>-?(?:[0-9]{16,}(?:\.[0-9]*)?|[0-9](?:\.[0-9]+)?[eE]\+?[0-9]+)</v>"
)
PADDED_NUMBER = re.compile(rb'<c\s+r="([A-Z]+)([0-9]+)"\s+s="([0-9]+)"(?:\s+t="n")?\s*>\s*<v>([0-9]+)</v>')
PADDED_FORMAT = re.compile(r'(?:(?P<letters>"[^"]+"|\\.)0+|(?P<zeros>0{2,}))(?:;.*)?')  # "TS"0000, 000000
PREFIXED = re.compile(rb"<[\w.-]+:(?:c|row|mergeCell)\b")
TAG = re.compile(rb"<(/?)(?:[\w.-]+:)?([\w.-]+)([^>]*?)(/?)>")
ATTRIBUTE = re.compile(rb"""\s(?:[\w.-]+:)?([\w.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
MERGED = re.compile(rb'<mergeCell\s[^>]*?ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
ENDS = (b"</c>", b":c>", b"</row>", b":row>")
LOCAL_HEADER = struct.Struct("<4s5H3I2H")


@dataclass
class Sheet:
    """What the XML of one sheet says. Places count from 0 for columns and from 1 for rows."""

    odd_cells: dict[int, dict[int, str]] = field(default_factory=dict)  # row -> column -> reason code
    # (row, column) of numbers of 16 digits and more, or shown otherwise than they are: with zeros before, or letters
    no_identifiers: list[tuple[int, int]] = field(default_factory=list)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)  # first row, column, last row, column
    last_row: int = 0
    last_column: int = 0
    cell_count: int = 0
    row: int = 0  # the place that was read last, for cells that do not say theirs
    column: int = -1


@dataclass(frozen=True)
class Workbook:
    """The parts of a workbook that were unpacked and measured."""

    path: Path
    entries: list[str]  # the sheets' names in the archive, in the workbook's order; "" for one that is not there
    is_1904: bool
    padded: dict[bytes, int]  # style of a cell -> digits that it shows at least; 0: and letters before them

    def sheet(self, place: int, where: str) -> Sheet:
        """Return what the sheet at ``place`` says; IngestionError when a cell lies where none of a table does."""
        sheet = Sheet()
        entry = self.entries[place] if place < len(self.entries) else ""
        if entry:
            with zipfile.ZipFile(self.path) as archive, archive.open(entry) as stream:
                for part in _cells(stream):
                    _look(_usual(part, sheet), sheet, where, self.padded)
        _check_box(sheet, where)
        return sheet


def open_workbook(path: Path, name: str) -> Workbook:
    """Unpack every part once, without keeping it; IngestionError when it is no workbook or larger than it says."""
    if path.stat().st_size == 0:
        raise IngestionError(f"{name}: the file is empty")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _refuse_bomb(sum(info.file_size for info in infos), path, name)
            _measure(path, infos, name)
            entries, is_1904 = _sheets(archive)
            padded = _padded_styles(archive)
    except (zipfile.BadZipFile, OSError, struct.error, zlib.error, NotImplementedError, RuntimeError) as error:
        reason = str(error) if isinstance(error, zipfile.BadZipFile) else type(error).__name__
        raise IngestionError(f"{name}: not an .xlsx workbook, or cut off: {reason}") from error
    return Workbook(path, entries, is_1904, padded)


def column_place(letters: bytes) -> int:
    """Return the place of a column from 0: A is 0, Z is 25, AA is 26."""
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place - 1


def column_letters(place: int) -> bytes:
    """Return the letters of a column, the opposite of ``column_place``."""
    letters = b""
    while place >= 0:
        place, letter = divmod(place, 26)
        letters, place = bytes([65 + letter]) + letters, place - 1
    return letters


def _refuse_bomb(unpacked: int, path: Path, name: str) -> None:
    ratio = unpacked / path.stat().st_size
    if unpacked > UNPACKED_BYTES or (unpacked > RATIO_MATTERS_FROM and ratio > PACKING_RATIO):
        raise IngestionError(
            f"{name}: unpacks to {unpacked >> 20} MiB ({ratio:.0f} times its size), more than a sheet of rows needs; "
            "ask the office for a CSV"
        )


def _measure(path: Path, infos: list[zipfile.ZipInfo], name: str) -> None:
    """Compare what each part unpacks to with what the directory says of it."""
    with path.open("rb") as stream:
        for info in infos:
            stream.seek(info.header_offset)
            local = LOCAL_HEADER.unpack(stream.read(LOCAL_HEADER.size))
            stream.seek(local[-2] + local[-1], 1)
            unpacked = _unpacked_size(stream, info)
            if unpacked != info.file_size:
                raise IngestionError(
                    f"{name}: not an .xlsx workbook, or cut off: its directory says {info.file_size} bytes of a part "
                    f"that has {'more' if unpacked > info.file_size else 'fewer'}"
                )


def _unpacked_size(stream: object, info: zipfile.ZipInfo) -> int:
    if info.compress_type == zipfile.ZIP_STORED:
        return info.compress_size
    if info.compress_type != zipfile.ZIP_DEFLATED:
        raise NotImplementedError("compression")
    unpack, size, left = zlib.decompressobj(-15), 0, info.compress_size
    while left and size <= info.file_size and not unpack.eof:
        piece = stream.read(min(WINDOW, left))  # type: ignore[attr-defined]
        if not piece:
            break
        left -= len(piece)
        while piece and size <= info.file_size:
            size += len(unpack.decompress(piece, WINDOW))
            piece = unpack.unconsumed_tail
    return size if unpack.eof or size > info.file_size else -1


def _sheets(archive: zipfile.ZipFile) -> tuple[list[str], bool]:
    try:
        book = archive.read("xl/workbook.xml").decode("utf-8", errors="replace")
        links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", errors="replace")
    except KeyError:
        return [], False
    is_1904 = re.search(r"<(?:\w+:)?workbookPr\b[^>]*\bdate1904=\"(?:1|true)\"", book) is not None
    targets = {}
    for link in re.findall(r"<(?:\w+:)?Relationship\s[^>]*>", links):
        identifier, target = re.search(r'\bId="([^"]+)"', link), re.search(r'\bTarget="([^"]+)"', link)
        if identifier and target:
            path = target.group(1).lstrip("/")
            targets[identifier.group(1)] = path if path.startswith("xl/") else f"xl/{path}"
    names = set(archive.namelist())
    identifiers = re.findall(r"<(?:\w+:)?sheet\s[^>]*?\br:id=\"([^\"]+)\"", book)
    entries = [targets.get(identifier, "") for identifier in identifiers]
    return [entry if entry in names else "" for entry in entries], is_1904


def _cells(stream: object) -> Iterator[bytes]:
    """Yield the sheet in pieces that end with a whole cell or row."""
    tail = b""
    while chunk := stream.read(WINDOW):  # type: ignore[attr-defined]
        text = tail + chunk
        cut = max((text.rfind(end) + len(end) for end in ENDS if end in text), default=0)
        if not cut and len(text) > 4 * WINDOW:
            cut = len(text)
        part, tail = text[:cut], text[cut:]
        if part:
            yield part
    yield tail


def _padded_styles(archive: zipfile.ZipFile) -> dict[bytes, int]:
    """Return the styles of cells that show a number with zeros or letters before it, as identifiers have them."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    text = archive.read("xl/styles.xml")
    formats: dict[str, int] = {}
    is_of_cells, place, padded = False, 0, dict[bytes, int]()
    for closes, name, attributes, _empty in TAG.findall(text):
        if name == b"cellXfs":
            is_of_cells = not closes
        if name not in (b"numFmt", b"xf") or closes:
            continue
        values = _attributes(attributes)
        if name == b"numFmt":
            if shown := PADDED_FORMAT.fullmatch(
                html.unescape(values.get(b"formatCode", b"").decode("utf-8", "replace"))
            ):
                formats[values.get(b"numFmtId", b"").decode()] = len(shown["zeros"] or "")
        elif is_of_cells:
            if (number := values.get(b"numFmtId", b"").decode()) in formats:
                padded[str(place).encode()] = formats[number]
            place += 1
    return padded


def _attributes(text: bytes) -> dict[bytes, bytes]:
    return {name: double or single for name, double, single in ATTRIBUTE.findall(text)}


def _usual(part: bytes, sheet: Sheet) -> bytes:
    """Return a part as most programs write it: no prefixes, each cell's place first and in double quotes."""
    if part.count(b'<c r="') == part.count(b"<c") - part.count(b"<col") and not PREFIXED.search(part):
        return part

    def usual(tag: re.Match[bytes]) -> bytes:
        closes, name, attributes, empty = tag.groups()
        values = _attributes(attributes)
        if name == b"row" and not closes:
            given_row = values.get(b"r", b"")[:9]
            sheet.row, sheet.column = int(given_row) if given_row.isdigit() else sheet.row + 1, -1
            values[b"r"] = str(sheet.row).encode()
        elif name == b"c" and not closes:
            given = re.fullmatch(rb"([A-Z]+)[0-9]+", values.get(b"r", b""))
            sheet.column = column_place(given[1]) if given else sheet.column + 1
            place = values.pop(b"r") if given else column_letters(sheet.column) + str(sheet.row).encode()
            values = {b"r": place, **{key: values[key] for key in (b"s", b"t") if key in values}}
        said = b"".join(b' %b="%b"' % pair for pair in values.items())
        return b"<%b%b%b%b>" % (closes, name, said, empty)

    return TAG.sub(usual, part)


def _look(part: bytes, sheet: Sheet, where: str, padded: dict[bytes, int]) -> None:
    if far := FAR.search(part):
        raise IngestionError(
            f"{where}: a cell stands at {far.group(1)[:24].decode()}, far outside a table: "
            "delete the rows and columns beyond the data, or save the table into a new workbook"
        )
    sheet.cell_count += part.count(b"<c ")
    rows = ROW.findall(part)
    if rows:
        if max(map(len, rows)) > 7 or (last := max(map(int, rows))) > SHEET_ROWS:
            raise IngestionError(f"{where}: a row has a number that no sheet has: save the table into a new workbook")
        sheet.last_row = max(sheet.last_row, last)
    pairs = set(TWO_LETTERS.findall(part))
    widest = max(map(column_place, pairs)) if pairs else 25 if sheet.last_column <= 25 else 0
    sheet.last_column = max(sheet.last_column, widest)
    if b"<f" in part or b't="e"' in part:
        for letters, row, attributes, inner in CELL.findall(part):
            is_error = b't="e"' in attributes
            if is_error or (b"<f" in inner and not STORED.search(inner) and b"<is>" not in inner):
                code = "CELL_ERROR" if is_error else "FORMULA_WITHOUT_RESULT"
                sheet.odd_cells.setdefault(int(row), {})[column_place(letters)] = code
    sheet.no_identifiers += [(int(row), column_place(letters)) for letters, row in LONG_NUMBER.findall(part)]
    if padded:
        sheet.no_identifiers += [
            (int(row), column_place(letters))
            for letters, row, style, digits in PADDED_NUMBER.findall(part)
            if style in padded and len(digits) < (padded[style] or len(digits) + 1)
        ]
    if b"<mergeCell " in part:
        sheet.merged += [
            (int(top), column_place(left), int(bottom), column_place(right))
            for left, top, right, bottom in MERGED.findall(part)
        ]


def _check_box(sheet: Sheet, where: str) -> None:
    cells = sheet.last_row * (sheet.last_column + 1)
    if cells > MOST_CELLS or (cells > SPARSE_FROM and cells > SPARSE_SHARE * sheet.cell_count):
        raise IngestionError(
            f"{where}: its cells lie as far apart as row {sheet.last_row} and column {sheet.last_column + 1}: "
            "delete the rows and columns beyond the data, or save the table into a new workbook"
        )
