"""A sample region, written as its offices would send it: a first delivery of the history, then night by night.

Owns the order of things and the manifest. The same arguments give the same bytes; more nights only add files. A preset
in parts is made and delivered part by part: memory does not grow with the region.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from simulation.actors import Communities, Managers, make_communities, make_managers
from simulation.assessments import make_handovers, make_lifts, make_standard_assessments, make_street_ratings
from simulation.complaints import make_complaints
from simulation.contract_terms import make_contract_terms
from simulation.details import with_accident_details, with_escalations, with_pauses, with_reporters
from simulation.dirt import plant
from simulation.disputes import make_disputes, make_joint_meetings
from simulation.entities import make_events, truth, with_names
from simulation.exits import with_street_at_exits
from simulation.fee_collections import make_fee_collections, with_coercion
from simulation.fund_supervision import FundWorld, with_fund_cases
from simulation.inspections import make_inspections
from simulation.judgements import make_objections, make_public_credit
from simulation.ledgers import make_funds
from simulation.offices import Office
from simulation.oversight import (
    make_contacts,
    make_inspector_ties,
    make_inspectors,
    make_mashangban_enrolments,
    make_owners_committees,
    make_project_honours,
    with_handling,
)
from simulation.parameters import Preset, SimulationError, Size, load_place, load_preset, months_before
from simulation.parts import Part, divide
from simulation.registers import make_disclosures, make_mediations, make_personnel, make_surveys
from simulation.replies import make_replies
from simulation.reports import make_reporting_records
from simulation.tables import Table, day_number, random
from simulation.tenders import with_tenders
from simulation.tenures import Tenures, make_tenures
from simulation.truth import alerts_as_known, bought_complaints, future_events
from simulation.writers import write

THROUGH = date(2026, 10, 31)
_EVENT = {"complaints": "submitted_at", "inspections": "inspected_on", "funds": "booked_on", "contracts": "starts_on"}
_AHEAD_MONTHS = 6  # methodology §9: what a grade should foretell
_LATE_DAYS = 10  # an event this much older than its first delivery is listed as late


@dataclass(frozen=True)
class Region:
    """The truth: every feed's table, who is how good, and when the history ends."""

    tables: dict[str, Table]
    managers: Managers
    communities: Communities
    tenures: Tenures
    preset: Preset
    through: date
    funds: FundWorld


@dataclass(frozen=True)
class SimulationReport:
    """What was written: rows a profile over all deliveries, refused rows planted, and seconds."""

    out: Path
    rows: dict[str, int]
    dirt_rows: int
    seconds: float


def make_region(preset: str, *, seed: int, through: date) -> Region:
    """Return the truth of a region made at once, up to the preset's horizon after ``through``.

    Raises SimulationError for a preset in parts: no truth of it is ever held whole.
    """
    want = load_preset(preset)
    if want.communities_per_part is not None:
        raise SimulationError(f"preset {preset!r} is made in parts; simulate() writes it")
    return make_part(divide(want, load_place(want.place), seed=seed)[0], through=through)


