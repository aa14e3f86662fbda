"""What other offices see of a world: disclosures, surveys, ratings, assessments and public credit records."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from simulation.actors import FIRM
from simulation.judgements import RECORD_KINDS, credit_records
from simulation.registers import QUARTERLY, YEARLY, quarter_starts
from simulation.tables import NEVER, Table, dates, day_number, labels, numbered, random, visibility
from simulation.worlds.complaints import Scene
from simulation.worlds.conduct import unlinked
from simulation.worlds.events import SeriousEvents
from simulation.worlds.world import TYPES

_LEVELS = ["一级", "二级", "三级"]
_AGENCIES = ["第三方机构甲（模拟）", "第三方机构乙（模拟）", "第三方机构丙（模拟）"]
_YEARLY_REACH = 740  # days before the night's end: what was made public a year before a day a year ago
_NOTED_DAYS = 46  # after a quarter's end the office notes what is not there


def make_disclosures(scene: Scene, *, first: date, last: date) -> Table:
    """Return one row a community and class: every quarter for the money classes, every year for the others."""
    rng = random(scene.seed, "disclosures")
    size = len(scene.communities.ids)
    everyone = np.arange(size)
    parts = []
    for start in quarter_starts(first, last):
        closing = day_number(date(start.year + (start.month == 10), (start.month + 2) % 12 + 1, 1)) - 1
        days = np.full(size, closing)
        holder = scene.tenures.manager_of(everyone, days)
        who = np.flatnonzero(holder >= 0)
        silent = unlinked("silent", scene.conduct.link("silent", holder[who], days[who]))
        lag = scene.conduct.link("publish", holder[who], days[who]) + scene.around.effect("publish", who, days[who])
        for code in QUARTERLY:
            never = rng.random(len(who)) < silent
            noise = scene.world.mechanisms["publish"].noise * rng.normal(0, 1, len(who))
            taken = np.clip(np.ceil(unlinked("publish", lag + noise)), 1, 88).astype(np.int64)
            parts.append(
                _disclosed(who, holder[who], code, pl.Series([start] * len(who), dtype=pl.Date),
                           np.where(never, NEVER, closing + taken), np.where(never, closing + _NOTED_DAYS,
                           closing + taken), ~never & (rng.random(len(who)) < 0.98))
            )  # fmt: skip
    parts += _yearly(scene, last=last, rng=rng)
    frame = pl.concat(parts).sort("_seen", "_community", "disclosure_class_code", maintain_order=True)
    frame = frame.with_columns(
        numbered("GS", np.arange(1, frame.height + 1), 7).alias("disclosure_id"),
        labels(scene.communities.ids, frame["_community"].to_numpy()).alias("community_id"),
        labels(scene.managers.uscc, frame["_holder"].to_numpy()).alias("uscc"),
        visibility(rng, frame["_seen"].to_numpy(), scene.ground.lags),
    )
    table = Table("disclosures", ("disclosure_id",), frame)
    return table.with_corrections(
        rng, column="is_verified", wrong=~pl.col("is_verified"), share=scene.ground.lags.corrected_share
    )


def _disclosed(
    who: np.ndarray, holder: np.ndarray, code: str, period: pl.Series, published: np.ndarray, seen: np.ndarray,
    verified: np.ndarray,
) -> pl.DataFrame:  # fmt: skip
    return pl.DataFrame(
        {
            "_community": who,
            "_holder": holder,
            "disclosure_class_code": pl.Series([code] * len(who), dtype=pl.String),
            "period_start_on": period,
            "published_on": dates(published),
            "is_verified": verified,
            "_seen": seen,
        }
    )


def _yearly(scene: Scene, *, last: date, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Return the other classes: about the same day of every year, and soon after a new manager came."""
    size, tenures, finish = len(scene.communities.ids), scene.tenures, day_number(last)
    since = scene.managers.end_day - _YEARLY_REACH
    renewed = np.zeros(len(tenures.start), dtype=bool)
    renewed[1:] = (tenures.community[1:] == tenures.community[:-1]) & (tenures.manager[1:] == tenures.manager[:-1])
    began = np.flatnonzero(~renewed & (tenures.start > since))
    everyone, parts = np.arange(size), []
    for code in YEARLY:
        usual = rng.integers(15, 340, size)
        rounds = [(tenures.community[began], tenures.start[began] + rng.integers(5, 60, len(began)))]
        for year in range(last.year - 3, last.year + 1):
            rounds.append((everyone, day_number(date(year, 1, 1)) + usual - rng.integers(0, 12, size)))
        place = np.concatenate([places for places, _ in rounds])
        day = np.concatenate([days for _, days in rounds])
        holder = tenures.manager_of(place, day)
        kept = (holder >= 0) & (day > since) & (day <= finish)
        place, day, holder = place[kept], day[kept], holder[kept]
        link = scene.conduct.link("classes", holder, day) + scene.around.community("classes")[place]
        public = rng.random(len(day)) < unlinked("classes", link)
        period = dates(day).dt.truncate("1y")
        parts.append(_disclosed(place, holder, code, period, np.where(public, day, NEVER), day, public))
    return parts


