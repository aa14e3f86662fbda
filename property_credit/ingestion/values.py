"""From text to typed columns: each conversion says which rows it cannot take, none turns a value into null silently."""

from collections.abc import Mapping
from datetime import UTC
from functools import cache

import numpy
import polars

from property_credit.ingestion import amounts
from property_credit.ingestion.contract import Field
from property_credit.ingestion.dates import (
    EARLIEST,
    LAST_INSTANT,
    LATEST,
    SUMMER_TIME_ENDED,
    UTC_OFFSET,
    parse_dates,
    parse_timestamps,
)
from property_credit.ingestion.profile import Number, Profile
from property_credit.warehouse.credit_codes import why_wrong

Problems = list[tuple[str, numpy.ndarray]]

FLOAT_NOISE = 1e-6
LARGEST_FLOAT = 1e11  # from here on a spreadsheet writes 1.23457E+11 and keeps six digits
INVALID = {
    "date": "TYPE_INVALID_DATE",
    "timestamp": "TYPE_INVALID_TIMESTAMP",
    "boolean": "TYPE_INVALID_BOOLEAN",
    "code": "CODE_UNKNOWN",
}


def quick(field: Field, profile: Profile) -> polars.Expr | None:
    """Return the conversion of the usual values in one expression, null where it fails; None when there is none."""
    text = polars.col(field.name)
    formats = profile.dates.get(field.name, ["excel"])
    if field.name in profile.constants or (field.is_date and formats[0] in ("excel", "chinese")):
        return None
    if field.type == "date" and "%H" not in formats[0] and "%I" not in formats[0]:
        return text.str.to_date(formats[0], strict=False)
    if field.type == "timestamp" and "%H" in formats[0] and "%z" not in formats[0]:
        local = text.str.to_datetime(formats[0], strict=False, time_unit="us", cache=False)  # instants hardly repeat
        return (local - UTC_OFFSET).dt.replace_time_zone("UTC")
    if field.type == "integer":
        return text.cast(polars.Int32, strict=False)
    if field.type == "boolean" and profile.booleans:
        return _looked_up(text, profile.booleans, polars.Boolean())
    mapping = profile.codes.get(field.name)
    if field.type == "code" and mapping is None:
        return text.cast(empty_type(field), strict=False)
    if field.type == "code" and mapping and None not in mapping.values() and "" not in mapping:
        return _looked_up(text, mapping, empty_type(field))
    return None


def _looked_up(text: polars.Expr, words: Mapping[str, object], kind: polars.DataType) -> polars.Expr:
    """Return the meaning of each word, null for any other text: three times as fast as ``replace_strict``."""
    meanings = polars.Series(list(words.values()), dtype=kind)
    place = text.cast(polars.Enum(list(words)), strict=False).to_physical()
    if isinstance(kind, polars.Enum):
        return polars.lit(meanings.to_physical()).gather(place).cat.to(kind)
    return polars.lit(meanings).gather(place)


def implausible(field: Field, typed: polars.Series) -> polars.Series | None:
    """Return the mask of days and instants that ``quick`` may not decide alone; None when there are none.

    Compared by polars: a year that Python has no date for (0000, 12026) must not become one on the way.
    """
    if not field.is_date or typed.null_count() == typed.len():
        return None
    if field.type == "date":
        mask = (typed < EARLIEST) | (typed >= LATEST)
    else:
        mask = (typed < SUMMER_TIME_ENDED.replace(tzinfo=UTC)) | (typed >= LAST_INSTANT.replace(tzinfo=UTC))
    return mask.fill_null(False) if mask.any() else None


