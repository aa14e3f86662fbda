"""Who is how good at what, and what follows from it: areas of conduct, quality, and every mechanism's true value.

Owns the latent truth. Arrays are by manager index with one more row at the end: index -1, nobody.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Span
from simulation.tables import NEVER, random
from simulation.worlds.world import AREAS, MECHANISMS, Among, Mechanism, Quality, Shape, World

YEAR = 365.25
NOBODY = -0.7  # every area of a community that nobody manages
OLD_YEARS = 30
WEEK = 7

# the names under which the registers that worlds share with the presets ask for a chance
_ASKED = {
    "filing": "filing", "pre job": "pre_job", "continuing": "continuing", "agreements": "agreements",
    "reports": "reports", "accuracy": "accuracy", "lifts": "lifts", "handover": "handover", "ledger": "ledger",
    "votes": "votes", "street": "street", "notice": "notice", "honours": "honours",
}  # fmt: skip


def shaped(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Return how an area works on a mechanism: rising throughout, 0 at 0, with slope about 1 where it matters.

    ``linear``; ``threshold``: poor conduct hurts, good conduct hardly helps; ``late``: the other way round;
    ``saturating``: what is far from usual in either direction makes little more difference.
    """
    if shape == "linear":
        return values
    if shape == "saturating":
        return 1.2 * np.tanh(values / 1.2)
    bend = 1.6 * (np.log1p(np.exp(-np.abs(values))) + np.maximum(-values, 0) - np.log(2))
    return -bend if shape == "threshold" else bend + 1.6 * values


def standard_normal_share(values: np.ndarray) -> np.ndarray:
    """Return the share of a standard normal below each value (Abramowitz and Stegun 26.2.17; error below 1e-7)."""
    t = 1 / (1 + 0.2316419 * np.abs(values))
    tail = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = tail * np.exp(-values * values / 2) / np.sqrt(2 * np.pi)
    return np.where(values >= 0, 1 - tail, tail)


