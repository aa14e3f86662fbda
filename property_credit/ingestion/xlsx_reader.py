"""xlsx through calamine (fastexcel), every cell as text; what calamine hides is taken from the workbook's own XML.

``read`` does it in another process (reader_process), ``read_here`` in this one.
"""

import os
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy
import polars

from property_credit.ingestion import feeds, file_kinds
from property_credit.ingestion.blocks import Block, Flags, check_headers, find_header, values_without_header
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile
from property_credit.ingestion.reader_process import read as read
from property_credit.ingestion.workbook_scan import UNPACKED_BYTES as UNPACKED_BYTES
from property_credit.ingestion.workbook_scan import Sheet, Workbook, open_workbook

BLOCK_ROWS = 20_000
SHEET_STEP = 10_000_000  # of several sheets: row 5 of the second is told as 20000005
DAYS_1904 = 1462  # between the two calendars of a spreadsheet
NUL = "\x00"


def read_here(path: Path, profile: Profile) -> Iterator[Block]:
    """Yield the rows below the header of the profile's sheets; IngestionError when the workbook cannot be read."""
    import fastexcel

    name = path.name
    _refuse_other_kinds(path, name)
    book_parts = open_workbook(path, name)
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "book.xlsx"  # the library goes by the name's end, and offices name these .xls
        os.symlink(path.resolve(), link)
        try:
            book = fastexcel.read_excel(link)
            sheets = book.sheet_names
            chosen = _chosen(profile, sheets, name)
            for place, sheet_name in enumerate(sheets):
                if place not in chosen:
                    _refuse_rows_left_out(book, book_parts, profile, place, f"{name}, sheet {sheet_name}")
            for place in chosen:
                first = place * SHEET_STEP + SHEET_STEP if len(chosen) > 1 else 0
                yield from _sheet(book, book_parts, profile, place, f"{name}, sheet {sheets[place]}", first)
        except fastexcel.FastExcelError as error:
            raise IngestionError(f"{name}: not a readable .xlsx workbook: {type(error).__name__}") from error


def _refuse_other_kinds(path: Path, name: str) -> None:
    if path.stat().st_size == 0:
        raise IngestionError(f"{name}: the file is empty")
    kind = file_kinds.kind_of(path)
    if kind is None:
        raise IngestionError(f"{name}: not an .xlsx workbook, or cut off; if it is text, say `format: csv`")
    if kind[0] != file_kinds.WORKBOOK:
        raise IngestionError(f"{name}: not an .xlsx workbook but {kind[1]}: {file_kinds.ADVICE[kind[0]]}")


def _chosen(profile: Profile, sheets: list[str], name: str) -> list[int]:
    if profile.sheet == "all":
        return [place for place, sheet in enumerate(sheets) if not _is_ignored(profile, sheet)]
    wanted = profile.sheet if isinstance(profile.sheet, list) else [profile.sheet]
    return sorted({place for one in wanted for place in _places(one, sheets, profile, name)})


def _places(wanted: str | int, sheets: list[str], profile: Profile, name: str) -> list[int]:
    if isinstance(wanted, str):
        if wanted in sheets:
            return [sheets.index(wanted)]
        by_month = [
            place
            for place, sheet in enumerate(sheets)
            if fnmatchcase(sheet.strip(), wanted) and not _is_ignored(profile, sheet)
        ]
        if not by_month:
            raise IngestionError(
                f"{name}: there is no sheet {wanted!r}; sheets are: {', '.join(sheets)}; "
                "a name that changes by month may be given with * and ?"
            )
        return by_month
    if not 1 <= wanted <= len(sheets):
        raise IngestionError(f"{name}: there is no sheet number {wanted}; sheets are: {', '.join(sheets)}")
    return [wanted - 1]


def _is_ignored(profile: Profile, sheet: str) -> bool:
    return any(fnmatchcase(sheet, pattern) for pattern in profile.ignore_sheets)


def _frame(book: Any, place: int) -> polars.DataFrame:
    frame: polars.DataFrame = book.load_sheet(place, header_row=None, skip_rows=0, dtypes="string").to_polars()
    return frame


def _refuse_rows_left_out(book: Any, parts: Workbook, profile: Profile, place: int, where: str) -> None:
    """Refuse a workbook of which another sheet holds rows under the same header: they would be lost in silence."""
    if _is_ignored(profile, book.sheet_names[place]) or not (profile.header and not profile.header.none):
        return
    if not (place < len(parts.entries) and parts.entries[place]):
        return  # a chart
    parts.sheet(place, where)
    frame = _frame(book, place)
    wanted = profile.header.find or [
        alias for name, names in profile.columns.items() if name not in profile.optional for alias in names[:1]
    ]
    for number, row in enumerate(frame.head(profile.header.within_rows).iter_rows(), start=1):
        if set(wanted) <= {(cell or "").strip() for cell in row} and frame.height > number:
            raise IngestionError(
                f"{where}: holds rows under the same header, and profile {profile.name} reads another sheet: "
                "say `sheet: all`, list the sheets, or name this one in `ignore_sheets`"
            )


