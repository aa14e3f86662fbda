"""Hashes that stay the same on every machine and in every version: of a key, and of a row's typed values.

xxh3_64 a text or code column, the number itself for days, instants and counts; columns are combined by wrapping u64
arithmetic, each with its own odd multiplier. Good for telling versions apart, not against somebody who means harm.
"""

from functools import cache

import numpy
import polars
import polars_hash

from property_credit.ingestion.contract import Feed, Field

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
    filled = [_number(field) for field in feed.fields if typed[field.name].null_count() < typed.height]
    numbers = {column.name: column.to_numpy() for column in typed.select(filled).get_columns()}
    keys = numpy.zeros(typed.height, numpy.uint64)
    rows = numpy.zeros(typed.height, numpy.uint64)
    constant = 0
    for place, name in enumerate(feed.field_names):
        if name in numbers:
            rows += numbers[name] * numpy.uint64(_multiplier(place))
        elif not feed.field(name).is_later:
            constant = constant + _NULL * _multiplier(place) & _MASK
    for place, name in enumerate(feed.key):
        if name in numbers:  # null in all rows where they wait for a code of their key
            keys += numbers[name] * numpy.uint64(_multiplier(place))
    rows += numpy.uint64(constant)
    rows ^= rows >> numpy.uint64(32)
    return keys, polars.Series("row_hash", (rows * numpy.uint64(_STEP)).view(numpy.int64))


@cache
def _number(field: Field) -> polars.Expr:
    """Return the uint64 of each value of the field's typed column; null has its own, in a later field none."""
    if field.type == "code":  # a word's hash is worked out once, not once a row
        words = polars.DataFrame({"word": field.codes}, {"word": polars.String})
        hashed = words.select(polars_hash.col("word").nchash.xxh3_64()).to_series()
        number = polars.lit(hashed).gather(polars.col(field.name).to_physical())
    elif field.type in ("text", "uscc"):
        number = polars_hash.col(field.name).nchash.xxh3_64()
    elif field.type == "decimal":
        number = polars_hash.col(field.name).cast(polars.String).nchash.xxh3_64()  # type: ignore[attr-defined]
    else:
        number = polars.col(field.name).to_physical().cast(polars.Int64).reinterpret(signed=False)
    return number.fill_null(0 if field.is_later else _NULL).alias(field.name)
