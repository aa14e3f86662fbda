"""Firms of a simulated region that do what their page advises, from the night of the advice to the day it states.

Owns the acts: what each piece of advice means in the files that offices send, from the words of the page alone: no more
than ``failing`` − ``count`` of every ``of`` things go wrong from now on. It asks nothing of the code that gives advice,
counts or grades: whether the grade is reached is read from the grades of later nights.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from simulation.parameters import Preset, load_place
from simulation.parts import Part, divide
from simulation.region import Region, make_part
from simulation.region import _deliver as deliver_file
from simulation.tables import Table

HOUR = timedelta(hours=1)


def following(region: Region, advised: Mapping[str, list[Mapping[str, Any]]], night: date, *, is_clean: bool) -> Region:
    """Return the region in which the ``advised`` firms (credit code → steps of their advice of ``night``) follow it.

    ``is_clean``: they keep its condition as well, and no new record of misconduct comes upon them.
    """
    tables = dict(region.tables)
    if is_clean:
        records = tables["public_credit"].frame
        is_new = pl.col("uscc").is_in(list(advised)) & (pl.col("shown_from") > night)
        kept = records.filter(~(is_new & (pl.col("record_type_code") != "commendation")))
        tables["public_credit"] = replace(tables["public_credit"], frame=kept)
    for uscc, steps in advised.items():
        for step in steps:
            feed, act = ACTS[step["indicator_code"]]
            level = (step["failing"] - step["count"]) / step["of"]
            tables[feed] = act(tables[feed], uscc, night, level, tables)
    return replace(region, tables=tables)


@dataclass(frozen=True)
class World:
    """A region of several years, made once up to its last day, so that nothing thins out at the end of what is asked.

    ``first`` is the night of the advice, ``last`` the last day that anything is simulated for; ``feeds`` are delivered.
    """

    preset: Preset
    seed: int
    first: date
    last: date
    feeds: Collection[str]

    @cached_property
    def part(self) -> Part:
        """The region's managers and communities, and the offices that tell of them."""
        [part] = divide(self.preset, load_place(self.preset.place), seed=self.seed)
        return part

    @cached_property
    def region(self) -> Region:
        """What happens where nobody follows anything."""
        return _with_earlier_years(make_part(self.part, through=self.last))

    def deliver(
        self, out: Path, nights: list[date], advised: Mapping[str, list[Mapping[str, Any]]] | None, *, is_clean: bool
    ) -> None:
        """Write what offices send on the first night, or (with ``advised``, which is followed) on these later ones."""
        region = self.region
        if advised is not None:
            region = following(region, advised, self.first, is_clean=is_clean)
        pairs = [(None, self.first)] if advised is None else list(pairwise([self.first, *nights]))
        manifest: dict[str, Any] = {
            "dirt": [], "duplicates": [], "earlier_versions": [], "corrections": [], "late": [], "deliveries": []
        }  # fmt: skip
        for since, day in pairs:
            known = _as_of(region, day, self.first, self.last)
            for office in (one for one in self.part.offices if one.feed in self.feeds):
                deliver_file(known, office, out, manifest, day=day, since=since, seed=self.seed, dirt=False)


def _with_earlier_years(region: Region) -> Region:
    """Return the region whose yearly disclosures go back beyond the two years that are made of them."""
    table = region.tables["disclosures"]
    yearly = table.frame.filter(~pl.col("disclosure_class_code").is_in(["c03", "c04"]))
    since, parts = yearly["_visible_on"].min(), [table.frame]
    for years in (1, 2, 3):
        ago = timedelta(days=365 * years)
        earlier = yearly.with_columns(
            *((pl.col(name) - ago).alias(name) for name in ("published_on", "_visible_on", "period_start_on")),
            pl.concat_str("disclosure_id", pl.lit(f"B{years}")).alias("disclosure_id"),
            pl.lit(None, dtype=pl.Date).alias("_corrected_on"),
        )
        parts.append(earlier.filter(pl.col("_visible_on").is_between(since - ago, since - ago + timedelta(days=364))))
    return replace(region, tables={**region.tables, "disclosures": replace(table, frame=pl.concat(parts))})


