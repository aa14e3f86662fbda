"""Hashes that stay the same on every machine and in every version: of a key, and of a row's typed values.

xxh3_64 a text column, the number itself for days, instants and counts; columns are combined by wrapping u64
arithmetic, each with its own odd multiplier. Good for telling versions apart, not against somebody who means harm.
"""

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


def row_hashes(feed: Feed, typed: polars.DataFrame) -> polars.Series:
    """Return an int64 hash of all fields of each row; equal rows are equal whatever their source wrote."""
    constant, terms = 0, []
    for place, contract in enumerate(feed.fields):
        factor = _multiplier(place)
        if typed[contract.name].null_count() == typed.height:
            constant = constant + _NULL * factor & _MASK
        else:
            terms.append(_number(typed[contract.name]) * numpy.uint64(factor))
    total = numpy.full(typed.height, constant, numpy.uint64)
    for term in terms:
        total += term
    total ^= total >> numpy.uint64(32)
    return polars.Series("row_hash", (total * numpy.uint64(_STEP)).view(numpy.int64))


def key_hashes(feed: Feed, typed: polars.DataFrame) -> numpy.ndarray:
    """Return a uint64 hash of the key of each row."""
    total = numpy.zeros(typed.height, numpy.uint64)
    for place, name in enumerate(feed.key):
        total += _number(typed[name]) * numpy.uint64(_multiplier(place))
    return total


def _number(column: polars.Series) -> numpy.ndarray:
    """Return a uint64 for each value; null has its own."""
    if column.dtype == polars.String:
        hashed = polars.DataFrame([column.alias("value")]).select(polars_hash.col("value").nchash.xxh3_64())
        return hashed.to_series().fill_null(_NULL).to_numpy()
    if isinstance(column.dtype, polars.Decimal):
        return _number(column.cast(polars.String))
    if column.dtype == polars.Boolean:
        column = column.cast(polars.Int64)
    else:
        column = column.to_physical().cast(polars.Int64)
    return column.fill_null(_signed(_NULL)).to_numpy().view(numpy.uint64)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