def _sheet(book: Any, parts: Workbook, profile: Profile, place: int, where: str, first: int) -> Iterator[Block]:
    seen = parts.sheet(place, where)
    frame = _frame(book, place)
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
    odd_cells = _odd_cells(seen, profile, columns)
    frame = _merged_cells(frame, seen, profile, columns, number, odd_cells)
    if parts.is_1904:
        frame = _from_1904(frame, profile)
    for start in range(number, frame.height, BLOCK_ROWS):
        yield _block(frame.slice(start, BLOCK_ROWS), start + 1, odd_cells, first)


def _fields(profile: Profile, columns: list[str]) -> dict[str, str]:
    """Return the field behind each column that the profile maps."""
    aliases = {alias: name for name, names in profile.columns.items() for alias in names}
    return {column: aliases[column] for column in columns if column in aliases}


def _odd_cells(seen: Sheet, profile: Profile, columns: list[str]) -> dict[int, dict[str, str]]:
    """Return {row: {column: reason}} of cells that are not what the library shows."""
    reasons = {
        row: {columns[min(place, len(columns) - 1)]: code for place, code in cells.items()}
        for row, cells in seen.odd_cells.items()
    }
    feed, fields = feeds.get(profile.feed), _fields(profile, columns)
    for row, place in seen.no_identifiers:
        column = columns[place] if place < len(columns) else ""
        field = feed.field(fields[column]) if column in fields else None
        if field is not None and (feed.is_identifier(field) or field.type == "uscc"):
            reasons.setdefault(row, {})[column] = "ID_DESTROYED"
    return reasons


def _merged_cells(
    frame: polars.DataFrame,
    seen: Sheet,
    profile: Profile,
    columns: list[str],
    header: int,
    odd_cells: dict[int, dict[str, str]],
) -> polars.DataFrame:
    """Fill what merged cells cover where the profile says so; elsewhere mark the rows: nobody knows what is meant."""
    fields = _fields(profile, columns)
    filled: dict[str, dict[int, str | None]] = {}
    for top, left, bottom, right in seen.merged:
        if top <= header or (top == bottom and left == right):
            continue
        for place in range(left, min(right, len(columns) - 1) + 1):
            column = columns[place]
            if column not in fields:
                continue
            value = frame[top - 1, left] if top <= frame.height else None
            for row in range(top, min(bottom, frame.height) + 1):
                if (row, place) == (top, left):
                    continue
                if fields[column] in profile.fill_down and place == left:
                    filled.setdefault(column, {})[row - 1] = value
                else:
                    odd_cells.setdefault(row, {}).setdefault(column, "CELL_MERGED")
    for column, cells in filled.items():
        frame = frame.with_columns(frame[column].scatter(list(cells), list(cells.values())))
    return frame


def _from_1904(frame: polars.DataFrame, profile: Profile) -> polars.DataFrame:
    """Return the day numbers of a workbook that counts from 1904 as those of one that counts from 1900."""
    for column, name in _fields(profile, frame.columns).items():
        if "excel" in profile.dates.get(name, []):
            days = polars.col(column).cast(polars.Float64, strict=False)
            shifted = (days + DAYS_1904).cast(polars.String)
            frame = frame.with_columns(polars.when(days.is_null()).then(column).otherwise(shifted).alias(column))
    return frame


def _block(frame: polars.DataFrame, first_number: int, odd_cells: dict[int, dict[str, str]], first: int) -> Block:
    numbers = numpy.arange(first_number, first_number + frame.height, dtype=numpy.int64)
    is_filled = frame.select(polars.any_horizontal(polars.all().str.strip_chars().str.len_bytes() > 0).fill_null(False))
    refused = [row for row, cells in odd_cells.items() if set(cells.values()) != {"CELL_MERGED"}]
    filled = is_filled.to_series().to_numpy() | numpy.isin(numbers, refused)
    kept = frame.filter(polars.Series(filled))
    numbers = numbers[filled]
    flags: Flags = values_without_header(kept)
    for place in numpy.flatnonzero(numpy.isin(numbers, list(odd_cells))) if odd_cells else ():
        for column, code in odd_cells[int(numbers[place])].items():
            flags.setdefault((code, column), numpy.zeros(kept.height, bool))[place] = True
    if kept.height and any(kept.select(polars.all().str.contains(NUL, literal=True).any()).row(0)):
        has_nul = kept.select(polars.any_horizontal(polars.all().str.contains(NUL, literal=True)).fill_null(False))
        flags["TEXT_UNREADABLE", None] = has_nul.to_series().to_numpy()
        kept = kept.with_columns(polars.all().str.replace_all(NUL, "␀", literal=True))
    return Block(
        frame=kept,
        row_numbers=numbers + first,
        payloads=lambda places: ["\t".join(cell or "" for cell in kept.row(place)) for place in places],
        flags=flags,
        skipped=frame.height - kept.height,
    )
