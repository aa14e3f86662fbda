"""What is hostile in a world: who is flooded, hushes, buys inspectors or closes on paper, and who sends nothing.

Owns who is affected. How it shows is the matter of the modules that make complaints and inspections.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from simulation.actors import FIRM, Managers
from simulation.tables import Table, random
from simulation.tenures import Tenures
from simulation.worlds.conduct import Surroundings, chosen
from simulation.worlds.world import BoughtInspections, Floods, Hushing, PaperClosing, World

Section = Floods | Hushing | BoughtInspections | PaperClosing


@dataclass(frozen=True)
class Hostility:
    """Which managers do what; boolean, by manager index with one more entry for nobody."""

    flooded: np.ndarray
    hushes: np.ndarray
    buys_inspections: np.ndarray
    closes_on_paper: np.ndarray


def make_hostility(world: World, managers: Managers, tenures: Tenures, *, seed: int) -> Hostility:
    """Return who is affected by what; only firms that held something throughout can be flooded."""
    firms = managers.kind == FIRM
    since = managers.end_day - (world.floods.within_days if world.floods else 0)
    there = (tenures.start <= since) & (tenures.end >= managers.end_day)
    holding = firms & (np.bincount(tenures.manager[there], minlength=len(firms)) > 0)
    nobody = np.zeros(len(firms) + 1, dtype=bool)

    def drawn(name: str, want: Section | None, pool: np.ndarray) -> np.ndarray:
        if want is None:
            return nobody
        share = want.victims if isinstance(want, Floods) else want.share
        return chosen(share, want.among, managers.quality, pool, random(seed, name))

    return Hostility(
        flooded=drawn("floods", world.floods, holding),
        hushes=drawn("hushing", world.hushing, firms),
        buys_inspections=drawn("bought inspections", world.bought_inspections, firms),
        closes_on_paper=drawn("paper closing", world.paper_closing, firms),
    )


def without_missing_offices(
    tables: dict[str, Table], world: World, around: Surroundings, *, seed: int
) -> dict[str, Table]:
    """Return the tables without the rows of offices that send nothing; what has no community is sent by the city."""
    if world.missing is None:
        return tables
    tables = dict(tables)
    for feed in world.missing.feeds:
        tables[feed] = replace(tables[feed], frame=tables[feed].frame.clear())
    silent = silent_regions(world, around, seed=seed)
    for feed in world.missing.districts:
        gone = pl.Series(around.communities.ids[np.isin(around.communities.region, silent[feed])])
        kept = pl.col("community_id").is_in(gone.implode()).fill_null(value=False).not_()
        tables[feed] = replace(tables[feed], frame=tables[feed].frame.filter(kept))
    return tables


def silent_regions(world: World, around: Surroundings, *, seed: int) -> dict[str, list[str]]:
    """Return the region codes whose office sends nothing of a feed, by feed; '*' for all of them."""
    if world.missing is None:
        return {}
    codes = np.unique(around.communities.region)
    regions = {
        feed: sorted(map(str, codes[_silent_districts(around, share, random(seed, f"offices of {feed}"))]))
        for feed, share in world.missing.districts.items()
    }
    return regions | {feed: ["*"] for feed in world.missing.feeds}


def _silent_districts(around: Surroundings, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return districts drawn one by one until they hold ``share`` of the communities, but never all."""
    sizes = np.bincount(around.district) / len(around.district)
    order = rng.permutation(len(sizes))
    reached = np.cumsum(sizes[order])
    count = int(np.searchsorted(reached, share) + 1)
    return order[: min(count, len(sizes) - 1)]