def _as_of(region: Region, day: date, first: date, last: date) -> Region:
    """Return the region with the registers that are made as of its ``last`` day as they were on ``day``.

    Staff and their training, annual reports and the registers' own days: each night sees what the last day does.
    """
    ago, tables = last - day, dict(region.tables)
    moved = ("hired_on", "left_on", "pre_job_trained_on", "continuing_trained_on", "_trained_again_on")
    personnel, enterprises = tables["personnel"].frame, tables["enterprises"].frame
    personnel = personnel.with_columns(
        *((pl.col(name) - ago).alias(name) for name in moved),
        pl.when(pl.col("_visible_on") - ago <= day)
        .then(pl.lit(day))
        .otherwise(pl.col("_visible_on"))
        .alias("_visible_on"),
    )
    due = date(day.year if day >= date(day.year, 7, 1) else day.year - 1, 6, 30)
    enterprises = enterprises.with_columns(
        pl.when(pl.col("annual_report_filed_on").is_not_null())
        .then(pl.lit(due - timedelta(days=40)))
        .alias("annual_report_filed_on"),
        pl.lit(day).alias("_visible_on"),
        pl.lit(None, dtype=pl.Date).alias("_corrected_on"),
    )
    tables["personnel"] = replace(tables["personnel"], frame=personnel)
    tables["enterprises"] = replace(tables["enterprises"], frame=enterprises)
    for feed in ("communities", "inspectors", "contacts"):
        frame = tables[feed].frame
        sooner = pl.min_horizontal("_visible_on", pl.lit(first))
        tables[feed] = replace(tables[feed], frame=frame.with_columns(sooner.alias("_visible_on")))
    return replace(region, tables=tables)


def _held(rows: list[dict[str, Any]], level: float, mend: Callable[[dict[str, Any]], None], fails: Callable[..., bool]):
    """Let so many of ``rows``, in their order, go well that never more than ``level`` of them so far have failed."""
    failed = 0
    for number, row in enumerate(rows, 1):
        if fails(row):
            if failed + 1 <= level * number + 1e-9:
                failed += 1
            else:
                mend(row)


def _with(table: Table, rows: list[dict[str, Any]], key: str = "_place") -> Table:
    """Return the table with some of its rows (by place) as they are now."""
    changed = pl.DataFrame(rows, schema={**table.frame.schema, key: pl.UInt32}, strict=False)
    frame = table.frame.with_row_index(key).update(changed, on=key, include_nulls=True).drop(key)
    return replace(table, frame=frame)


def _managed(tables: Mapping[str, Table], uscc: str) -> list[tuple[str, date, date]]:
    rows = tables["contracts"].frame.filter(pl.col("uscc") == uscc).iter_rows(named=True)
    return [(row["community_id"], row["starts_on"], row["ended_on"] or date.max) for row in rows]


def _complaints(order: str, fails: Callable[..., bool], mend: Callable[[dict[str, Any]], None]) -> Any:
    """Complaints that are the firm's to answer, from the day after the night on."""

    def act(table: Table, uscc: str, night: date, level: float, tables: Mapping[str, Table]) -> Table:
        spans = _managed(tables, uscc)

        def is_its_own(row: dict[str, Any]) -> bool:
            day = row["submitted_at"].date()
            return any(row["_community_id"] == one and start <= day < end for one, start, end in spans)

        ahead = table.frame.with_row_index("_place").filter(
            (pl.col("submitted_at").dt.date() > night)
            & (pl.col("responsible_party_code") == "property")
            & pl.col("_community_id").is_in(list({one for one, _, _ in spans}))
        )
        rows = [row for row in ahead.sort(order, nulls_last=True).iter_rows(named=True) if is_its_own(row)]
        _held(rows, level, mend, fails)
        return _with(table, rows)

    return "complaints", act


def _later_than(column: str, hours: int) -> Callable[[dict[str, Any]], bool]:
    def fails(row: dict[str, Any]) -> bool:
        return row[column] is None or row[column] > row["submitted_at"] + hours * HOUR

    return fails


def _sooner(row: dict[str, Any], column: str, hours: float) -> None:
    """Bring a moment of a complaint's life forward; what goes before it cannot come later."""
    steps = ("responded_at", "handled_at", "resolved_at")
    at = row["submitted_at"] + hours * HOUR
    for step in steps[: steps.index(column) + 1]:
        row[step] = min(row[step] or at, at)
    if column == "resolved_at":
        row["closed_at"] = row["closed_at"] or at + 24 * HOUR
        row["is_confirmed"] = True if row["is_confirmed"] is None else row["is_confirmed"]


def _pleased(row: dict[str, Any]) -> None:
    row["callback_result_code"] = "satisfied"


