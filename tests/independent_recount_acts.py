"""Indicators of acts, registers, money and the open record, counted once more from raw: methodology §3, §4; no dbt.

Continues ``independent_recount``; each function names the sentence of the methodology or of docs/method.md it follows.
"""

from calendar import monthrange
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

TIERS = {"minor": (3, 3, 0.0), "general": (3, 12, 0.25), "serious": (12, 36, 0.25)}  # 1 before, 0 from, last weight
LONGEST_DISPLAY = {"minor": 3, "general": 12, "serious": 36}
PENALTY = {"minor": 1, "general": 4, "serious": 10}
BREACH = {"fund_procedure": 3, "fund_misuse": 10}
CLASSES = [f"c{number:02d}" for number in range(1, 13)]
QUARTERLY = ("c03", "c04")
COMMON_INCOME = ["advertising_income", "parking_income"]


def later(day, months):
    """The same day ``months`` later, or the month's last."""
    place = day.year * 12 + day.month - 1 + months
    year, month = divmod(place, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def age(day, night):
    """Whole months and the part of the next one."""
    whole = (night.year - day.year) * 12 + night.month - day.month
    whole -= later(day, whole) > night
    start = later(day, whole)
    return whole + (night - start).days / monthrange(start.year, start.month)[1]


def tau(tier, day, night):
    """§4: 1 first, then a straight line, then nothing."""
    before, until, last = TIERS[tier]
    months = age(day, night)
    if months < before:
        return 1.0
    return 0.0 if months >= until else 1 - (1 - last) * (months - before) / (until - before)


def days_of_month(day, night):
    """Days of the month, counted back from the night, in which ``day`` lies."""
    back = (night.year - day.year) * 12 + night.month - day.month
    back += day <= later(night, -back - 1)
    back -= day > later(night, -back)
    return (later(night, -back) - later(night, -back - 1)).days


class Acts:
    """Indicators over public credit records, registers, lifts, accounts and disclosures; mixed into ``Recount``."""

    def records(self, *kinds, months=None):
        """Final records of ``kinds`` that nobody repaired, revoked or overturned by the night, as dictionaries."""
        rows = self.newest("public_credit", ["record_id"]).filter(
            pl.col("record_type_code").is_in(kinds) & pl.col("is_final") & (pl.col("decided_on") <= self.night)
            & ~(pl.col("repaired_on") <= self.night).fill_null(value=False)
            & ~(pl.col("revoked_on") <= self.night).fill_null(value=False)
            & ~pl.col("record_id").is_in(self.upheld.implode())
        )  # fmt: skip
        if months is not None:
            rows = rows.filter(self.within("decided_on", months))
        records = rows.to_dicts()
        if self.is_later and "judgment" not in kinds:  # §8.4: past its longest display an act is neither shown nor used
            records = [
                row for row in records if row["tier_code"] is None
                or self.night < later(row["shown_from"] or row["decided_on"], LONGEST_DISPLAY[row["tier_code"]])
            ]  # fmt: skip
        return records

    def p01(self):
        """D = Σ serious·10τ + (Σ general·4τ + Σ minor·τ) / max(1, projects / 10)."""
        kinds = ("penalty", "overcharging") if self.is_later else ("penalty",)
        ever = dict(
            self.held.filter(self.within("day", 36)).group_by("manager").agg(pl.col("community_id").n_unique()).rows()
        )
        deductions = dict.fromkeys(self.firms, 0.0)
        for row in self.records(*kinds, months=36):
            uscc, tier = row["uscc"], row["tier_code"]
            weight = PENALTY[tier] * tau(tier, row["decided_on"], self.night)
            if tier != "serious":
                projects = self.projects_of(uscc, row["decided_on"]) if self.is_later else ever.get(uscc, 0)
                weight /= max(1, projects / 10)
            if uscc in deductions:
                deductions[uscc] += weight
        return {uscc: (deduction, None) for uscc, deduction in deductions.items()}

    def projects_of(self, uscc, day):
        """(Σh)² ÷ Σh² of the household-months of the month, counted back from the night, in which ``day`` lies."""
        back = next(months for months in range(37) if later(self.night, -months - 1) < day)
        first, last = later(self.night, -back - 1), later(self.night, -back)
        held = self.held.filter(
            (pl.col("manager") == uscc) & (pl.col("day") > first) & (pl.col("day") <= last)
        ).group_by("community_id").agg(pl.col("household_months").sum().alias("h"))  # fmt: skip
        whole = held["h"].sum()
        return whole**2 / (held["h"] ** 2).sum() if whole else 0

    def p04(self):
        """Σ severity·τ of breaches; draw-downs of maintenance funds as the exposure."""
        weights = dict.fromkeys(self.firms, 0.0)
        for row in self.records("fund_procedure", "fund_misuse", months=36):
            tier = row["tier_code"] or ("serious" if row["record_type_code"] == "fund_misuse" else "general")
            if row["uscc"] in weights:
                weights[row["uscc"]] += BREACH[row["record_type_code"]] * tau(tier, row["decided_on"], self.night)
        return {uscc: (weight, None) for uscc, weight in weights.items()}

    def p07(self):
        """Decided overcharging, ÷ household-years of 24 months; in 2026.2 each by its τ."""
        years = dict(
            self.held.filter(self.within("day", 24))
            .group_by("manager")
            .agg(pl.col("household_months").sum() / 12)
            .rows()
        )
        totals = dict.fromkeys(self.firms, 0.0)
        for row in self.records("overcharging", months=24):
            weight = tau(row["tier_code"], row["decided_on"], self.night) if self.is_later else 1.0
            if row["uscc"] in totals:
                totals[row["uscc"]] += weight
        return {uscc: (cases, years[uscc]) for uscc, cases in totals.items() if uscc in years}

    def p09(self):
        """No accident 1, nobody injured 0.5, injured or killed 0: the worst decides."""
        states = dict.fromkeys(self.firms, 1.0)
        for row in self.records("accident", "fatal_accident", months=36):
            injured = row["injured_count"]
            is_light = injured == 0 if injured is not None else row["tier_code"] == "minor"
            state = 0.5 if is_light and row["record_type_code"] == "accident" else 0.0
            if row["uscc"] in states:
                states[row["uscc"]] = min(states[row["uscc"]], state)
        return {uscc: (state, 1.0) for uscc, state in states.items()}

    def p11(self):
        """In force 0; performed late 0.5 for twelve months; else 1."""
        states = dict.fromkeys(self.firms, 1.0)
        for row in self.records("judgment"):
            ended = row["ended_on"]
            state = 0.0 if ended is None or ended > self.night else 0.5 if ended > later(self.night, -12) else 1.0
            if row["uscc"] in states:
                states[row["uscc"]] = min(states[row["uscc"]], state)
        return {uscc: (state, 1.0) for uscc, state in states.items()}

    def p12(self):
        """Listed or without the last due year's report 0; cured, or filed in the half-year after, 0.5; else 1."""
        year = self.night.year if (self.night.month, self.night.day) > (6, 30) else self.night.year - 1
        due, states = date(year, 6, 30), {}
        rows = self.newest("enterprises", ["uscc"])
        is_said = rows["annual_report_filed_on"].is_not_null().any()
        for row in rows.to_dicts():
            filed, founded = row["annual_report_filed_on"], row["established_on"]
            state = 1.0
            if row["listing_status_code"] == "cured" and (row["delisted_on"] or self.night) > later(self.night, -12):
                state = 0.5
            if is_said and not (founded and founded.year >= year):
                if filed is None or filed.year < year:
                    state = 0.0
                elif filed > due and due > later(self.night, -12):
                    state = min(state, 0.5)
            if row["listing_status_code"] == "listed":
                state = 0.0
            states[row["uscc"]] = (state, 1.0)
        return {uscc: states[uscc] for uscc in self.firms}

    def m14(self):
        """Στ of confirmed arrears."""
        weights = dict.fromkeys(self.firms, 0.0)
        for row in self.records("wage_arrears", months=24):
            if row["uscc"] in weights:
                weights[row["uscc"]] += tau(row["tier_code"], row["decided_on"], self.night)
        return {uscc: (weight, None) for uscc, weight in weights.items()}

    def g02(self):
        """Verified commendations of twelve months that were not paid for."""
        missing = dict.fromkeys(self.firms, 0.0)
        for row in self.records("commendation", months=12):
            if not row["amount"] and row["uscc"] in missing:
                missing[row["uscc"]] += 1
        return {uscc: (count, None) for uscc, count in missing.items()}

    def orders(self):
        """Findings with a day to be put right by in the window, each with whether it was, and what it weighs."""
        rows = self.newest("inspections", ["inspection_id", "line_code"])
        line = pl.concat_str("inspection_id", pl.lit("/"), "line_code")
        rows = rows.filter(
            (pl.col("line_type_code") == "finding") & pl.col("is_confirmed").fill_null(value=False)
            & ~pl.col("inspection_id").is_in(self.upheld.implode()) & ~line.is_in(self.upheld.implode())
            & (pl.col("inspected_on") <= self.night)
        )  # fmt: skip
        in_time = (pl.col("rectified_on") <= pl.col("order_due_on")).fill_null(value=False)
        is_hazard = pl.col("is_hazard").fill_null(value=False)
        return rows.with_columns(
            in_time.alias("in_time"), is_hazard.alias("is_hazard"),
            pl.when(is_hazard & (pl.col("severity_code") == "serious")).then(3).otherwise(1).alias("weight"),
        )  # fmt: skip

    def fallen_due(self, months):
        """Orders whose last day has passed, in ``months``; one that was put right in time before it counts as well."""
        rows = self.orders().filter(self.within("order_due_on", months))
        return rows.filter(pl.col("in_time") | (pl.col("order_due_on") < self.night))

    def p03(self):
        """Overdue ÷ due; 2026.2 counts none of its own."""
        if self.is_later:
            return {}
        return self.sums(self.fallen_due(12), ~pl.col("in_time"), pl.col("in_time").is_not_null())

    def p08(self):
        """Hazards closed by their day ÷ due, major ones three times; 2026.2: every order, over 24 months."""
        rows = self.fallen_due(24 if self.is_later else 12)
        rows = rows if self.is_later else rows.filter("is_hazard")
        return self.sums(rows, pl.col("in_time") * pl.col("weight"), pl.col("weight"))

    def p10(self):
        """In date ÷ lifts at each of twelve month ends, each month weighing the same."""
        tests = self.newest("lifts", ["lift_id", "inspected_on"])
        ends = [later(self.night, -months) for months in range(12)]
        shares = {}
        for end in ends:
            known = tests.filter(
                (pl.col("inspected_on") <= end) & (pl.col("in_use_from") <= end)
                & (pl.col("out_of_use_on").is_null() | (pl.col("out_of_use_on") > end))
            ).sort("inspected_on").unique("lift_id", keep="last")  # fmt: skip
            good = (pl.col("result_code") == "passed") & (pl.col("valid_until") >= end)
            table = self.managed(known.drop("uscc", strict=False).with_columns(pl.lit(end).alias("on")), "on")
            for uscc, good_count, count in table.group_by("manager").agg(good.sum().alias("good"), pl.len()).rows():
                shares.setdefault(uscc, []).append((good_count, count))
        return mean_of_periods(shares, self.firms)

    def quarters(self, until):
        """{first day: last day} of the quarters that ended by ``until``, newest first."""
        day, quarters = date(until.year, 3 * ((until.month - 1) // 3) + 1, 1), {}
        for _ in range(6):
            day, following = later(day, -3), day
            quarters[day] = following - timedelta(days=1)
        return quarters

    def held_whole(self, first, last):
        """Communities that one enterprise held from the first day of a quarter to the last: community → enterprise."""
        held = self.held.filter((pl.col("day") >= first) & (pl.col("day") <= last)).group_by("community_id").agg(
            pl.col("manager").n_unique().alias("managers"), pl.col("manager").first(), pl.len().alias("days")
        )  # fmt: skip
        held = held.filter((pl.col("managers") == 1) & (pl.col("days") == (last - first).days + 1))
        return dict(held.select("community_id", "manager").rows())

    def p05(self):
        """Common revenue on an account of its own ÷ communities held for the quarter, a mean of four quarters.

        An account that carries anything else is not its own. 2026.2: nor is a quarter in which some was booked on one.
        """
        rows = self.newest("funds", ["entry_id"]).filter(pl.col("booked_on") <= self.night)
        kinds = rows.group_by("account_no").agg(pl.col("account_type_code").n_unique().alias("kinds"))
        rows = rows.join(kinds, on="account_no", how="left")
        is_common = pl.col("account_type_code") == "common_revenue"
        own = rows.filter(is_common & (pl.col("kinds") == 1))
        elsewhere = (pl.col("account_type_code") == "operating") & pl.col("purpose_code").is_in(COMMON_INCOME)
        if self.is_later:
            elsewhere = elsewhere | (is_common & (pl.col("kinds") > 1))
        elsewhere, shares = rows.filter(elsewhere), {}
        for first, last in self.quarters(self.night).items():
            if last <= later(self.night, -12):
                continue
            year = (pl.col("booked_on") > later(last, -12)) & (pl.col("booked_on") <= last)
            kept = set(own.filter(year)["community_id"])
            kept -= set(elsewhere.filter(pl.col("booked_on").is_between(first, last))["community_id"])
            counts = {}
            for community, uscc in self.held_whole(first, last).items():
                before = counts.get(uscc, (0, 0))
                counts[uscc] = (before[0] + (community in kept), before[1] + 1)
            for uscc, pair in counts.items():
                shares.setdefault(uscc, []).append(pair)
        return mean_of_periods(shares, self.firms)

    def p06(self):
        """c03 and c04 public, and not refused, by the fifteenth day after a quarter ÷ quarters due in the window."""
        rows = self.newest("disclosures", ["disclosure_id"]).filter(
            pl.col("disclosure_class_code").is_in(QUARTERLY) & pl.col("is_verified").fill_null(value=True)
            & (pl.col("published_on") <= self.night)
        )  # fmt: skip
        public = {}
        for row in rows.to_dicts():
            key = (row["community_id"], row["uscc"], row["period_start_on"], row["disclosure_class_code"])
            public[key] = min(public.get(key, row["published_on"]), row["published_on"])
        sums = {}
        for first, last in self.quarters(self.night).items():
            due = last + timedelta(days=15)
            if due > self.night or due <= later(self.night, -12):
                continue
            for community, uscc in self.held_whole(first, last).items():
                days = [public.get((community, uscc, first, code)) for code in QUARTERLY]
                good = sum(1 for day in days if day is not None and day <= due) / len(days)
                before = sums.get(uscc, (0.0, 0.0))
                sums[uscc] = (before[0] + good, before[1] + 1)
        return {uscc: pair for uscc, pair in sums.items() if uscc in set(self.firms)}

    def m11(self):
        """Classes public, verified and current at each month's end ÷ 12, over the community-months of the window."""
        rows = self.newest("disclosures", ["disclosure_id"]).filter(pl.col("is_verified").fill_null(value=False))
        sums = {}
        ends = [later(self.night, -months) for months in range(13)]
        for end, before in pairwise(ends):
            public = rows.filter(pl.col("published_on") <= end)
            quarterly = pl.col("disclosure_class_code").is_in(QUARTERLY)
            newest_due = next(first for first, last in self.quarters(end).items() if last + timedelta(days=15) <= end)
            current = (
                pl.when(quarterly)
                .then(pl.col("period_start_on") >= newest_due)
                .otherwise(pl.col("published_on") >= later(end, -12))
            )
            counts = dict(
                ((community, uscc), count)
                for community, uscc, count in public.filter(current)
                .group_by("community_id", "uscc").agg(pl.col("disclosure_class_code").n_unique()).rows()
            )  # fmt: skip
            held = self.held.filter((pl.col("day") > before) & (pl.col("day") <= end)).group_by(
                "community_id", "manager"
            ).agg(pl.len().alias("days"))  # fmt: skip
            for community, uscc, days in held.rows():
                months = days / 30.4375
                pair = sums.get(uscc, (0.0, 0.0))
                sums[uscc] = (pair[0] + months * counts.get((community, uscc), 0) / 12, pair[1] + months)
        return {uscc: pair for uscc, pair in sums.items() if uscc in set(self.firms)}


def mean_of_periods(shares, firms):
    """{enterprise: (mean share × mean count, mean count)} of (good, count) by period, each period weighing the same."""
    sums = {}
    for uscc in set(firms) & shares.keys():
        pairs = shares[uscc]
        mean = sum(count for _, count in pairs) / len(pairs)
        sums[uscc] = (mean * sum(good / count for good, count in pairs) / len(pairs), mean)
    return sums
