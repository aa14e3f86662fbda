"""Exits: whether the street was told and came, whether notice was in time, and what an office should find of it.

Owns the street's part in contracts and handovers, and the truth about exits and communities without a manager. Random
streams of its own: nothing else changes with what is drawn here.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from simulation.actors import Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, random
from simulation.tenures import Tenures

CARRIED_ON_DAYS = 60  # the same firm under a new contract within so many days has not left
NOTICE_DAYS = {"at term": 90, "open term": 60}  # 民法典 947, 948
HANDOVER_DAYS = 15


def with_street_at_exits(
    contracts: Table, handovers: Table, preset: Preset, managers: Managers, tenures: Tenures, *, seed: int
) -> dict[str, Table]:
    """Return both tables with the street's part; some of those who gave notice gave it too late."""
    rng = random(seed, "street at exits")
    frame = contracts.frame
    end = frame["ended_on"].cast(pl.Int32).fill_null(NEVER).to_numpy().astype(np.int64)
    size = len(end)
    informed = rng.random(size) < managers.chance("street", tenures.manager, end, preset.exits.street_informed)
    informed_on = np.where((end >= 0) & informed, end - rng.integers(5, 60, size), NEVER)
    punctual = rng.random(size) < managers.chance("notice", tenures.manager, end, preset.exits.notice_in_time)
    late_notice = dates(end - rng.integers(5, 88, size))
    notice = (
        pl.when(pl.col("notice_given_on").is_not_null() & ~pl.lit(pl.Series(punctual)))
        .then(pl.lit(late_notice))
        .otherwise(pl.col("notice_given_on"))
    )
    frame = frame.with_columns(dates(informed_on).alias("street_informed_on"), notice.alias("notice_given_on"))
    masks = {**contracts.masks, "street_informed_on": "street_informed_on"}

    holder = handovers.frame.join(
        pl.DataFrame({"contract_id": contracts.frame["contract_id"], "_manager": tenures.manager}),
        on="contract_id", how="left", maintain_order="left",
    )["_manager"].to_numpy()  # fmt: skip
    due = handovers.frame["due_on"].cast(pl.Int32).to_numpy().astype(np.int64)
    present = random(seed, "street at handovers").random(len(due)) < managers.chance(
        "street", holder, due, preset.exits.street_present
    )
    seen = handovers.frame.with_columns(pl.Series("is_street_present", present))
    return {
        "contracts": replace(contracts, frame=frame, masks=masks),
        "handovers": replace(handovers, frame=seen, masks={**handovers.masks, "is_street_present": "completed_on"}),
    }


def exit_cases(tables: Mapping[str, Table], night: date) -> pl.DataFrame:
    """Return what the offices know of exits on ``night`` and should be told: kind, subject, on (null: always so)."""
    contracts = tables["contracts"].as_known(night)
    firms = tables["enterprises"].frame.filter(pl.col("organisation_type_code") == "enterprise")
    ordered = contracts.sort("community_id", "starts_on").with_columns(
        pl.col("uscc").shift(-1).over("community_id").alias("_next"),
        (pl.col("starts_on").shift(-1).over("community_id") - pl.col("ended_on")).dt.total_days().alias("_gap"),
    )
    carried_on = (pl.col("_next") == pl.col("uscc")) & (pl.col("_gap") <= CARRIED_ON_DAYS)
    exits = ordered.filter((pl.col("ended_on") <= night) & ~carried_on.fill_null(value=False))
    exits = exits.join(firms, on="uscc", how="semi")
    handovers = tables["handovers"].as_known(night).select(
        "contract_id", "due_on", "completed_on", "are_documents_complete", "are_facilities_complete",
        "are_accounts_complete", "is_street_present",
    )  # fmt: skip
    exits = exits.join(handovers, on="contract_id", how="left", maintain_order="left")
    notice = (pl.col("ended_on") - pl.col("notice_given_on")).dt.total_days()
    wanted = pl.when(pl.col("ended_on") <= pl.col("ends_on")).then(NOTICE_DAYS["at term"])
    short = notice < wanted.otherwise(NOTICE_DAYS["open term"])
    by_firm = pl.col("end_reason_code").is_in(["left_with_notice", "left_without_notice"])
    complete = pl.all_horizontal("are_documents_complete", "are_facilities_complete", "are_accounts_complete")
    due_on = pl.coalesce("due_on", pl.col("ended_on") + pl.duration(days=HANDOVER_DAYS))
    done = pl.col("completed_on").is_not_null()
    rules = {
        "exit_without_notice": by_firm & pl.col("notice_given_on").is_null(),
        "exit_notice_short": by_firm & short.fill_null(value=False),
        "exit_street_not_informed": (pl.col("street_informed_on") <= pl.col("ended_on")).fill_null(value=False).not_(),
        "handover_overdue": ~done & (due_on < night),
        "handover_incomplete": done & ~complete.fill_null(value=False),
        "handover_without_street": done & ~pl.col("is_street_present").fill_null(value=False),
    }
    serving = contracts.filter((pl.col("starts_on") <= night) & (pl.col("ended_on").fill_null(night) >= night))
    unmanaged = tables["communities"].as_known(night).join(serving, on="community_id", how="anti")
    parts = [
        exits.filter(rule).select(
            pl.lit(kind).alias("kind"), pl.col("contract_id").alias("subject"), pl.col("ended_on").alias("on")
        )
        for kind, rule in rules.items()
    ]
    never = pl.lit(None, dtype=pl.Date).alias("on")
    parts.append(
        unmanaged.select(pl.lit("management_vacuum").alias("kind"), subject="community_id").with_columns(never)
    )
    return pl.concat(parts)
