"""Complaints: how many, when, about what, and how fast the responsible manager moves; driven by hidden quality."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from simulation.actors import Communities, Managers
from simulation.distortions import Readiness, make_flood, readiness
from simulation.parameters import Complaints, Preset
from simulation.tables import NEVER, Table, day_number, labels, moments, pick, random
from simulation.tenures import Tenures
from simulation.wording import complaint_texts

PARTIES = ("property", "developer", "utility", "owner", "government", "undetermined")
_OTHER_PARTIES = {"developer": 0.3, "utility": 0.3, "owner": 0.25, "government": 0.15}
_UTILITY_PARTIES = {"developer": 0.05, "utility": 0.85, "owner": 0.05, "government": 0.05}
_BACKLOG_CHANNELS = {"hotline": 0.62, "platform": 0.2, "letter": 0.1, "other": 0.08}
_HOURS = np.array([2, 1, 1, 1, 1, 2, 5, 9, 12, 12, 11, 9, 7, 7, 8, 8, 8, 8, 9, 10, 10, 8, 5, 3], dtype=float)
_DAY = 1440.0  # minutes


def make_complaints(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return every complaint submitted from ``first`` to ``last``, with what will become of it."""
    rng = random(seed, "complaints")
    want = preset.complaints
    said = readiness(preset, managers, communities, seed=seed)
    community, minute, category = _arrivals(want, managers, communities, tenures, said, first=first, last=last, rng=rng)
    born = _lives(want, managers, tenures, community=community, minute=minute, category=category, rng=rng)
    ends = (day_number(last) + 1) * _DAY
    again = np.flatnonzero((born["again"] > 0) & (born["again"] < ends))  # within 30 days of being closed
    echoes = _lives(
        want, managers, tenures, community=born["community"][again], minute=born["again"][again],
        category=born["category"][again], rng=rng,
    )  # fmt: skip
    flood = make_flood(preset, managers, communities, tenures, seed=seed)
    bought = _lives(
        want, managers, tenures, community=flood.community, minute=flood.minute, category=flood.category, rng=rng
    )
    bought |= flood.overrides
    bought["callback"] = np.where(bought["closed"] >= 0, bought["closed"] + _DAY / 2, NEVER)
    lives = {name: np.concatenate([born[name], echoes[name], bought[name]]) for name in echoes}
    lives["flood"] = np.repeat([0, 1], [len(born["community"]) + len(again), len(flood.community)])
    origin = np.concatenate([np.full(len(born["community"]), NEVER), again, np.full(len(flood.community), NEVER)])
    return complaint_table(preset, communities, lives, origin, rng=rng)


