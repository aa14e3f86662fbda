"""A world as its offices would send it: the truth first, then the same files and writers as any sample region."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simulation.actors import COMMITTEE, FIRM, SOCIAL_ORG, make_communities
from simulation.assessments import make_handovers, make_lifts
from simulation.details import with_accident_details, with_escalations, with_pauses, with_reporters
from simulation.exits import with_street_at_exits
from simulation.fund_supervision import with_fund_cases
from simulation.ledgers import make_funds
from simulation.oversight import (
    make_contacts,
    make_inspector_ties,
    make_inspectors,
    make_mashangban_enrolments,
    make_owners_committees,
    make_project_honours,
)
from simulation.parameters import Preset, Size, load_place, load_preset, months_before
from simulation.parts import Part, divide
from simulation.region import (
    THROUGH,
    Region,
    SimulationReport,
    deliver,
    delivery_days,
    each_part,
    finished,
    make_part,
    refuse_another_region,
    write_json,
)
from simulation.registers import make_mediations, make_personnel
from simulation.replies import make_replies
from simulation.reports import make_reporting_records
from simulation.tables import NEVER, Table, day_number, random
from simulation.tenures import Tenures
from simulation.truth import bought_complaints
from simulation.worlds import registers
from simulation.worlds.attainable import best_guesses
from simulation.worlds.complaints import Scene, make_complaints
from simulation.worlds.conduct import Surroundings, make_conduct, quality_of
from simulation.worlds.events import SeriousEvents, make_events
from simulation.worlds.holdings import households_held, make_chains, make_managers, make_tenures, with_endings
from simulation.worlds.hostility import make_hostility, without_missing_offices
from simulation.worlds.inspections import make_inspections
from simulation.worlds.truth import truth_of, truth_of_original
from simulation.worlds.world import OldWorld, World, load_world

AT_ONCE, PART = 5000, 2000  # communities: what is made in one piece, and the size of the pieces of what is not
_MONTH_DAYS = 30.44
_WHOLE = ("truth", "true_quality", "future_events", "bought_complaints", "deliveries")  # of all parts, in the manifest


def simulate_world(
    world: str | Path,
    *,
    seed: int,
    out: Path,
    firms: int | None = None,
    communities: int | None = None,
    months: int | None = None,
    through: date = THROUGH,
    nights: int = 0,
    later: tuple[date, ...] = (),
    dirt: bool = True,
    processes: int = 1,
    on_part: Callable[[int, int, int], None] = lambda done, of, rows: None,
) -> SimulationReport:
    """Write a world's deliveries below ``out`` and its truth into ``out``/manifest.json (``worlds.truth``).

    ``world`` is a name or the path of a file. Folders, ``nights``, ``later``, ``processes`` and ``on_part`` are as in
    ``simulation.region.simulate``. ``firms`` and ``communities`` change the size; without the latter it follows the
    firms. Above AT_ONCE communities a world is made in parts, each with firms of its own: memory does not grow.

    Raises:
        SimulationError: no such world, a wrong file, deliveries after the horizon, or ``out`` holds another region.

    Example:
        ``simulate_world("floods", seed=1, out=Path("/tmp/floods"), firms=60)``
    """
    started = time.monotonic()
    want, out = load_world(world), Path(out)
    ground = grounds(want, firms=firms, communities=communities, months=months)
    days = delivery_days(through, nights=nights, later=later, horizon=ground.horizon_days)
    name = Path(world).stem
    parameters: dict[str, Any] = {
        "world": name, "world_sha256": hashlib.sha256(want.model_dump_json().encode()).hexdigest(),
        "firms": ground.enterprises.count, "communities": ground.communities.count, "months": ground.months,
        "seed": seed, "through": str(through), "dirt": dirt, "nights": nights,
    }  # fmt: skip
    if later:
        parameters["later"] = [str(day) for day in later]
    refuse_another_region(out, parameters)
    parts = divide(ground, load_place(ground.place), seed=seed)
    make = partial(_deliver_part, want=want, name=name, days=days, through=through, out=out, dirt=dirt)
    manifest: dict[str, Any] = {"parameters": parameters}
    rows: dict[str, int] = {}
    dirty = 0
    for done, (part, written) in enumerate(each_part(parts, make, processes=processes), 1):
        dirty += len(written["dirt"])
        for delivery in written["deliveries"]:
            rows[delivery["profile"]] = rows.get(delivery["profile"], 0) + delivery["rows"]
        if part.code:
            whole = {key: written.pop(key) for key in _WHOLE}
            write_json(written, out / "truth" / f"{part.code}.json")
            written = whole
        _add(manifest, written)
        on_part(done, len(parts), sum(rows.values()))
    manifest["future_events"].sort(key=lambda event: (event["on"], event["uscc"], event["kind"]))
    write_json(manifest, out / "manifest.json")
    return SimulationReport(out, rows, dirty, time.monotonic() - started)


def _deliver_part(
    part: Part, *, want: World | OldWorld, name: str, days: list[date], through: date, out: Path, dirt: bool
) -> dict[str, Any]:
    """Make a part of a world, write its files, and return its share of the manifest."""
    region, truth = make_world(want, name, part, through=through)
    written = {"truth": truth, **deliver(region, part, days, out, dirt=dirt)}
    written["alerts"] = {day: _raised(alerts, truth["missing"]) for day, alerts in written["alerts"].items()}
    return written


def _add(manifest: dict[str, Any], share: dict[str, Any]) -> None:
    """Add a part's share to the manifest: lists and mappings grow, whatever else is the same in every part stays."""
    for key, value in share.items():
        if key not in manifest:
            manifest[key] = value
        elif isinstance(value, dict):
            _add(manifest[key], value)
        elif isinstance(value, list) and value != manifest[key]:
            manifest[key] = manifest[key] + value


