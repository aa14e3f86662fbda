"""The registers: disclosures of the 12+N classes, third-party surveys, staff and mediation agreements."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, day_number, labels, numbered, pick, random, visibility
from simulation.tenures import Tenures

POSTS = {
    "manager": 0.05, "engineer": 0.12, "security": 0.33, "cleaning": 0.3, "gardening": 0.06, "service": 0.1,
    "other": 0.04,
}  # fmt: skip
TOPICS = {"fees": 0.4, "service": 0.25, "facilities": 0.2, "funds": 0.08, "other": 0.07}
LEVELS = {"community": 0.6, "street": 0.3, "district": 0.1}
QUARTERLY = ("c03", "c04")  # 公共收益收支, 维修资金使用
YEARLY = ("c01", "c02", "c05", "c06", "c07", "c08", "c09", "c10", "c11", "c12")
_YEARLY_REACH = 740  # days before the history's end: a year ago, what was made public a year before was current
DUE_DAYS = 15  # after the quarter's end, methodology P06


def quarter_starts(first: date, last: date) -> list[date]:
    """Return the first days of the quarters that begin and end between ``first`` and ``last``.

    >>> quarter_starts(date(2026, 2, 1), date(2026, 10, 31))
    [datetime.date(2026, 4, 1), datetime.date(2026, 7, 1)]
    """
    starts = [date(year, month, 1) for year in range(first.year, last.year + 1) for month in (1, 4, 7, 10)]
    return [start for start in starts if start >= first and _following(start) <= last]


def _following(quarter: date) -> date:
    return date(quarter.year + (quarter.month == 10), (quarter.month + 2) % 12 + 1, 1)


def make_disclosures(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return one row a community and class: every quarter for the money classes, every year for the others."""
    rng = random(seed, "disclosures")
    size = len(communities.ids)
    everyone = np.arange(size)
    parts: list[pl.DataFrame] = []
    for start in quarter_starts(first, last):
        closing = day_number(_following(start)) - 1
        holder = tenures.manager_of(everyone, np.full(size, closing))
        who = np.flatnonzero(holder >= 0)
        for code in QUARTERLY:
            punctual = rng.random(len(who)) < managers.chance(
                "quarterly", holder[who], np.full(len(who), closing), preset.registers.disclosed_on_time
            )
            lag = np.where(punctual, rng.integers(1, DUE_DAYS + 1, len(who)), DUE_DAYS + rng.integers(1, 50, len(who)))
            never = ~punctual & (rng.random(len(who)) < 0.4)
            published = np.where(never, NEVER, closing + lag)
            seen = np.where(never, closing + 46, published)  # the office notes the gap a month after it was due
            parts.append(
                pl.DataFrame(
                    {
                        "_community": who,
                        "_holder": holder[who],
                        "disclosure_class_code": pl.Series([code] * len(who), dtype=pl.String),
                        "period_start_on": pl.Series([start] * len(who), dtype=pl.Date),
                        "published_on": dates(published),
                        "is_verified": ~never & (rng.random(len(who)) < 0.985),
                        "_seen": seen,
                    }
                )
            )
    parts += _yearly(preset, managers, tenures, size, last=last, rng=rng)
    frame = pl.concat(parts).sort("_seen", "_community", "disclosure_class_code", maintain_order=True)
    frame = frame.with_columns(
        numbered("GS", np.arange(1, frame.height + 1), 7).alias("disclosure_id"),
        labels(communities.ids, frame["_community"].to_numpy()).alias("community_id"),
        labels(managers.uscc, frame["_holder"].to_numpy()).alias("uscc"),
        visibility(rng, frame["_seen"].to_numpy(), preset.lags),
    )
    table = Table("disclosures", ("disclosure_id",), frame)
    return table.with_corrections(
        rng, column="is_verified", wrong=~pl.col("is_verified"), share=preset.lags.corrected_share
    )


