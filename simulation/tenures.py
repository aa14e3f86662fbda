"""Who managed which community when: contracts that are renewed, run out, are dismissed or walked away from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from simulation.actors import COMMITTEE, FIRM, SOCIAL_ORG, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, labels, random, visibility

REASONS = ("expired", "dismissed_for_cause", "left_with_notice", "left_without_notice", "mutual")
_REACH = 100_000  # larger than any day number: packs (community, day) into one sortable number


@dataclass(frozen=True)
class Tenures:
    """The contracts, sorted by community and start. ``end`` is the last day that really was (far future if open)."""

    table: Table
    community: np.ndarray
    manager: np.ndarray
    start: np.ndarray
    end: np.ndarray
    is_takeover: np.ndarray
    _packed: np.ndarray

    def days_since_takeover(self, communities: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return how long each community's manager of each day has held it since taking it over; inf: no take-over."""
        position = np.searchsorted(self._packed, communities * _REACH + days, side="right") - 1
        index = np.maximum(position, 0)
        holds = (position >= 0) & (self.community[index] == communities) & (days <= self.end[index])
        return np.where(holds & self.is_takeover[index], days - self.start[index], np.inf)

    def manager_of(self, communities: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return who manages each community on each day, -1 for nobody."""
        contract = self.contract_of(communities, days)
        return np.where(contract >= 0, self.manager[contract], -1)

    def contract_of(self, communities: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the row of the contract in force in each community on each day, -1 for none."""
        position = np.searchsorted(self._packed, communities * _REACH + days, side="right") - 1
        index = np.maximum(position, 0)
        holds = (position >= 0) & (self.community[index] == communities) & (days <= self.end[index])
        return np.where(holds, index, -1)


def make_tenures(
    preset: Preset, managers: Managers, communities: Communities, *, seed: int, end_day: int, horizon_day: int
) -> Tenures:
    """Return the chain of contracts of every community, up to ``horizon_day``."""
    rng = random(seed, "contracts")
    size = len(communities.ids)
    market = _market(preset, managers, rng)
    kind = who_manages(preset, communities, rng)
    manager = _first_manager(preset, managers, communities, kind=kind, market=market, rng=rng)

    term = int(preset.contracts.years * 365.25)
    newest = (communities.built_year - 1970) * 365 + 300
    start = np.maximum(end_day - rng.integers(770, 770 + 2 * term, size), newest)
    late_starter = (kind == FIRM) & np.isin(communities.type, [1, 4]) & (rng.random(size) < 0.10)
    start = np.where(late_starter, end_day - rng.integers(40, 700, size), start)
    newcomer = managers.kind[manager] == FIRM
    newcomer &= manager < int(np.ceil(preset.enterprises.newcomer_share * preset.enterprises.count))
    start = np.where(newcomer & (manager >= 0), end_day - rng.integers(60, 330, size), start)
    takeover = late_starter | (newcomer & np.isin(communities.type, [1, 4]))

    rounds = []
    index = np.flatnonzero(manager >= 0)
    community, manager, start, takeover = index, manager[index], start[index], takeover[index]
    for _ in range(12):
        if not len(community):
            break
        planned = start + term
        loss = _loss_day(preset, managers, manager, start, rng)
        early = (loss < planned) & (managers.kind[manager] == FIRM)
        end = np.where(early, loss, planned)
        reason = np.where(early, np.where(rng.random(len(end)) < 0.6, 1, 3), 0)
        orderly = ~early & (rng.random(len(end)) < 0.06)
        reason = np.where(orderly, np.where(rng.random(len(end)) < 0.6, 2, 4), reason)
        rounds.append((community, manager, start, planned, end, reason, takeover))
        goes_on = end < horizon_day
        renewed = rng.random(len(end)) < managers.chance("renewal", manager, end, preset.contracts.renewal)
        renewed = (renewed & (reason == 0)) | (managers.kind[manager] != FIRM)
        successor = rng.choice(len(market), len(end), p=market)
        gap = np.where(renewed, 1, np.where(reason == 3, rng.integers(8, 50, len(end)), rng.integers(1, 12, len(end))))
        takeover = ~renewed & ((reason == 3) | np.isin(communities.type[community], [1, 4]))
        manager = np.where(renewed, manager, successor)
        start = end + gap
        goes_on &= start < horizon_day
        community, manager, start, takeover = (part[goes_on] for part in (community, manager, start, takeover))
    return assemble_contracts(
        preset, managers, communities, rounds, rng=rng, since=end_day - 1300, horizon_day=horizon_day
    )


def _market(preset: Preset, managers: Managers, rng: np.random.Generator) -> np.ndarray:
    """Return each manager's chance of winning a community; newcomers and tiny firms win none by this way."""
    weight = np.exp(rng.normal(0, preset.enterprises.size_spread, len(managers.kind)))
    weight = weight * np.exp(0.8 * managers.quality)
    weight[managers.kind != FIRM] = 0
    weight[_aside(preset)] = 0
    return weight / weight.sum()


def _aside(preset: Preset) -> slice:
    count = preset.enterprises.count
    special = np.ceil(preset.enterprises.newcomer_share * count) + np.ceil(preset.enterprises.tiny_share * count)
    return slice(0, int(special))


def who_manages(preset: Preset, communities: Communities, rng: np.random.Generator) -> np.ndarray:
    """Return the kind of manager of every community, -1 for nobody; the old and abandoned lack a firm first."""
    size = len(communities.ids)
    want = preset.communities
    order = np.argsort(rng.random(size) + np.where(np.isin(communities.type, [1, 4]), 0, 0.9), kind="stable")
    kind = np.full(size, FIRM)
    cut = np.cumsum([want.unmanaged_share, want.committee_share, want.social_org_share]) * size
    cut = cut.astype(int)
    kind[order[: cut[0]]] = -1
    kind[order[cut[0] : cut[1]]] = COMMITTEE
    kind[order[cut[1] : cut[2]]] = SOCIAL_ORG
    return kind


def _first_manager(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    *,
    kind: np.ndarray,
    market: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    manager = np.full(len(kind), -1)
    manager[kind == FIRM] = rng.choice(len(market), int((kind == FIRM).sum()), p=market)
    for number in (COMMITTEE, SOCIAL_ORG):
        pool = np.flatnonzero(managers.kind == number)
        manager[kind == number] = rng.choice(pool, int((kind == number).sum()))
    count = preset.enterprises.count
    newcomers = int(np.ceil(preset.enterprises.newcomer_share * count))
    tiny = int(np.ceil(preset.enterprises.tiny_share * count))
    firm_held = rng.permutation(np.flatnonzero(kind == FIRM))
    small = firm_held[np.argsort(communities.households[firm_held], kind="stable")]
    manager[small[:tiny]] = newcomers + np.arange(tiny)
    for newcomer in range(newcomers):
        manager[firm_held[newcomer::97][:4]] = newcomer
    return manager


def _loss_day(
    preset: Preset, managers: Managers, manager: np.ndarray, start: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    rate = managers.chance("loss", manager, start, preset.contracts.loss_per_year)
    return start + 90 + (rng.exponential(1.0, len(start)) / rate * 365).astype(np.int64)


def assemble_contracts(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    rounds: Sequence[tuple[np.ndarray, ...]],
    *,
    rng: np.random.Generator,
    since: int,
    horizon_day: int,
) -> Tenures:
    """Return the contracts that ended after ``since``; one that ends after ``horizon_day`` is open.

    A round is community, manager, start, planned end, end, index into REASONS, and whether it is a take-over.
    """
    parts = [np.concatenate(part) for part in zip(*rounds, strict=True)]
    order = np.lexsort((parts[2], parts[0]))
    order = order[parts[4][order] >= since]
    community, manager, start, planned, end, reason, takeover = (part[order] for part in parts)
    size = len(order)
    open_ended = end > horizon_day
    ended = np.where(open_ended, NEVER, end)
    notice = np.where((reason == 2) & ~open_ended, end - rng.integers(92, 152, size), NEVER)
    firm = managers.kind[manager] == FIRM
    complete = rng.random(size) < managers.chance("filing", manager, start, preset.contracts.filing_complete)
    filed = np.where(firm & (complete | (rng.random(size) < 0.5)), start + rng.integers(3, 30, size), NEVER)
    takeover = takeover & firm
    certified = np.where(takeover & (rng.random(size) < 0.85), start + rng.integers(0, 20, size), NEVER)
    level = rng.integers(0, 3, size)
    newer = start >= 19783  # 2024-03-01: DB15/T 970-2024 replaced the 2016 edition, three levels became five
    frame = pl.DataFrame(
        {
            "contract_id": [f"HT{number:06d}" for number in range(1, size + 1)],
            "community_id": communities.ids[community],
            "uscc": managers.uscc[manager],
            "starts_on": dates(start),
            "ends_on": dates(planned),
            "ended_on": dates(ended),
            "end_reason_code": labels(list(REASONS), np.where(open_ended, -1, reason)),
            "notice_given_on": dates(notice),
            "filed_on": dates(filed),
            "is_filing_complete": complete & (filed >= 0),
            "service_standard_edition": labels(["DB15/T 970-2016", "DB15/T 970-2024"], np.where(firm, newer * 1, -1)),
            "service_level": labels(["一级", "二级", "三级"], np.where(firm, level, -1)),
            "is_takeover": takeover,
            "takeover_certified_on": dates(certified),
        }
    ).with_columns(visibility(rng, start, preset.lags))
    masks = {
        "ended_on": "ended_on",
        "end_reason_code": "ended_on",
        "notice_given_on": "notice_given_on",
        "filed_on": "filed_on",
        "takeover_certified_on": "takeover_certified_on",
    }
    table = Table("contracts", ("contract_id",), frame, masks=masks)
    table = table.with_corrections(
        rng, column="is_filing_complete", wrong=pl.lit(False), share=preset.lags.corrected_share
    )
    packed = community * _REACH + start
    return Tenures(table, community, manager, start, np.where(open_ended, _REACH - 1, end), takeover, packed)