def _raised(alerts: dict[str, list[str]], missing: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the alerts without those that only an office's silence would call for: it is no firm's failure."""
    silent = tuple(missing.get("disclosures", ()))

    def is_silence(alert: str) -> bool:
        kind, _, subject = alert.partition("/")
        return kind == "quarter_undisclosed" and bool(silent) and ("*" in silent or subject.startswith(silent))

    return {name: [alert for alert in names if not is_silence(alert)] for name, names in alerts.items()}


def grounds(
    world: World | OldWorld, *, firms: int | None = None, communities: int | None = None, months: int | None = None
) -> Preset:
    """Return the preset a world stands on, in the world's size or in the one asked for."""
    preset = load_preset(world.preset or world.ground)  # type: ignore[union-attr]
    count = firms or world.firms
    unmanaged = preset.communities.unmanaged_share + preset.communities.committee_share
    held = 1 - unmanaged - preset.communities.social_org_share
    places = communities or max(20, round(count * world.communities_per_firm / held))
    sized = Size(enterprises=count, communities=places, months=months).of(preset)
    sized = sized.model_copy(update={"communities_per_part": PART if places > AT_ONCE else None})
    if isinstance(world, OldWorld):
        return sized
    # alerts have a truth of their own: one case of each kind is planted, whatever the world
    return sized.model_copy(update={"fund_cases": sized.fund_cases.model_copy(update={"each": 1, "look_alikes": 1})})


def make_world(
    world: World | OldWorld, name: str, part: Part, *, through: date, is_guessed: bool = True
) -> tuple[Region, dict[str, Any]]:
    """Return the region of one part of a world and its ``truth``; the latter without ``best_guess`` if not wanted."""
    if isinstance(world, OldWorld):
        region = make_part(part, through=through)
        return region, truth_of_original(name, world.title, world.why, region, set(bought_complaints(region)))
    ground, seed = part.preset, part.seed
    first, last = months_before(through, ground.months), through + timedelta(days=ground.horizon_days)
    scene, events, households = make_scene(world, part, through=through, first=first, last=last)
    where = (ground, scene.managers, scene.communities, scene.tenures)
    span: dict[str, Any] = {"first": first, "last": last}
    tables = without_missing_offices(make_tables(scene, events, span), world, scene.around, seed=seed)
    funds = with_fund_cases(
        make_funds(*where, seed=seed, **span), *where, seed=seed, first=first, end_day=scene.managers.end_day
    )
    region = Region(tables | funds.tables, *where[1:], ground, through, funds)
    guess = None
    if is_guessed:
        guess = best_guesses(scene, tables, events, households, first=first, through=through)
    return finished(region, part, last=last), truth_of(name, scene, region, households, guess)


def make_scene(
    world: World, part: Part, *, through: date, first: date, last: date
) -> tuple[Scene, SeriousEvents, np.ndarray]:
    """Return who there is, what happens to whom, and the households that events were drawn for, by manager index."""
    ground, place, seed = part.preset, part.place, part.seed
    end, horizon = day_number(through), day_number(last)
    counts = ground.enterprises
    kind = np.repeat([FIRM, COMMITTEE, SOCIAL_ORG], [counts.count, counts.committees, counts.social_orgs])
    change = world.regime_change
    changed = NEVER if change is None else end - round(change.months_before * _MONTH_DAYS)
    conduct = make_conduct(world, kind, seed=seed, end_day=end, change_day=changed)
    managers = make_managers(ground, place, conduct, kind, seed=seed, end_day=end)
    communities = make_communities(ground, place, seed=seed, end_day=end)
    around = Surroundings(world, seed, communities, day_number(first), horizon, end)
    alone = quality_of(world.quality, conduct.areas[:-1], old=np.zeros(len(kind), dtype=bool), held=np.ones(len(kind)))
    until: dict[str, Any] = {"seed": seed, "end_day": end, "horizon_day": horizon}
    chains, market = make_chains(ground, conduct, kind, alone, communities, **until)
    before = make_tenures(ground, managers, communities, chains, **until)
    households = households_held(before, communities, end, len(kind))[1]
    firms = np.flatnonzero(kind == FIRM)
    events = make_events(conduct, firms, households, seed=seed, first_day=day_number(first), last_day=horizon)
    chains, events = with_endings(chains, events, market, rng=random(seed, "endings"), horizon_day=horizon)
    tenures = make_tenures(ground, managers, communities, chains, **until)
    managers = replace(managers, quality=_quality(world, conduct.areas, tenures, around, alone, end))
    hostile = make_hostility(world, managers, tenures, seed=seed)
    return Scene(ground, world, managers, communities, tenures, conduct, around, hostile, seed), events, households


def _quality(
    world: World, areas: np.ndarray, tenures: Tenures, around: Surroundings, alone: np.ndarray, end: int
) -> np.ndarray:
    """Return every manager's quality a household on the night; who holds nothing, as in one newer community."""
    there = (tenures.start <= end) & (tenures.end >= end)
    who, where = tenures.manager[there], tenures.community[there]
    held = np.bincount(who, minlength=len(alone))
    quality = quality_of(world.quality, areas[who], old=around.old[where], held=held[who])
    weight = around.communities.households[where].astype(float)
    total = np.bincount(who, weights=weight, minlength=len(alone))
    mean = np.bincount(who, weights=weight * quality, minlength=len(alone)) / np.maximum(total, 1)
    return np.where(total > 0, mean, alone)


def make_tables(scene: Scene, events: SeriousEvents, span: dict[str, Any]) -> dict[str, Table]:
    """Return every feed but those about money; ``span`` says ``first`` and ``last`` day."""
    seed = scene.seed
    where = (scene.ground, scene.managers, scene.communities, scene.tenures)
    complaints = with_escalations(make_complaints(scene, **span), scene.ground, seed=seed)
    credit = registers.make_public_credit(scene, events, last=span["last"])
    tables = {
        "enterprises": scene.managers.table,
        "communities": scene.communities.table,
        "contracts": scene.tenures.table,
        "complaints": with_reporters(with_pauses(complaints, seed=seed)),
        "inspections": make_inspections(scene, events.of("major_finding"), **span),
        "disclosures": registers.make_disclosures(scene, **span),
        "public_credit": with_accident_details(credit, seed=seed),
        "surveys": registers.make_surveys(scene, **span),
        "personnel": make_personnel(scene.ground, scene.managers, scene.tenures, seed=seed, **span),
        "mediations": make_mediations(*where, seed=seed, **span),
        "lifts": make_lifts(*where, seed=seed, **span),
        "street_ratings": registers.make_street_ratings(scene, **span),
        "standard_assessments": registers.make_standard_assessments(scene, **span),
        "handovers": make_handovers(*where, seed=seed),
        "reporting_records": make_reporting_records(scene.ground, scene.managers, scene.tenures, seed=seed, **span),
        "inspectors": make_inspectors(scene.communities, seed=seed, **span),
        "contacts": make_contacts(scene.managers, scene.communities, first=span["first"]),
        "owners_committees": make_owners_committees(scene.ground, scene.managers, scene.communities, seed=seed, **span),
        "project_honours": make_project_honours(*where, seed=seed, **span),
        "mashangban_enrolments": make_mashangban_enrolments(scene.ground, scene.communities, seed=seed, **span),
        "replies": make_replies(scene.ground, scene.managers, seed=seed, last=span["last"]),
    }
    tables |= with_street_at_exits(
        tables["contracts"], tables["handovers"], scene.ground, scene.managers, scene.tenures, seed=seed
    )
    tables["inspector_ties"] = make_inspector_ties(scene.managers, tables["inspectors"], seed=seed, **span)
    return tables
