"""Receipts to the office that sent a delivery (回执), and its own rows that were not let in (退回清单).

Written below ``receipts_dir``/<source profile>/<day>/, where the office fetches them: only offices can mend data. The
rows are in the office's own format with four columns more, which a file that is sent again may keep. The rows are an
office's own and go to no other; the files are readable by their owner and group only.
"""

import csv
import io
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from property_credit.ingestion import archive, sealing
from property_credit.ingestion.batches import BatchReport
from property_credit.ingestion.blocks import RECEIPT_COLUMNS, UNNAMED
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import file_blocks
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.working_days import after

WORKING_DAYS = 3  # to send refused rows again
TODO = {  # what the office has to do about a row that waits; all others it mends and sends again
    "register": "等待所引小区、企业等登记后自动入库，无需重报；若编码有误请更正后重报",
    "name": "等待按名称比对或人工认定后自动入库，无需重报；报送编号可免比对",
    "day": "日期未到，到期自动入库，无需重报；若日期有误请更正后重报",
    "profile": "等待平台登记该代码后自动入库，无需重报",
    "decision": "同一编号前后不一致，等待核定；请说明以哪一行为准",
    None: "请更正后以原文件名重报，可只报这些行",
}

Row = tuple[int, str, str, str | None]  # row number, payload, reason, what it waits for


def write(report: BatchReport, profile: Profile, business_date: date) -> list[Path]:
    """Write the receipt of a delivery that was read or refused, and the rows returned; return the files.

    Nothing is written for what was seen before. The same report gives the same files.
    """
    if report.status not in ("loaded", "refused") or report.kind not in ("load", "reading") or not report.delivery_id:
        return []
    with connect("pc_ingestion") as connection:
        delivery = connection.execute(
            "select coalesce(landed_on, business_date), archive_path, resubmits_delivery_id from ops.deliveries"
            " where delivery_id = %s",
            (report.delivery_id,),
        ).fetchone()
        rows: list[Row] = connection.execute(
            "select row_number, payload, reason, waits_for from quarantine.rejected_rows"
            " where batch_id = %s order by row_number",
            (report.batch_id,),
        ).fetchall()
        plain = sealing.unseal(connection, profile.feed, "payload", [row[1] for row in rows])
        rows = [(number, text, why, waits) for (number, _sealed, why, waits), text in zip(rows, plain, strict=True)]
    if delivery is None:
        return []
    landed_on, kept_at, resubmits = delivery
    root = get_settings().receipts_dir
    assert root is not None  # the settings fill it in
    folder = root / profile.name / landed_on.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{Path(report.source_file).stem}.{report.delivery_id}"
    due = after(business_date, WORKING_DAYS)
    written = [_put(folder / f"回执_{stem}.txt", _told(report, due, resubmits, len(rows)).encode())]
    if rows and profile.format != "json_api":
        returned = [_columns(row, due) for row in rows]
        headers = _headers(kept_at, profile)
        if profile.format == "xlsx":
            written.append(_put(folder / f"退回清单_{stem}.xlsx", _workbook(headers, rows, returned)))
        else:
            written.append(_put(folder / f"退回清单_{stem}.csv", _csv(headers, rows, returned, profile)))
    return written


def _told(report: BatchReport, due: date, resubmits: str | None, returned: int) -> str:
    lines = [
        f"回执编号：{report.delivery_id}",
        f"报送文件：{report.source_file}",
        f"处理结果：{'已读取' if report.status == 'loaded' else '整批退回，未入库'}",
        f"读入 {report.rows_in:,} 行＝接收 {report.rows_accepted:,}＋退回 {report.rows_rejected:,}"
        f"＋等待 {report.rows_waiting:,}＋重复 {report.rows_duplicate:,}",
    ]
    if resubmits:
        lines.append(f"更正报送：对应此前报送 {resubmits}")
    if report.status == "refused":
        lines += [f"退回原因：{report.message}", f"请更正后于 {due} 前重报。"]
    elif report.rows_rejected:
        lines.append(f"退回的行见退回清单，请更正后于 {due} 前以原文件名重报，可只报这些行。")
    elif not returned:
        lines.append("无需办理。" if report.rows_in else "本次无数据，已登记为“无事项报送”。")
    else:
        lines.append("等待的行见退回清单，原因消除后自动入库。")
    if report.rows_missing:
        lines.append(
            f"与上次相比缺少 {report.rows_missing:,} 行" + ("，已按不再列入处理。" if report.rows_vanished else "。")
        )
    return "\n".join(lines) + "\n"


def _columns(row: Row, due: date) -> tuple[str, str, str, str]:
    number, _payload, reason, waits_for = row
    return (str(number), reason, TODO.get(waits_for, TODO[None]), "" if waits_for else due.isoformat())


def _headers(kept_at: str, profile: Profile) -> list[str]:
    """Return the headers of the delivery as it came; of a file that cannot be read any more, those of the profile."""
    try:
        with archive.opened(kept_at) as kept:
            block = next(iter(file_blocks(kept, profile)), None)
        if block is not None:
            return ["" if name.startswith(UNNAMED) else name for name in block.frame.columns]
    except IngestionError:
        pass
    return [names[0] for names in profile.columns.values()]


def _csv(headers: list[str], rows: Sequence[Row], returned: Sequence[Sequence[str]], profile: Profile) -> bytes:
    def line(values: Sequence[str]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=profile.delimiter, lineterminator="").writerow(values)
        return buffer.getvalue()

    lines = [line([*headers, *RECEIPT_COLUMNS])]
    lines += [row[1] + profile.delimiter + line(receipt) for row, receipt in zip(rows, returned, strict=True)]
    return ("\r\n".join(lines) + "\r\n").encode(profile.encoding, "replace")


def _workbook(headers: list[str], rows: Sequence[Row], returned: Sequence[Sequence[str]]) -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("退回清单")
    sheet.write_row(0, 0, [*headers, *RECEIPT_COLUMNS])
    for place, (row, receipt) in enumerate(zip(rows, returned, strict=True), start=1):
        cells = row[1].split("\t")
        sheet.write_row(place, 0, [*cells, *[""] * (len(headers) - len(cells)), *receipt])
    book.close()
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> Path:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    os.chmod(partial, 0o640)
    partial.replace(path)
    return path
