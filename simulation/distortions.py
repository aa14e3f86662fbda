"""What stands between a firm's quality and the complaints on record: who complains at all, and who is paid to.

Owns readiness to complain, what a take-over leaves behind, and floods bought by a rival. None of it is quality.
"""

from dataclasses import dataclass

import numpy as np

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, random
from simulation.tenures import Tenures

_DAY = 1440.0  # minutes
_MONTH_DAYS = 30.44
_UNSATISFIED = 1
FLOOD_CATEGORIES = ("attitude", "cleaning", "security", "fees")  # what anyone can claim without a trace


@dataclass(frozen=True)
class Readiness:
    """Complaints made relative to what happens: by community, by manager, and after a take-over."""

    community: np.ndarray
    manager: np.ndarray
    takeover_rate: float
    takeover_months: int

    def at(self, tenures: Tenures, communities: np.ndarray, days: np.ndarray, holder: np.ndarray) -> np.ndarray:
        """Return the factor on each community's complaints on each day under its ``holder`` (-1: nobody)."""
        factor = self.community[communities] * np.where(holder < 0, 1.0, self.manager[holder])
        if not self.takeover_months:
            return factor
        held_months = tenures.days_since_takeover(communities, days) / _MONTH_DAYS
        left = np.clip(1 - held_months / self.takeover_months, 0, 1)
        return factor * (1 + (self.takeover_rate - 1) * left)


@dataclass(frozen=True)
class Flood:
    """Bought complaints: where, when, about what, and how what becomes of them differs from that of true ones."""

    community: np.ndarray
    minute: np.ndarray
    category: np.ndarray
    overrides: dict[str, np.ndarray]


def readiness(preset: Preset, managers: Managers, communities: Communities, *, seed: int) -> Readiness:
    """Return who complains how readily."""
    rng, want = random(seed, "readiness"), preset.distortions
    districts, district = np.unique(communities.region, return_inverse=True)
    by_district = np.exp(rng.normal(0, want.district_reporting_spread, len(districts)))
    hushed = (rng.random(len(managers.kind)) < want.hushed_share) & (managers.kind == FIRM)
    return Readiness(
        by_district[district], np.where(hushed, want.hushed_rate, 1.0), want.takeover_rate, want.takeover_months
    )


def make_flood(preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, *, seed: int) -> Flood:
    """Return the floods on their victims: firms drawn whatever their quality, each flood within a few days."""
    rng, want = random(seed, "floods"), preset.distortions.floods
    today = (tenures.start <= managers.end_day) & (tenures.end >= managers.end_day)
    firms = np.unique(tenures.manager[today & (managers.kind[tenures.manager] == FIRM)])
    count = min(int(np.ceil(want.victims_share * len(firms))), len(firms))
    victims = rng.choice(firms, count, replace=False)
    places, minutes = [], []
    for victim in victims:
        start = managers.end_day - rng.integers(want.days, want.within_days)
        throughout = (tenures.start <= start) & (tenures.end >= start + want.days)
        held = tenures.community[throughout & (tenures.manager == victim)]
        if not len(held):
            continue
        monthly = preset.complaints.per_1k_household_months * communities.households[held].sum() / 1000
        size = rng.poisson(max(want.monthly_multiple * monthly, 10))
        places.append(rng.choice(held, size))
        minutes.append((start + rng.uniform(0, want.days, size)) * _DAY)
    community = np.concatenate(places) if places else np.zeros(0, dtype=np.int64)
    minute = np.concatenate(minutes) if minutes else np.zeros(0)
    size = len(community)
    categories = list(preset.complaints.seasons)
    return Flood(
        community=community,
        minute=minute,
        category=np.array([categories.index(name) for name in FLOOD_CATEGORIES])[rng.integers(0, 4, size)],
        overrides={
            "party": np.zeros(size, dtype=np.int64),
            "confirmed": rng.random(size) < want.confirmed_by_mistake,
            "result": np.full(size, _UNSATISFIED),
            "withdrawn": np.full(size, float(NEVER)),
        },
    )