def make_part(part: Part, *, through: date, entities: bool = False) -> Region:
    """Return the truth of one part of a region; ``entities``: see ``simulate``."""
    want, place, seed = part.preset, part.place, part.seed
    first, last = months_before(through, want.months), through + timedelta(days=want.horizon_days)
    end = day_number(through)
    managers = make_managers(want, place, seed=seed, end_day=end)
    communities = make_communities(want, place, seed=seed, end_day=end)
    tenures = make_tenures(want, managers, communities, seed=seed, end_day=end, horizon_day=end + want.horizon_days)
    span: dict[str, Any] = {"seed": seed, "first": first, "last": last}
    where = (want, managers, communities, tenures)
    tables = {
        "enterprises": managers.table,
        "communities": communities.table,
        "contracts": tenures.table,
        "complaints": with_reporters(
            with_pauses(with_escalations(make_complaints(*where, **span), want, seed=seed), seed=seed)
        ),
        "inspections": make_inspections(*where, **span),
        "disclosures": make_disclosures(*where, **span),
        "public_credit": with_accident_details(make_public_credit(*where, **span), seed=seed),
        "surveys": make_surveys(*where, **span),
        "personnel": make_personnel(want, managers, tenures, **span),
        "mediations": make_mediations(*where, **span),
        "lifts": make_lifts(*where, **span),
        "street_ratings": make_street_ratings(*where, **span),
        "standard_assessments": make_standard_assessments(*where, **span),
        "handovers": make_handovers(want, managers, communities, tenures, seed=seed),
        "reporting_records": make_reporting_records(want, managers, tenures, **span),
        "inspectors": make_inspectors(communities, **span),
        "contacts": make_contacts(managers, communities, first=first),
        "owners_committees": make_owners_committees(want, managers, communities, **span),
        "project_honours": make_project_honours(*where, **span),
        "mashangban_enrolments": make_mashangban_enrolments(want, communities, **span),
        "replies": make_replies(want, managers, seed=seed, last=last),
    }
    tables |= with_street_at_exits(tables["contracts"], tables["handovers"], want, managers, tenures, seed=seed)
    tables["inspector_ties"] = make_inspector_ties(managers, tables["inspectors"], **span)
    if entities:
        tables |= make_events(managers, communities, tenures, seed=seed, end_day=end)
    funds = with_fund_cases(make_funds(*where, **span), *where, seed=seed, first=first, end_day=end)
    tables |= funds.tables
    tables["complaints"] = with_coercion(tables["complaints"], want, seed=seed, end_day=end)
    tables |= make_contract_terms(*where, seed=seed)
    tables["fee_collections"] = make_fee_collections(*where, **span)
    tables["disputes"] = make_disputes(*where, tables["mediations"], **span)
    tables["joint_meetings"] = make_joint_meetings(communities, first=first)
    tables |= with_tenders(tables["related_parties"], *where, seed=seed)
    return finished(Region(tables, managers, communities, tenures, want, through, funds), part, last=last)


def finished(region: Region, part: Part, *, last: date) -> Region:
    """Return the region with objections to what is in it, and with identifiers that no other part has."""
    region = _with_objections(region, seed=part.seed, last=last)
    named = {feed: part.named(table) for feed, table in region.tables.items()}
    return replace(region, tables=named, funds=region.funds.named(part.code))


def _with_objections(region: Region, *, seed: int, last: date) -> Region:
    """Add the objections; a public credit record whose objection is upheld is revoked on that day."""
    tables = dict(region.tables)
    complaints = tables["complaints"].frame.filter(
        (pl.col("responsible_party_code") == "property") & pl.col("community_id").is_not_null()
    )
    day = pl.col("submitted_at").dt.date().cast(pl.Int32)
    complaints = complaints.select(pl.col("complaint_id").alias("target_id"), "community_id", day.alias("happened"))
    index = {name: number for number, name in enumerate(region.communities.ids)}
    place = np.array([index[name] for name in complaints["community_id"]])
    holder = region.tenures.manager_of(place, complaints["happened"].to_numpy().astype(np.int64))
    complaints = complaints.with_columns(
        pl.Series("uscc", [region.managers.uscc[number] if number >= 0 else None for number in holder])
    ).filter(pl.col("uscc").is_not_null())
    inspections = (
        tables["inspections"]
        .frame.filter(pl.col("line_code") == "TOTAL")
        .select(
            pl.col("inspection_id").alias("target_id"), "uscc", pl.col("inspected_on").cast(pl.Int32).alias("happened")
        )
    )
    records = (
        tables["public_credit"]
        .frame.filter(pl.col("record_type_code") != "commendation")
        .select(pl.col("record_id").alias("target_id"), "uscc", pl.col("shown_from").cast(pl.Int32).alias("happened"))
    )
    objections = make_objections(
        region.preset, region.managers, seed=seed, complaints=complaints, inspections=inspections, records=records,
        last=last,
    )  # fmt: skip
    upheld = objections.frame.filter(
        (pl.col("target_type_code") == "public_credit") & (pl.col("_outcome") == "upheld")
    ).select(pl.col("target_id").alias("record_id"), pl.col("decided_on").alias("_upheld_on"))
    frame = tables["public_credit"].frame.join(
        upheld.unique("record_id", keep="first", maintain_order=True), on="record_id", how="left",
        maintain_order="left",
    )  # fmt: skip
    frame = frame.with_columns(pl.min_horizontal("revoked_on", "_upheld_on").alias("revoked_on"))
    tables["public_credit"] = replace(tables["public_credit"], frame=frame)
    tables["objections"] = with_handling(objections, seed=seed)
    return replace(region, tables=tables)


