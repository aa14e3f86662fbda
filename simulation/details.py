"""What offices add to a fact later or beside it: complaints escalated to the region, how bad an accident was."""

from dataclasses import replace

import numpy as np
import polars as pl

from simulation.parameters import Preset
from simulation.tables import Table, labels, pick, random

_PAUSES = {"access": 0.4, "utilities": 0.35, "fund_vote": 0.2, "other": 0.05}
_PAUSES_APPROVED = 0.92
_HIRED = 3  # people behind one community's bought complaints
_DIGITS = 7  # of a complaint's number
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


def with_pauses(complaints: Table, *, seed: int) -> Table:
    """Return the complaints with why each clock stood still and whether the street agreed; nearly all are in order."""
    rng = random(seed, "pauses")
    size = complaints.frame.height
    reason = labels(list(_PAUSES), pick(rng, _PAUSES, size))
    agreed = pl.Series(rng.random(size) < _PAUSES_APPROVED)
    paused = pl.col("paused_minutes") > 0
    frame = complaints.frame.with_columns(
        pl.when(paused).then(pl.lit(reason)).alias("pause_reason_code"),
        pl.when(paused).then(pl.lit(agreed)).alias("is_pause_approved"),
    )
    return replace(complaints, frame=frame)


def with_reporters(complaints: Table) -> Table:
    """Return the complaints with a repeated one by who reported the first, and bought ones by a handful of people."""
    number = (
        pl.when(pl.col("_is_bought"))
        .then(pl.col("_number").min().over("_community", "_is_bought") + pl.col("_number") % _HIRED)
        .otherwise(pl.coalesce(pl.col("repeat_of_id").str.slice(-_DIGITS).cast(pl.Int64, strict=False), "_number"))
        .cast(pl.String)
        .str.zfill(_DIGITS)
    )
    frame = complaints.frame.with_columns(
        pl.concat_str(pl.lit("业主"), number).alias("reporter_name"),
        pl.concat_str(pl.lit("000-"), number).alias("reporter_phone"),
    )
    return replace(complaints, frame=frame)


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
