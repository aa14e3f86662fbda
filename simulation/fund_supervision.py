"""Ledgers with what is planted in them, their registers, and what an office should find of it on any night.

Owns how planted entries and ledgers become one account history, accounts that do not add up, and the truth by night.
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from simulation.actors import Communities, Managers
from simulation.fund_cases import PURPOSE_WORDS, VOTE_FREE, Case, Entry, Planter
from simulation.fund_registers import LISTED_USES, Emergency, Vote, emergency_table, relation_table, vote_table
from simulation.parameters import Preset
from simulation.tables import Table, dates, random, visibility
from simulation.tenures import Tenures

WINDOW = "12mo"  # what happened earlier raises no new alert
CASES = pl.Schema({"kind": pl.String, "subject": pl.String, "on": pl.Date, "known_on": pl.Date, "until": pl.Date})
TYPES = {"fund": "maintenance_fund", "term": "maintenance_fund"}
PREFIXES = {"fund": "6217", "revenue": "6228", "term": "6218"}


@dataclass(frozen=True)
class FundWorld:
    """The feeds about money, and every case in them: kind, subject, day, and the days between which it is known."""

    tables: dict[str, Table]
    cases: pl.DataFrame

    def named(self, code: str) -> "FundWorld":
        """Return the world as part ``code`` of a region calls its subjects; '' for the whole of one."""
        if not code:
            return self
        ours = pl.concat_str(pl.lit(f"{code}-"), "subject")
        of_community = pl.col("kind").is_in(["accounts_mixed", "split_payments"])
        subject = pl.when(of_community).then(pl.col("subject")).otherwise(ours)
        return replace(self, cases=self.cases.with_columns(subject.alias("subject")))


def with_fund_cases(
    base: Table, preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, *, seed: int,
    first: date, end_day: int,
) -> FundWorld:  # fmt: skip
    """Return the ledgers with cases planted, and the registers of votes, emergency repairs and related parties."""
    rng = random(seed, "fund cases")
    planter = Planter(managers, communities, tenures, end_day=end_day, rng=rng)
    plot = planter.plant(preset.fund_cases)
    drawn = base.frame.with_columns(pl.lit(None, dtype=pl.String).alias("emergency_id"))
    paid = pl.col("_account") == 0
    payments = drawn.filter(paid & ~pl.col("_is_reversal") & (pl.col("purpose_code") == "repair"))
    votes = _votes_of(payments.filter(pl.col("vote_id").is_not_null()), random(seed, "fund votes"))
    repairs = drawn.filter(paid & (pl.col("purpose_code") == "emergency_repair"))
    emergencies = _emergencies_of(repairs, random(seed, "emergency repairs"))
    named = pl.DataFrame(
        {"entry_id": repairs["entry_id"], "_emergency": [emergency.emergency_id for emergency in emergencies]},
        schema={"entry_id": pl.String, "_emergency": pl.String},
    )
    drawn = drawn.join(named, on="entry_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("emergency_id", "_emergency").alias("emergency_id")
    )
    planted = _planted(plot.entries, drawn, managers, communities, tenures, preset, rng)
    frame = _booked(pl.concat([drawn, planted], how="diagonal_relaxed"))
    frame, broken = _broken(frame, preset.fund_cases.each, planted, end_day=end_day, rng=random(seed, "lost entries"))
    # a bank sends an account in the order of its entries: one that comes late holds back those after it
    frame = frame.with_columns(pl.col("_visible_on").cum_max().over("account_no"))
    tables = {
        "funds": replace(base, frame=frame),
        "fund_votes": vote_table([*votes, *plot.votes], communities, random(seed, "counts of votes")),
        "emergency_repairs": emergency_table([*emergencies, *plot.emergencies], communities),
        "related_parties": relation_table(plot.relations, first),
    }
    cases = [_natural(frame), _mixed(frame), _planted_cases(plot.cases, frame), _breaks(broken, frame)]
    return FundWorld(tables, pl.concat([part.select(list(CASES)).cast(CASES) for part in cases]))


def fund_cases_as_known(world: FundWorld, night: date) -> pl.DataFrame:
    """Return the cases (kind, subject, on) that what the offices know on ``night`` shows."""
    known = pl.col("known_on") <= night
    return world.cases.filter(known & (pl.col("until").is_null() | (pl.col("until") > night)))


def _votes_of(payments: pl.DataFrame, rng: np.random.Generator) -> list[Vote]:
    """Return a valid vote for every payment that names one."""
    days = payments["booked_on"].cast(pl.Int32).to_numpy() - rng.integers(20, 91, payments.height)
    amounts = -payments["amount"].to_numpy() * rng.uniform(1.0, 1.15, payments.height)
    return [
        Vote(str(vote_id), int(place), int(day), float(np.ceil(amount)))
        for vote_id, place, day, amount in zip(
            payments["vote_id"], payments["_community_index"], days, amounts, strict=True
        )
    ]


def _emergencies_of(repairs: pl.DataFrame, rng: np.random.Generator) -> list[Emergency]:
    """Return a listed emergency, filed in time, for every emergency repair of the ledgers."""
    days = repairs["booked_on"].cast(pl.Int32).to_numpy() - rng.integers(1, 11, repairs.height)
    filed, uses = days + rng.integers(0, 6, repairs.height), rng.integers(0, len(LISTED_USES), repairs.height)
    return [
        Emergency(f"YJ{number:06d}", int(place), LISTED_USES[use], int(day), int(on))
        for number, (place, use, day, on) in enumerate(zip(repairs["_community_index"], uses, days, filed, strict=True))
    ]


def _planted(
    entries: list[Entry], like: pl.DataFrame, managers: Managers, communities: Communities, tenures: Tenures,
    preset: Preset, rng: np.random.Generator,
) -> pl.DataFrame:  # fmt: skip
    place = np.array([entry.community for entry in entries], dtype=np.int64)
    day = np.array([entry.day for entry in entries], dtype=np.int64)
    holder = tenures.manager_of(place, day)
    ids = [str(communities.ids[number]) for number in place]
    numbers = [
        PREFIXES[entry.account] + name.replace("-", "") + "01" if entry.account in PREFIXES else entry.account
        for entry, name in zip(entries, ids, strict=True)
    ]
    income = [entry.purpose == "advertising_income" for entry in entries]
    kinds = [
        "common_revenue" if is_income else TYPES.get(entry.account, "common_revenue")
        for entry, is_income in zip(entries, income, strict=True)
    ]
    columns = {
        "account_no": numbers,
        "account_type_code": kinds,
        "community_id": ids,
        "_community_index": place,
        "_holder": holder,
        "uscc": [str(managers.uscc[number]) if number >= 0 else None for number in holder],
        "booked_on": dates(day),
        "amount": [entry.amount for entry in entries],
        "currency_code": ["CNY"] * len(entries),
        "counterparty_name": [entry.partner for entry in entries],
        "purpose_code": [entry.purpose for entry in entries],
        "summary": [PURPOSE_WORDS[entry.purpose] for entry in entries],
        "voucher_no": [f"PZ9{entry.voucher:06d}" for entry in entries],
        "vote_id": [entry.vote_id for entry in entries],
        "emergency_id": [entry.emergency_id for entry in entries],
        "is_emergency": [entry.purpose == "emergency_repair" for entry in entries],
        "_is_reversal": [entry.purpose == "reversal" for entry in entries],
        "_visible_on": visibility(rng, day, preset.lags),
        "_planted": list(range(len(entries))),
    }
    frame = pl.DataFrame(columns)
    return frame.cast({name: kind for name, kind in like.schema.items() if name in frame.columns})


def _booked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the entries in the bank's order, with its serial numbers and the balance after each."""
    frame = frame.sort("booked_on", maintain_order=True)
    cents = (pl.col("amount") * 100).round().cast(pl.Int64)
    return frame.with_columns(
        pl.Series("entry_id", [f"LS{number:07d}" for number in range(1, frame.height + 1)]),
        (cents.cum_sum().over("account_no") / 100).alias("balance"),
    )


