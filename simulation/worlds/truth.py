"""The truth of a world, as its manifest keeps it for whoever judges a method. Format 1.

``manifest.json`` of a simulated world holds, beside ``parameters``, ``deliveries``, ``dirt``, ``alerts`` and the other
lists of every simulated region:

``true_quality``
    {uscc: quality}. **The** scalar that a grade should follow, for every manager (firms, committees, social
    organisations): expected quality of service per household on the night of ``truth.night``, 0 to 1, larger is
    better. It is the mean over the households the manager holds of a weighted power mean of its areas of conduct
    in which the weakest area weighs most; upkeep weighs more in houses of thirty years and older, and a firm that
    has outgrown its people loses some. Absolute: no rank among tonight's firms. Effects of communities, weeks,
    visits, inspectors, offices and rivals are no part of it.
``future_events``
    [{uscc, kind, on}] of the six months after the night, by day. Kinds: ``penalty`` (final, not revoked in the time),
    ``major_finding`` (confirmed, serious), ``abandonment``, ``dismissal`` (for cause). Drawn from the areas of the
    firm at that time, never from anything that is recorded. A major finding that a bought inspector does not write
    down, or whose office sends nothing, is not in it: it will never be an outcome that anybody can see.
``bought_complaints``
    {uscc: [complaint_id]} of every flood, by victim, whether confirmed or not; those submitted after the night too.
``truth``
    ``format``        1
    ``world``         its name, or that of its file; ``title`` and ``why`` as in its file
    ``night``         yyyy-mm-dd, the last day of the first delivery: all values below are of that day
    ``areas``         names of the areas of conduct ([] in the world ``original``, which has none of its own)
    ``mechanisms``    {name: unit} of what follows from the areas ({} in ``original``)
    ``hostile``       sections of the file that are in force: floods, hushing, bought_inspections, missing,
                      regime_change, paper_closing
    ``missing``       {feed: [region_code, …]} of offices that send nothing; ["*"]: nobody sends this feed
    ``changed_on``    yyyy-mm-dd of a regime change, or null
    ``firms``         {uscc: …} of every enterprise, with
        ``quality``          as in ``true_quality``
        ``areas``            {area: 0–1}, the share of usual firms that are worse
        ``mechanisms``       {name: value in its unit}: the firm's true parameter, without effects of communities,
                             weeks, visits, inspectors or cases: what a score from true parameters is made of
        ``event_chance``     chance of at least one future event within half a year
        ``best_guess``       expected quality given all that the offices know up to the night, by somebody who knows how
                             the world works and who falsifies the record, but nobody's conduct (``worlds.attainable``):
                             its rank correlation with ``quality`` is what a score can attain on these data
        ``communities``, ``households``  held on the night
        ``old_share``        of these households, those in houses of thirty years and older, 0–1 (null: holds none)
        ``is_flooded``, ``hushes``, ``buys_inspections``, ``closes_on_paper``
                             who is the victim of a flood and who does what, whether or not it is found out

``areas``, ``mechanisms``, ``event_chance`` and ``best_guess`` of ``original`` are empty or null.

A large world is made in parts, each with firms of its own: the keys above and ``deliveries`` are of the whole, while
``alerts``, ``dirt`` and the other lists of rows lie in truth/<part>.json.

Numbers are rounded to six places. A key may be added under the same format; none changes its meaning.
"""

from typing import Any

import numpy as np

from simulation.actors import FIRM
from simulation.region import Region
from simulation.worlds.complaints import Scene
from simulation.worlds.conduct import standard_normal_share
from simulation.worlds.events import chance_of_outcome
from simulation.worlds.holdings import households_held
from simulation.worlds.hostility import silent_regions
from simulation.worlds.world import AREAS, MECHANISMS

FORMAT = 1
_HOSTILE = ("floods", "hushing", "bought_inspections", "missing", "regime_change", "paper_closing")


def truth_of(
    name: str, scene: Scene, region: Region, households: np.ndarray, best_guess: np.ndarray | None
) -> dict[str, Any]:
    """Return the ``truth`` of a world. ``households`` (those that events were drawn for) are by manager index."""
    world, conduct, hostile = scene.world, scene.conduct, scene.hostile
    managers, end = region.managers, region.managers.end_day
    firms = np.flatnonzero(managers.kind == FIRM)
    night = np.full(len(firms), end)
    areas = standard_normal_share(conduct.areas[firms])
    values = {mechanism: conduct.value(mechanism, firms, night) for mechanism in MECHANISMS}
    chance = chance_of_outcome(conduct, firms, households, seed=scene.seed, size=len(managers.kind))
    entries = {}
    for row, (uscc, entry) in enumerate(_holdings(region, scene.around.old, firms).items()):
        firm = firms[row]
        entries[uscc] = entry | {
            "areas": {area: _rounded(areas[row, number]) for number, area in enumerate(AREAS)},
            "mechanisms": {mechanism: _rounded(each[row]) for mechanism, each in values.items()},
            "event_chance": _rounded(chance[firm]),
            "best_guess": None if best_guess is None else _rounded(best_guess[firm]),
            "is_flooded": bool(hostile.flooded[firm]),
            "hushes": bool(hostile.hushes[firm]),
            "buys_inspections": bool(hostile.buys_inspections[firm]),
            "closes_on_paper": bool(hostile.closes_on_paper[firm]),
        }
    return {
        "format": FORMAT,
        "world": name,
        "title": world.title,
        "why": world.why,
        "night": str(region.through),
        "areas": list(AREAS),
        "mechanisms": {mechanism: unit for mechanism, (_, unit) in MECHANISMS.items()},
        "hostile": [section for section in _HOSTILE if getattr(world, section) is not None],
        "missing": silent_regions(world, scene.around, seed=scene.seed),
        "changed_on": None if conduct.change_day < 0 else str(np.datetime64(conduct.change_day, "D")),
        "firms": entries,
    }


def truth_of_original(name: str, title: str, why: str, region: Region, victims: set[str]) -> dict[str, Any]:
    """Return the ``truth`` of the old simulator: quality and holdings, but no areas and no mechanisms."""
    managers = region.managers
    firms = np.flatnonzero(managers.kind == FIRM)
    old = region.communities.built_year <= region.through.year - 30
    unknown: dict[str, Any] = {"areas": {}, "mechanisms": {}, "event_chance": None, "best_guess": None}
    nothing = {"hushes": False, "buys_inspections": False, "closes_on_paper": False}
    entries = {
        uscc: entry | unknown | {"is_flooded": uscc in victims} | nothing
        for uscc, entry in _holdings(region, old, firms).items()
    }
    return {
        "format": FORMAT, "world": name, "title": title, "why": why, "night": str(region.through), "areas": [],
        "mechanisms": {}, "hostile": ["floods"], "missing": {}, "changed_on": None, "firms": entries,
    }  # fmt: skip


def _holdings(region: Region, old: np.ndarray, firms: np.ndarray) -> dict[str, dict[str, Any]]:
    managers, size = region.managers, len(region.managers.kind)
    held, households = households_held(region.tenures, region.communities, managers.end_day, size)
    aged = households_held(region.tenures, region.communities, managers.end_day, size, only=old)[1]
    return {
        str(managers.uscc[firm]): {
            "quality": _rounded(managers.quality[firm]),
            "communities": int(held[firm]),
            "households": int(households[firm]),
            "old_share": _rounded(aged[firm] / households[firm]) if households[firm] else None,
        }
        for firm in firms
    }


def _rounded(value: float) -> float:
    return round(float(value), 6)