def make_surveys(scene: Scene, *, first: date, last: date) -> Table:
    """Return half-yearly surveys of a sample of the communities; kinds of community answer on scales of their own."""
    rng, want = random(scene.seed, "surveys"), scene.world.samples
    bias = np.array([want.survey_bias[name] for name in TYPES])[scene.communities.type]
    parts = []
    for start in (date(year, month, 1) for year in range(first.year, last.year + 1) for month in (4, 10)):
        if not first <= start <= last:
            continue
        who = np.flatnonzero(rng.random(len(bias)) < want.surveyed)
        day = day_number(start) + rng.integers(0, 40, len(who))
        holder = scene.tenures.manager_of(who, day)
        kept = (holder >= 0) & (day <= day_number(last))
        who, day, holder = who[kept], day[kept], holder[kept]
        answers = np.maximum(4, rng.binomial(scene.communities.households[who], want.answers))
        agency = rng.integers(0, len(_AGENCIES), len(who))
        mean = scene.conduct.link("survey", holder, day) + scene.around.community("survey")[who] + bias[who]
        mean = mean + random(scene.seed, "agencies").normal(0, 1.5, len(_AGENCIES))[agency]
        score = mean + rng.normal(0, scene.world.mechanisms["survey"].noise, len(who)) / np.sqrt(answers)
        parts.append(
            pl.DataFrame(
                {
                    "survey_id": pl.Series([f"MYD{start:%Y%m}"] * len(who), dtype=pl.String),
                    "community_id": labels(scene.communities.ids, who),
                    "_community_name": labels(scene.communities.names, who),
                    "uscc": labels(scene.managers.uscc, holder),
                    "surveyed_on": dates(day),
                    "agency_name": labels(_AGENCIES, agency),
                    "response_count": answers,
                    "satisfaction_score": np.clip(score, 0, 100).round(2),
                    "_visible_on": visibility(rng, day + 8, scene.ground.lags),
                }
            )
        )
    return Table("surveys", ("survey_id", "community_id"), pl.concat(parts))


def make_street_ratings(scene: Scene, *, first: date, last: date) -> Table:
    """Return quarterly ratings by streets and by 社区; every rater is strict or mild in its own way."""
    rng, want = random(scene.seed, "ratings"), scene.world.samples
    street = scene.communities.table.frame["street_code"].to_list()
    raters = {"street": street, "community": [f"{code}{100 + place % 4}" for place, code in enumerate(street)]}
    known = sorted({code for codes in raters.values() for code in codes})
    strictness = dict(zip(known, rng.normal(0, want.rater, len(known)), strict=True))
    parts = []
    for start in quarter_starts(first, last):
        for level, share in (("street", want.rated_by_street), ("community", want.rated_by_community)):
            who = np.flatnonzero(rng.random(len(street)) < share)
            day = day_number(start) + 55 + rng.integers(0, 35, len(who))
            holder = scene.tenures.manager_of(who, day)
            who, day, holder = who[holder >= 0], day[holder >= 0], holder[holder >= 0]
            rater = [raters[level][place] for place in who]
            score = scene.conduct.link("rating", holder, day) + scene.around.community("rating")[who]
            score = score + np.array([strictness[code] for code in rater])
            score = score + rng.normal(0, scene.world.mechanisms["rating"].noise, len(who))
            parts.append(
                pl.DataFrame(
                    {
                        "rater_code": pl.Series(rater, dtype=pl.String),
                        "rater_level_code": pl.Series([level] * len(who), dtype=pl.String),
                        "community_id": labels(scene.communities.ids, who),
                        "uscc": labels(scene.managers.uscc, holder),
                        "rated_on": dates(day),
                        "rating_score": np.clip(score, 0, 100).round(1),
                        "_visible_on": visibility(rng, day + 3, scene.ground.lags),
                    }
                )
            )
    frame = pl.concat(parts)
    frame = frame.with_columns(pl.Series("rating_id", [f"PJ{number:06d}" for number in range(1, frame.height + 1)]))
    return Table("street_ratings", ("rating_id",), frame)