def _broken(
    frame: pl.DataFrame, each: int, planted: pl.DataFrame, *, end_day: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Break ``each`` accounts in each of three ways; return the frame and (account, first bad entry) of each.

    An entry is lost, one balance is wrong, or a fen appears. Only accounts of common revenue that no case touches.
    """
    day = pl.col("booked_on").cast(pl.Int32)
    whole = frame.with_row_index("_row").filter((pl.col("_account") == 1) & ~pl.col("account_no").is_in(
        planted["account_no"].unique().to_list()
    ))  # fmt: skip
    whole = whole.with_columns(
        pl.col("_row").shift(-1).over("account_no").alias("_next"),
        pl.col("booked_on").shift(-1).over("account_no").alias("_next_on"),
        pl.col("_row").shift(1).over("account_no").alias("_previous"),
    )
    fit = whole.filter(
        day.is_between(end_day - 330, end_day - 60) & pl.col("_previous").is_not_null()
        & (pl.col("_next_on").cast(pl.Int32) <= end_day - 20)
    ).unique("account_no", keep="first", maintain_order=True)  # fmt: skip
    chosen = fit[np.sort(rng.permutation(fit.height)[: 3 * each])]
    lost, wrong, shifted, breaks = [], [], [], []
    for number, row in enumerate(chosen.iter_rows(named=True)):
        if number % 3 == 0:
            lost.append(row["_row"])
            breaks.append((row["account_no"], row["_next"]))
        elif number % 3 == 1:
            wrong.append(row["_row"])
            breaks.append((row["account_no"], row["_row"]))
        else:
            shifted.append((row["account_no"], row["_row"]))
            breaks.append((row["account_no"], row["_row"]))
    names = frame["entry_id"]
    broken = [(account, str(names[row])) for account, row in breaks]
    place = pl.int_range(pl.len())
    fen = pl.lit(0.0)
    for account, row in shifted:
        fen = fen + pl.when((pl.col("account_no") == account) & (place >= row)).then(0.01).otherwise(0.0)
    frame = frame.with_columns(
        (pl.col("balance") + fen + pl.when(place.is_in(wrong)).then(100.0).otherwise(0.0)).round(2).alias("balance")
    )
    return frame.filter(~place.is_in(lost)), broken


def _natural(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the drawn payments of a maintenance fund that needed a vote and name none, until they are taken back."""
    drawn = frame.filter(pl.col("_planted").is_null() & (pl.col("_account") == 0))
    back = drawn.filter("_is_reversal").select("voucher_no", pl.col("_visible_on").alias("until"))
    unvoted = drawn.filter(
        (pl.col("purpose_code") == "repair") & pl.col("vote_id").is_null() & (pl.col("amount") <= -VOTE_FREE)
    )
    return unvoted.join(back, on="voucher_no", how="left", maintain_order="left").select(
        pl.lit("spending_without_vote").alias("kind"),
        pl.col("entry_id").alias("subject"),
        pl.col("booked_on").alias("on"),
        pl.col("_visible_on").alias("known_on"),
        "until",
    )


def _mixed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the communities whose common revenue is booked on a firm's own account, one row an entry of it."""
    own = frame.filter(
        (pl.col("_account") == 2) & pl.col("purpose_code").is_in(["advertising_income", "parking_income"])
    )
    return own.select(
        pl.lit("accounts_mixed").alias("kind"),
        pl.col("community_id").alias("subject"),
        pl.col("booked_on").alias("on"),
        pl.col("_visible_on").alias("known_on"),
        pl.lit(None, dtype=pl.Date).alias("until"),
    )


def _planted_cases(cases: list[Case], frame: pl.DataFrame) -> pl.DataFrame:
    """Return the planted cases under the serial numbers that their entries got."""
    placed = frame.filter(pl.col("_planted").is_not_null()).select("_planted", "entry_id", "_visible_on")
    by_number = {number: (name, seen) for number, name, seen in placed.iter_rows()}
    rows = []
    for case in cases:
        names = [by_number[number][0] for number in case.entries]
        seen = max(by_number[number][1] for number in case.entries)
        waits = dates(np.array([case.known_from]))[0]
        on = dates(np.array([case.on]))[0]
        rows.append((case.kind, case.subject.format(*names), on, max(seen, waits) if waits else seen, None))
    return pl.DataFrame(rows, schema=CASES, orient="row")


def _breaks(broken: list[tuple[str, str]], frame: pl.DataFrame) -> pl.DataFrame:
    """Return the accounts that do not add up, as '<account>/<first bad day>'."""
    entries = {name: (on, seen) for name, on, seen in frame.select("entry_id", "booked_on", "_visible_on").iter_rows()}
    rows = [("reconciliation_break", f"{account}/{entries[name][0]}", *entries[name], None) for account, name in broken]
    return pl.DataFrame(rows, schema=CASES, orient="row")
