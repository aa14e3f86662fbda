"""Serious events: penalties, major findings, dismissals, abandonments and the rest, from the firms' areas.

Owns when what happens to whom, over the history and the months after it. Half a year at a time; rates follow the areas
of that time, exposure grows slower than size, and every firm has a luck of its own.
"""

from dataclasses import dataclass

import numpy as np

from simulation.tables import random
from simulation.worlds.conduct import Conduct, shaped
from simulation.worlds.world import AREAS, OUTCOMES

HALF_YEAR = 183
_RECORDS_BEFORE = 400  # days of records before the history: some last that long


@dataclass(frozen=True)
class SeriousEvents:
    """Parallel arrays, by day: what happened and to whom."""

    kind: np.ndarray
    manager: np.ndarray
    day: np.ndarray

    def where(self, kept: np.ndarray) -> "SeriousEvents":
        """Return the events that are ``kept``."""
        return SeriousEvents(self.kind[kept], self.manager[kept], self.day[kept])

    def of(self, *kinds: str) -> "SeriousEvents":
        """Return the events of these kinds."""
        return self.where(np.isin(self.kind, kinds))


def make_events(
    conduct: Conduct, firms: np.ndarray, households: np.ndarray, *, seed: int, first_day: int, last_day: int,
) -> SeriousEvents:  # fmt: skip
    """Return the events of all firms (indexes ``firms``), which hold ``households`` each."""
    rng = random(seed, "serious events")
    level, exposure, _ = _at_night(conduct, firms, households, seed=seed)
    kinds, who, when = [], [], []
    for start in range(first_day - _RECORDS_BEFORE, last_day + 1, HALF_YEAR):
        length = min(HALF_YEAR, last_day + 1 - start)
        rates = _rates(conduct, firms, start + length // 2)
        for name, rate in rates.items():
            count = rng.poisson(level * rate * exposure * length / HALF_YEAR)
            kinds.append(np.repeat(name, count.sum()))
            who.append(np.repeat(firms, count))
            when.append(start + rng.integers(0, length, int(count.sum())))
    kind, manager, day = np.concatenate(kinds), np.concatenate(who), np.concatenate(when)
    order = np.lexsort((kind, manager, day))
    return SeriousEvents(kind[order], manager[order], day[order])


def chance_of_outcome(
    conduct: Conduct, firms: np.ndarray, households: np.ndarray, *, seed: int, size: int
) -> np.ndarray:
    """Return each manager's chance of at least one outcome within the half year after the night; 0 for non-firms."""
    level, _, rates = _at_night(conduct, firms, households, seed=seed)
    chance = np.zeros(size)
    chance[firms] = 1 - np.exp(-level * rates)
    return chance


def level_and_exposure(
    conduct: Conduct, firms: np.ndarray, households: np.ndarray, *, seed: int
) -> tuple[float, np.ndarray]:
    """Return the level of all rates, and every firm's exposure by its size, without its luck."""
    size = np.maximum(households[firms], 50)
    exposure = (size / np.median(size)) ** conduct.world.events.size_power
    return _at_night(conduct, firms, households, seed=seed)[0], exposure


def _at_night(
    conduct: Conduct, firms: np.ndarray, households: np.ndarray, *, seed: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the level of all rates, every firm's exposure, and its relative rate of outcomes after the night."""
    want = conduct.world.events
    luck = np.exp(want.frailty * random(seed, "luck").normal(0, 1, len(firms)) - want.frailty**2 / 2)
    size = np.maximum(households[firms], 50)
    exposure = luck * (size / np.median(size)) ** want.size_power
    rates = _rates(conduct, firms, conduct.end_day + HALF_YEAR // 2)
    outcomes = sum(rates[name] for name in OUTCOMES) * exposure
    return _solved(outcomes, want.share), exposure, outcomes


def _rates(conduct: Conduct, firms: np.ndarray, day: int) -> dict[str, np.ndarray]:
    """Return the relative rate of every kind for every firm about ``day``."""
    areas = conduct.areas_at(firms, np.full(len(firms), day))
    rates = {}
    for name, kind in conduct.world.events.kinds.items():
        total = np.zeros(len(firms))
        for area, weight in kind.areas.items():
            total = total + weight * shaped(areas[:, AREAS.index(area)], kind.shape)
        rates[name] = kind.weight * np.exp(total)
    return rates


def _solved(rates: np.ndarray, share: float) -> float:
    """Return the level at which ``share`` of the firms have at least one event, by bisection."""
    low, high = 0.0, 1.0
    while np.mean(1 - np.exp(-high * rates)) < share:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 - np.exp(-middle * rates)) < share else (low, middle)
    return high
