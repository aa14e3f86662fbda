"""Ledgers: maintenance funds, common revenue on its own account or mixed in, and what the bank took back."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import Table, dates, day_number, labels, numbered, random, visibility
from simulation.tenures import Tenures

ACCOUNTS = ("maintenance_fund", "common_revenue", "operating")
PURPOSES = (
    "opening", "advertising_income", "parking_income", "repair", "emergency_repair", "interest", "fee_income",
    "reversal",
)  # fmt: skip
_SUMMARIES = ("期初余额", "电梯广告收入", "停车场地收入", "公共部位维修", "应急维修", "结息", "物业费收入", "红冲")
_PARTNERS = (
    "",
    "广告公司（模拟）",
    "停车管理公司（模拟）",
    "维修公司（模拟）",
    "应急抢修公司（模拟）",
    "银行结息",
    "业主缴费汇总",
    "",
)


def make_funds(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return the entries of all accounts from ``first`` to ``last``, with running balances."""
    rng = random(seed, "funds")
    begin, finish = day_number(first), day_number(last)
    all_communities = np.arange(len(communities.ids))
    years = (finish - begin + 1) / 365.25
    quarters = np.arange(begin + 20, finish, 91)
    parts: list[tuple[np.ndarray, np.ndarray, int, np.ndarray]] = []  # community, day, purpose, signed amount

    def add(community: np.ndarray, day: np.ndarray, purpose: int, amount: np.ndarray) -> None:
        parts.append((community, day, purpose, np.round(amount * communities.households[community], 2)))

    add(all_communities, np.full(len(all_communities), begin), 0, rng.uniform(900, 4200, len(all_communities)))
    for quarter in np.repeat(quarters, preset.funds.entries_a_quarter):
        for purpose, low, high in ((1, 1.5, 8.0), (2, 3.0, 20.0)):
            there = all_communities[rng.random(len(all_communities)) < 0.92]
            add(there, quarter + rng.integers(0, 70, len(there)), purpose, rng.uniform(low, high, len(there)))
        spent = all_communities[rng.random(len(all_communities)) < 0.5]
        add(spent, quarter + rng.integers(20, 85, len(spent)), 3, -rng.uniform(1, 9, len(spent)))
    for year_end in range(begin + 300, finish, 365):
        add(all_communities, np.full(len(all_communities), year_end), 5, rng.uniform(8, 60, len(all_communities)))
    drawn = rng.poisson(preset.funds.draws_per_year * years, len(all_communities))
    community = np.repeat(all_communities, drawn)
    emergency = rng.random(len(community)) < 0.25
    when = begin + rng.integers(1, finish - begin + 1, len(community))
    for purpose, chosen in ((3, ~emergency), (4, emergency)):
        add(community[chosen], when[chosen], 10 + purpose, -rng.uniform(20, 160, int(chosen.sum())))
    return _assemble(preset, managers, communities, tenures, parts, finish=finish, rng=rng)


def _assemble(
    preset: Preset, managers: Managers, communities: Communities, tenures: Tenures,
    parts: list[tuple[np.ndarray, np.ndarray, int, np.ndarray]], *, finish: int, rng: np.random.Generator,
) -> Table:  # fmt: skip
    community = np.concatenate([part[0] for part in parts])
    day = np.concatenate([part[1] for part in parts])
    code = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    amount = np.concatenate([part[3] for part in parts])
    holder = tenures.manager_of(community, day)
    from_fund = (code >= 10) | np.isin(code, [0, 5])  # the rest is common revenue, which needs a manager
    kept = (day <= finish) & (from_fund | (holder >= 0))
    community, day, code, amount, holder = (part[kept] for part in (community, day, code, amount, holder))
    from_fund = from_fund[kept]
    order = np.lexsort((code, community, day))
    community, day, code, amount, holder = (part[order] for part in (community, day, code, amount, holder))
    from_fund = from_fund[order]
    purpose = code % 10
    size = len(code)

    luck = random(managers.seed, "ledger of a community").random(len(communities.ids))[community]
    separate = luck < managers.chance("ledger", holder, day, preset.funds.separate_ledger)
    separate |= managers.kind[holder] != FIRM
    account = np.where(from_fund, 0, np.where(separate, 1, 2))
    voted = rng.random(size) < managers.chance("votes", holder, day, preset.funds.vote_recorded)
    needs_vote = (code == 13) & voted
    taken_back = (rng.random(size) < preset.funds.reversals) & (purpose != 0) & (day + 3 <= finish)
    back = np.flatnonzero(taken_back)
    pick_all = np.concatenate([np.arange(size), back])
    is_back = np.arange(len(pick_all)) >= size
    day = np.where(is_back, day[pick_all] + 1 + pick_all % 3, day[pick_all])
    amount = np.where(is_back, -amount[pick_all], amount[pick_all])
    purpose = np.where(is_back, 7, purpose[pick_all])
    order = np.lexsort((is_back, day))
    source, day, amount, purpose = pick_all[order], day[order], amount[order], purpose[order]
    community, holder, account = community[source], holder[source], account[source]
    total = len(source)

    region = communities.region[community]
    ids = communities.ids[community]
    frame = pl.DataFrame(
        {
            "entry_id": numbered("LS", np.arange(1, total + 1), 7),
            "_account": account,
            "_community_index": community,
            "_holder": holder,
            "account_type_code": labels(list(ACCOUNTS), account),
            "community_id": ids,
            "uscc": labels(managers.uscc, holder),
            "booked_on": dates(day),
            "amount": amount,
            "currency_code": pl.Series(["CNY"] * total),
            "counterparty_name": labels(list(_PARTNERS), np.where(np.isin(purpose, [0, 7]), -1, purpose)),
            "purpose_code": labels(list(PURPOSES), purpose),
            "summary": labels(list(_SUMMARIES), purpose),
            "voucher_no": numbered("PZ", source + 1, 7),
            "vote_id": labels(numbered("BJ", np.arange(size), 6), np.where(needs_vote[source], source, -1)),
            "is_emergency": purpose == 4,
            "_is_reversal": purpose == 7,
            "_visible_on": visibility(rng, day, preset.lags),
        }
    )
    # an operating account is the firm's own, one for all its communities; the others are one a community
    own = pl.concat_str(pl.lit("0502"), pl.lit(pl.Series(region)), pl.col("_holder").cast(pl.String).str.zfill(6))
    prefix = pl.when(pl.col("_account") == 0).then(pl.lit("6217")).otherwise(pl.lit("6228"))
    shared = pl.concat_str(prefix, pl.col("community_id").str.replace("-", ""), pl.lit("01"))
    frame = frame.with_columns(pl.when(pl.col("_account") == 2).then(own).otherwise(shared).alias("account_no"))
    cents = (pl.col("amount") * 100).round().cast(pl.Int64)
    frame = frame.with_columns((cents.cum_sum().over("account_no") / 100).alias("balance"))
    table = Table("funds", ("entry_id",), frame)
    return table.with_corrections(
        rng, column="summary", wrong=pl.concat_str(pl.col("summary"), pl.lit("？")), share=preset.lags.corrected_share
    )
