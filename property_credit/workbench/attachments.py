"""Attachments: files that people put to a case, kept by their hash outside of anything that is served.

Owns ATTACHMENTS_DIR. What a file is, its content says, not its name; what is not known is refused. Nothing in a file is
ever run, and a page links to it as a download of the type that was seen. A file is whole on the disk before the act
that names it is recorded; one that no act names is swept after a day.
"""

import hashlib
import io
import os
import shlex
import subprocess
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.settings import get_settings
from property_credit.workbench.errors import MissingError, WorkbenchError

MOST_BYTES = 5 * 1024 * 1024  # of a file: a scanned page is below 1 MB, a phone's photo below 5
MOST_FILES = 5  # of an act
LONGEST_NAME = 120
SCAN_SECONDS = 60
SWEPT_AFTER_SECONDS = 86_400
TYPES = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "png": "image/png",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
ACCEPTED_ZH = "PDF、JPG、PNG、DOCX、XLSX"


@dataclass(frozen=True)
class Attachment:
    """A kept file: hash of its content, the name it was sent under, its kind by content, its length in bytes."""

    sha256: str
    name: str
    kind: str
    size: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as an act's details hold it."""
        return asdict(self)


def kind_of(content: bytes) -> str | None:
    """Return which of the accepted kinds ``content`` is by what stands in it; None for all else."""
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"PK\x03\x04"):
        return _office_kind(content)
    return None


def _office_kind(content: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            names = set(opened.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    if "[Content_Types].xml" not in names or any(name.lower().endswith(("vbaproject.bin", ".exe")) for name in names):
        return None  # a file with macros is no evidence
    return "docx" if "word/document.xml" in names else "xlsx" if "xl/workbook.xml" in names else None


def keep(files: list[tuple[str, bytes]]) -> list[Attachment]:
    """Check and keep files (name, content); return what an act names them by. WorkbenchError says what is wrong."""
    given = [(name, content) for name, content in files if name or content]
    if len(given) > MOST_FILES:
        raise WorkbenchError(f"一次最多上传 {MOST_FILES} 个附件。")
    checked = []
    for name, content in given:
        kind = kind_of(content)
        shown = _plain_name(name)
        if len(content) > MOST_BYTES:
            raise WorkbenchError(f"附件“{shown}”超过 5 MB，请压缩后再传。")
        if kind is None:
            raise WorkbenchError(f"附件“{shown}”不是可接受的文件：请上传内容为 {ACCEPTED_ZH} 的文件（不含宏）。")
        checked.append((shown, kind, content))
    return [_keep(name, kind, content) for name, kind, content in checked]


def _plain_name(name: str) -> str:
    """Return a file's name without folders and characters that nobody sees, at most LONGEST_NAME long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[-LONGEST_NAME:] or "未命名"


def _keep(name: str, kind: str, content: bytes) -> Attachment:
    attachment = Attachment(hashlib.sha256(content).hexdigest(), name, kind, len(content))
    target = path_of(attachment.sha256)
    if target.exists():
        os.utime(target)  # it is not swept before its act is recorded
        return attachment
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, partial = tempfile.mkstemp(dir=target.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _scan(Path(partial), name)
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)  # there only where it was not taken
    return attachment


def _scan(path: Path, name: str) -> None:
    """Ask the scanner of ATTACHMENT_SCANNER; without one nothing is asked."""
    command = get_settings().attachment_scanner
    if not command:
        return
    try:
        done = subprocess.run(
            [*shlex.split(command), str(path)], capture_output=True, timeout=SCAN_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkbenchError("附件检查暂不可用，文件没有保存，请稍后再试。") from error
    if done.returncode == 1:
        raise WorkbenchError(f"附件“{name}”未通过安全检查，没有保存。")
    if done.returncode != 0:
        raise WorkbenchError("附件检查暂不可用，文件没有保存，请稍后再试。")


def path_of(sha256: str) -> Path:
    """Return where the file of a hash lies. Raises MissingError when it is not a hash."""
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise MissingError("没有这个附件。")
    root = get_settings().attachments_dir
    assert root is not None  # the settings fill it in
    return root / sha256[:2] / sha256


def sweep(connection: psycopg.Connection) -> int:
    """Remove files of more than a day that no act names (a form that was refused); return how many."""
    root = get_settings().attachments_dir
    assert root is not None  # the settings fill it in
    named = {
        sha256
        for (sha256,) in connection.execute(
            "select piece ->> 'sha256' from workbench.acts, jsonb_array_elements(details -> 'attachments') as piece "
            "where details ? 'attachments'"
        )
    }
    limit, count = arrival().timestamp() - SWEPT_AFTER_SECONDS, 0
    for path in root.glob("??/*"):
        if path.name not in named and path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
            count += 1
    return count
