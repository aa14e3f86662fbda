"""What only the simulation knows: what happens after the last delivery, and which complaints were bought.

Goes to the manifest for validation; no office ever sends it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from simulation.parameters import months_after

if TYPE_CHECKING:
    from simulation.region import Region

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
    found: dict[str, list[str]] = {}
    for victim, complaint_id in zip(victims, frame["complaint_id"], strict=True):
        found.setdefault(str(victim), []).append(complaint_id)
    return dict(sorted(found.items()))
