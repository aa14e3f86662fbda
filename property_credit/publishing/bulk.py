"""A list as whole files for those who load it: JSON Lines, CSV and Parquet, with one manifest of their hashes.

Owns the files' bytes. The lines of the JSON Lines file are the canonical entries: their hashes are the log's leaves.
The manifest is signed with the list's head, which holds its SHA-256.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from property_credit.publishing.roots import canonical

MANIFEST_FORMAT = "property-credit-manifest/1"
MEDIA_TYPES = JSON_LINES, CSV, PARQUET = "application/jsonl", "text/csv", "application/vnd.apache.parquet"
# the columns of the tables; reasons are codes with a semicolon between
_TYPES = {
    "uscc": "String",
    "enterprise_name": "String",
    "grade": "String",
    "status_code": "String",
    "method_version": "String",
    "valid_from": "Date",
    "version_no": "Int32",
    "is_correction": "Boolean",
    "reasons": "String",
}


@dataclass(frozen=True)
class BulkFile:
    """One file: its name, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Its hash, 64 hex digits."""
        return hashlib.sha256(self.content).hexdigest()


def files_of(list_id: str, entries: Sequence[Mapping[str, Any]], lines: Sequence[bytes]) -> list[BulkFile]:
    """Return the files of a list.

    Args:
        list_id: name of the list, such as 2026-Q4.
        entries: its entries in their order.
        lines: the canonical bytes of each entry.
    """
    import polars as pl  # half of the time that `verify` starts in, which only reads what a manifest is

    columns: dict[str, list[Any]] = {name: [entry[name] for entry in entries] for name in _TYPES}
    columns["valid_from"] = [date.fromisoformat(day) for day in columns["valid_from"]]
    columns["reasons"] = [";".join(codes) for codes in columns["reasons"]]
    frame = pl.DataFrame(columns, schema={name: getattr(pl, kind) for name, kind in _TYPES.items()})
    csv, parquet = io.BytesIO(), io.BytesIO()
    frame.write_csv(csv, include_bom=True)  # spreadsheets read Chinese by the mark
    frame.write_parquet(parquet, compression="zstd")
    return [
        BulkFile(f"{list_id}.jsonl", JSON_LINES, b"".join(line + b"\n" for line in lines)),
        BulkFile(f"{list_id}.csv", CSV, csv.getvalue()),
        BulkFile(f"{list_id}.parquet", PARQUET, parquet.getvalue()),
    ]


def manifest_of(list_id: str, as_of: str, count: int, files: Sequence[BulkFile]) -> bytes:
    """Return the canonical manifest of a list's files: how many entries, and size and hash of each file."""
    return canonical(
        {
            "format": MANIFEST_FORMAT,
            "list_id": list_id,
            "as_of": as_of,
            "entry_count": count,
            "files": [
                {"name": one.name, "media_type": one.media_type, "bytes": len(one.content), "sha256": one.sha256}
                for one in files
            ],
        }
    )