def make_standard_assessments(scene: Scene, *, first: date, last: date) -> Table:
    """Return assessments against the contracted edition and level; items of one assessment conform together."""
    rng, want = random(scene.seed, "assessments"), scene.world.samples
    begin, length = day_number(first), (last - first).days + 1
    size = int(rng.poisson(want.assessed_a_year * len(scene.communities.ids) * length / 365.25))
    community = rng.integers(0, len(scene.communities.ids), size)
    day = np.sort(begin + rng.integers(0, length, size))
    contract = scene.tenures.contract_of(community, day)
    terms = scene.tenures.table.frame.select("service_standard_edition", "service_level")
    edition, level = (np.array(terms[name].to_list(), dtype=object) for name in terms.columns)
    kept = (contract >= 0) & np.array([contracted is not None for contracted in level[contract]], dtype=bool)
    community, day, contract = community[kept], day[kept], contract[kept]
    size, holder = len(day), scene.tenures.manager[contract]
    other = rng.random(size) < 0.05
    assessed = [
        _LEVELS[(_LEVELS.index(contracted) + 1) % 3] if wrong else contracted
        for contracted, wrong in zip(level[contract], other, strict=True)
    ]
    agency = rng.integers(0, len(_AGENCIES), size)
    link = scene.conduct.link("standard", holder, day) + scene.around.community("standard")[community]
    link = link + want.assessor * (
        random(scene.seed, "assessors").normal(0, 1, len(_AGENCIES))[agency] + rng.normal(0, 1, size)
    )
    items = rng.integers(35, 90, size)
    frame = pl.DataFrame(
        {
            "assessment_id": [f"PG{number:05d}" for number in range(1, size + 1)],
            "community_id": labels(scene.communities.ids, community),
            "uscc": labels(scene.managers.uscc, holder),
            "assessed_on": dates(day),
            "standard_edition": pl.Series(list(edition[contract]), dtype=pl.String),
            "service_level": pl.Series(assessed, dtype=pl.String),
            "item_count": items,
            "conforming_item_count": rng.binomial(items, unlinked("standard", link)),
            "agency_name": labels(_AGENCIES, agency),
            "_visible_on": visibility(rng, day + 5, scene.ground.lags),
        }
    )
    return Table("standard_assessments", ("assessment_id",), frame)


def make_public_credit(scene: Scene, events: SeriousEvents, *, last: date) -> Table:
    """Return the records of the events that are recorded, an abandonment some weeks after it, and commendations."""
    rng, want = random(scene.seed, "public credit"), scene.world.events
    named = list(RECORD_KINDS)
    recorded = events.of(*(name for name in RECORD_KINDS if name not in ("abandonment", "commendation")))
    left = events.of("abandonment")
    left = left.where(rng.random(len(left.day)) < want.abandonment_recorded)
    firms = np.flatnonzero(scene.managers.kind == FIRM)
    good = np.argsort(np.argsort(scene.managers.quality[firms])) / max(1, len(firms) - 1)
    praised = firms[rng.random(len(firms)) < 2 * want.commended * good]
    praised_on = scene.managers.end_day - rng.integers(-180, 700, len(praised))
    finish = day_number(last)
    parts: list[tuple[Any, np.ndarray, np.ndarray]] = [
        (recorded.kind, recorded.manager, recorded.day),
        (left.kind, left.manager, left.day + rng.integers(20, 90, len(left.day))),
        (np.repeat("commendation", len(praised)), praised, praised_on),
    ]  # fmt: skip
    kind = np.array([named.index(name) for part in parts for name in part[0]], dtype=np.int64)
    who = np.concatenate([part[1] for part in parts]).astype(np.int64)
    day = np.concatenate([part[2] for part in parts]).astype(np.int64)
    kept = day <= finish
    return credit_records(
        scene.ground, scene.managers, scene.communities, scene.tenures, kind=kind[kept], who=who[kept],
        day=day[kept], rng=rng,
    )  # fmt: skip
