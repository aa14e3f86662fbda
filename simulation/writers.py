"""Exports as bytes: CSV in an office's encoding with its preamble and total, and worksheets with a merged title.

The same rows give the same bytes. Owns file formats; knows no feed.
"""

from datetime import date, datetime
from pathlib import Path

import polars as pl

from simulation.dirt import TORN, WIDE
from simulation.offices import EXCEL, Office

_TORN_BYTES = {"gb18030": b"\xb0", "utf-8-sig": b"\xe5\x8c"}  # the first part of a character, the rest cut off


def write(rows: pl.DataFrame, office: Office, path: Path, *, day: date, numbers: frozenset[str]) -> None:
    """Write ``rows`` to ``path`` as ``office`` sends them on ``day``; ``numbers``: headers of numeric cells."""
    rows = rows.drop("_mark", strict=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    if office.format == "xlsx":
        _write_sheet(rows, office, path, day=day, numbers=numbers)
    elif office.format == "csv":
        path.write_bytes(_csv_bytes(rows, office, day=day))
    else:
        rows.write_ndjson(path)


def _csv_bytes(rows: pl.DataFrame, office: Office, *, day: date) -> bytes:
    lines = []
    if office.header_row > 1:
        lines = [office.title, f"打印日期：{day:%Y-%m-%d}", "币种：人民币  单位：元", ""]
    text = rows.write_csv(line_terminator=office.line_end, float_precision=2)
    if lines:
        text = office.line_end.join(lines) + office.line_end + text + _total(rows, office)
    data = text.encode(office.encoding)
    data = data.replace(TORN.encode(), _TORN_BYTES.get(office.encoding, b""))
    return data.replace(WIDE.encode(), ",多出一列".encode(office.encoding.removesuffix("-sig")))


def _total(rows: pl.DataFrame, office: Office) -> str:
    """Return the last row: the net of every amount that can be read, as the file itself adds up."""
    printed = pl.col(office.header_of("_printed")).cast(pl.Float64, strict=False)
    cents = (printed * 100).round().cast(pl.Int64)
    signed = pl.when(pl.col(office.header_of("_side")) == "借").then(-cents).otherwise(cents)
    net = rows.select(signed.sum()).item() / 100
    cells = ["TOTAL", *[""] * (rows.width - 1)]
    cells[rows.columns.index(office.header_of("_printed"))] = f"{net:.2f}"
    cells[rows.columns.index(office.header_of("summary"))] = "合计"
    return ",".join(cells) + office.line_end


def _write_sheet(rows: pl.DataFrame, office: Office, path: Path, *, day: date, numbers: frozenset[str]) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_urls": False}) as book:
        book.set_properties({"title": office.title, "created": datetime(day.year, day.month, day.day)})
        title = book.add_format({"bold": True, "align": "center", "font_size": 14})
        heading = book.add_format({"bold": True, "border": 1})
        as_date = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet = book.add_worksheet("Sheet1")
        width = len(office.columns)
        sheet.merge_range(0, 0, 0, width - 1, office.title, title)
        if office.header_row == 3:
            sheet.write_string(1, 0, f"填报单位：包头市住房和城乡建设局（模拟）  导出日期：{day:%Y-%m-%d}")
        for place, column in enumerate(office.columns):
            sheet.write_string(office.header_row - 1, place, column.header, heading)
        styles = [as_date if column.format == EXCEL else None for column in office.columns]
        is_number = [column.header in numbers for column in office.columns]
        for number, row in enumerate(rows.iter_rows(), office.header_row):
            for place, value in enumerate(row):
                if value is None:
                    continue
                if isinstance(value, str):
                    figure = _figure(value) if is_number[place] else None
                    if figure is None:
                        sheet.write_string(number, place, value)
                        continue
                    value = figure
                sheet.write_number(number, place, value, styles[place])


def _figure(text: str) -> float | None:
    """Return the number that ``text`` was before a word in its column made the column text."""
    try:
        return float(text)
    except ValueError:
        return None
