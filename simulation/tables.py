"""Tables that know when each fact became known: what an office could have sent on any day.

Owns randomness by name, dates as day numbers, and ``Table.as_known``. Knows no office and no feed in particular.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import polars as pl

from simulation.parameters import Lags

EPOCH = date(1970, 1, 1)
NEVER = -1  # a day number: the event does not happen
SYNC = pl.duration(hours=23, minutes=30)  # the hour at which offices stamp the day's changes


def random(seed: int, name: str) -> np.random.Generator:
    """Return the generator called ``name``: adding another one never changes what this one draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def day_number(day: date) -> int:
    """Return the days from 1970-01-01 to ``day``."""
    return (day - EPOCH).days


def dates(numbers: np.ndarray) -> pl.Series:
    """Return day numbers as dates; NEVER gives null."""
    numbers = np.asarray(numbers, dtype=np.int32)
    return (
        pl.select(pl.when(pl.lit(pl.Series(numbers)) > NEVER).then(pl.lit(pl.Series(numbers))))
        .to_series()
        .cast(pl.Date)
    )


def moments(minutes: np.ndarray) -> pl.Series:
    """Return minutes from 1970-01-01 as local timestamps; negative ones give null."""
    seconds = np.floor(np.asarray(minutes, dtype=np.float64) * 60).astype(np.int64)
    series = pl.Series(np.where(seconds < 0, np.int64(-1), seconds * 1_000_000))
    return pl.select(pl.when(pl.lit(series) >= 0).then(pl.lit(series))).to_series().cast(pl.Datetime("us"))


def labels(names: list[str] | np.ndarray | pl.Series, indexes: np.ndarray) -> pl.Series:
    """Return ``names[indexes]`` as text; a negative index gives null."""
    indexes = np.asarray(indexes)
    source = names if isinstance(names, pl.Series) else pl.Series(list(names), dtype=pl.String)
    picks = pl.Series(np.where(indexes < 0, 0, indexes).astype(np.int64))
    return pl.select(pl.when(pl.lit(pl.Series(indexes >= 0))).then(pl.lit(source.gather(picks)))).to_series()


def numbered(prefix: str, numbers: np.ndarray, digits: int) -> pl.Series:
    """Return identifiers such as LS0000012; numbers are padded to ``digits``."""
    padded = pl.lit(pl.Series(numbers)).cast(pl.String).str.zfill(digits)
    return pl.select(pl.concat_str(pl.lit(prefix), padded)).to_series()


def pick(rng: np.random.Generator, shares: dict[str, float], size: int) -> np.ndarray:
    """Return ``size`` indexes into ``shares``, drawn in proportion to its values."""
    weights = np.array(list(shares.values()), dtype=np.float64)
    return np.searchsorted(np.cumsum(weights / weights.sum())[:-1], rng.random(size), side="right")


@dataclass(frozen=True)
class Table:
    """One feed's truth. Columns that begin with '_' never leave the simulation.

    ``_visible_on`` is the day the office has the row. ``masks`` maps a column to the column that says from when it
    is known (a date or a timestamp). ``_corrected_on`` and ``_wrong`` (of column ``corrected``): until that day the
    office has the wrong value. ``finish`` derives what follows from the masked columns, such as a status.
    """

    feed: str
    key: tuple[str, ...]
    frame: pl.DataFrame
    masks: dict[str, str] = field(default_factory=dict)
    corrected: str | None = None
    finish: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame

    def as_known(self, day: date) -> pl.DataFrame:
        """Return the rows the office has at the end of ``day``; ``updated_at`` is its last change."""
        frame = self.frame.filter(pl.col("_visible_on") <= day)
        changes = [pl.col("_visible_on")]
        for by in dict.fromkeys(self.masks.values()):
            known = pl.col(by).cast(pl.Date)
            changes.append(pl.when(known <= day).then(known))
        if self.corrected:
            changes.append(pl.when(pl.col("_corrected_on") <= day).then(pl.col("_corrected_on")))
        frame = frame.with_columns((pl.max_horizontal(changes).cast(pl.Datetime("us")) + SYNC).alias("updated_at"))
        if self.corrected:
            wrong = pl.when(pl.col("_corrected_on") > day).then(pl.col("_wrong")).otherwise(pl.col(self.corrected))
            frame = frame.with_columns(wrong.alias(self.corrected))
        masked = [
            pl.when(pl.col(by).cast(pl.Date) <= day).then(pl.col(column)).alias(column)
            for column, by in self.masks.items()
        ]
        return self.finish(frame.with_columns(masked))

    def delivered(self, day: date, *, since: date | None) -> pl.DataFrame:
        """Return what the office sends on ``day``: everything at first, later the rows changed after ``since``."""
        known = self.as_known(day)
        return known if since is None else known.filter(pl.col("updated_at").dt.date() > since)

    def with_corrections(self, rng: np.random.Generator, *, column: str, wrong: pl.Expr, share: float) -> "Table":
        """Return the table with ``share`` of its rows first known with ``wrong`` instead of ``column``."""
        size = self.frame.height
        chosen = pl.lit(pl.Series(rng.random(size) < share)) & wrong.ne_missing(pl.col(column))
        after = rng.integers(3, 46, size)
        frame = self.frame.with_columns(
            pl.when(chosen)
            .then(pl.col("_visible_on").cast(pl.Int32) + pl.lit(pl.Series(after.astype(np.int32))))
            .cast(pl.Date)
            .alias("_corrected_on"),
            wrong.alias("_wrong"),
        )
        return replace(self, frame=frame, corrected=column)


def visibility(rng: np.random.Generator, event_days: np.ndarray, lags: Lags) -> pl.Series:
    """Return the day each event's row is there at the office: soon for most, weeks later for a few."""
    size = len(event_days)
    lag = rng.integers(lags.usual[0], lags.usual[1] + 1, size)
    late = rng.random(size) < lags.late_share
    lag = np.where(late, rng.integers(lags.late[0], lags.late[1] + 1, size), lag)
    return dates(event_days + lag).alias("_visible_on")
