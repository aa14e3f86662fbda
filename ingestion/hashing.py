"""Hashes that stay the same on every machine and in every version: of a key, and of a row's typed values.

xxh3_64 a text or code column, the number itself for days, instants and counts; columns are combined by wrapping u64
arithmetic, each with its own odd multiplier. Good for telling versions apart, not against somebody who means harm.
"""

from functools import cache

import numpy
import polars
import polars_hash

from ingestion.contract import Feed

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: a sequence without short cycles
_NULL = 0x1F0D3804A5C2B697


def _multiplier(place: int) -> int:
    mixed = (place + 1) * _STEP & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    return (mixed ^ mixed >> 27) | 1


def hashes(feed: Feed, typed: polars.DataFrame) -> tuple[numpy.ndarray, polars.Series]:
    """Return of each row a uint64 hash of its key and ``row_hash``, an int64 hash of all its fields.

    Rows that are equal have equal hashes, whatever their source wrote.
    """
    numbers = _numbers(typed, [name for name in feed.field_names if typed[name].null_count() < typed.height])
    keys = numpy.zeros(typed.height, numpy.uint64)
    rows = numpy.zeros(typed.height, numpy.uint64)
    constant = 0
    for place, name in enumerate(feed.field_names):
        if name in numbers:
            rows += numbers[name] * numpy.uint64(_multiplier(place))
        else:
            constant = constant + _NULL * _multiplier(place) & _MASK
    for place, name in enumerate(feed.key if typed.height else ()):
        keys += numbers[name] * numpy.uint64(_multiplier(place))
    rows += numpy.uint64(constant)
    rows ^= rows >> numpy.uint64(32)
    return keys, polars.Series("row_hash", (rows * numpy.uint64(_STEP)).view(numpy.int64))


@cache
def _of_codes(kind: polars.Enum) -> polars.Series:
    """Return the hashes of a code list's words: each is worked out once, not once a row."""
    return kind.categories.to_frame("word").select(polars_hash.col("word").nchash.xxh3_64()).to_series()


def _numbers(typed: polars.DataFrame, names: list[str]) -> dict[str, numpy.ndarray]:
    """Return a uint64 for each value of the columns ``names``; null has its own."""
    expressions = []
    for name in names:
        kind = typed.schema[name]
        if isinstance(kind, polars.Enum):
            expression = polars.lit(_of_codes(kind)).gather(polars.col(name).to_physical())
        elif kind == polars.String:
            expression = polars_hash.col(name).nchash.xxh3_64()
        elif isinstance(kind, polars.Decimal):
            expression = polars_hash.col(name).cast(polars.String).nchash.xxh3_64()  # type: ignore[attr-defined]
        else:
            expression = polars.col(name).to_physical().cast(polars.Int64).reinterpret(signed=False)
        expressions.append(expression.fill_null(_NULL).alias(name))
    return {column.name: column.to_numpy() for column in typed.select(expressions).get_columns()}