def _arrivals(
    want: Complaints, managers: Managers, communities: Communities, tenures: Tenures, said: Readiness, *,
    first: date, last: date, rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return (community, minute, category) of first complaints: Poisson a community and month."""
    categories = list(want.seasons)
    season = np.array([want.seasons[name] for name in categories])  # category × month of the year
    level = season.sum(axis=0) / season.sum(axis=0).mean()
    size = len(communities.ids)
    parts = []
    month = first.replace(day=1)
    while month <= last:
        following = (month + timedelta(days=32)).replace(day=1)
        start, stop = max(month, first), min(following - timedelta(days=1), last)
        length = (stop - start).days + 1
        middle = np.full(size, day_number(start) + length // 2)
        holder = tenures.manager_of(np.arange(size), middle)
        quality = managers.quality_at(holder, middle)
        years = (middle - day_number(first)) / 365.25
        rate = want.per_1k_household_months * communities.households / 1000 * communities.rate
        rate = rate * level[month.month - 1] * (length / (following - month).days)
        rate = (
            rate * np.exp(-want.quality_effect * (quality - want.quality_reference)) * (1 + want.yearly_trend * years)
        )
        rate = rate * said.at(tenures, np.arange(size), middle, holder)
        community = np.repeat(np.arange(size), rng.poisson(rate))
        day = day_number(start) + rng.integers(0, length, len(community))
        hour = np.searchsorted(np.cumsum(_HOURS / _HOURS.sum())[:-1], rng.random(len(community)), side="right")
        minute = day * _DAY + hour * 60 + rng.uniform(0, 60, len(community))
        category = pick(rng, dict(zip(categories, season[:, month.month - 1], strict=True)), len(community))
        lift = category == categories.index("lift")
        category = np.where(lift & ~communities.has_lift[community], categories.index("facilities"), category)
        parts.append((community, minute, category))
        month = following
    community, minute, category = (np.concatenate(part) for part in zip(*parts, strict=True))
    return community, minute, category


def _lives(
    want: Complaints, managers: Managers, tenures: Tenures, *, community: np.ndarray, minute: np.ndarray,
    category: np.ndarray, rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return what becomes of complaints. Instants are minutes from 1970; negative means it never happens."""
    size = len(community)
    day = (minute // _DAY).astype(np.int64)
    holder = tenures.manager_of(community, day)

    def happens(area: str, span: tuple[float, float]) -> np.ndarray:
        return rng.random(size) < managers.chance(area, holder, day, span)

    prompt = rng.uniform(3, 118, size)
    respond = np.where(happens("response", want.response_on_time), prompt, 121 + rng.exponential(240, size))
    handled_soon = happens("handling", want.handled_12h)
    handle = np.where(handled_soon, rng.uniform(20, 700, size), 725 + rng.exponential(500, size))
    handle = np.maximum(handle, respond + rng.uniform(1, 15, size))
    solved_soon = happens("solving", want.resolved_24h)
    solve = np.where(solved_soon, rng.uniform(60, 1425, size), 1445 + rng.exponential(2600, size))
    solve = np.maximum(solve, handle + rng.uniform(1, 10, size))
    paused = np.where(rng.random(size) < 0.05, rng.integers(60, 2880, size), 0)

    categories = list(want.seasons)
    own = rng.random(size) < np.array([want.property_share[name] for name in categories])[category]
    other = 1 + pick(rng, _OTHER_PARTIES, size)
    other = np.where(category == categories.index("heating"), 1 + pick(rng, _UTILITY_PARTIES, size), other)
    party = np.where(own, 0, other)
    party = np.where((rng.random(size) < 0.02) | (own & (holder < 0)), 5, party)

    withdrawn = rng.random(size) < 0.01
    stuck = ~withdrawn & (rng.random(size) < 0.012)
    never = withdrawn | stuck
    resolved = np.where(never, NEVER, minute + solve + paused)
    closed = np.where(never, NEVER, resolved + rng.uniform(0.3, 3.5, size) * _DAY)
    asked = ~never & (rng.random(size) < want.callback_share)
    pleased = happens("callback", want.callback_satisfied)
    result = np.where(rng.random(size) < 0.08, 2, np.where(pleased, 0, 1))
    again = ~never & (rng.random(size) < managers.chance("repeat", holder, day, want.repeat_30d))
    return {
        "community": community,
        "category": category,
        "submitted": minute,
        "responded": np.where(withdrawn & (rng.random(size) < 0.5), NEVER, minute + respond),
        "handled": np.where(withdrawn, NEVER, minute + handle),
        "resolved": resolved,
        "closed": closed,
        "paused": paused,
        "party": party,
        "withdrawn": np.where(withdrawn, minute + rng.uniform(30, 3000, size), NEVER),
        "callback": np.where(asked, closed + rng.uniform(0.1, 2.5, size) * _DAY, NEVER),
        "result": result,
        "confirmed": rng.random(size) < 0.96,
        "again": np.where(again, closed + rng.uniform(0.5, 28, size) * _DAY, NEVER),
    }


def complaint_table(
    preset: Preset, communities: Communities, lives: dict[str, np.ndarray], origin: np.ndarray, *,
    rng: np.random.Generator, by_api: np.ndarray | None = None,
) -> Table:  # fmt: skip
    """Return complaints as a table: ``lives`` is what becomes of each (minutes from 1970), ``origin`` what it repeats.

    ``by_api``: which came through 码上办; without it, the preset's share of them.
    """
    want = preset.complaints
    size = len(origin)
    order = np.argsort(lives["submitted"], kind="stable")
    rank = np.empty(size, dtype=np.int64)
    rank[order] = np.arange(size)
    lives = {name: values[order] for name, values in lives.items()}
    origin = np.where(origin[order] >= 0, rank[np.maximum(origin[order], 0)], NEVER)

    by_api = rng.random(size) < want.api_share if by_api is None else by_api[order]
    channels = ["mashangban", *_BACKLOG_CHANNELS]
    channel = np.where(by_api, 0, 1 + pick(rng, _BACKLOG_CHANNELS, size))
    unknown = (rng.random(size) < want.without_community) & (origin < 0)
    day = (lives["submitted"] // _DAY).astype(np.int64)
    lag = np.where(rng.random(size) < preset.lags.late_share, rng.integers(*preset.lags.late, size), 0)
    lag = np.where(by_api, 0, lag + rng.integers(preset.lags.usual[0], preset.lags.usual[1] + 1, size))
    platform = channel == channels.index("platform")
    number = pl.Series(np.arange(1, size + 1))
    frame = pl.DataFrame(
        {
            "_number": number,
            "_is_bought": lives["flood"] > 0,
            "_community": labels(communities.names, lives["community"]),
            "_community_id": labels(communities.ids, lives["community"]),
            "_visible_on": pl.Series((day + lag).astype(np.int32)).cast(pl.Date),
            "_withdrawn_at": moments(lives["withdrawn"]),
            "_callback_at": moments(lives["callback"]),
            "channel_code": labels(channels, channel),
            "community_id": labels(communities.ids, np.where(unknown, -1, lives["community"])),
            "region_code": communities.region[lives["community"]],
            "category_code": labels(list(want.seasons), lives["category"]),
            "responsible_party_code": labels(list(PARTIES), lives["party"]),
            "submitted_at": moments(lives["submitted"]),
            "responded_at": moments(lives["responded"]),
            "handled_at": moments(lives["handled"]),
            "resolved_at": moments(lives["resolved"]),
            "closed_at": moments(lives["closed"]),
            "paused_minutes": lives["paused"],
            "is_confirmed": lives["confirmed"],
            "callback_result_code": labels(["satisfied", "unsatisfied", "unreachable"], lives["result"]),
            "support_count": np.where(platform, rng.poisson(3, size), NEVER),
            "oppose_count": np.where(platform, rng.poisson(0.4, size), NEVER),
        }
    )
    prefix = pl.when(pl.col("channel_code") == "mashangban").then(pl.lit("MSB")).otherwise(pl.lit("RX"))
    stamp = pl.col("submitted_at").dt.strftime("%Y%m%d")
    padded = pl.col("_number").cast(pl.String).str.zfill(7)
    frame = frame.with_columns(
        pl.concat_str(prefix, stamp, padded).alias("complaint_id"),
        pl.concat_str(pl.lit("业主"), padded).alias("reporter_name"),
        pl.concat_str(pl.lit("000-"), padded).alias("reporter_phone"),
        *(pl.when(pl.col(name) >= 0).then(pl.col(name)).alias(name) for name in ("support_count", "oppose_count")),
    )
    original = frame["complaint_id"].gather(pl.Series(np.maximum(origin, 0)))
    frame = frame.with_columns(
        pl.when(pl.lit(pl.Series(origin >= 0))).then(pl.lit(original)).alias("repeat_of_id"),
    )
    frame = complaint_texts(frame, rng)
    masks = {
        "responded_at": "responded_at",
        "responsible_party_code": "responded_at",
        "handled_at": "handled_at",
        "resolved_at": "resolved_at",
        "reply": "resolved_at",
        "closed_at": "closed_at",
        "is_confirmed": "closed_at",
        "callback_result_code": "_callback_at",
        "_withdrawn_at": "_withdrawn_at",
    }
    table = Table("complaints", ("complaint_id",), frame, masks=masks, finish=_with_status)
    return table.with_corrections(
        rng,
        column="category_code",
        wrong=pl.when(pl.col("category_code") == "other").then(pl.lit("facilities")).otherwise(pl.lit("other")),
        share=preset.lags.corrected_share,
    )


def _with_status(frame: pl.DataFrame) -> pl.DataFrame:
    status = (
        pl.when(pl.col("_withdrawn_at").is_not_null())
        .then(pl.lit("withdrawn"))
        .when(pl.col("closed_at").is_not_null())
        .then(pl.lit("closed"))
        .when(pl.col("resolved_at").is_not_null())
        .then(pl.lit("resolved"))
        .when(pl.col("handled_at").is_not_null())
        .then(pl.lit("handling"))
        .when(pl.col("responded_at").is_not_null())
        .then(pl.lit("responded"))
        .otherwise(pl.lit("submitted"))
    )
    return frame.with_columns(status.alias("status_code"))
