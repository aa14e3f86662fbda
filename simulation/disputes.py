"""Disputes by level, petitions and their answers, and joint meetings; what is wrong with some.

Owns both feeds and the truth about them. ``_case`` never leaves the simulation. Every other dispute lies where its
difficulty puts it, is closed by its day, and a petition is answered within the law's days.
"""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, day_number, labels, numbered, pick, random, visibility
from simulation.tenures import Tenures

ORIGINS = {"petition": 0.22, "hotline": 0.33, "window": 0.2, "court": 0.05, "patrol": 0.2}
COMPLEXITIES = {"simple": 0.7, "complex": 0.22, "major": 0.08}
LEVELS = ("community", "street", "district")
LIMITS = np.array([15, 30, 60])  # days by level; seed supervision_thresholds
ANSWER_DAYS, RAISE_DAYS = 60, 7
CASES = ("petition_unanswered", "dispute_overdue", "dispute_below_its_level")
LOOK_ALIKES = ("closed_late", "raised_in_time")
OUTCOMES = ("settled", "failed", "withdrawn")
_A_YEAR = 0.5  # disputes a community
_MEETING_SHARE = 0.45


def make_disputes(
    preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, mediations: Table, *, seed: int,
    first: date, last: date,
) -> Table:  # fmt: skip
    """Return the disputes received from ``first`` to ``last``."""
    rng = random(seed, "disputes")
    begin, length, end = day_number(first), (last - first).days + 1, managers.end_day
    size = rng.poisson(_A_YEAR * len(communities.ids) * length / 365.25)
    community = rng.integers(0, len(communities.ids), size)
    received = np.sort(begin + rng.integers(0, length, size))
    origin, hard = pick(rng, ORIGINS, size), pick(rng, COMPLEXITIES, size)
    case = _planted(received, end, preset.fund_cases.each, rng)
    origin = np.where(case == "petition_unanswered", 0, origin)
    hard = np.where(np.isin(case, ["dispute_below_its_level", "raised_in_time"]), 2, hard)
    begins = np.where(np.isin(case, ["dispute_below_its_level", "raised_in_time"]), 0, hard)
    moves = (rng.random(size) < 0.1) & (begins < 2) & (case == "")
    ends = np.where(moves, begins + 1, np.where(case == "raised_in_time", 2, begins))
    escalated = np.where(ends > begins, received + rng.integers(2, RAISE_DAYS, size), NEVER)
    due = received + np.where(case == "dispute_below_its_level", 300, LIMITS[begins])
    closed = received + 2 + (rng.random(size) * (LIMITS[begins] - 4)).astype(np.int64)
    closed = np.maximum(closed, escalated + 1)
    closed = np.where(np.isin(case, ["dispute_overdue", "dispute_below_its_level"]), NEVER, closed)
    closed = np.where(case == "closed_late", due + rng.integers(3, 12, size), closed)
    answered = np.where(origin == 0, received + rng.integers(4, 45, size), NEVER)
    answered = np.where(case == "petition_unanswered", NEVER, answered)
    outcome = pick(rng, {"settled": 0.82, "failed": 0.12, "withdrawn": 0.06}, size)
    holder = tenures.manager_of(community, received)
    firm = (holder >= 0) & (managers.kind[holder] == FIRM)
    says_due = (rng.random(size) < 0.7) | (case != "") | moves
    frame = pl.DataFrame(
        {
            "dispute_id": numbered("JF", np.arange(1, size + 1), 6),
            "community_id": communities.ids[community],
            "uscc": labels(managers.uscc, np.where(firm, holder, -1)),
            "origin_code": labels(list(ORIGINS), origin),
            "complexity_code": labels(list(COMPLEXITIES), hard),
            "_begins": labels(list(LEVELS), begins),
            "_ends": labels(list(LEVELS), ends),
            "received_on": dates(received),
            "due_on": dates(np.where(says_due, due, NEVER)),
            "escalated_on": dates(escalated),
            "answered_on": dates(answered),
            "closed_on": dates(closed),
            "_outcome": labels(list(OUTCOMES), outcome),
            "mediation_id": _agreements(mediations, communities, community, closed, outcome == 0, rng),
            "_case": pl.Series(case.tolist(), dtype=pl.String),
            "_visible_on": visibility(rng, received, preset.lags),
        }
    )
    masks = {"escalated_on": "escalated_on", "answered_on": "answered_on", "mediation_id": "closed_on",
             "closed_on": "closed_on"}  # fmt: skip
    return Table("disputes", ("dispute_id",), frame, masks=masks, finish=_as_handled)


