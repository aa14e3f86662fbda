"""xlsx through calamine (fastexcel), every cell as text; formulas without a stored result and error cells are found.

calamine gives an empty cell for both, so the sheet's own XML is asked when it mentions either.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import polars

from ingestion.blocks import Block, Flags, check_headers, find_header, values_without_header
from ingestion.contract import IngestionError
from ingestion.profile import Profile

BLOCK_ROWS = 20_000
UNPACKED_BYTES = 1 << 30  # 1,048,576 rows of 16 columns unpack to about 800 MiB
PACKING_RATIO = 250  # deflate reaches 1,000 on a bomb, 20 to 60 on honest sheets (a million blank rows: 120)
RATIO_MATTERS_FROM = 64 << 20  # bytes unpacked; below this any ratio is harmless
CELL = re.compile(rb'<c\s[^>]*?\br="([A-Z]+)([0-9]+)"([^>]*?)(?:/>|>(.*?)</c>)', re.DOTALL)
STORED = re.compile(rb"<v[^>]*>[^<]+</v>")
WINDOW = 1 << 20


def read(path: Path, profile: Profile) -> Iterator[Block]:
    """Yield the rows below the header of the profile's sheet; IngestionError when the workbook cannot be read."""
    import fastexcel

    name = path.name
    _refuse_bomb(path, name)
    try:
        book = fastexcel.read_excel(path)
        sheets = book.sheet_names
        sheet_name = _sheet_name(profile, sheets, name)
        sheet = book.load_sheet(sheet_name, header_row=None, skip_rows=0, dtypes="string")
        frame = sheet.to_polars()
    except fastexcel.FastExcelError as error:
        raise IngestionError(f"{name}: not a readable .xlsx workbook: {str(error).splitlines()[0]}") from error
    where = f"{name}, sheet {sheet_name}"
    if frame.height == 0:
        raise IngestionError(f"{where}: the sheet is empty")
    rows = (["" if cell is None else cell for cell in row] for row in frame.iter_rows())
    number, headers = find_header(rows, profile, where)
    headers += [""] * (frame.width - len(headers))
    if len(headers) > frame.width:
        raise IngestionError(f"{where}: {len(headers)} column names, but the sheet has {frame.width} columns")
    columns = check_headers(headers, profile, where)
    if profile.header and profile.header.within_rows and not any(headers):
        raise IngestionError(f"{where}: the header row is empty")
    frame.columns = columns
    odd_cells = _odd_cells(path, sheets.index(sheet_name), columns)
    for start in range(number, frame.height, BLOCK_ROWS):
        yield _block(frame.slice(start, BLOCK_ROWS), start + 1, odd_cells)


def _sheet_name(profile: Profile, sheets: list[str], name: str) -> str:
    if isinstance(profile.sheet, str):
        if profile.sheet not in sheets:
            raise IngestionError(f"{name}: there is no sheet {profile.sheet!r}; sheets are: {', '.join(sheets)}")
        return profile.sheet
    if not 1 <= profile.sheet <= len(sheets):
        raise IngestionError(f"{name}: there is no sheet number {profile.sheet}; sheets are: {', '.join(sheets)}")
    return sheets[profile.sheet - 1]


def _block(frame: polars.DataFrame, first_number: int, odd_cells: dict[int, dict[str, str]]) -> Block:
    numbers = numpy.arange(first_number, first_number + frame.height, dtype=numpy.int64)
    is_filled = frame.select(polars.any_horizontal(polars.all().str.strip_chars().str.len_bytes() > 0).fill_null(False))
    filled = is_filled.to_series().to_numpy() | numpy.isin(numbers, list(odd_cells))
    kept = frame.filter(polars.Series(filled))
    numbers = numbers[filled]
    flags: Flags = values_without_header(kept)
    for place in numpy.flatnonzero(numpy.isin(numbers, list(odd_cells))) if odd_cells else ():
        for column, code in odd_cells[int(numbers[place])].items():
            flags.setdefault((code, column), numpy.zeros(kept.height, bool))[place] = True
    return Block(
        frame=kept,
        row_numbers=numbers,
        payloads=lambda places: ["\t".join(cell or "" for cell in kept.row(place)) for place in places],
        flags=flags,
        skipped=frame.height - kept.height,
    )


def _refuse_bomb(path: Path, name: str) -> None:
    if path.stat().st_size == 0:
        raise IngestionError(f"{name}: the file is empty")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise IngestionError(f"{name}: not an .xlsx workbook, or cut off: {error}") from error
    ratio = unpacked / path.stat().st_size
    if unpacked > UNPACKED_BYTES or (unpacked > RATIO_MATTERS_FROM and ratio > PACKING_RATIO):
        raise IngestionError(
            f"{name}: unpacks to {unpacked >> 20} MiB ({ratio:.0f} times its size), more than a sheet of rows needs; "
            "ask the office for a CSV"
        )


def _odd_cells(path: Path, sheet_index: int, columns: list[str]) -> dict[int, dict[str, str]]:
    """Return {row: {column: reason}} for formula cells without a stored result and for error cells."""
    found: dict[int, dict[str, str]] = {}
    with zipfile.ZipFile(path) as archive:
        entry = _sheet_entry(archive, sheet_index)
        if entry is None:
            return found
        with archive.open(entry) as stream:
            tail = b""
            while chunk := stream.read(WINDOW):
                text = tail + chunk
                cut = text.rfind(b"</c>") + 4 if b"</c>" in text else 0
                part, tail = text[:cut], text[cut:]
                if b"<f" not in part and b't="e"' not in part:
                    continue
                for letters, row, attributes, inner in CELL.findall(part):
                    is_error = b't="e"' in attributes
                    if is_error or (b"<f" in inner and not STORED.search(inner) and b"<is>" not in inner):
                        place = _column_place(letters)
                        column = columns[place] if place < len(columns) else columns[-1]
                        found.setdefault(int(row), {})[column] = "CELL_ERROR" if is_error else "FORMULA_WITHOUT_RESULT"
    return found


def _sheet_entry(archive: zipfile.ZipFile, sheet_index: int) -> str | None:
    """Return the archive's name of the sheet at ``sheet_index`` in the workbook's order."""
    try:
        book = archive.read("xl/workbook.xml").decode("utf-8", errors="replace")
        links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", errors="replace")
    except KeyError:
        return None
    identifiers = re.findall(r"<(?:\w+:)?sheet\s[^>]*?\br:id=\"([^\"]+)\"", book)
    if sheet_index >= len(identifiers):
        return None
    for link in re.findall(r"<(?:\w+:)?Relationship\s[^>]*>", links):
        if f'Id="{identifiers[sheet_index]}"' in link:
            target = re.search(r'Target="([^"]+)"', link)
            name = target.group(1).lstrip("/") if target else ""
            name = name if name.startswith("xl/") else f"xl/{name}"
            return name if name in archive.namelist() else None
    return None


def _column_place(letters: bytes) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place - 1