def _without_repeats(table: Table, uscc: str, night: date, level: float, tables: Mapping[str, Table]) -> Table:
    """Complaints that would have come again do not: the second one is not made."""
    spans = _managed(tables, uscc)
    places = list({one for one, _, _ in spans})
    ahead = table.frame.filter(
        (pl.col("submitted_at").dt.date() > night - timedelta(days=30))
        & pl.col("_community_id").is_in(places)
        & (pl.col("responsible_party_code") == "property")
    ).sort("submitted_at")
    gone = set()
    repeats = 0
    for number, row in enumerate(ahead.iter_rows(named=True), 1):
        if row["repeat_of_id"] is not None and row["submitted_at"].date() > night:
            if repeats + 1 <= level * number:
                repeats += 1
            else:
                gone.add(row["complaint_id"])
    return replace(table, frame=table.frame.filter(~pl.col("complaint_id").is_in(list(gone))))


def _orders(only_hazards: bool) -> Any:
    def act(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
        ahead = table.frame.with_row_index("_place").filter(
            (pl.col("uscc") == uscc)
            & (pl.col("order_due_on") > night)
            & (pl.col("is_hazard") if only_hazards else pl.lit(value=True))
        )
        rows = list(ahead.sort("order_due_on").iter_rows(named=True))

        def fails(row: dict[str, Any]) -> bool:
            return row["rectified_on"] is None or row["rectified_on"] > row["order_due_on"]

        _held(rows, level, lambda row: row.update(rectified_on=row["order_due_on"]), fails)
        return _with(table, rows)

    return "inspections", act


def _quarters(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    """Quarterly classes that fall due after the night are published within fifteen days, and verified."""

    def due(start: date) -> date:
        month = start.month + 3
        return date(start.year + (month > 12), (month - 1) % 12 + 1, 15)

    ahead = table.frame.with_row_index("_place").filter(
        (pl.col("uscc") == uscc) & pl.col("disclosure_class_code").is_in(["c03", "c04"])
    )
    rows = [row for row in ahead.sort("period_start_on").iter_rows(named=True) if due(row["period_start_on"]) > night]

    def mend(row: dict[str, Any]) -> None:
        day = due(row["period_start_on"]) - timedelta(days=5)
        row.update(published_on=day, is_verified=True, _visible_on=day, _corrected_on=None)

    def fails(row: dict[str, Any]) -> bool:
        on = row["published_on"]
        return on is None or on > due(row["period_start_on"]) or not row["is_verified"]

    _held(rows, level, mend, fails)
    return _with(table, rows)


def _classes(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    """Classes of the year that would stay unpublished, or unverified, are published when they fall due."""
    ahead = table.frame.with_row_index("_place").filter(
        (pl.col("uscc") == uscc)
        & ~pl.col("disclosure_class_code").is_in(["c03", "c04"])
        & (pl.col("_visible_on") > night)
    )
    rows = list(ahead.sort("_visible_on").iter_rows(named=True))

    def mend(row: dict[str, Any]) -> None:
        row.update(published_on=row["published_on"] or row["_visible_on"], is_verified=True, _corrected_on=None)

    _held(rows, level, mend, lambda row: row["published_on"] is None or not row["is_verified"])
    return _with(table, rows)


def _ledgers(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    """Common revenue of communities that the firm kept on its operating account goes to accounts of their own."""
    own = (pl.col("uscc") == uscc) & (pl.col("booked_on") > night)
    ahead = table.frame.filter(own & pl.col("_account").is_in([1, 2]))
    communities = sorted(set(ahead["community_id"]))
    mixed = sorted(set(ahead.filter(pl.col("_account") == 2)["community_id"]))
    chosen = mixed[int(level * len(communities) + 1e-9) :]
    moved = own & (pl.col("_account") == 2) & pl.col("community_id").is_in(chosen)
    number = pl.concat_str(pl.lit("6228"), pl.col("community_id").str.replace("-", ""), pl.lit("09"))
    frame = table.frame.with_columns(
        pl.when(moved).then(number).otherwise(pl.col("account_no")).alias("account_no"),
        pl.when(moved).then(pl.lit("common_revenue")).otherwise(pl.col("account_type_code")).alias("account_type_code"),
        pl.when(moved).then(1).otherwise(pl.col("_account")).cast(table.frame.schema["_account"]).alias("_account"),
    )
    cents = (pl.col("amount") * 100).round().cast(pl.Int64)
    return replace(table, frame=frame.with_columns((cents.cum_sum().over("account_no") / 100).alias("balance")))


def _trained(table: Table, uscc: str, _night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    """Staff without the year's training get it, and 24 hours of it: the register is of the last day."""
    last = table.frame["continuing_trained_on"].max()
    rows = list(table.frame.with_row_index("_place").filter(pl.col("uscc") == uscc).iter_rows(named=True))

    def mend(row: dict[str, Any]) -> None:
        row["continuing_trained_on"] = row["hired_on"] + timedelta(days=30)
        row["_trained_again_on"] = last - timedelta(days=150)
        row["continuing_hours"] = max(row["continuing_hours"], 24.0)
        row["pre_job_trained_on"] = row["pre_job_trained_on"] or row["hired_on"]

    _held(rows, level, mend, lambda row: row["continuing_trained_on"] is None or row["pre_job_trained_on"] is None)
    return _with(table, rows)


def _agreements(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    ahead = table.frame.with_row_index("_place").filter((pl.col("uscc") == uscc) & (pl.col("due_on") > night))
    rows = list(ahead.sort("due_on").iter_rows(named=True))
    fails = lambda row: row["performed_on"] is None or row["performed_on"] > row["due_on"]  # noqa: E731
    _held(rows, level, lambda row: row.update(performed_on=row["due_on"], _breached_on=None), fails)
    return _with(table, rows)


def _reports(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    ahead = table.frame.with_row_index("_place").filter((pl.col("uscc") == uscc) & (pl.col("due_on") > night))
    rows = list(ahead.sort("due_on").iter_rows(named=True))

    def fails(row: dict[str, Any]) -> bool:
        late = row["submitted_on"] is None or row["submitted_on"] > row["due_on"]
        return bool(late or row["wrong_item_count"])

    def mend(row: dict[str, Any]) -> None:
        row["submitted_on"] = min(row["submitted_on"] or row["due_on"], row["due_on"])
        row["_visible_on"] = min(row["_visible_on"], row["due_on"])
        row["wrong_item_count"] = 0 if row["wrong_item_count"] is not None else None

    _held(rows, level, mend, fails)
    return _with(table, rows)


def _filed(table: Table, uscc: str, night: date, level: float, _tables: Mapping[str, Table]) -> Table:
    """Contracts in force that were not filed whole are, a month after the night."""
    ahead = table.frame.with_row_index("_place").filter(
        (pl.col("uscc") == uscc) & (pl.col("ended_on").is_null() | (pl.col("ended_on") > night))
    )
    rows = list(ahead.sort("starts_on").iter_rows(named=True))

    def mend(row: dict[str, Any]) -> None:
        day = max(night, row["starts_on"]) + timedelta(days=30)
        row.update(filed_on=day, is_filing_complete=True, _corrected_on=None, _visible_on=day)

    _held(rows, level, mend, lambda row: row["filed_on"] is None or not row["is_filing_complete"])
    return _with(table, rows)


def _inspected(table: Table, uscc: str, night: date, level: float, tables: Mapping[str, Table]) -> Table:
    """Lifts are inspected before their last inspection runs out, each five days before its end."""
    places = {one for one, _, end in _managed(tables, uscc) if end > night}
    ahead = table.frame.with_row_index("_place").filter(pl.col("community_id").is_in(list(places)))
    rows, until = [], dict[str, date]()
    for row in ahead.sort("inspected_on").iter_rows(named=True):
        row["_before"] = until.get(row["lift_id"])
        until[row["lift_id"]] = row["valid_until"]
        rows.append(row)
    later = [row for row in rows if row["_before"] and row["inspected_on"] > night]

    def mend(row: dict[str, Any]) -> None:
        day = max(row["_before"] - timedelta(days=5), night + timedelta(days=1))
        row.update(inspected_on=day, _visible_on=day)

    _held(later, level, mend, lambda row: row["inspected_on"] > row["_before"])
    for row in later:
        del row["_before"]
    return _with(table, later)


ACTS: dict[str, tuple[str, Callable[..., Table]]] = {
    "M01": _complaints("submitted_at", _later_than("responded_at", 2), lambda row: _sooner(row, "responded_at", 0.3)),
    "M02": _complaints("submitted_at", _later_than("handled_at", 12), lambda row: _sooner(row, "handled_at", 6)),
    "M03": _complaints("submitted_at", _later_than("resolved_at", 24), lambda row: _sooner(row, "resolved_at", 12)),
    "M05": ("complaints", _without_repeats),
    "M07": _complaints("submitted_at", lambda row: row["callback_result_code"] == "unsatisfied", _pleased),
    "M11": ("disclosures", _classes),
    "M13": ("personnel", _trained),
    "M15": ("mediations", _agreements),
    "M16": ("reporting_records", _reports),
    "P03": _orders(only_hazards=False),
    "P05": ("funds", _ledgers),
    "P06": ("disclosures", _quarters),
    "P08": _orders(only_hazards=True),
    "P10": ("lifts", _inspected),
    "P13": ("contracts", _filed),
}
