"""What a profile would make of a file, row by row, before anything is loaded: `property-credit sources check`.

Owns that table and its page. Reads the file as a load does (same reader, mapping and checks) and writes nothing;
keys of other feeds are looked up when a warehouse is given. Personal values are never shown.
"""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy
import polars
from jinja2 import Environment, FileSystemLoader

from property_credit.ingestion import feeds, rules
from property_credit.ingestion.blocks import joined
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import file_blocks, known_keys
from property_credit.ingestion.mapping import Mapper
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.connection import connect

SHOWN = 200  # rows of each outcome on the page
HIDDEN = "•••"
OUTCOMES = ("accepted", "refused", "waiting")
TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """One row of a file: its number as people see it, what becomes of it and why, and its values by field."""

    number: int
    outcome: str
    reason: str
    values: tuple[str, ...]


@dataclass
class Preview:
    """What becomes of one file. ``rows``: the first SHOWN of each outcome; ``refusal``: why all of it is refused."""

    file: str
    profile: str
    feed: str
    fields: tuple[tuple[str, str], ...] = ()
    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    reasons: Counter[str] = dataclasses.field(default_factory=Counter)
    rows: list[Row] = dataclasses.field(default_factory=list)
    refusal: str = ""

    @property
    def is_good(self) -> bool:
        """Say whether the file could be loaded and no row is refused or waits."""
        return not self.refusal and self.counts["accepted"] > 0 and not self.counts["refused"] + self.counts["waiting"]


def preview(profile: Profile, path: Path, business_date: date, *, with_registers: bool) -> Preview:
    """Read ``path`` under ``profile`` as the night of ``business_date`` would and say what becomes of each row.

    ``with_registers``: keys of other feeds are looked up in the warehouse; without, a reference is not checked.
    Duplicates and versions are not told apart: that needs a load (`ingest --dry-run`).
    """
    feed = feeds.get(profile.feed)
    given = [field for field in feed.fields if field.name in profile.given_fields()]
    report = Preview(path.name, profile.name, feed.name, tuple((one.name, one.zh) for one in given))
    references: dict[str, polars.Series] = {}
    if with_registers:
        with connect("pc_ingestion") as lookups:
            for name in {field.references for field in feed.fields if field.references}:
                references[name] = known_keys(lookups, feeds.get(name), business_date)
    mapper = Mapper(feed, profile, path.name)
    try:
        checker = rules.Checker(feed, profile, business_date, references)
        for block in joined(file_blocks(path, profile)):
            mapped = mapper.map(block)
            report.counts["left out by the profile"] += mapped.skipped
            checked = checker.check(mapped)
            _add(report, feed, given, mapped.block.row_numbers, checked)
    except IngestionError as error:
        report.refusal = str(error)
    return report


def _add(report: Preview, feed: Any, given: list[Any], numbers: numpy.ndarray, checked: rules.Checked) -> None:
    refused = rules.refused_rows(feed, checked)
    outcomes = numpy.array(["accepted"] * checked.typed.height, dtype=object)
    reasons = dict(zip(refused.places.tolist(), refused.reasons, strict=True))
    for place, code, waits in zip(refused.places, refused.codes, refused.waits_for, strict=True):
        outcomes[place] = "waiting" if waits else "refused"
        report.reasons[code] += 1
    for outcome in OUTCOMES:
        places = numpy.flatnonzero(outcomes == outcome)
        room = max(0, SHOWN - report.counts[outcome])
        report.counts[outcome] += len(places)
        for place in places[:room]:
            row = checked.typed.row(int(place), named=True)
            values = tuple(_shown(row[one.name], one.personal) for one in given)
            report.rows.append(Row(int(numbers[place]), outcome, reasons.get(int(place), ""), values))


def _shown(value: Any, is_personal: bool) -> str:
    if value is None:
        return ""
    return HIDDEN if is_personal else str(value)


def page(previews: list[Preview]) -> str:
    """Return the previews as one HTML page that needs nothing else."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("preview.html").render(previews=previews, shown=SHOWN)