def convert_slow_path(
    field: Field,
    text: polars.Series,
    typed: polars.Series,
    profile: Profile,
    *,
    failed: numpy.ndarray,
    is_implausible: bool,
) -> tuple[polars.Series, Problems]:
    """Complete what ``quick`` gave: the few values where it ``failed`` go through ``convert``, trimmed.

    ``is_implausible``: some of them because ``implausible`` took them back.
    """
    places = numpy.flatnonzero(failed)
    rest = text[places]
    can_do_no_more = field.type in ("boolean", "code")
    if can_do_no_more and all(value == value.strip() for value in rest.to_list()):
        return typed, [(INVALID[field.type], failed)]
    converted, failures = convert(field, trimmed(rest), profile)
    problems: Problems = []
    for code, mask in failures:
        whole = numpy.zeros(text.len(), bool)
        whole[places[mask]] = True
        problems.append((code, whole))
    return typed.scatter(places, converted), problems


def trimmed(column: polars.Series) -> polars.Series:
    """Return the texts without white space around them (also U+00A0 and U+3000); an empty text becomes null."""
    if column.null_count() == column.len():
        return column
    column = column.str.strip_chars()
    if (column.str.len_bytes() == 0).any():
        column = column.set(column.str.len_bytes() == 0, None)
    return column


def convert(field: Field, text: polars.Series, profile: Profile) -> tuple[polars.Series, Problems]:
    """Return the typed column of ``text`` (null stays null) and masks of values that are not of the field's type."""
    if field.type == "date":
        return _parsed(text, parse_dates(text, profile.dates.get(field.name, ["%Y-%m-%d"])), "TYPE_INVALID_DATE")
    if field.type == "timestamp":
        formats = profile.dates.get(field.name, ["%Y-%m-%d %H:%M:%S"])
        return _parsed(text, parse_timestamps(text, formats), "TYPE_INVALID_TIMESTAMP")
    if field.type == "integer":
        return _parsed(text, _integers(text, _spec(field, profile)), "TYPE_INVALID_NUMBER")
    if field.type == "decimal":
        return _parsed(text, _decimals(text, field, _spec(field, profile)), "TYPE_INVALID_NUMBER")
    if field.type == "boolean":
        words = profile.booleans or {"true": True, "false": False}
        if field.name in profile.constants:
            words = words | {"true": True, "false": False}
        typed = text.replace_strict(list(words), list(words.values()), default=None, return_dtype=polars.Boolean)
        return _parsed(text, typed, "TYPE_INVALID_BOOLEAN")
    if field.type == "code":
        return _codes(field, text, profile)
    if field.type == "uscc":
        return _credit_codes(text)
    return text, []  # its length is looked at with the other columns' (rules)


@cache
def _nulls(kind: polars.DataType, capacity: int) -> polars.Series:
    return polars.repeat(None, capacity, dtype=kind, eager=True)


def nulls(kind: polars.DataType, height: int) -> polars.Series:
    """Return a column of nulls; made once a type and cut to measure."""
    capacity = 1 << 15
    while capacity < height:
        capacity *= 2
    return _nulls(kind, capacity).slice(0, height)


@cache
def empty_type(field: Field) -> polars.DataType:
    """Return the polars type of the field's typed column."""
    return {
        "date": polars.Date(),
        "timestamp": polars.Datetime("us", "UTC"),
        "integer": polars.Int32(),
        "decimal": polars.Decimal(field.precision, field.scale),
        "boolean": polars.Boolean(),
        "code": polars.Enum(field.codes),
    }.get(field.type, polars.String())


def _parsed(text: polars.Series, typed: polars.Series, code: str) -> tuple[polars.Series, Problems]:
    if typed.null_count() == text.null_count():
        return typed, []
    return typed, [(code, (typed.is_null() & text.is_not_null()).to_numpy())]


def _credit_codes(text: polars.Series) -> tuple[polars.Series, Problems]:
    """Return the codes in upper case and without spaces, and masks of those that no organisation can carry."""
    text = text.str.to_uppercase()
    if text.str.contains(r"\s").any():
        text = text.str.replace_all(r"\s", "")
    wrong = {code: why.code for code in text.drop_nulls().unique() if (why := why_wrong(code))}
    problems: Problems = []
    for reason in dict.fromkeys(wrong.values()):
        codes = [code for code, why in wrong.items() if why == reason]
        problems.append((reason, text.is_in(codes).fill_null(False).to_numpy()))
    return text, problems


