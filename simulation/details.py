"""What offices add to a fact later or beside it: complaints escalated to the region, how bad an accident was."""

from dataclasses import replace

import numpy as np
import polars as pl

from simulation.parameters import Preset
from simulation.tables import Table, random

_LARGER_SHARE = 0.15  # of fatal accidents: three lives or more (较大事故)


def with_escalations(complaints: Table, preset: Preset, *, seed: int) -> Table:
    """Return the complaints with ``escalated_at``: a part of what stays unresolved for more than 24 hours."""
    rng = random(seed, "escalations")
    size = complaints.frame.height
    minutes = pl.Series((24 * 60 + rng.uniform(5, 600, size)).astype(np.int64))
    chosen = pl.Series(rng.random(size) < preset.assessments.escalated_share)
    at = pl.col("submitted_at") + pl.duration(minutes=pl.lit(minutes))
    still_open = pl.col("_withdrawn_at").is_null() & (pl.col("resolved_at") > at).fill_null(value=True)
    frame = complaints.frame.with_columns(pl.when(pl.lit(chosen) & still_open).then(at).alias("escalated_at"))
    return replace(complaints, frame=frame, masks={**complaints.masks, "escalated_at": "escalated_at"})


def with_accident_details(records: Table, *, seed: int) -> Table:
    """Return the public credit records with the class of every accident and how many people were hurt."""
    rng = random(seed, "accidents")
    size = records.frame.height
    kind = pl.col("record_type_code")
    larger = pl.Series(rng.random(size) < _LARGER_SHARE)
    injured = pl.Series(np.where(rng.random(size) < 0.5, 0, rng.integers(1, 4, size)))
    level = (
        pl.when((kind == "fatal_accident") & pl.lit(larger))
        .then(pl.lit("larger"))
        .when(kind.is_in(["accident", "fatal_accident"]))
        .then(pl.lit("ordinary"))
    )
    hurt = pl.when(kind.is_in(["accident", "fatal_accident"])).then(pl.lit(injured))
    frame = records.frame.with_columns(level.alias("accident_level_code"), hurt.alias("injured_count"))
    return replace(records, frame=frame)
