"""Who holds which community in a world: firms, their sizes, contracts, and how serious events end some of them."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from simulation import credit_codes
from simulation.actors import COMMITTEE, FIRM, KINDS, OUTSIDE, SOCIAL_ORG, Communities, manager_names
from simulation.parameters import Place, Preset
from simulation.tables import Table, dates, labels, pick, random
from simulation.tenures import Tenures, assemble_contracts, who_manages
from simulation.worlds.conduct import Conduct, WorldManagers
from simulation.worlds.events import SeriousEvents

_TERM = 1096  # days
_REACH_BACK = 1290
_EXPIRED, _DISMISSED, _WITH_NOTICE, _WITHOUT_NOTICE, _MUTUAL = range(5)


def make_managers(
    ground: Preset, place: Place, conduct: Conduct, kind: np.ndarray, *, seed: int, end_day: int
) -> WorldManagers:
    """Return the managers with their codes and names; ``quality`` is filled in once it is known what they hold."""
    rng = random(seed, "managers")
    size, firms = len(kind), kind == FIRM
    local = [district.code for district in place.districts]
    home = pick(rng, {district.code: district.share for district in place.districts}, size)
    outside = firms & (rng.random(size) < ground.enterprises.outside_share)
    elsewhere = rng.integers(0, len(OUTSIDE), size)
    regions = [OUTSIDE[elsewhere[i]] if outside[i] else local[home[i]] for i in range(size)]
    uscc: list[str] = []
    for number, prefix in enumerate(("91", "54", "52")):
        where = [region for region, k in zip(regions, kind, strict=True) if k == number]
        uscc += credit_codes.make_codes(rng, prefix=prefix, region_codes=where)
    listed = firms & (rng.random(size) < conduct.world.events.listed)
    cured = listed & (rng.random(size) < 0.5)
    listed_on = np.where(listed, end_day - rng.integers(60, 600, size), -1)
    delisted_on = np.where(cured, np.minimum(listed_on + rng.integers(20, 300, size), end_day - 1), -1)
    report = np.where(firms & ~(listed & ~cured), end_day - rng.integers(124, 300, size), -1)
    frame = pl.DataFrame(
        {
            "uscc": uscc,
            "enterprise_name": manager_names(kind, regions, place, rng),
            "organisation_type_code": labels(list(KINDS), kind),
            "registered_region_code": regions,
            "established_on": dates(end_day - rng.integers(1500, 9000, size)),
            "is_active": True,
            "listing_status_code": labels(["none", "listed", "cured"], np.where(cured, 2, np.where(listed, 1, 0))),
            "listed_on": dates(listed_on),
            "delisted_on": dates(delisted_on),
            "annual_report_filed_on": dates(report),
            "_visible_on": dates(end_day - rng.integers(0, 120, size)),
        }
    )
    table = Table("enterprises", ("uscc",), frame).with_corrections(
        rng, column="annual_report_filed_on", wrong=pl.lit(None, dtype=pl.Date), share=0.02
    )
    nothing = np.zeros(size)
    return WorldManagers(table, np.array(uscc), kind, nothing, nothing, ground, seed, end_day, conduct=conduct)


@dataclass(frozen=True)
class Chains:
    """Contracts before anything serious ends one: parallel arrays, one entry a contract."""

    community: np.ndarray
    manager: np.ndarray
    start: np.ndarray
    planned: np.ndarray
    end: np.ndarray
    reason: np.ndarray
    takeover: np.ndarray


def make_chains(
    ground: Preset, conduct: Conduct, kind: np.ndarray, likely_quality: np.ndarray, communities: Communities, *,
    seed: int, end_day: int, horizon_day: int,
) -> tuple[Chains, np.ndarray]:  # fmt: skip
    """Return the contracts of every community and each manager's weight in the market."""
    world, rng = conduct.world, random(seed, "contracts")
    size = len(communities.ids)
    market = np.where(kind == FIRM, np.exp(rng.normal(0, world.size_spread, len(kind))), 0.0)
    market = market / market.sum()
    who = who_manages(ground, communities, rng)
    manager = np.full(size, -1)
    for number in (COMMITTEE, SOCIAL_ORG):
        pool = np.flatnonzero(kind == number)
        manager[who == number] = rng.choice(pool, int((who == number).sum()))
    held = rng.permutation(np.flatnonzero(who == FIRM))
    firms = np.flatnonzero(kind == FIRM)
    manager[held[: len(firms)]] = rng.permutation(firms)[: len(held)]
    old = np.isin(communities.type, [1, 3, 4])
    spread = likely_quality[firms].std() or 1.0
    poorness = np.zeros(len(kind))
    poorness[firms] = (likely_quality[firms].mean() - likely_quality[firms]) / spread
    rest = held[len(firms) :]
    for is_old, sign in ((True, 1.0), (False, -0.6)):
        where = rest[old[rest] == is_old]
        weight = market * np.exp(sign * world.sorting * poorness)
        manager[where] = rng.choice(len(kind), len(where), p=weight / weight.sum())

    newest = (communities.built_year - 1970) * 365 + 300
    start = np.maximum(end_day - _REACH_BACK - rng.integers(-420, _TERM - 240, size), newest)
    index = np.flatnonzero(manager >= 0)
    community, manager, start = index, manager[index], start[index]
    takeover = np.zeros(len(index), dtype=bool)
    rounds = []
    for _ in range(8):
        if not len(community):
            break
        end = start + _TERM
        own_wish = (rng.random(len(end)) < 0.04) & (kind[manager] == FIRM)
        reason = np.where(own_wish, np.where(rng.random(len(end)) < 0.6, _WITH_NOTICE, _MUTUAL), _EXPIRED)
        rounds.append((community, manager, start, end, end, reason, takeover))
        renewed = rng.random(len(end)) < conduct.value("renewal", manager, end)
        renewed = (renewed & ~own_wish) | (kind[manager] != FIRM)
        successor = rng.choice(len(market), len(end), p=market)
        takeover = ~renewed & np.isin(communities.type[community], [1, 4])
        gap = np.where(renewed, 1, rng.integers(1, 12, len(end)))
        manager, start = np.where(renewed, manager, successor), end + gap
        kept = start < horizon_day
        community, manager, start, takeover = (part[kept] for part in (community, manager, start, takeover))
    chains = Chains(*(np.concatenate(part) for part in zip(*rounds, strict=True)))
    order = np.lexsort((chains.start, chains.community))
    return Chains(*(getattr(chains, name)[order] for name in chains.__dataclass_fields__)), market