@dataclass(frozen=True)
class Conduct:
    """The areas of every manager and what they lead to. ``areas`` is as of ``end_day``, ``drift`` a year.

    ``earlier`` holds the areas before ``change_day`` (NEVER: no such day).
    """

    world: World
    seed: int
    end_day: int
    areas: np.ndarray
    drift: np.ndarray
    earlier: np.ndarray
    change_day: int
    _own: dict[str, np.ndarray] = field(default_factory=dict)

    def areas_at(self, managers: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return (case, area) values of the managers on those days."""
        years = (np.asarray(days) - self.end_day) / YEAR
        now = self.areas[managers] + self.drift[managers] * np.expand_dims(years, -1)
        if self.change_day == NEVER:
            return now
        before = np.expand_dims(np.asarray(days) < self.change_day, -1)
        return np.where(before, self.earlier[managers], now)

    def own(self, name: str) -> np.ndarray:
        """Return each manager's lasting habit in a mechanism, beside its areas."""
        if name not in self._own:
            habit = random(self.seed, f"habit {name}").normal(0, 1, len(self.areas))
            self._own[name] = np.append(habit[:-1], 0.0)
        return self.world.mechanisms[name].own * self._own[name]

    def link(self, name: str, managers: np.ndarray, days: np.ndarray, *, old: np.ndarray | None = None) -> np.ndarray:
        """Return a mechanism on its link scale; ``old``: whether each case is in a house of thirty years or more."""
        mechanism = self.world.mechanisms[name]
        return self._base(mechanism, name) + self._firm_part(mechanism, managers, days, old) + self.own(name)[managers]

    def value(self, name: str, managers: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return a mechanism in its own unit (``world.MECHANISMS``), before effects of community, week or case."""
        return unlinked(name, self.link(name, managers, days))

    def _base(self, mechanism: Mechanism, name: str) -> float:
        kind = MECHANISMS[name][0]
        if kind == "log":
            return float(np.log(mechanism.level))
        return float(np.log(mechanism.level / (1 - mechanism.level))) if kind == "logit" else mechanism.level

    def _firm_part(
        self, mechanism: Mechanism, managers: np.ndarray, days: np.ndarray, old: np.ndarray | None
    ) -> np.ndarray:
        areas = self.areas_at(managers, days)
        total = np.zeros(areas.shape[:-1])
        for name, weight in mechanism.areas.items():
            total = total + weight * shaped(areas[..., AREAS.index(name)], mechanism.shape)
        if old is not None and mechanism.age:
            neglect = np.maximum(-areas[..., AREAS.index("upkeep")], 0)
            total = total + mechanism.age * old * (0.6 + neglect)
        return total


def unlinked(name: str, values: np.ndarray) -> np.ndarray:
    """Return values of a mechanism's link scale in its own unit; shares are kept within 0.2–99.8 %."""
    kind = MECHANISMS[name][0]
    if kind == "log":
        return np.exp(np.clip(values, -12, 12))
    return np.clip(1 / (1 + np.exp(-values)), 0.002, 0.998) if kind == "logit" else values


@dataclass(frozen=True)
class WorldManagers(Managers):
    """The managers of a world. What a register asks of them comes from their conduct; its own spans count nothing."""

    conduct: Conduct | None = None

    def chance(self, area: str, managers: np.ndarray, days: np.ndarray, span: Span) -> np.ndarray:
        """Return the chance in ``area``; ``span`` belongs to the presets and is not used."""
        assert self.conduct is not None
        return self.conduct.value(_ASKED[area], managers, days)


def make_conduct(world: World, kind: np.ndarray, *, seed: int, end_day: int, change_day: int) -> Conduct:
    """Return the conduct of managers of these kinds; who is no firm lies ``committee_shift`` off."""
    size = len(kind)
    shift = np.where(kind == FIRM, 0.0, world.committee_shift)
    now = _drawn(world, size, random(seed, "areas"), shift)
    drift = random(seed, "drift").normal(0, world.areas.drift_per_year, (size, len(AREAS)))
    earlier = now
    change = world.regime_change
    if change is not None:
        rng = random(seed, "new management")
        renewed = (rng.random(size) < change.renewed_firms) & (kind == FIRM)
        earlier = np.where(renewed[:, None], _drawn(world, size, rng, shift), now)
    nobody = np.full((1, len(AREAS)), NOBODY)
    return Conduct(
        world, seed, end_day, np.vstack([now, nobody]), np.vstack([drift, 0 * nobody]),
        np.vstack([earlier, nobody]), change_day,
    )  # fmt: skip


def _drawn(world: World, size: int, rng: np.random.Generator, shift: np.ndarray) -> np.ndarray:
    want = world.areas
    common, single = rng.normal(0, 1, (size, 1)), rng.normal(0, 1, (size, len(AREAS)))
    areas = np.sqrt(want.correlation) * common + np.sqrt(1 - want.correlation) * single
    poor = rng.random(size) < want.poor_share
    areas = areas + np.where(poor, want.poor_shift, 0.0)[:, None]
    return want.spread * areas + (want.shift + shift)[:, None]


def quality_of(want: Quality, areas: np.ndarray, *, old: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return quality, 0 to 1, of (case, area) values in old or newer houses under managers that hold ``held``.

    Each area is first read as the share of usual firms below it; then a weighted power mean in which the weakest area
    weighs most; upkeep weighs more in old houses; a firm that has outgrown its people loses up to ``strain``.
    """
    shares = np.clip(standard_normal_share(areas), 0.01, 0.99)
    weights = np.array([want.weights[name] for name in AREAS]) * np.ones_like(shares)
    upkeep = AREAS.index("upkeep")
    weights[..., upkeep] = weights[..., upkeep] * np.where(old, want.old_house_upkeep, 1.0)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    if abs(want.weakest_link) < 1e-9:
        mean = np.exp((weights * np.log(shares)).sum(axis=-1))
    else:
        mean = (weights * shares**want.weakest_link).sum(axis=-1) ** (1 / want.weakest_link)
    outgrown = np.clip(np.log(np.maximum(held, 1) / want.strain_from), 0, 1.5) / 1.5
    return mean * (1 - want.strain * outgrown * (1 - shares[..., AREAS.index("people")]))


def chosen(share: float, among: Among, quality: np.ndarray, firms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which managers are among the ``share`` of the ``firms`` drawn; the poor or the good ones more readily."""
    tilt = {"any": 0.0, "poor": -1.5, "good": 1.5}[among]
    index = np.flatnonzero(firms)
    spread = quality[index].std() or 1.0
    keys = tilt * (quality[index] - quality[index].mean()) / spread + rng.gumbel(size=len(index))
    count = int(np.ceil(share * len(index)))
    is_chosen = np.zeros(len(firms) + 1, dtype=bool)  # one more: nobody
    is_chosen[index[np.argsort(-keys, kind="stable")[:count]]] = True
    return is_chosen


@dataclass(frozen=True)
class Surroundings:
    """What is not the firm: lasting effects of communities, effects of weeks by district, who is an old house."""

    world: World
    seed: int
    communities: Communities
    first_day: int
    last_day: int
    end_day: int
    _communities: dict[str, np.ndarray] = field(default_factory=dict)
    _weeks: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def old(self) -> np.ndarray:
        """Return whether each community's houses are thirty years old or more."""
        return self.communities.built_year <= 1970 + self.end_day / YEAR - OLD_YEARS

    @cached_property
    def district(self) -> np.ndarray:
        """Return each community's district as an index."""
        return np.unique(self.communities.region, return_inverse=True)[1]

    @property
    def district_count(self) -> int:
        """Return how many districts there are."""
        return int(self.district.max()) + 1

    def week(self, days: np.ndarray) -> np.ndarray:
        """Return the week of each day, counted from the first day."""
        return np.clip((np.asarray(days) - self.first_day) // WEEK, 0, None).astype(np.int64)

    def community(self, name: str) -> np.ndarray:
        """Return the lasting effect of every community on a mechanism, on its link scale."""
        if name not in self._communities:
            sigma = self.world.mechanisms[name].community
            rng = random(self.seed, f"community {name}")
            self._communities[name] = sigma * rng.normal(0, 1, len(self.communities.ids))
        return self._communities[name]

    def weeks(self, name: str) -> np.ndarray:
        """Return (district, week) effects on a mechanism: half of it everywhere alike, each week half like the last."""
        if name not in self._weeks:
            sigma = self.world.mechanisms[name].week
            rng = random(self.seed, f"week {name}")
            count = (self.last_day - self.first_day) // WEEK + 2
            shock = np.sqrt(0.5) * (rng.normal(0, 1, (1, count)) + rng.normal(0, 1, (self.district_count, count)))
            effect = np.empty_like(shock)
            effect[:, 0] = shock[:, 0]
            for number in range(1, count):
                effect[:, number] = 0.5 * effect[:, number - 1] + np.sqrt(0.75) * shock[:, number]
            self._weeks[name] = sigma * effect
        return self._weeks[name]

    def effect(self, name: str, communities: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the effect of community and week on each case of a mechanism."""
        return self.community(name)[communities] + self.weeks(name)[self.district[communities], self.week(days)]
