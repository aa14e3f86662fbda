"""What owners pay and how arrears are pursued, and what is wrong in some quarters; complaints of being cut off.

Owns the feed of fees collected, the complaints that tell of coercive collection, and the truth about both. ``_case``
never leaves the simulation. A firm that is better collects more, and every arrear is pursued by a reminder first.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.registers import quarter_starts
from simulation.tables import Table, dates, day_number, random
from simulation.tenures import Tenures

CASES = ("pursuit_without_reminder", "arrears_unpursued")
COERCION = "coercive_collection"
REMINDER_DAYS = 60  # after the quarter's end; seed supervision_thresholds
_REASONS = {"service": 0.34, "quality": 0.2, "vacant": 0.24, "hardship": 0.08, "other": 0.14}
_KEPT_QUARTERS = 6  # of the history
_TOLD = (
    "因没交物业费，被物业公司停水，要求恢复", "欠费后物业限制出入，门禁卡刷不开", "物业以停电的方式催缴物业费",
    "拖欠物业费，单元门禁被锁，老人进不了门",
)  # fmt: skip
_PLAIN = ("小区停水检修没有提前通知", "物业费涨价没有公示")  # a word of it, and nothing of the kind


def make_fee_collections(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return a row a community and quarter that a firm managed at its end, as the firm reports it weeks later."""
    rng = random(seed, "fee collections")
    size = len(communities.ids)
    parts: list[pl.DataFrame] = []
    today = managers.end_day
    starts = quarter_starts(first, last)[-_KEPT_QUARTERS:]
    price = np.round(rng.uniform(0.6, 2.4, size), 2)
    area = rng.uniform(75, 105, size)
    for start in starts:
        closing = day_number(_following(start)) - 1
        holder = tenures.manager_of(np.arange(size), np.full(size, closing))
        who = np.flatnonzero((holder >= 0) & (managers.kind[holder] == FIRM))
        days = np.full(len(who), closing)
        rate = managers.chance("fees", holder[who], days, (0.55, 1.02)) + rng.normal(0, 0.03, len(who))
        rate = np.clip(rate, 0.4, 1.0)
        households = communities.households[who]
        parts.append(
            pl.DataFrame(
                {
                    "community_id": communities.ids[who],
                    "uscc": managers.uscc[holder[who]],
                    "period_start_on": pl.Series([start] * len(who), dtype=pl.Date),
                    "receivable_amount": np.round(households * area[who] * price[who] * 3, 2),
                    "_rate": rate,
                    "household_count": households,
                    "_case": _planted(closing, today, len(who), preset.fund_cases.each, len(parts), rng),
                    "_visible_on": dates(days + rng.integers(15, 28, len(who))),
                }
            )
        )
    return Table("fee_collections", ("community_id", "uscc", "period_start_on"), _counted(pl.concat(parts), rng))


def _following(quarter: date) -> date:
    return date(quarter.year + (quarter.month == 10), (quarter.month + 2) % 12 + 1, 1)


def _planted(closing: int, today: int, size: int, each: int, quarter: int, rng: np.random.Generator) -> pl.Series:
    """Return what is planted in a quarter's rows, '' for nothing; every second quarter has only what is no case."""
    kinds = [""] * size
    for place, kind in zip(rng.permutation(size), [*CASES, "unpursued_but_paid"] * each, strict=False):
        if today - 330 < closing < today and (quarter % 2 == 0 or kind == "unpursued_but_paid"):
            kinds[int(place)] = kind
    return pl.Series(kinds, dtype=pl.String)