def simulate(
    *,
    preset: str = "city",
    seed: int,
    out: Path,
    through: date = THROUGH,
    nights: int = 0,
    later: tuple[date, ...] = (),
    dirt: bool = True,
    entities: bool = False,
    size: Size | None = None,
    processes: int = 1,
    on_part: Callable[[int, int, int], None] = lambda done, of, rows: None,
) -> SimulationReport:
    """Write a region's deliveries below ``out`` and ``out``/manifest.json.

    ``out``/landing/<yyyy-mm-dd>/<profile>/<file> holds the files, ``out``/complaints_api the API's store. The first
    delivery, dated ``through``, holds the preset's months of history; each of ``nights`` further days what was new,
    late or corrected then; each day of ``later`` (after those nights) brings all that changed since the delivery
    before it. An ``out`` that already holds the same region is extended or left as it is.

    With ``entities`` some rows of the hotline and of the bank bring a name in place of a number, and things happen to
    enterprises and communities: both feeds of events are delivered, and the manifest has the truth of it
    (``entity_events``, ``named``).

    A preset in parts has a file an office and part, and the parts' truths in ``out``/truth/<part>.json instead of in
    the manifest. ``size`` changes how many enterprises, communities and months a preset has; ``processes`` make parts
    side by side, each with the memory of one part; ``on_part`` is told of parts done, parts in all, and rows so far.

    Raises:
        SimulationError: unknown preset, deliveries after the preset's horizon, or ``out`` holds another region.

    Example:
        ``simulate(preset="hamlet", seed=1, out=Path("/tmp/hamlet"), nights=3)``
    """
    started = time.monotonic()
    out = Path(out)
    parameters = {"preset": preset, "seed": seed, "through": str(through), "dirt": dirt, "nights": nights}
    want = (size or Size()).of(load_preset(preset))
    days = delivery_days(through, nights=nights, later=later, horizon=want.horizon_days)
    if later:
        parameters["later"] = [str(day) for day in later]
    if entities:
        parameters["entities"] = True
    if size:
        parameters["size"] = size.given()
    refuse_another_region(out, parameters)
    parts = divide(want, load_place(want.place), seed=seed)
    manifest: dict[str, Any] = {"parameters": parameters, "deliveries": []}
    rows: dict[str, int] = {}
    dirty = 0
    make = partial(_deliver_part, days=days, through=through, out=out, dirt=dirt, entities=entities)
    for done, (part, written) in enumerate(each_part(parts, make, processes=processes), 1):
        if part.code:
            manifest["deliveries"] += written.pop("deliveries")
            write_json(written, out / "truth" / f"{part.code}.json")
        else:
            manifest = {"parameters": parameters, **written}
        dirty += len(written["dirt"])
        on_part(done, len(parts), sum(delivery["rows"] for delivery in manifest["deliveries"]))
    write_json(manifest, out / "manifest.json")
    for delivery in manifest["deliveries"]:
        rows[delivery["profile"]] = rows.get(delivery["profile"], 0) + delivery["rows"]
    return SimulationReport(out, rows, dirty, time.monotonic() - started)


def each_part(
    parts: list[Part], make: Callable[[Part], dict[str, Any]], *, processes: int
) -> Iterator[tuple[Part, dict[str, Any]]]:
    """Yield every part, in order, with what ``make`` says of it; ``processes`` of them side by side."""
    if processes == 1 or len(parts) == 1:
        for part in parts:
            yield part, make(part)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [(part, pool.submit(make, part)) for part in parts]
        for part, future in waiting:
            yield part, future.result()


def _deliver_part(
    part: Part, *, days: list[date], through: date, out: Path, dirt: bool, entities: bool
) -> dict[str, Any]:
    """Make a part, write its files, and return its share of the manifest."""
    return deliver(make_part(part, through=through, entities=entities), part, days, out, dirt=dirt)


def deliver(region: Region, part: Part, days: list[date], out: Path, *, dirt: bool) -> dict[str, Any]:
    """Write what the offices send of ``region`` on each of ``days``, and return its share of the manifest."""
    manifest: dict[str, Any] = {
        "true_quality": {
            str(uscc): round(float(quality), 6)
            for uscc, quality in zip(region.managers.uscc, region.managers.quality, strict=True)
        },
        "future_events": future_events(region, months=_AHEAD_MONTHS),
        "bought_complaints": bought_complaints(region),
        "alerts": {str(day): alerts_as_known(region, day) for day in days},
        "deliveries": [],
        "dirt": [],
        "duplicates": [],
        "earlier_versions": [],
        "corrections": [],
        "late": [],
    }
    if "enterprise_events" in region.tables:
        manifest |= {"entity_events": truth(region, days[-1]), "named": []}
    offices = [office for office in part.offices if office.feed in region.tables]
    for since, day in zip([None, *days], days, strict=False):
        for office in offices:
            _deliver(region, office, out, manifest, day=day, since=since, seed=part.seed, dirt=dirt)
    return manifest