def _yearly(
    preset: Preset, managers: Managers, tenures: Tenures, size: int, *, last: date, rng: np.random.Generator
) -> list[pl.DataFrame]:
    """Return the other classes, each made public about the same day of every year and soon after a new manager came."""
    parts, everyone, finish = [], np.arange(size), day_number(last)
    since = finish - preset.horizon_days - _YEARLY_REACH
    renewed = np.zeros(len(tenures.start), dtype=bool)
    renewed[1:] = (tenures.community[1:] == tenures.community[:-1]) & (tenures.manager[1:] == tenures.manager[:-1])
    began = np.flatnonzero(~renewed & (tenures.start > since))
    for code in YEARLY:
        usual = rng.integers(15, 340, size)  # day of the year
        rounds = [(tenures.community[began], tenures.start[began] + rng.integers(5, 40, len(began)))]
        for year in range(last.year - 3, last.year + 1):
            rounds.append((everyone, day_number(date(year, 1, 1)) + usual - rng.integers(0, 12, size)))
        community = np.concatenate([places for places, _ in rounds])
        day = np.concatenate([days for _, days in rounds])
        holder = tenures.manager_of(community, day)
        chance = managers.chance("classes", holder, day, preset.registers.disclosed_class)
        public = rng.random(len(day)) < chance
        who = np.flatnonzero((holder >= 0) & (day > since) & (day <= finish))
        published = dates(day[who])
        parts.append(
            pl.DataFrame(
                {
                    "_community": community[who],
                    "_holder": holder[who],
                    "disclosure_class_code": pl.Series([code] * len(who), dtype=pl.String),
                    "period_start_on": published.dt.truncate("1y"),
                    "published_on": dates(np.where(public, day, NEVER)[who]),
                    "is_verified": public[who],
                    "_seen": day[who],
                }
            )
        )
    return parts


