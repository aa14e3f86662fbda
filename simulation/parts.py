"""A large region in parts: a few 旗县区 of one 盟市 each, made and delivered one after the other in flat memory.

Owns how a region is divided, what a part's office is called and how its identifiers stay unique. A preset without
``communities_per_part`` is one part, which changes nothing.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from simulation.offices import DAY, EXCEL, OFFICES, Office
from simulation.parameters import District, Place, Preset
from simulation.tables import Table

_IDENTIFIERS = (
    "complaint_id", "repeat_of_id", "contract_id", "inspection_id", "entry_id", "account_no", "voucher_no", "vote_id",
    "disclosure_id", "record_id", "staff_id", "objection_id", "mediation_id", "lift_id", "rating_id", "assessment_id",
    "handover_id", "report_id", "emergency_id", "relation_id", "inspector_code", "committee_id", "honour_id",
    "reply_id", "tender_id", "dispute_id",
)  # fmt: skip
_EVERYWHERE = ("mashangban_api", "hotline_backlog", "bank_ledger")  # one platform, one hotline, one bank


@dataclass(frozen=True)
class Part:
    """What one office covers: ``code`` is the 盟市's four digits and a running number, empty for the whole region."""

    code: str
    preset: Preset
    place: Place
    seed: int

    @property
    def offices(self) -> tuple[Office, ...]:
        """Return the sources of this part: in parts, the 自治区's platform instead of 包头's worksheets."""
        return tuple(_of_platform(office, self.code) for office in OFFICES) if self.code else OFFICES

    def named(self, table: Table) -> Table:
        """Return the table with identifiers that no other part has."""
        if not self.code:
            return table
        prefix = pl.lit(f"{self.code}-")
        columns = [
            pl.concat_str(prefix, pl.col(name)).alias(name) for name in _IDENTIFIERS if name in table.frame.columns
        ]
        if "target_id" in table.frame.columns:  # a grade is objected to by its quarter
            is_ours = pl.col("target_type_code") != "grade"
            columns.append(
                pl.when(is_ours).then(pl.concat_str(prefix, "target_id")).otherwise("target_id").alias("target_id")
            )
        return replace(table, frame=table.frame.with_columns(columns))


def divide(preset: Preset, place: Place, *, seed: int) -> list[Part]:
    """Return the parts of a region: together they have the preset's enterprises and communities."""
    if preset.communities_per_part is None:
        return [Part("", preset, place, seed)]
    sizes = _apportioned(preset.communities.count, np.array([district.share for district in place.districts]))
    chunks: list[list[tuple[District, int]]] = []
    for district, size in zip(place.districts, sizes, strict=True):
        taken, number = 0, 0
        while taken < size:
            room = preset.communities_per_part - sum(count for _, count in chunks[-1]) if chunks else 0
            if not chunks or room <= 0 or chunks[-1][0][0].code[:4] != district.code[:4]:
                chunks.append([])
                room = preset.communities_per_part
            count = min(room, size - taken)
            serial = number * preset.communities_per_part + 1  # shares are drawn: a part may hold some more of it
            chunks[-1].append((district.model_copy(update={"first_serial": serial, "share": float(count)}), count))
            taken, number = taken + count, number + 1
    totals = np.array([sum(count for _, count in chunk) for chunk in chunks])
    shares = {
        name: _apportioned(count, totals, least=least)
        for name, count, least in (
            ("count", preset.enterprises.count, 4),
            ("committees", preset.enterprises.committees, 1),
            ("social_orgs", preset.enterprises.social_orgs, 1),
        )
    }
    objections = _apportioned(preset.registers.objections, totals, least=5)
    parts = []
    for number, chunk in enumerate(chunks):
        code = f"{chunk[0][0].code[:4]}{number + 1:03d}"
        counts = {name: int(counts[number]) for name, counts in shares.items()}
        own = preset.model_copy(
            update={
                "enterprises": preset.enterprises.model_copy(update=counts),
                "communities": preset.communities.model_copy(update={"count": int(totals[number])}),
                "registers": preset.registers.model_copy(update={"objections": int(objections[number])}),
            }
        )
        where = place.model_copy(update={"districts": [district for district, _ in chunk]})
        parts.append(Part(code, own, where, zlib.crc32(f"{seed} {code}".encode())))
    return parts


def _apportioned(total: int, weights: np.ndarray, *, least: int = 0) -> np.ndarray:
    """Return whole numbers in proportion to ``weights`` that add up to ``total``; at least ``least`` of each."""
    exact = weights / weights.sum() * total
    whole = np.floor(exact).astype(int)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    whole = np.maximum(whole, least)
    while whole.sum() > total and whole.max() > least:
        whole[whole.argmax()] -= 1
    return whole


def _of_platform(office: Office, code: str) -> Office:
    file = office.file.replace("{day}", f"{{day}}_{code}").replace(".xlsx", ".csv")
    if office.profile in _EVERYWHERE:
        return replace(office, file=file)
    columns = tuple(replace(column, format=DAY) if column.format == EXCEL else column for column in office.columns)
    return replace(
        office,
        profile=office.profile.replace("baotou_", "nmg_"),
        like=office.profile,
        format="csv",
        file=file,
        columns=columns,
        encoding="utf-8-sig",
        line_end="\r\n",
        header_row=1,
    )