def with_endings(
    chains: Chains, events: SeriousEvents, market: np.ndarray, *, rng: np.random.Generator, horizon_day: int
) -> tuple[Chains, SeriousEvents]:
    """Return the contracts cut short by dismissals and abandonments, and the events that happened.

    An event whose firm holds nothing on its day does not happen. Whoever follows holds the community to the horizon.
    """
    parts = {name: getattr(chains, name).copy() for name in chains.__dataclass_fields__}
    gone = np.zeros(len(parts["start"]), dtype=bool)
    fresh: list[tuple[int, int, int, int, int, int, bool]] = []
    kept = np.ones(len(events.day), dtype=bool)
    for number in np.flatnonzero(np.isin(events.kind, ["dismissal", "abandonment"])):
        day, firm = int(events.day[number]), int(events.manager[number])
        active = np.flatnonzero(
            (parts["manager"] == firm) & (parts["start"] + 60 < day) & (parts["end"] > day) & ~gone
        )  # fmt: skip
        if len(active) < 2:  # a firm keeps its last community: it would vanish from the record with it
            kept[number] = False
            continue
        row = int(rng.choice(active))
        place = int(parts["community"][row])
        is_dismissal = events.kind[number] == "dismissal"
        parts["end"][row], parts["reason"][row] = day, _DISMISSED if is_dismissal else _WITHOUT_NOTICE
        gone |= (parts["community"] == place) & (parts["start"] > day)
        begin = day + int(rng.integers(1, 12) if is_dismissal else rng.integers(8, 50))
        weights = np.where(np.arange(len(market)) == firm, 0, market)
        successor = int(rng.choice(len(market), p=weights / weights.sum()))
        if begin < horizon_day:
            late = max(begin + _TERM, horizon_day + 1)
            fresh.append((place, successor, begin, begin + _TERM, late, _EXPIRED, not is_dismissal))
    columns = list(parts)
    if fresh:
        added = [np.array(column) for column in zip(*fresh, strict=True)]
        merged = [np.concatenate([parts[name][~gone], column]) for name, column in zip(columns, added, strict=True)]
    else:
        merged = [parts[name][~gone] for name in columns]
    return Chains(*merged), events.where(kept)


def make_tenures(
    ground: Preset, managers: WorldManagers, communities: Communities, chains: Chains, *, seed: int, end_day: int,
    horizon_day: int,
) -> Tenures:  # fmt: skip
    """Return the contracts as a table and for looking up who held what when."""
    rounds = [tuple(getattr(chains, name) for name in chains.__dataclass_fields__)]
    return assemble_contracts(
        ground, managers, communities, rounds, rng=random(seed, "contracts on file"), since=end_day - _REACH_BACK,
        horizon_day=horizon_day,
    )  # fmt: skip


def households_held(
    tenures: Tenures, communities: Communities, day: int, size: int, *, only: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many communities and households every manager holds on ``day``; ``only`` these communities."""
    there = (tenures.start <= day) & (tenures.end >= day)
    if only is not None:
        there &= only[tenures.community]
    held = np.bincount(tenures.manager[there], minlength=size)
    weights = communities.households[tenures.community[there]]
    return held, np.bincount(tenures.manager[there], weights=weights, minlength=size)
