"""Indicators counted once more from raw, written from methodology §2–§4, §11 and docs/method.md: polars, no dbt.

Takes the rows that offices sent (raw, every version) and gives (numerator, denominator) by enterprise. Those with a
certified take-over are left out but in G01: what protection weighs is not counted again here.
"""

from datetime import date, timedelta

import polars as pl
from independent_recount_acts import Acts, age, days_of_month, later

LIMITS = {"M01": 2, "M02": 12, "M03": 24}  # hours
OTHER_LIMITS = {  # of 2026.2, by channel: what is not named has those above
    **dict.fromkeys(("hotline", "platform", "other"), {"M01": 24, "M02": 72, "M03": 120}),
    "letter": {"M01": 15 * 24, "M02": 30 * 24, "M03": 60 * 24},
}
OTHERS = (
    *("M04", "M05", "M06", "M07", "M08", "M09", "M10", "M11", "M12", "M13", "M14", "M15", "M16"),
    *("P01", "P02", "P03", "P04", "P05", "P06", "P07", "P08", "P09", "P10", "P11", "P12", "P13", "G01", "G02"),
)
PAUSES = ["access", "utilities", "fund_vote"]
ONE_MATTER = timedelta(hours=4)
TRAINING = {2025: 0.70, 2026: 0.75, 2027: 0.80}
SEVERITY = {"minor": 1, "general": 3, "serious": 10}
NEVER = date(9999, 12, 31)