def delivery_days(through: date, *, nights: int, later: tuple[date, ...], horizon: int) -> list[date]:
    """Return the days on which offices send something; SimulationError when they are not within the horizon."""
    if not 0 <= nights <= horizon:
        raise SimulationError(f"nights must be 0 to {horizon}, not {nights}")
    days = [through + timedelta(days=night) for night in range(nights + 1)] + list(later)
    if sorted(set(days)) != days or days[-1] > through + timedelta(days=horizon):
        raise SimulationError(f"later deliveries must rise from {days[nights]} to {through + timedelta(days=horizon)}")
    return days


def refuse_another_region(out: Path, parameters: dict[str, Any]) -> None:
    """Raise SimulationError when ``out`` holds deliveries of other parameters, or some without a manifest."""
    path = out / "manifest.json"
    if path.exists():
        made_with = json.loads(path.read_text("utf-8"))["parameters"]
        if {**made_with, "nights": 0} != {**parameters, "nights": 0} or made_with["nights"] > parameters["nights"]:
            raise SimulationError(f"{out} already holds another region ({made_with}); choose an empty folder")
    elif (out / "landing").exists() or (out / "complaints_api").exists():
        raise SimulationError(f"{out} already holds deliveries but no manifest of them; choose an empty folder")


def _deliver(
    region: Region,
    office: Office,
    out: Path,
    manifest: dict[str, Any],
    *,
    day: date,
    since: date | None,
    seed: int,
    dirt: bool,
) -> None:
    table, first = region.tables[office.feed], since is None
    known = table.delivered(day, since=since)
    rows = office.render(known)
    if not rows.height:
        return
    where = {"date": str(day), "profile": office.profile, "file": office.file.format(day=f"{day:%Y%m%d}")}
    if "named" in manifest:
        rows, named = with_names(rows, known, office, region, first=first, day=day, seed=seed)
        manifest["named"] += [{**where, **asdict(one)} for one in named]
    numbers = frozenset(header for header, kind in rows.schema.items() if kind.is_numeric())
    marks: list[tuple[int, str]] = []
    if dirt:
        rng = random(seed, f"dirt {office.profile} {day}")
        planted = plant(rows, office, region.preset.dirt, first=first, day=day, rng=rng)
        rows, marks = planted.rows, planted.marks(office)
    folder = out / "complaints_api" if office.format == "json_api" else out / "landing" / str(day) / office.profile
    write(rows, office, folder / where["file"], day=day, numbers=numbers)
    lists = {"duplicate": "duplicates", "correction": "earlier_versions"}
    refused = duplicates = 0
    for number, mark in marks:
        entry = {**where, "row_number": number}
        if mark in lists:
            manifest[lists[mark]].append(entry)
            duplicates += mark == "duplicate"
        else:
            manifest["dirt"].append({**entry, "reason_code": mark})
            refused += 1
    manifest["deliveries"].append(
        {**where, "feed": office.feed, "rows": rows.height, "refused": refused, "duplicates": duplicates}
    )
    if since is not None:
        _note_changes(table, office.only(known), manifest, where, day=day, since=since)


def _note_changes(
    table: Table, known: pl.DataFrame, manifest: dict[str, Any], where: dict[str, str], *, day: date, since: date
) -> None:
    """List the night's corrections and late rows by their keys."""
    keys = list(table.key)
    if table.corrected:
        for key in (
            known.filter(pl.col("_corrected_on").is_between(since, day, closed="right")).select(keys).iter_rows()
        ):
            manifest["corrections"].append({**where, "key": list(key), "field": table.corrected})
    event = _EVENT.get(table.feed)
    if event:
        is_late = (pl.col("_visible_on") > since) & (pl.col(event).cast(pl.Date) <= day - timedelta(days=_LATE_DAYS))
        for key in known.filter(is_late).select(keys).iter_rows():
            manifest["late"].append({**where, "key": list(key)})


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write ``content`` at once; the manifest comes last: a folder with a manifest is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    partial.replace(path)