def make_surveys(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return half-yearly third-party surveys of a sample of the communities."""
    rng = random(seed, "surveys")
    parts = []
    rounds = [date(y, m, 1) for y in range(first.year, last.year + 1) for m in (5, 11)]
    for start in rounds:
        if not first <= start <= last:
            continue
        who = np.flatnonzero(rng.random(len(communities.ids)) < preset.registers.survey_share)
        day = day_number(start) + rng.integers(0, 25, len(who))
        holder = tenures.manager_of(who, day)
        kept = (holder >= 0) & (day <= day_number(last))
        who, day, holder = who[kept], day[kept], holder[kept]
        low, high = preset.registers.survey_score
        responses = np.maximum(3, rng.binomial(communities.households[who], 0.06))
        mean = low + (high - low) * managers.chance("survey", holder, day, (0.0, 1.0))
        score = np.clip(mean + rng.normal(0, 18, len(who)) / np.sqrt(responses), 5, 100).round(2)
        parts.append(
            pl.DataFrame(
                {
                    "survey_id": pl.Series([f"MYD{start:%Y%m}"] * len(who), dtype=pl.String),
                    "community_id": labels(communities.ids, who),
                    "_community_name": labels(communities.names, who),
                    "uscc": labels(managers.uscc, holder),
                    "surveyed_on": dates(day),
                    "agency_name": labels(["第三方机构甲（模拟）", "第三方机构乙（模拟）"], who % 2),
                    "response_count": responses,
                    "satisfaction_score": score,
                    "_visible_on": visibility(rng, day + 5, preset.lags),
                }
            )
        )
    return Table("surveys", ("survey_id", "community_id"), pl.concat(parts))


def make_personnel(
    preset: Preset, managers: Managers, tenures: Tenures, *, seed: int, first: date, last: date
) -> Table:
    """Return the staff of every firm, with the training they had."""
    rng = random(seed, "personnel")
    today = day_number(last) - preset.horizon_days
    held = np.bincount(tenures.manager[(tenures.start <= today) & (tenures.end >= today)], minlength=len(managers.kind))
    count = np.where(managers.kind == FIRM, np.maximum(4, np.round(held * preset.registers.staff_per_community)), 0)
    who = np.repeat(np.arange(len(count)), count.astype(int))
    size = len(who)
    hired = today - (rng.exponential(900, size)).astype(np.int64) - 3
    fresh = rng.random(size) < 0.03
    hired = np.where(fresh, today + rng.integers(-20, preset.horizon_days + 1, size), hired)
    left = np.where(rng.random(size) < 0.12, np.minimum(hired + 60 + rng.integers(0, 900, size), today + 60), NEVER)
    left = np.where(left <= hired, NEVER, left)
    now = np.full(size, today)
    trained = rng.random(size) < managers.chance("pre job", who, now, preset.registers.pre_job_trained)
    continued = rng.random(size) < managers.chance("continuing", who, now, preset.registers.continuing_trained)
    continued &= hired < today - 90
    pre_job = np.where(trained, hired - rng.integers(0, 12, size), NEVER)
    continuing = np.where(continued, np.maximum(today - rng.integers(5, 340, size), hired + 5), NEVER)
    frame = pl.DataFrame(
        {
            "staff_id": [f"RY{number:06d}" for number in range(1, size + 1)],
            "uscc": managers.uscc[who],
            "staff_name": [f"员工{number:06d}" for number in range(1, size + 1)],
            "post_code": labels(list(POSTS), pick(rng, POSTS, size)),
            "hired_on": dates(hired),
            "left_on": dates(left),
            "pre_job_trained_on": dates(pre_job),
            "continuing_trained_on": dates(continuing),
            "_trained_again_on": dates(np.where(continued, continuing + 350, NEVER)),
            "continuing_hours": np.where(continued, rng.integers(8, 49, size) / 2, 0.0),
            "_visible_on": visibility(rng, np.maximum(hired, day_number(first) - 400), preset.lags),
        }
    )
    masks = {"left_on": "left_on", "_trained_again_on": "_trained_again_on"}
    return Table("personnel", ("staff_id",), frame, masks=masks, finish=_newest_training)


def _newest_training(known: pl.DataFrame) -> pl.DataFrame:
    return known.with_columns(pl.coalesce("_trained_again_on", "continuing_trained_on").alias("continuing_trained_on"))


def make_mediations(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return mediated disputes: agreements kept in time, broken, or never reached."""
    rng = random(seed, "mediations")
    begin, length = day_number(first), (last - first).days + 1
    size = rng.poisson(preset.registers.agreements_per_community_year * len(communities.ids) * length / 365.25)
    community = rng.integers(0, len(communities.ids), size)
    day = np.sort(begin + rng.integers(0, length, size))
    holder = tenures.manager_of(community, day)
    kept = holder >= 0
    community, day, holder = community[kept], day[kept], holder[kept]
    size = len(day)
    failed = rng.random(size) < 0.08
    due = day + rng.integers(10, 61, size)
    performs = rng.random(size) < managers.chance("agreements", holder, day, preset.registers.agreements_performed)
    performed = np.where(performs & ~failed, day + 1 + (rng.random(size) * (due - day)).astype(np.int64), NEVER)
    frame = pl.DataFrame(
        {
            "mediation_id": [f"TJ{number:05d}" for number in range(1, size + 1)],
            "community_id": labels(communities.ids, community),
            "uscc": labels(managers.uscc, holder),
            "topic_code": labels(list(TOPICS), pick(rng, TOPICS, size)),
            "agreed_on": dates(np.where(failed, NEVER, day)),
            "due_on": dates(np.where(failed, NEVER, due)),
            "performed_on": dates(performed),
            "level_code": labels(list(LEVELS), pick(rng, LEVELS, size)),
            "_failed": failed,
            "_breached_on": dates(np.where(performs | failed, NEVER, due + 1)),
            "_visible_on": visibility(rng, day, preset.lags),
        }
    )

    def with_outcome(known: pl.DataFrame) -> pl.DataFrame:
        outcome = (
            pl.when(pl.col("_failed"))
            .then(pl.lit("failed"))
            .when(pl.col("performed_on").is_not_null())
            .then(pl.lit("performed"))
            .when(pl.col("_breached_on").is_not_null())
            .then(pl.lit("breached"))
            .otherwise(pl.lit("pending"))
        )
        return known.with_columns(outcome.alias("outcome_code"))

    masks = {"performed_on": "performed_on", "_breached_on": "_breached_on"}
    return Table("mediations", ("mediation_id",), frame, masks=masks, finish=with_outcome)