def _spec(field: Field, profile: Profile) -> Number | None:
    return None if field.name in profile.constants else profile.numbers.get(field.name)


def _integers(text: polars.Series, spec: Number | None) -> polars.Series:
    typed = text.cast(polars.Int32, strict=False)
    if typed.null_count() == text.null_count():
        return typed
    text = amounts.canonical(text, spec, has_units=False)
    numbers = text.cast(polars.Float64, strict=False)  # a spreadsheet's 5.0
    whole = numbers.set((numbers != numbers.round()).fill_null(False) | numbers.is_nan().fill_null(False), None)
    return typed.zip_with(typed.is_not_null(), whole.cast(polars.Int32, strict=False))


def _decimals(text: polars.Series, field: Field, spec: Number | None) -> polars.Series:
    kept = polars.Decimal(field.precision, field.scale)
    fraction = rf"(\.[0-9]{{0,{field.scale}}}0*)?$"
    plain, usual, digits = rf"^[+-]?[0-9]+{fraction}", rf"^[+-]?[0-9]+{fraction}", text
    if spec is not None and spec.groups_by_comma:
        usual = rf"^[+-]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+){fraction}"
        digits = text.str.replace_all(",", "", literal=True)
    is_literal = spec is None or spec.takes_plain_digits
    is_plain = text.str.contains(usual).fill_null(True) if is_literal else text.is_null()
    typed = digits.cast(kept, strict=False)
    if typed.null_count() == text.null_count() and is_plain.all():
        return typed
    typed = typed.set(~is_plain, None)
    places = (~is_plain).arg_true()
    rest = amounts.canonical(text.gather(places), spec, has_units=field.is_money)
    more = rest.cast(kept, strict=False).set(~rest.str.contains(plain).fill_null(False), None)
    if more.null_count():
        more = more.zip_with(more.is_not_null(), _without_noise(rest, field))
    return typed.scatter(places, more)


def _without_noise(text: polars.Series, field: Field) -> polars.Series:
    """Return what a spreadsheet meant by 0.30000000000000004; null where more decimals than the field keeps matter."""
    numbers = text.cast(polars.Float64, strict=False)
    rounded = numbers.round(field.scale)
    is_noise = ((numbers - rounded).abs() < FLOAT_NOISE) & (numbers.abs() < LARGEST_FLOAT)
    is_noise &= text.str.contains(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
    kept = polars.Decimal(field.precision, field.scale)
    return numbers.set(~is_noise.fill_null(False), None).cast(kept, strict=False)


def _codes(field: Field, text: polars.Series, profile: Profile) -> tuple[polars.Series, Problems]:
    mapping = profile.codes.get(field.name)
    if mapping is None or field.name in profile.constants:
        return _parsed(text, text.cast(empty_type(field), strict=False), "CODE_UNKNOWN")
    blank = mapping.get("")
    words = {word: code for word, code in mapping.items() if word and code is not None}
    typed = text.replace_strict(list(words), list(words.values()), default=None, return_dtype=empty_type(field))
    problems: Problems = []
    if typed.null_count() > text.null_count():
        wrong = typed.is_null() & text.is_not_null()
        meant_null = [word for word, code in mapping.items() if word and code is None]
        if meant_null:
            wrong &= ~text.is_in(meant_null).fill_null(False)
        if wrong.any():
            problems.append(("CODE_UNKNOWN", wrong.to_numpy()))
    if blank is not None:
        typed = typed.zip_with(text.is_not_null(), polars.repeat(blank, text.len(), eager=True).cast(empty_type(field)))
    return typed, problems
