"""What others find on the spot: lift inspections, street ratings, assessments against the standard, handovers."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import Communities, Managers
from simulation.parameters import Preset
from simulation.registers import quarter_starts
from simulation.tables import NEVER, Table, dates, day_number, labels, random, visibility
from simulation.tenures import Tenures

_YEAR = 365
_LEVELS = ["一级", "二级", "三级"]


def make_lifts(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return every periodical inspection of every lift; the history begins a year early: that one may still hold."""
    rng = random(seed, "lifts")
    want = preset.assessments
    begin, finish = day_number(first) - _YEAR, day_number(last)
    number = np.where(communities.has_lift, np.clip(communities.households // want.households_per_lift, 1, 16), 0)
    community = np.repeat(np.arange(len(number)), number)
    size = len(community)
    fate = rng.random(size)
    origin = np.where(fate < want.renewed_share, 1, np.where(fate < want.renewed_share + want.added_share, 2, 0))
    fresh = begin + _YEAR + rng.integers(0, max(1, finish - begin - _YEAR), size)
    built = (communities.built_year[community] - 1970) * _YEAR + 400
    in_use = np.where(origin > 0, fresh, np.minimum(built, begin - 40))
    day = np.where(origin > 0, fresh, begin - rng.integers(0, _YEAR, size))
    lift = np.arange(size)
    rows = [(lift[:0], day[:0], np.zeros(0, dtype=bool))]  # a part of a region may have no lift
    for _ in range(8):
        kept = day <= finish
        lift, day = lift[kept], day[kept]
        if not len(lift):
            break
        failed = rng.random(len(lift)) < 0.015
        rows.append((lift, day, failed))
        valid = day + _YEAR
        holder = tenures.manager_of(community[lift], np.minimum(valid, finish))
        prompt = rng.random(len(lift)) < managers.chance("lifts", holder, valid, want.lift_on_time)
        late = valid + 1 + rng.exponential(35, len(lift)).astype(np.int64)
        following = np.where(prompt, valid - rng.integers(0, 25, len(lift)), late)
        day = np.where(failed, day + rng.integers(8, 40, len(lift)), following)  # put right, then inspected again
    lift, day, failed = (np.concatenate(part) for part in zip(*rows, strict=True))
    order = np.lexsort((lift, day))
    lift, day, failed = lift[order], day[order], failed[order]
    frame = pl.DataFrame(
        {
            "lift_id": pl.Series([f"3110{number:07d}" for number in range(1, size + 1)], dtype=pl.String).gather(
                pl.Series(lift)
            ),
            "community_id": labels(communities.ids, community[lift]),
            "origin_code": labels(["original", "renewed", "added"], origin[lift]),
            "in_use_from": dates(in_use[lift]),
            "out_of_use_on": pl.Series([None] * len(lift), dtype=pl.Date),
            "inspected_on": dates(day),
            "valid_until": dates(np.where(failed, NEVER, day + _YEAR)),
            "result_code": labels(["passed", "failed"], failed * 1),
            "_visible_on": visibility(rng, day, preset.lags),
        }
    )
    return Table("lifts", ("lift_id", "inspected_on"), frame)


def make_street_ratings(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return quarterly ratings by streets and by 社区; every rater is strict or mild in its own way."""
    rng = random(seed, "ratings")
    want = preset.assessments
    size = len(communities.ids)
    street = communities.table.frame["street_code"].to_list()
    raters = {
        "street": street,
        "community": [f"{code}{100 + place % 4}" for place, code in enumerate(street)],
    }
    known = sorted({code for codes in raters.values() for code in codes})
    strictness = dict(zip(known, rng.normal(0, want.rater_spread, len(known)), strict=True))
    parts = []
    for start in quarter_starts(first, last):
        for level, share in (("street", want.rating_share), ("community", want.community_rating_share)):
            who = np.flatnonzero(rng.random(size) < share)
            day = day_number(start) + 60 + rng.integers(0, 30, len(who))
            holder = tenures.manager_of(who, day)
            who, day, holder = who[holder >= 0], day[holder >= 0], holder[holder >= 0]
            rater = [raters[level][place] for place in who]
            low, high = want.rating_score
            score = low + (high - low) * managers.chance("ratings", holder, day, (0.0, 1.0))
            score = score + np.array([strictness[code] for code in rater]) + rng.normal(0, want.rating_noise, len(who))
            parts.append(
                pl.DataFrame(
                    {
                        "rater_code": pl.Series(rater, dtype=pl.String),
                        "rater_level_code": pl.Series([level] * len(who), dtype=pl.String),
                        "community_id": labels(communities.ids, who),
                        "uscc": labels(managers.uscc, holder),
                        "rated_on": dates(day),
                        "rating_score": np.clip(score, 0, 100).round(1),
                        "_visible_on": visibility(rng, day + 3, preset.lags),
                    }
                )
            )
    frame = pl.concat(parts)
    frame = frame.with_columns(pl.Series("rating_id", [f"PJ{number:06d}" for number in range(1, frame.height + 1)]))
    return Table("street_ratings", ("rating_id",), frame)


def make_standard_assessments(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return assessments against the contracted edition and level; a few were made at another level."""
    rng = random(seed, "assessments")
    want = preset.assessments
    begin, length = day_number(first), (last - first).days + 1
    size = rng.poisson(want.assessed_per_year * len(communities.ids) * length / 365.25)
    community = rng.integers(0, len(communities.ids), size)
    day = np.sort(begin + rng.integers(0, length, size))
    contract = tenures.contract_of(community, day)
    terms = tenures.table.frame.select("service_standard_edition", "service_level")
    edition, level = (np.array(terms[name].to_list(), dtype=object) for name in terms.columns)
    kept = (contract >= 0) & np.array([contracted is not None for contracted in level[contract]], dtype=bool)
    community, day, contract = community[kept], day[kept], contract[kept]
    size, holder = len(day), tenures.manager[contract]
    other = rng.random(size) < want.other_level_share
    assessed = [
        _LEVELS[(_LEVELS.index(contracted) + 1) % 3] if wrong else contracted
        for contracted, wrong in zip(level[contract], other, strict=True)
    ]
    items = rng.integers(40, 81, size)
    conforming = rng.binomial(items, managers.chance("standard", holder, day, want.conforming))
    frame = pl.DataFrame(
        {
            "assessment_id": [f"PG{number:05d}" for number in range(1, size + 1)],
            "community_id": labels(communities.ids, community),
            "uscc": labels(managers.uscc, holder),
            "assessed_on": dates(day),
            "standard_edition": pl.Series(list(edition[contract]), dtype=pl.String),
            "service_level": pl.Series(assessed, dtype=pl.String),
            "item_count": items,
            "conforming_item_count": conforming,
            "agency_name": labels(["第三方评估机构甲（模拟）", "第三方评估机构乙（模拟）"], community % 2),
            "_visible_on": visibility(rng, day + 5, preset.lags),
        }
    )
    return Table("standard_assessments", ("assessment_id",), frame)


def make_handovers(
    preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, *, seed: int
) -> Table:
    """Return the handover of every contract that ended and was not carried on by the same manager."""
    rng = random(seed, "handovers")
    want = preset.assessments
    contracts = tenures.table.frame
    ended = contracts["ended_on"].cast(pl.Int32).fill_null(NEVER).to_numpy().astype(np.int64)
    same_next = np.zeros(len(ended), dtype=bool)
    same_next[:-1] = (tenures.community[1:] == tenures.community[:-1]) & (tenures.manager[1:] == tenures.manager[:-1])
    chosen = np.flatnonzero((ended >= 0) & ~same_next)
    end, holder, size = ended[chosen], tenures.manager[chosen], len(chosen)
    left = contracts["end_reason_code"].eq("left_without_notice").fill_null(value=False).to_numpy()[chosen]
    chance = managers.chance("handover", holder, end, want.handover_orderly) * np.where(left, 0.35, 1.0)
    orderly = rng.random(size) < chance
    due = end + want.handover_due_days
    late = due + 1 + rng.exponential(40, size).astype(np.int64)
    punctual = orderly | (rng.random(size) < 0.3)
    completed = np.where(punctual, end + 1 + rng.integers(0, want.handover_due_days, size), late)
    completed = np.where(~punctual & (rng.random(size) < 0.2), NEVER, completed)
    lacking = np.where(orderly | (~punctual & (rng.random(size) < 0.4)), -1, rng.integers(0, 3, size))
    frame = pl.DataFrame(
        {
            "handover_id": [f"JJ{number:05d}" for number in range(1, size + 1)],
            "contract_id": contracts["contract_id"].gather(pl.Series(chosen)),
            "community_id": labels(communities.ids, tenures.community[chosen]),
            "uscc": labels(managers.uscc, holder),
            "due_on": dates(due),
            "completed_on": dates(completed),
            "are_documents_complete": lacking != 0,
            "are_facilities_complete": lacking != 1,
            "are_accounts_complete": lacking != 2,
            # the contract's end has to be known first
            "_visible_on": dates(end + preset.lags.usual[1] + 1),
        }
    )
    flags = ("are_documents_complete", "are_facilities_complete", "are_accounts_complete")
    masks = {"completed_on": "completed_on", **dict.fromkeys(flags, "completed_on")}
    frame = frame.with_columns(
        pl.max_horizontal("_visible_on", contracts["_visible_on"].gather(pl.Series(chosen)).alias("_contract"))
    )
    return Table("handovers", ("handover_id",), frame, masks=masks)
