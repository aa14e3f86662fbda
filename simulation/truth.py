"""What only the simulation knows: what happens next, which complaints were bought, which alerts a night calls for.

Goes to the manifest for validation; no office ever sends it.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from simulation.contract_terms import contract_cases
from simulation.disputes import dispute_cases
from simulation.exits import exit_cases
from simulation.fee_collections import collection_cases
from simulation.fund_supervision import fund_cases_as_known
from simulation.parameters import months_after
from simulation.registers import DUE_DAYS, QUARTERLY, quarter_starts
from simulation.tenders import tender_cases

if TYPE_CHECKING:
    from simulation.region import Region

DUTIES = {"tenders": tender_cases, "fee_collections": collection_cases, "disputes": dispute_cases,
          "contract_terms": contract_cases}  # fmt: skip
ENDINGS = {"dismissed_for_cause": "dismissal", "left_without_notice": "abandonment"}


def future_events(region: "Region", *, months: int) -> list[dict[str, str]]:
    """Return what methodology §9 asks a grade to foretell, over the ``months`` after the history, by enterprise.

    Kinds: penalty (final, not revoked within the time), major_finding (confirmed, serious), abandonment, dismissal.
    """
    first, last = region.through + timedelta(days=1), months_after(region.through, months)
    records = region.tables["public_credit"].frame.filter(
        pl.col("is_final") & pl.col("record_type_code").is_in(["penalty", "abandonment"])
        & (pl.col("revoked_on").is_null() | (pl.col("revoked_on") > last))
    )  # fmt: skip
    findings = region.tables["inspections"].frame.filter(
        pl.col("is_confirmed") & (pl.col("severity_code") == "serious")
    )
    ended = pl.col("end_reason_code").replace(ENDINGS).alias("kind")
    contracts = region.tables["contracts"].frame.filter(pl.col("end_reason_code").is_in(list(ENDINGS)))
    events = pl.concat(
        [
            records.select("uscc", pl.col("record_type_code").alias("kind"), pl.col("decided_on").alias("on")),
            findings.select("uscc", pl.lit("major_finding").alias("kind"), pl.col("inspected_on").alias("on")),
            contracts.select("uscc", ended, pl.col("ended_on").alias("on")),
        ]
    )  # fmt: skip
    enterprises = region.tables["enterprises"].frame.filter(pl.col("organisation_type_code") == "enterprise")
    events = events.filter(pl.col("on").is_between(first, last)).join(enterprises, on="uscc", how="semi")
    events = events.sort("on", "uscc", "kind").with_columns(pl.col("on").cast(pl.String))
    return events.to_dicts()


def bought_complaints(region: "Region") -> dict[str, list[str]]:
    """Return the ids of the complaints that a rival paid for, by victim."""
    frame = region.tables["complaints"].frame.filter(pl.col("_is_bought"))
    index = {name: number for number, name in enumerate(region.communities.ids)}
    place = frame["_community_id"].replace_strict(index, return_dtype=pl.Int64).to_numpy()
    days = frame["submitted_at"].dt.date().cast(pl.Int32).cast(pl.Int64).to_numpy()
    victims = region.managers.uscc[region.tenures.manager_of(place, days)]
    bought: dict[str, list[str]] = {}
    for victim, complaint_id in zip(victims, frame["complaint_id"], strict=True):
        bought.setdefault(str(victim), []).append(complaint_id)
    return dict(sorted(bought.items()))


def alerts_as_known(region: "Region", night: date) -> dict[str, list[str]]:
    """Return the alerts that what the offices know on ``night`` calls for, as '<kind>/<subject>'.

    ``due`` must be found; ``standing`` happened more than a year before: it raises no new alert, but is not wrong.
    """
    cases = pl.concat(
        [
            exit_cases(region.tables, night),
            fund_cases_as_known(region.funds, night).select("kind", "subject", "on"),
            undisclosed_quarters(region, night),
            idle_firms(region, night),
            *duty_cases(region, night),
        ]
    ).with_columns(pl.concat_str("kind", "subject", separator="/").alias("name"))
    recent = pl.col("on").is_null() | (pl.col("on") > pl.lit(night).dt.offset_by("-12mo"))
    due = cases.filter(recent)["name"].unique().sort()
    standing = cases.filter(~pl.col("name").is_in(due.implode()))["name"].unique().sort()
    return {"due": due.to_list(), "standing": standing.to_list()}


def duty_cases(region: "Region", night: date) -> list[pl.DataFrame]:
    """Return the cases of the feeds that a world may lack: only a sample region has them."""
    return [cases(region.tables, night) for feed, cases in DUTIES.items() if feed in region.tables]


def idle_firms(region: "Region", night: date) -> pl.DataFrame:
    """Return the firms that had communities and manage none on ``night``, as the contracts known then say.

    A contract that nobody ended is over where another one of the community began.
    """
    contracts = region.tables["contracts"].as_known(night).filter(pl.col("starts_on") <= night)
    firms = region.tables["enterprises"].frame.filter(pl.col("organisation_type_code") == "enterprise")
    contracts = contracts.sort("community_id", "starts_on", "contract_id").with_columns(
        pl.col("uscc").shift(-1).over("community_id").alias("next_uscc"),
        pl.col("starts_on").shift(-1).over("community_id").alias("next_on"),
    )
    replaced = pl.when(pl.col("next_uscc") != pl.col("uscc")).then(pl.col("next_on") - pl.duration(days=1))
    until = pl.coalesce("ended_on", replaced.cast(pl.Date), pl.lit(night))
    last = (
        contracts.join(firms, on="uscc", how="semi")
        .with_columns(until.alias("until"))
        .group_by("uscc")
        .agg(pl.col("until").max())
    )
    return last.filter(pl.col("until") < night).select(
        pl.lit("enterprise_not_serving").alias("kind"), pl.col("uscc").alias("subject"), pl.lit(night).alias("on")
    )


def undisclosed_quarters(region: "Region", night: date) -> pl.DataFrame:
    """Return the quarters that a firm managed whole and whose money it had not made public on ``night``, when due."""
    contracts = region.tables["contracts"].as_known(night)
    firms = region.tables["enterprises"].frame.filter(pl.col("organisation_type_code") == "enterprise")
    spells = contracts.filter(pl.col("starts_on") <= night).join(firms, on="uscc", how="semi").select(
        "community_id", "uscc", "starts_on", pl.col("ended_on").fill_null(night).clip(upper_bound=night).alias("until")
    )  # fmt: skip
    published = (
        region.tables["disclosures"]
        .as_known(night)
        .filter(pl.col("published_on").is_not_null() & pl.col("disclosure_class_code").is_in(list(QUARTERLY)))
        .group_by("community_id", "period_start_on")
        .agg(pl.col("disclosure_class_code").n_unique().alias("classes"))
    )
    starts = quarter_starts(date(night.year - 2, 1, 1), night)
    quarters = pl.DataFrame({"quarter": starts}).with_columns(
        (pl.col("quarter").dt.offset_by("3mo") - pl.duration(days=1)).alias("closing")
    )
    recent = pl.col("quarter") > pl.lit(night).dt.offset_by("-18mo")
    quarters = quarters.filter(recent & (pl.col("closing") + pl.duration(days=DUE_DAYS) < night))
    days = (
        pl.min_horizontal("until", "closing") - pl.max_horizontal("starts_on", "quarter") + pl.duration(days=1)
    ).dt.total_days()
    managed = (
        spells.join(quarters, how="cross")
        .filter((pl.col("starts_on") <= pl.col("closing")) & (pl.col("until") >= pl.col("quarter")))
        .group_by("community_id", "uscc", "quarter", "closing")
        .agg(days.sum().alias("days"))
        .filter(pl.col("days") == (pl.col("closing") - pl.col("quarter")).dt.total_days() + 1)
    )
    seen = managed.join(
        published, left_on=["community_id", "quarter"], right_on=["community_id", "period_start_on"], how="left"
    )
    return seen.filter(pl.col("classes").fill_null(0) < len(QUARTERLY)).select(
        pl.lit("quarter_undisclosed").alias("kind"),
        pl.concat_str("community_id", pl.col("quarter").cast(pl.String), separator="/").alias("subject"),
        (pl.col("closing") + pl.duration(days=DUE_DAYS + 1)).cast(pl.Date).alias("on"),
    )