def _as_handled(known: pl.DataFrame) -> pl.DataFrame:
    is_closed = pl.col("closed_on").is_not_null()
    return known.with_columns(
        pl.when(pl.col("escalated_on").is_not_null()).then("_ends").otherwise("_begins").alias("level_code"),
        pl.when(is_closed).then("_outcome").otherwise(pl.lit("pending")).alias("outcome_code"),
    )


def _planted(received: np.ndarray, end: int, each: int, rng: np.random.Generator) -> np.ndarray:
    """Return what is planted in each dispute of the months before the end, '' for nothing."""
    case = np.full(len(received), "", dtype=object)
    able = [int(place) for place in rng.permutation(len(received)) if end - 200 < received[place] < end - 75]
    for place, kind in zip(able, [*CASES, *LOOK_ALIKES] * each, strict=False):
        case[place] = kind
    return case


def _agreements(
    mediations: Table, communities: Communities, community: np.ndarray, closed: np.ndarray, is_settled: np.ndarray,
    rng: np.random.Generator,
) -> pl.Series:  # fmt: skip
    """Return for a part of what was settled an agreement of the same community, each at most once."""
    left: dict[str, list[str]] = {}
    for number, name in mediations.frame.select("mediation_id", "community_id").iter_rows():
        left.setdefault(name, []).append(number)
    chosen: list[str | None] = []
    for place, settled, day in zip(community, is_settled, closed, strict=True):
        mine = left.get(str(communities.ids[place]), [])
        chosen.append(mine.pop() if settled and day > NEVER and mine and rng.random() < 0.5 else None)
    return pl.Series(chosen, dtype=pl.String)


def make_joint_meetings(communities: Communities, *, first: date) -> Table:
    """Return the streets that have a joint meeting; a street is in one part only or has the same row in each."""
    streets = communities.table.frame["street_code"].unique().sort().to_list()
    rows = []
    for street in streets:
        rng = random(seed=int(street), name="joint meetings")
        if rng.random() < _MEETING_SHARE:
            established = day_number(first) - int(rng.integers(10, 500))
            rows.append((street, established, established + int(rng.integers(20, 300))))
    met = np.array([row[2] for row in rows], dtype=np.int64)
    frame = pl.DataFrame(
        {
            "street_code": pl.Series([row[0] for row in rows], dtype=pl.String),
            "established_on": dates(np.array([row[1] for row in rows], dtype=np.int64)),
            "ended_on": pl.Series([None] * len(rows), dtype=pl.Date),
            "last_met_on": dates(met),
            "_visible_on": pl.Series([first] * len(rows), dtype=pl.Date),
        }
    )
    return Table("joint_meetings", ("street_code",), frame)


def dispute_cases(tables: dict[str, Table], night: date) -> pl.DataFrame:
    """Return what is wrong with how disputes are handled (kind, subject, on), as the offices know it on ``night``."""
    known = tables["disputes"].as_known(night).filter(pl.col("received_on") <= night)
    after = {
        "petition_unanswered": pl.col("received_on") + pl.duration(days=ANSWER_DAYS) < night,
        "dispute_overdue": pl.col("due_on") < night,
        "dispute_below_its_level": pl.col("received_on") + pl.duration(days=RAISE_DAYS) < night,
    }
    return pl.concat(
        known.filter((pl.col("_case") == kind) & is_due).select(
            pl.lit(kind).alias("kind"), pl.col("dispute_id").alias("subject"), pl.lit(night).alias("on")
        )
        for kind, is_due in after.items()
    )
