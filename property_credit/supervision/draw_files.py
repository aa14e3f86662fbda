"""A draw as files: what is published, what is sent to offices, and the check that needs nothing but two files.

Owns file names, canonical bytes (RFC 8785) and the verification. Must not open a connection.
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from property_credit.supervision.draw import FORMAT, draw
from property_credit.supervision.draw_frame import FORMAT as FRAME_FORMAT
from property_credit.supervision.draw_seed import from_secret
from property_credit.supervision.errors import SupervisionError

FRAME, DRAW, VISITS, ANNOUNCEMENT = "frame.json", "draw.json", "visits.csv", "announcement.json"
ANNOUNCEMENT_FORMAT = "property-credit/inspection-announcement/1"
HEADERS = ("月份", "区划代码", "小区编码", "统一社会信用代码", "抽查类别", "联合部门", "检查人员", "人员不足")
AUTHORITIES = {
    "housing": "住建", "fire": "消防", "market": "市场监管", "urban_management": "城管", "police": "公安",
    "other": "其他",
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One statement about a draw and whether it holds."""

    name: str
    is_met: bool
    detail: str


def canonical(document: Any) -> bytes:
    """Return the canonical JSON of ``document``: the bytes that are hashed."""
    return rfc8785.dumps(document)


def sha256(document: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``document``, hex."""
    return hashlib.sha256(canonical(document)).hexdigest()


def document(frame: Mapping[str, Any], seed: str, basis: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draw's document: what ``supervision.draw`` gives, with what it was made from."""
    return {**draw(frame, seed), "frame_sha256": sha256(frame), "seed": seed, "seed_basis": dict(basis)}


def write(
    folder: Path, frame: Mapping[str, Any], made: Mapping[str, Any], *, next_commitment: str | None
) -> list[Path]:
    """Write a month's four files below ``folder``; the same draw gives the same bytes.

    announcement.json may be published at once; the others tell who is visited: after the month.
    """
    announcement = {
        "format": ANNOUNCEMENT_FORMAT,
        "month": made["month"],
        "frame_sha256": made["frame_sha256"],
        "draw_sha256": sha256(made),
        "commitment_sha256": made["seed_basis"].get("commitment_sha256"),
        "next_month_commitment_sha256": next_commitment,
    }
    contents = {
        FRAME: canonical(frame),
        DRAW: canonical(made),
        ANNOUNCEMENT: canonical(announcement),
        VISITS: _table(made),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        partial = folder / f"{name}.partial"
        partial.write_bytes(content)
        partial.replace(folder / name)
    return [folder / name for name in contents]


def _table(made: Mapping[str, Any]) -> bytes:
    """Return the visits as a CSV for people; cells that could run as formulas are quoted."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(HEADERS)
    for visit in made["visits"]:
        checks = visit["checks"]
        team = [
            code["inspector_code"] + ("（邻区）" if code["is_from_neighbour"] else "")
            for check in checks
            for code in check["inspectors"]
        ]
        short = sum(check["short_count"] for check in checks)
        cells = [
            made["month"],
            visit["region_code"],
            visit["community_id"],
            visit["uscc"],
            visit["rate_class"],
            "、".join(AUTHORITIES.get(check["authority_code"], check["authority_code"]) for check in checks),
            "、".join(team),
            f"缺{short}人" if short else "",
        ]
        writer.writerow(["'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells])
    return b"\xef\xbb\xbf" + sheet.getvalue().encode()


def read(path: Path, wanted: str) -> dict[str, Any]:
    """Return the document in ``path``. Raises SupervisionError when it is not JSON of format ``wanted``."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SupervisionError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != wanted:
        raise SupervisionError(f"{path} is not a document of format {wanted}")
    return content


def verify(
    frame_path: Path, draw_path: Path, previous_path: Path | None = None, announcement_path: Path | None = None
) -> list[Check]:
    """Draw again from the files and say what holds. Needs no database and no network.

    ``previous_path``: the draw of the month before; then also that this frame took over its accounts and what it put
    off. ``announcement_path``: what was announced before; then also that it promised these files. Raises
    SupervisionError when a file cannot be read.
    """
    try:
        return _verified(frame_path, draw_path, previous_path, announcement_path)
    except (KeyError, TypeError, AttributeError) as error:
        files = ", ".join(str(path) for path in (frame_path, draw_path, previous_path, announcement_path) if path)
        raise SupervisionError(f"one of {files} lacks what a draw needs: {error!r}") from error


def _verified(
    frame_path: Path, draw_path: Path, previous_path: Path | None, announcement_path: Path | None
) -> list[Check]:
    frame, made = read(frame_path, FRAME_FORMAT), read(draw_path, FORMAT)
    basis = made.get("seed_basis") or {}
    again = document(frame, str(made.get("seed")), basis)
    different = sorted(name for name in again if again[name] != made.get(name))
    checks = [
        Check("frame 名单", again["frame_sha256"] == made.get("frame_sha256"), f"SHA-256 {again['frame_sha256']}"),
        Check(
            "draw 抽取结果",
            canonical(again) == canonical(made),
            f"{len(again['visits'])} visits drawn again"
            + (f"; these differ: {', '.join(different)}" if different else ", byte for byte"),
        ),
    ]
    if basis.get("kind") == "committed":
        opened = hashlib.sha256(str(basis.get("secret")).encode()).hexdigest()
        root = frame["grades"]["root"]
        checks += [
            Check("commitment 承诺", opened == basis.get("commitment_sha256"), f"the secret opens {opened}"),
            Check(
                "seed 种子",
                made.get("seed") == from_secret(str(basis.get("secret")), root=root, month=frame["month"])
                and basis.get("root") == root,
                f"SHA-256 of the secret, the root of {frame['grades']['list_id']} and the month",
            ),
        ]
    if previous_path is not None:
        before = read(previous_path, FORMAT)
        checks.append(
            Check(
                "carried over 结转",
                frame["previous_draw_sha256"] == sha256(before)
                and frame["accounts"] == before["accounts"]
                and frame["deferred"] == before["deferred"],
                f"accounts and visits put off by {before['month']}",
            )
        )
    if announcement_path is not None:
        promised = read(announcement_path, ANNOUNCEMENT_FORMAT)
        kept = {
            "month": made["month"],
            "frame_sha256": again["frame_sha256"],
            "draw_sha256": sha256(made),
            "commitment_sha256": basis.get("commitment_sha256"),
        }
        broken = sorted(name for name, value in kept.items() if promised.get(name) != value)
        checks.append(
            Check(
                "announced 公告", not broken, f"these differ: {', '.join(broken)}" if broken else "as announced before"
            )
        )
    return checks