def _counted(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the rows with amounts, households and steps of pursuit."""
    size, case = frame.height, frame["_case"].to_numpy()
    left_alone = np.isin(case, ["arrears_unpursued", "unpursued_but_paid"])
    rate = np.where(case == "arrears_unpursued", 0.55, np.where(case == "unpursued_but_paid", 0.93, frame["_rate"]))
    rate = np.where(case == "pursuit_without_reminder", np.minimum(rate, 0.9), rate)
    households = frame["household_count"].to_numpy()
    owing = np.where(rate < 1, np.maximum(np.round(households * (1 - rate)), 1), 0).astype(np.int64)
    due = np.round(frame["receivable_amount"].to_numpy() * 100).astype(np.int64)
    received = np.floor(due * rate).astype(np.int64)
    reminded = np.where(owing > 0, np.maximum(np.round(owing * rng.uniform(0.6, 1.0, size)), 1), 0).astype(np.int64)
    sued = np.floor(reminded * rng.uniform(0, 0.06, size)).astype(np.int64)
    arbitrated = (rng.random(size) < 0.05) & (sued < reminded)
    sued = np.where(case == "pursuit_without_reminder", reminded + 2, np.where(left_alone, 0, sued))
    kept = ~left_alone
    shares = rng.dirichlet([weight * 12 for weight in _REASONS.values()], size)
    unpaid = np.floor(shares * (due - received)[:, None]).astype(np.int64)
    return frame.with_columns(
        pl.Series("received_amount", received / 100),
        pl.Series("owing_household_count", owing),
        pl.Series("reminded_count", reminded * kept),
        pl.Series("mediated_count", np.floor(reminded * rng.uniform(0, 0.1, size)).astype(np.int64) * kept),
        pl.Series("arbitrated_count", (arbitrated & kept).astype(np.int64)),
        pl.Series("sued_count", sued),
        *(pl.Series(f"unpaid_{reason}_amount", unpaid[:, place] / 100) for place, reason in enumerate(_REASONS)),
    ).sort("period_start_on", "community_id")


def with_coercion(complaints: Table, preset: Preset, *, seed: int, end_day: int) -> Table:
    """Return the complaints; a few about fees of the last months tell of being cut off or locked out."""
    rng = random(seed, "coercive collection")
    frame = complaints.frame.with_row_index("_row")
    able = frame.filter(
        (pl.col("category_code") == "fees") & (pl.col("responsible_party_code") == "property")
        & pl.col("community_id").is_not_null() & pl.col("_withdrawn_at").is_null() & pl.col("repeat_of_id").is_null()
        & (pl.col("_visible_on") <= pl.lit(dates(np.array([end_day]))[0]))
        & pl.col("submitted_at").dt.date().is_between(*(dates(np.array([end_day - 300, end_day - 5]))))
    )["_row"].to_numpy()  # fmt: skip
    chosen = rng.permutation(able)[: 2 * preset.fund_cases.each]
    told = {int(row): _TOLD[number % len(_TOLD)] for number, row in enumerate(chosen[: preset.fund_cases.each])}
    plain = {int(row): _PLAIN[number % len(_PLAIN)] for number, row in enumerate(chosen[preset.fund_cases.each :])}
    texts = told | plain
    row = pl.col("_row")
    frame = frame.with_columns(
        pl.when(row.is_in(list(texts)))
        .then(row.replace_strict(texts, default=None, return_dtype=pl.String))
        .otherwise(pl.col("content"))
        .alias("content"),
        row.is_in(list(told)).alias("_is_coerced"),
    )
    return replace(complaints, frame=frame.drop("_row"))


def collection_cases(tables: dict[str, Table], night: date) -> pl.DataFrame:
    """Return what is wrong with how fees are collected (kind, subject, on), as the offices know it on ``night``."""
    known = (
        tables["fee_collections"]
        .as_known(night)
        .with_columns((pl.col("period_start_on").dt.offset_by("3mo") - pl.duration(days=1)).alias("closing"))
    )
    pressing = pl.col("closing") + pl.duration(days=REMINDER_DAYS) < night
    due = pl.when(pl.col("_case") == "arrears_unpursued").then(pressing).otherwise(pl.lit(value=True))
    quarters = known.filter(pl.col("_case").is_in(list(CASES)) & due).select(
        pl.col("_case").alias("kind"),
        pl.concat_str("community_id", pl.col("period_start_on").cast(pl.String), separator="/").alias("subject"),
        pl.col("closing").cast(pl.Date).alias("on"),
    )
    told = (
        tables["complaints"].as_known(night).filter(pl.col("_is_coerced") & (pl.col("submitted_at").dt.date() <= night))
    )
    coerced = (
        told.group_by("community_id", pl.col("submitted_at").dt.strftime("%Y-%m").alias("month"))
        .agg(pl.col("submitted_at").dt.date().max().alias("on"))
        .select(
            pl.lit(COERCION).alias("kind"),
            pl.concat_str("community_id", "month", separator="/").alias("subject"),
            pl.col("on"),
        )
    )
    return pl.concat([quarters, coerced])
