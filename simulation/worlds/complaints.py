"""Complaints of a world: incidents come in weeks, some are reported, firms take their time, offices write it down.

Owns arrivals, what becomes of a complaint, and floods. One incident brings several complaints that share their fate.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from simulation.actors import Communities, Managers
from simulation.complaints import complaint_table
from simulation.parameters import Preset
from simulation.tables import EPOCH, NEVER, Table, day_number, pick, random
from simulation.tenures import Tenures
from simulation.worlds.conduct import Conduct, Surroundings, unlinked
from simulation.worlds.hostility import Hostility
from simulation.worlds.world import AREAS, CATEGORIES, GROUPS, TYPES, Floods, World

_DAY, _HOUR = 1440.0, 60.0  # minutes
_MONTH_DAYS = 30.44
_TAKEOVER_DAYS = 180.0
_MOST_INCIDENTS = 40.0  # a group, 1,000 household-months: nobody can have more go wrong than that
_DAWN, _DUSK = 7, 22
# of a day's complaints, those in each hour: an evening peak, few at night
_HOURS = np.array([2, 1, 1, 1, 1, 3, 6, 9, 9, 8, 7, 7, 6, 6, 6, 7, 8, 9, 11, 12, 11, 9, 6, 4], dtype=float)
_OTHERS = {"developer": 0.25, "utility": 0.35, "owner": 0.25, "government": 0.15}
_UNDETERMINED = 5
_ANYONE_CAN_CLAIM = ("attitude", "cleaning", "fees", "security")
_UNSATISFIED = 1


@dataclass(frozen=True)
class Scene:
    """What every part of this module needs."""

    ground: Preset
    world: World
    managers: Managers
    communities: Communities
    tenures: Tenures
    conduct: Conduct
    around: Surroundings
    hostile: Hostility
    seed: int


def make_complaints(scene: Scene, *, first: date, last: date) -> Table:
    """Return every complaint from ``first`` to ``last`` with what will become of it; ``_is_bought`` marks floods."""
    rng = random(scene.seed, "complaints")
    community, category, minute, incident = _arrivals(scene, first=first, last=last, rng=rng)
    born = _lives(scene, community, category, minute, incident, rng=rng)
    end = (day_number(last) + 1) * _DAY
    again = np.flatnonzero((born["again"] > 0) & (born["again"] < end))
    echoes = _lives(
        scene, community[again], category[again], born["again"][again], np.arange(len(again)), rng=rng
    )  # fmt: skip
    bought = _flood(scene, usual=len(community) / max(1, (end / _DAY - day_number(first)) / _MONTH_DAYS))
    lives = {name: np.concatenate([born[name], echoes[name], bought[name]]) for name in born}
    flood = len(bought["community"])
    lives["flood"] = np.repeat([0, 1], [len(community) + len(again), flood])
    origin = np.concatenate([np.full(len(community), NEVER), again, np.full(flood, NEVER)])
    by_code = np.array([scene.world.reporting.by_code[name] for name in TYPES])
    by_api = rng.random(len(origin)) < by_code[scene.communities.type[lives["community"]]]
    return complaint_table(scene.ground, scene.communities, lives, origin, rng=rng, by_api=by_api)


def readiness(scene: Scene) -> np.ndarray:
    """Return the part of what happens in each community that is complained of: by type and by district."""
    want = scene.world.reporting
    by_type = np.array([want.readiness[name] for name in TYPES])[scene.communities.type]
    rng = random(scene.seed, "readiness of districts")
    by_district = np.exp(want.district * rng.normal(0, 1, scene.around.district_count))
    return by_type * by_district[scene.around.district]


def _arrivals(
    scene: Scene, *, first: date, last: date, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (community, category, minute, incident) of first complaints, a week of incidents at a time."""
    categories = [scene.world.categories[name] for name in CATEGORIES]
    cluster = np.array([each.cluster for each in categories])
    ready = readiness(scene)
    everywhere = np.arange(len(ready))
    begin, finish = day_number(first), day_number(last)
    community, category, minute = [], [], []
    for start in range(begin, finish + 1, 7):
        length = min(7, finish - start + 1)
        days = np.full(len(ready), start + length // 2)
        rate = incident_rates(scene, everywhere, days) * (length / _MONTH_DAYS)
        rate *= (ready * scene.communities.households / 1000)[:, None] / cluster
        where, what = np.nonzero(counts := rng.poisson(rate))
        number = counts[where, what]
        where, what = np.repeat(where, number), np.repeat(what, number)
        lift = (what == CATEGORIES.index("lift")) & ~scene.communities.has_lift[where]
        community.append(where)
        category.append(np.where(lift, CATEGORIES.index("facilities"), what))
        hour = np.searchsorted(np.cumsum(_HOURS / _HOURS.sum())[:-1], rng.random(len(where)), side="right")
        day = start + rng.integers(0, length, len(where))
        minute.append(day * _DAY + hour * _HOUR + rng.uniform(0, 60, len(where)))
    place, kind, when = (np.concatenate(part) for part in (community, category, minute))
    # an incident is reported by 1 + a negative binomial number of neighbours, most within half a day
    more = rng.negative_binomial(0.8, 0.8 / (0.8 + np.maximum(cluster[kind] - 1, 1e-6)))
    incident = np.repeat(np.arange(len(place)), 1 + more)
    is_first = np.r_[True, incident[1:] != incident[:-1]]
    delay = np.where(is_first, 0.0, rng.exponential(0.4 * _DAY, len(incident)))
    when = when[incident] + delay
    kept = when < (finish + 1) * _DAY
    return place[incident][kept], kind[incident][kept], when[kept], incident[kept]


def incident_rates(scene: Scene, communities: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return (case, category) complaints a 1,000 household-months and day, before readiness to complain."""
    world, around = scene.world, scene.around
    holder = scene.tenures.manager_of(communities, days)
    per_group = np.stack(
        [
            unlinked(name, scene.conduct.link(name, holder, days, old=around.old[communities])
                     + around.effect(name, communities, days))
            for name in (f"{group}_incidents" for group in GROUPS)
        ],
        axis=1,
    )  # fmt: skip
    per_group = np.minimum(per_group, _MOST_INCIDENTS)
    categories = [world.categories[name] for name in CATEGORIES]
    group = np.array([GROUPS.index(each.group) for each in categories])
    share = np.array([each.share for each in categories])
    total = np.bincount(group, weights=share, minlength=len(GROUPS))
    years = (days - around.end_day) / 365.25
    month = date.fromordinal(int(days[0]) + EPOCH.toordinal()).month if len(days) else 1
    peak, swing = (np.array([getattr(each, name) for each in categories]) for name in ("peak", "swing"))
    season = np.exp(swing * np.cos((month - peak) * np.pi / 6))
    season = season / np.array([np.exp(size * np.cos(np.arange(12) * np.pi / 6)).mean() for size in swing])
    factor = (1 + world.reporting.yearly_trend) ** years
    factor = factor * _takeover(scene, communities, days)
    if world.hushing is not None:
        factor = factor * np.where(scene.hostile.hushes[holder], world.hushing.rate, 1.0)
    if world.regime_change is not None:
        factor = factor * np.where(days >= scene.conduct.change_day, world.regime_change.complaints, 1.0)
    return per_group[:, group] * (share / total[group] * season) * factor[:, None]


def _takeover(scene: Scene, communities: np.ndarray, days: np.ndarray) -> np.ndarray:
    held = scene.tenures.days_since_takeover(communities, days)
    return 1 + (scene.world.reporting.takeover - 1) * np.clip(1 - held / _TAKEOVER_DAYS, 0, 1)


def _lives(
    scene: Scene, community: np.ndarray, category: np.ndarray, minute: np.ndarray, incident: np.ndarray, *,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return what becomes of complaints. Instants are minutes from 1970; negative means it never happens."""
    world, conduct, around = scene.world, scene.conduct, scene.around
    want, size = world.reporting, len(community)
    day = (minute // _DAY).astype(np.int64)
    holder = scene.tenures.manager_of(community, day)
    paper = scene.hostile.closes_on_paper[holder]
    kinds = [world.categories[name] for name in CATEGORIES]
    together = rng.normal(0, 1, int(incident.max()) + 1 if size else 0)[incident]  # neighbours wait for one repair

    def hours(name: str) -> np.ndarray:
        noise = np.sqrt(0.6) * together + np.sqrt(0.4) * rng.normal(0, 1, size)
        link = conduct.link(name, holder, day) + around.effect(name, community, day)
        return unlinked(name, link + world.mechanisms[name].noise * noise)

    def link_of(name: str) -> np.ndarray:
        return conduct.link(name, holder, day) + around.effect(name, community, day)

    respond = hours("respond")
    if world.regime_change is not None:
        respond = respond * np.where(day < conduct.change_day, world.regime_change.respond, 1.0)
    hour = (minute % _DAY) / _HOUR
    until_dawn = np.where(hour < _DAWN, _DAWN - hour, np.where(hour >= _DUSK, 24 + _DAWN - hour, 0.0))
    people = conduct.areas_at(holder, day)[:, AREAS.index("people")]
    desk = rng.random(size) < 1 / (1 + np.exp(-0.4 - 0.9 * people))  # somebody is there at night
    respond = respond + np.where(desk, 0.0, until_dawn)
    attend = respond + hours("attend")
    work = np.array([each.work for each in kinds])[category]
    solve = attend + hours("solve") * work
    if world.paper_closing is not None:
        respond = np.where(paper, rng.uniform(0.02, 0.4, size), respond)
        attend = np.where(paper, respond + rng.uniform(0.05, 1.5, size), attend)
        solve = np.where(paper, np.maximum(attend + 0.05, solve * world.paper_closing.solve), solve)

    own = rng.random(size) < np.array([each.answers for each in kinds])[category]
    party = np.where(own, 0, 1 + pick(rng, _OTHERS, size))
    party = np.where((rng.random(size) < want.undetermined) | (own & (holder < 0)), _UNDETERMINED, party)
    withdrawn = rng.random(size) < 0.015
    stalls = ~withdrawn & (rng.random(size) < unlinked("stalls", link_of("stalls"))) & ~paper
    never = withdrawn | stalls
    paused = np.where(rng.random(size) < 0.04, rng.integers(60, 4000, size), 0)
    resolved = np.where(never, NEVER, minute + solve * _HOUR + paused)
    closed = np.where(never, NEVER, resolved + rng.gamma(1.5, 1.2, size) * np.where(paper, 0.1, 1.0) * _DAY)
    waited = np.log1p(np.minimum(solve, 600) / 24)
    pleased = link_of("pleased") - 0.7 * (waited - np.log(2))
    recurs = link_of("recurs")
    if world.paper_closing is not None:
        pleased = pleased + np.where(paper, world.paper_closing.pleased, 0.0)
        recurs = recurs + np.where(paper, world.paper_closing.recurs, 0.0)
    again = ~never & (rng.random(size) < unlinked("recurs", recurs))
    asked = ~never & (rng.random(size) < want.called_back)
    result = np.where(rng.random(size) < unlinked("pleased", pleased), 0, 1)
    low, high = want.confirmed
    strict = random(scene.seed, "confirmation").uniform(low, high, around.district_count)[around.district[community]]
    return {
        "community": community,
        "category": category,
        "submitted": minute,
        "responded": np.where(withdrawn & (rng.random(size) < 0.5), NEVER, minute + respond * _HOUR),
        "handled": np.where(withdrawn, NEVER, minute + attend * _HOUR),
        "resolved": resolved,
        "closed": closed,
        "paused": paused,
        "party": party,
        "withdrawn": np.where(withdrawn, minute + rng.uniform(30, 4000, size), NEVER),
        "callback": np.where(asked, closed + rng.uniform(0.1, 4, size) * _DAY, NEVER),
        "result": np.where(rng.random(size) < want.unreachable, 2, result),
        "confirmed": rng.random(size) < strict,
        "again": np.where(again, closed + rng.gamma(2.0, 6.0, size) * _DAY, NEVER),
    }


def _flood(scene: Scene, *, usual: float) -> dict[str, np.ndarray]:
    """Return bought complaints. ``usual``: complaints of the whole region in a month."""
    rng, want = random(scene.seed, "bought complaints"), scene.world.floods
    community, minute = np.zeros(0, dtype=np.int64), np.zeros(0)
    if want is not None:
        community, minute = _bought(scene, want, usual=usual, rng=rng)
    size = len(community)
    choices = np.array([CATEGORIES.index(name) for name in _ANYONE_CAN_CLAIM])
    lives = _lives(scene, community, choices[rng.integers(0, len(choices), size)], minute, np.arange(size), rng=rng)
    if want is None:
        return lives
    closed = lives["closed"]
    return lives | {
        "party": np.zeros(size, dtype=np.int64),
        "confirmed": rng.random(size) < want.confirmed,
        "result": np.full(size, _UNSATISFIED),
        "withdrawn": np.full(size, float(NEVER)),
        "again": np.full(size, float(NEVER)),
        "callback": np.where(closed >= 0, closed + _DAY / 2, NEVER),
    }


def _bought(scene: Scene, want: Floods, *, usual: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return community and minute of every bought complaint: a victim's usual month, many times, within days."""
    tenures, end = scene.tenures, scene.managers.end_day
    weight = scene.communities.households * readiness(scene)
    places, minutes = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for victim in np.flatnonzero(scene.hostile.flooded):
        start = end - int(rng.integers(want.days, want.within_days))
        throughout = (tenures.start <= start) & (tenures.end >= start + want.days)
        held = tenures.community[throughout & (tenures.manager == victim)]
        if not len(held):
            continue
        size = int(rng.poisson(max(want.multiple * usual * weight[held].sum() / weight.sum(), want.least)))
        places.append(rng.choice(held, size))
        minutes.append((start + rng.uniform(0, want.days, size)) * _DAY)
    return np.concatenate(places), np.concatenate(minutes)
