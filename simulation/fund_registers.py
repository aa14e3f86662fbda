"""Registers beside the ledgers: votes of the owners, emergency repairs, related parties.

Owns what a valid vote, a filed emergency and a relation look like. What goes wrong on purpose is planted in
``simulation.fund_cases``; this module gives it the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from simulation.actors import Communities
from simulation.tables import NEVER, Table, dates, day_number

LISTED_USES = ("roof_leak", "wall_leak", "lift_failure", "fire_facilities", "water_pumps", "drainage", "facade_falling")
VOTE_FAULTS = ("quorum_owners", "quorum_area", "majority_owners", "majority_area")


@dataclass(frozen=True)
class Vote:
    """One vote: where, when, over how much money (CNY), and what is wrong with it; ``at_bound``: just enough."""

    vote_id: str
    community: int
    day: int
    amount: float
    fault: str | None = None
    at_bound: bool = False


@dataclass(frozen=True)
class Emergency:
    """One emergency repair: what for, when it happened, when it was filed (NEVER: not) and recognised (NEVER: not)."""

    emergency_id: str
    community: int
    use_code: str
    day: int
    filed: int
    recognised: int = NEVER


@dataclass(frozen=True)
class Relation:
    """One related party of a manager, by name, and the days between which it is one (NEVER: it goes on)."""

    relation_id: str
    uscc: str
    name: str
    code: str
    begins: int
    ends: int = NEVER


def vote_table(votes: Sequence[Vote], communities: Communities, rng: np.random.Generator) -> Table:
    """Return the votes with their counts: quorum of two thirds and more than half of those taking part (民法典 278)."""
    community = np.array([vote.community for vote in votes], dtype=np.int64)
    owners = communities.households[community].astype(np.int64)
    areas = np.round(owners * rng.uniform(70, 120, len(votes)), 2)
    cents = np.round(areas * 100).astype(np.int64)
    fault = np.array([vote.fault or "" for vote in votes])
    at_bound = np.array([vote.at_bound for vote in votes], dtype=bool)

    def counted(whole: np.ndarray, quorum_fault: str, majority_fault: str) -> tuple[np.ndarray, np.ndarray]:
        least = -(-2 * whole // 3)
        spare = np.where(at_bound, 0, (rng.random(len(votes)) * 0.8 * (whole - least)).astype(np.int64))
        voting = np.where(fault == quorum_fault, least - 1, least + spare)
        majority = voting // 2 + 1
        spare = np.where(at_bound, 0, (rng.random(len(votes)) * (voting - majority)).astype(np.int64))
        return voting, np.where(fault == majority_fault, voting // 2, majority + spare)

    voters, approving = counted(owners, "quorum_owners", "majority_owners")
    voting_cents, approving_cents = counted(cents, "quorum_area", "majority_area")
    decided = np.array([vote.day for vote in votes], dtype=np.int64)
    frame = pl.DataFrame(
        {
            "vote_id": [vote.vote_id for vote in votes],
            "community_id": communities.ids[community],
            "purpose_code": pl.Series(["use"] * len(votes), dtype=pl.String),
            "decided_on": dates(decided),
            "owner_count": owners,
            "owner_area_m2": cents / 100,
            "voting_owner_count": voters,
            "voting_area_m2": voting_cents / 100,
            "approving_owner_count": approving,
            "approving_area_m2": approving_cents / 100,
            "approved_amount": np.round([vote.amount for vote in votes], 2),
            "_visible_on": dates(decided + rng.integers(0, 3, len(votes))),
        }
    )
    return Table("fund_votes", ("vote_id",), frame.sort("decided_on", "vote_id"))


def emergency_table(emergencies: Sequence[Emergency], communities: Communities) -> Table:
    """Return the emergency repairs; filing and recognition are known from their days on."""
    days = np.array([emergency.day for emergency in emergencies], dtype=np.int64)
    frame = pl.DataFrame(
        {
            "emergency_id": [emergency.emergency_id for emergency in emergencies],
            "community_id": communities.ids[
                np.array([emergency.community for emergency in emergencies], dtype=np.int64)
            ],
            "use_code": [emergency.use_code for emergency in emergencies],
            "occurred_on": dates(days),
            "filed_on": dates(np.array([emergency.filed for emergency in emergencies], dtype=np.int64)),
            "recognised_on": dates(np.array([emergency.recognised for emergency in emergencies], dtype=np.int64)),
            "_visible_on": dates(days),
        }
    )
    masks = {"filed_on": "filed_on", "recognised_on": "recognised_on"}
    return Table("emergency_repairs", ("emergency_id",), frame.sort("occurred_on", "emergency_id"), masks=masks)


def relation_table(relations: Sequence[Relation], first: date) -> Table:
    """Return the related parties; the register has held them since before ``first``."""
    frame = pl.DataFrame(
        {
            "relation_id": [relation.relation_id for relation in relations],
            "uscc": [relation.uscc for relation in relations],
            "party_name": [relation.name for relation in relations],
            "relation_code": [relation.code for relation in relations],
            "valid_from": dates(np.array([relation.begins for relation in relations], dtype=np.int64)),
            "valid_to": dates(np.array([relation.ends for relation in relations], dtype=np.int64)),
            "_visible_on": dates(np.full(len(relations), day_number(first))),
        }
    )
    return Table("related_parties", ("relation_id",), frame.sort("relation_id"))