class Recount(Acts):
    """The newest version of every row by a night, and the indicators over it."""

    def __init__(self, raw, night, *, is_later=False):
        """``raw``: feed → every version with updated_at, received_at; ``is_later``: as 2026.2 counts, else 2026.1."""
        self.raw, self.night, self.is_later = raw, night, is_later
        firms = self.newest("enterprises", ["uscc"]).filter(pl.col("organisation_type_code") == "enterprise")
        contracts = self.newest("contracts", ["contract_id"])
        self.contracts = ended_by_others(contracts.filter(pl.col("starts_on") <= night))
        protected = self.contracts.filter(pl.col("takeover_certified_on").is_not_null())["uscc"].unique()
        self.firms = firms.filter(~pl.col("uscc").is_in(protected.implode()))["uscc"]
        decided = self.newest("objections", ["objection_id"])
        upheld = (pl.col("outcome_code") == "upheld") | (pl.col("review_outcome_code") == "upheld")
        self.upheld = decided.filter(upheld & (pl.col("decided_on") <= night))["target_id"]
        self.every_firm = firms["uscc"]
        self.held = self.days_held()

    def days_held(self):
        """Every day of 37 months on which an enterprise managed a community, with the households of it."""
        first = later(self.night, -37)
        days = pl.DataFrame({"day": pl.date_range(first, self.night, eager=True)})
        communities = self.newest("communities", ["community_id"])
        days = days.with_columns(
            pl.col("day").map_elements(lambda day: days_of_month(day, self.night), return_dtype=pl.Int64).alias("of")
        )
        every = days.join(
            communities.select("community_id", pl.col("household_count").alias("households")), how="cross"
        )
        every = every.with_columns((pl.col("households") / pl.col("of")).alias("household_months"))
        return self.managed(every, "day").select("day", "community_id", "manager", "household_months")

    def newest(self, feed, key):
        """The version of each key that its source changed last, then the one that came last."""
        return self.raw[feed].sort("updated_at", "received_at", nulls_last=False).unique(key, keep="last")

    def within(self, day, months):
        """event > night − months and event <= night."""
        start = pl.lit(self.night).dt.offset_by(f"-{months}mo")
        return (pl.col(day) > start) & (pl.col(day) <= self.night)

    def managed(self, rows, day):
        """``rows`` with the enterprise under contract in that community on ``day``; of two the one that began last."""
        spells = self.contracts.select("community_id", "starts_on", pl.col("uscc").alias("manager"), "ended_on")
        joined = rows.with_row_index("_row").join(spells, on="community_id", how="inner")
        on = joined.filter((pl.col("starts_on") <= pl.col(day)) & (pl.col(day) <= pl.col("ended_on").fill_null(NEVER)))
        return on.sort("starts_on").unique("_row", keep="last")

    def sums(self, rows, counted, exposure, *, by="uscc"):
        """{uscc: (numerator, denominator)} of the enterprises that count here."""
        table = rows.group_by(by).agg(
            counted.cast(pl.Float64).sum().alias("n"), exposure.cast(pl.Float64).sum().alias("d")
        )
        return {uscc: (n, d) for uscc, n, d in table.iter_rows() if uscc in set(self.firms) and d}

    def complaints(self, *, months=12, needs_finding=True):
        """Complaints of ``months`` that are the property enterprise's, with its code as ``manager``.

        ``needs_finding``: only those that somebody confirmed; else those without a finding as well.
        """
        rows = self.one_matter_once(self.newest("complaints", ["complaint_id"])).with_columns(
            pl.col("submitted_at").dt.convert_time_zone("Asia/Shanghai").dt.date().alias("day")
        )
        rows = rows.filter(
            (pl.col("responsible_party_code") == "property")
            & pl.col("is_confirmed").fill_null(value=not needs_finding)
            & (pl.col("status_code") != "withdrawn") & self.within("day", months)
            & ~pl.col("complaint_id").is_in(self.upheld.implode())
        )  # fmt: skip
        return self.managed(rows, "day")

    def one_matter_once(self, rows):
        """``rows`` without the later of two complaints of one category and community on two channels within hours."""
        known = rows.filter(pl.col("status_code") != "withdrawn")
        pairs = known.select("complaint_id", "community_id", "category_code", "channel_code", "submitted_at").join(
            known.select(
                "community_id", "category_code", pl.col("channel_code").alias("other_channel"),
                pl.col("submitted_at").alias("first_at"),
            ), on=["community_id", "category_code"],
        )  # fmt: skip
        again = pairs.filter(
            (pl.col("channel_code") != pl.col("other_channel")) & (pl.col("submitted_at") > pl.col("first_at"))
            & (pl.col("submitted_at") <= pl.col("first_at") + ONE_MATTER)
        )["complaint_id"]  # fmt: skip
        said = rows.filter(pl.col("same_matter_as_id").is_not_null())["complaint_id"]
        return rows.filter(~pl.col("complaint_id").is_in([*again, *said]))

    def clock(self, code):
        """M01–M03: reached within the limit ÷ all. A later step proves an earlier one; approved pauses come off M03.

        2026.2: each channel has its limits, and one without a finding counts as missed once a limit has run out.
        """
        rows = self.complaints(needs_finding=not self.is_later)
        every = ("responded_at", "handled_at", "resolved_at", "closed_at")
        steps = {"M01": every, "M02": every[1:], "M03": every[2:]}[code]
        untimed = (pl.col("status_code") == "closed") & pl.all_horizontal(pl.col(every).is_null())
        reached = pl.when(untimed).then("updated_at").otherwise(pl.min_horizontal(steps))
        minutes = (reached - pl.col("submitted_at")).dt.total_seconds() / 60
        end = pl.lit(self.night).dt.offset_by("1d").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai")
        still = (end - pl.col("submitted_at")).dt.total_seconds() / 60
        if code == "M03":
            approved = pl.col("is_pause_approved").fill_null(value=False) & pl.col("pause_reason_code").is_in(PAUSES)
            paused = pl.when(approved).then(pl.col("paused_minutes").fill_null(0)).otherwise(0)
            minutes, still = minutes - paused, still - paused
        limit = pl.lit(LIMITS[code])
        if self.is_later:
            own = {channel: limits[code] for channel, limits in OTHER_LIMITS.items()}
            limit = pl.col("channel_code").replace_strict(own, default=LIMITS[code])
        in_time = (minutes <= limit * 60).fill_null(value=False)
        is_over = reached.is_not_null() | (still > limit * 60)
        counts = (in_time & pl.col("is_confirmed").fill_null(value=False)) | (~in_time & is_over)
        return self.sums(rows.filter(counts), in_time, pl.col("complaint_id").is_not_null(), by="manager")

    def m04(self):
        """O and household-months of 12 months, both by 0.5^(age / 6)."""
        fade = lambda day: 0.5 ** (age(day, self.night) / 6)  # noqa: E731
        days = {day: fade(day) for day in self.held["day"].unique()}
        weight = lambda name: pl.col(name).replace_strict(days, return_dtype=pl.Float64)  # noqa: E731
        cases = dict(self.complaints().group_by("manager").agg(weight("day").sum()).rows())
        held = self.held.filter(self.within("day", 12)).group_by("manager")
        expected = dict(held.agg((weight("day") * pl.col("household_months")).sum()).rows())
        return {uscc: (cases.get(uscc, 0.0), expected[uscc]) for uscc in set(self.firms) & expected.keys()}

    def m05(self):
        """Repeated within 30 days of the closing, by one that is the firm's as well, ÷ closed at least 30 days ago."""
        rows = self.complaints(months=48).with_columns(
            pl.col("closed_at").dt.convert_time_zone("Asia/Shanghai").dt.date().alias("closed_on")
        )
        rows = rows.filter(
            self.within("closed_on", 24 if self.is_later else 12)
            & (pl.col("closed_on") <= self.night - timedelta(days=30))
        )
        again = self.complaints(months=48).select(
            pl.col("repeat_of_id").alias("complaint_id"), pl.col("submitted_at").alias("again_at")
        )
        again = again.drop_nulls().join(
            rows.select("complaint_id", "closed_at", pl.col("submitted_at").alias("first_at")), on="complaint_id"
        )
        again = again.filter(
            (pl.col("again_at") > pl.col("first_at")) & (pl.col("again_at") <= pl.col("closed_at") + timedelta(days=30))
        )
        repeated = pl.col("complaint_id").is_in(again["complaint_id"].implode())
        return self.sums(rows, repeated, pl.col("complaint_id").is_not_null(), by="manager")

    def m08(self):
        """Dismissed for cause or left without notice ÷ contract-years, 24 months."""
        lost = self.contracts.filter(
            self.within("ended_on", 24)
            & pl.col("end_reason_code").is_in(["dismissed_for_cause", "left_without_notice"])
        )
        lost = dict(lost.group_by("uscc").agg(pl.len()).rows())
        years = dict(self.held.filter(self.within("day", 24)).group_by("manager").agg(pl.len() / 365.25).rows())
        return {uscc: (float(lost.get(uscc, 0)), years[uscc]) for uscc in set(self.firms) & years.keys()}

    def m09(self):
        """Σ (score − the rater's mean) ÷ spread; the rater's own from ten ratings, else that common to all."""
        rows = self.managed(
            self.newest("street_ratings", ["rating_id"]).filter(self.within("rated_on", 12)).drop("uscc"), "rated_on"
        )
        score, rater = pl.col("rating_score").cast(pl.Float64), "rater_code"
        rows = rows.with_columns(
            (score - score.mean().over(rater)).alias("off"), pl.len().over(rater).alias("count"),
            score.std().over(rater).alias("own"),
        ).filter(pl.col("count") > 1)  # fmt: skip
        common = ((rows["off"] ** 2).sum() / (len(rows) - rows[rater].n_unique())) ** 0.5
        spread = pl.when(pl.col("count") >= 10).then("own").otherwise(common)
        return self.sums(rows, pl.col("off") / spread, pl.col("off").is_not_null(), by="manager")

    def m10(self):
        """Conforming ÷ items where edition and level are those of the contract of the day, 24 months."""
        rows = self.newest("standard_assessments", ["assessment_id"]).filter(self.within("assessed_on", 24))
        terms = self.contracts.select(
            "community_id", "starts_on", pl.col("service_standard_edition").alias("edition"),
            pl.col("service_level").alias("level"),
        )  # fmt: skip
        rows = self.managed(rows.drop("uscc"), "assessed_on").join(terms, on=["community_id", "starts_on"])
        rows = rows.filter(
            (pl.col("edition") == pl.col("standard_edition")) & (pl.col("level") == pl.col("service_level"))
        )
        return self.sums(rows, pl.col("conforming_item_count"), pl.col("item_count"), by="manager")

    def m07(self):
        """Satisfied ÷ call-backs that were answered."""
        rows = self.complaints().filter(pl.col("callback_result_code").is_in(["satisfied", "unsatisfied"]))
        return self.sums(
            rows, pl.col("callback_result_code") == "satisfied", pl.col("complaint_id").is_not_null(), by="manager"
        )

    def p02(self):
        """Failed items by severity, confirmed, ÷ items of 24 months; failures that are not listed weigh as minor."""
        rows = self.newest("inspections", ["inspection_id", "line_code"]).filter(self.within("inspected_on", 24))
        if self.is_later:  # a finding has the kind of its inspection's summary
            kinds = rows.filter((pl.col("line_type_code") == "summary") & (pl.col("inspection_type_code") == "random"))[
                "inspection_id"
            ]
            rows = rows.filter(pl.col("inspection_id").is_in(kinds.implode()))
        line = pl.concat_str("inspection_id", pl.lit("/"), "line_code")
        rows = rows.filter(~pl.col("inspection_id").is_in(self.upheld.implode()) & ~line.is_in(self.upheld.implode()))
        is_refuted = ~pl.col("is_confirmed").fill_null(value=True)  # §2: only what is confirmed counts
        whole = rows.filter((pl.col("line_type_code") == "summary") & ~is_refuted)
        findings = rows.filter(pl.col("line_type_code") == "finding")
        listed = findings.group_by("inspection_id").agg(pl.len().alias("listed"))
        confirmed = findings.filter(pl.col("is_confirmed").fill_null(value=False)).with_columns(
            pl.col("severity_code").replace_strict(SEVERITY, default=1).alias("weight")
        )
        weights = confirmed.group_by("inspection_id").agg(pl.col("weight").sum())
        whole = whole.join(listed, on="inspection_id", how="left").join(weights, on="inspection_id", how="left")
        more = (pl.col("failed_item_count").fill_null(0) - pl.col("listed").fill_null(0)).clip(lower_bound=0)
        return self.sums(whole, pl.col("weight").fill_null(0) + more, pl.col("checked_item_count"))

    def m06(self):
        """Satisfaction of 0–1 weighted by responses, 12 months."""
        rows = self.newest("surveys", ["survey_id", "community_id"]).filter(self.within("surveyed_on", 12))
        rows = self.managed(rows.drop("uscc"), "surveyed_on")
        return self.sums(
            rows,
            pl.col("satisfaction_score").cast(pl.Float64) / 100 * pl.col("response_count"),
            pl.col("response_count"),
            by="manager",
        )

    def m12(self):
        """Handed over in time with documents, facilities and accounts ÷ handovers of 36 months."""
        rows = self.newest("handovers", ["handover_id"]).filter(self.within("due_on", 36))
        whole = pl.all_horizontal("are_documents_complete", "are_facilities_complete", "are_accounts_complete")
        orderly = ((pl.col("completed_on") <= pl.col("due_on")) & whole).fill_null(value=False)
        return self.sums(rows, orderly, pl.col("handover_id").is_not_null())

    def m13(self):
        """½ pre-job + ½ · min(1, continuing ÷ the year's target) over the staff of tonight."""
        rows = self.newest("personnel", ["staff_id"]).filter(
            (pl.col("hired_on") <= self.night) & (pl.col("left_on").is_null() | (pl.col("left_on") > self.night))
        )
        trained = self.within("continuing_trained_on", 12).fill_null(value=False)
        before = (pl.col("pre_job_trained_on") <= self.night).fill_null(value=False)
        table = rows.group_by("uscc").agg(
            pl.len().alias("staff"), before.sum().alias("pre"), trained.sum().alias("further")
        )
        sums = {}
        for uscc, staff, pre, further in table.iter_rows():
            share = pre / staff / 2 + min(1.0, further / staff / TRAINING[self.night.year]) / 2
            if uscc in set(self.firms):
                sums[uscc] = (share * staff, float(staff))
        return sums

    def m16(self):
        """On time × (1 − the firm's own spot-check error), of what was due in 12 months."""
        rows = self.newest("reporting_records", ["report_id"]).filter(self.within("due_on", 12))
        in_time = (pl.col("submitted_on") <= pl.col("due_on")).fill_null(value=False)
        table = rows.group_by("uscc").agg(
            pl.len().alias("due"), in_time.sum().alias("in_time"), pl.col("checked_item_count").sum().alias("checked"),
            pl.col("wrong_item_count").sum().alias("wrong"),
        )  # fmt: skip
        return {
            uscc: (in_time * (1 - (wrong / checked if checked else 0)), float(due))
            for uscc, due, in_time, checked, wrong in table.iter_rows()
            if uscc in set(self.firms)
        }

    def m15(self):
        """Agreements kept ÷ those that fell due in 24 months."""
        rows = self.newest("mediations", ["mediation_id"]).filter(self.within("due_on", 24))
        rows = rows.filter(pl.col("agreed_on").is_not_null())
        kept = (pl.col("outcome_code") == "performed") & (pl.col("performed_on") <= self.night).fill_null(value=True)
        return self.sums(rows, kept, pl.col("mediation_id").is_not_null())

    def p13(self):
        """Contracts of tonight that are filed and complete ÷ contracts of tonight."""
        rows = self.contracts.filter(pl.col("ended_on").is_null() | (pl.col("ended_on") > self.night))
        rows = rows.sort("starts_on").unique("community_id", keep="last")
        whole = pl.col("is_filing_complete").fill_null(value=False) & (pl.col("filed_on") <= self.night).fill_null(
            value=False
        )
        return self.sums(rows, whole, pl.col("contract_id").is_not_null())

    def g01(self):
        """Old or abandoned communities taken over, held a year, with a fifth fewer complaints and contented owners."""
        kinds = dict(self.newest("communities", ["community_id"]).select("community_id", "community_type_code").rows())
        rows = self.newest("complaints", ["complaint_id"]).with_columns(
            pl.col("submitted_at").dt.convert_time_zone("Asia/Shanghai").dt.date().alias("day")
        )
        first_day = rows["day"].min()
        rows = self.one_matter_once(rows).filter(
            pl.col("responsible_party_code").is_in(["property", "undetermined"])
            & pl.col("is_confirmed").fill_null(value=False) & (pl.col("status_code") != "withdrawn")
            & ~pl.col("complaint_id").is_in(self.upheld.implode())
        )  # fmt: skip
        contented = self.contented()
        takeovers = dict.fromkeys(self.every_firm, 0.0)
        for taken in self.contracts.filter(
            pl.col("takeover_certified_on").is_not_null() & pl.col("is_takeover") & self.within("starts_on", 24)
        ).to_dicts():
            start, community = taken["starts_on"], taken["community_id"]
            days = self.held.filter((pl.col("community_id") == community) & (pl.col("day") >= start))
            is_held = set(days["manager"]) == {taken["uscc"]} and len(days) == (self.night - start).days + 1
            if kinds[community] not in ("old", "abandoned") or later(start, 12) > self.night + timedelta(days=1):
                continue
            before = after = months = 0
            cases = rows.filter(pl.col("community_id") == community)
            for back in range(1, 13):
                begins, ends = later(start, -back), later(start, 1 - back)
                if begins < first_day:
                    continue
                months += 1
                before += cases.filter((pl.col("day") >= begins) & (pl.col("day") < ends)).height
                after += cases.filter(
                    (pl.col("day") >= later(begins, 12)) & (pl.col("day") < later(ends, 12))
                    & (pl.col("responsible_party_code") == "property")
                ).height  # fmt: skip
            if (
                is_held
                and months >= 6
                and before >= 5
                and after <= 0.8 * before
                and (community, taken["uscc"]) in contented
            ):
                takeovers[taken["uscc"]] += 1
        return {uscc: (count, None) for uscc, count in takeovers.items()}

    def contented(self):
        """(community, enterprise) whose owners are at least as satisfied as the mean of their stratum, 12 months."""
        homes = self.newest("communities", ["community_id"]).to_dicts()
        age_of = lambda home: self.night.year - home["built_year"] if home["built_year"] else None  # noqa: E731
        stratum = {}
        for home in homes:
            years = age_of(home)
            band = None if years is None else sum(years >= bound for bound in (10, 20, 30))
            stratum[home["community_id"]] = (home["community_type_code"], band, home["has_lift"])
        rows = self.managed(
            self.newest("surveys", ["survey_id", "community_id"]).filter(self.within("surveyed_on", 12)).drop("uscc"),
            "surveyed_on",
        )
        sums, each = {}, {}
        for row in rows.to_dicts():
            total, count = float(row["satisfaction_score"]) * row["response_count"], row["response_count"]
            for place, key in ((sums, stratum[row["community_id"]]), (each, (row["community_id"], row["manager"]))):
                before = place.get(key, (0.0, 0))
                place[key] = (before[0] + total, before[1] + count)
        mean = {key: total / count for key, (total, count) in sums.items() if count}
        return {key for key, (total, count) in each.items() if count and total / count >= mean[stratum[key[0]]]}

    def everything(self):
        """Every indicator, by code; a denominator of None: the warehouse keeps none, or one that has no effect."""
        return {code: self.clock(code) for code in LIMITS} | {code: getattr(self, code.lower())() for code in OTHERS}


def ended_by_others(contracts):
    """A contract that nobody ended ends the day before another enterprise's begins."""
    begins = contracts.select("community_id", pl.col("uscc").alias("other"), pl.col("starts_on").alias("other_on"))
    following = contracts.join(begins, on="community_id").filter(
        (pl.col("other") != pl.col("uscc")) & (pl.col("other_on") > pl.col("starts_on"))
    ).group_by("contract_id").agg(pl.col("other_on").min())  # fmt: skip
    return contracts.join(following, on="contract_id", how="left").with_columns(
        pl.col("ended_on").fill_null(pl.col("other_on").dt.offset_by("-1d"))
    )
