"""From text to typed columns: each conversion says which rows it cannot take, none turns a value into null silently."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy
import polars

from ingestion.contract import Field
from ingestion.profile import Profile

Problems = list[tuple[str, numpy.ndarray]]

EARLIEST = date(1900, 1, 1)  # what lies before is a slip of the hand (0224-01-02), not a fact of a property company
EXCEL_EPOCH = date(1899, 12, 30)
EXCEL_DAYS = (1, 109_574)  # up to the year 2199
EXCEL_TEXT = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")  # how a true date cell reads as text
SUMMER_TIME_ENDED = datetime(1991, 9, 16)
FLOAT_NOISE = 1e-6
UTC_OFFSET = timedelta(hours=8)
INVALID = {
    "date": "TYPE_INVALID_DATE",
    "timestamp": "TYPE_INVALID_TIMESTAMP",
    "boolean": "TYPE_INVALID_BOOLEAN",
    "code": "CODE_UNKNOWN",
}
USCC_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
MICROSECONDS = 1_000_000


def quick(field: Field, profile: Profile) -> polars.Expr | None:
    """Return the conversion of the usual values in one expression, null where it fails; None when there is none."""
    text = polars.col(field.name)
    formats = profile.dates.get(field.name, ["excel"])
    if field.name in profile.constants or (field.is_date and formats[0] == "excel"):
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


def too_early(field: Field, typed: polars.Series) -> polars.Series | None:
    """Return the mask of days and instants that ``quick`` may not decide alone; None when there are none."""
    if not field.is_date or typed.null_count() == typed.len():
        return None
    limit = EARLIEST if field.type == "date" else SUMMER_TIME_ENDED.replace(tzinfo=UTC)
    return (typed < limit).fill_null(False) if typed.min() < limit else None  # type: ignore[operator]


def with_the_rest(
    field: Field, text: polars.Series, typed: polars.Series, profile: Profile, *, failed: numpy.ndarray, is_early: bool
) -> tuple[polars.Series, Problems]:
    """Complete what ``quick`` gave: the few values where it ``failed`` go through ``convert``, trimmed.

    ``is_early``: some of them because ``too_early`` took them back.
    """
    places = numpy.flatnonzero(failed)
    rest = text[places]
    can_do_no_more = field.type in INVALID and len(profile.dates.get(field.name, "1")) == 1 and not is_early
    if can_do_no_more and all(value == value.strip() for value in rest.to_list()):
        return typed, [(INVALID[field.type], failed)]
    converted, found = convert(field, trimmed(rest), profile)
    problems: Problems = []
    for code, mask in found:
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
        return _parsed(text, _dates(text, profile.dates.get(field.name, ["%Y-%m-%d"])), "TYPE_INVALID_DATE")
    if field.type == "timestamp":
        formats = profile.dates.get(field.name, ["%Y-%m-%d %H:%M:%S"])
        return _parsed(text, _timestamps(text, formats), "TYPE_INVALID_TIMESTAMP")
    if field.type == "integer":
        return _parsed(text, _integers(text), "TYPE_INVALID_NUMBER")
    if field.type == "decimal":
        return _parsed(text, _decimals(text, field), "TYPE_INVALID_NUMBER")
    if field.type == "boolean":
        words = profile.booleans or {"true": True, "false": False}
        if field.name in profile.constants:
            words = words | {"true": True, "false": False}
        typed = text.replace_strict(list(words), list(words.values()), default=None, return_dtype=polars.Boolean)
        return _parsed(text, typed, "TYPE_INVALID_BOOLEAN")
    if field.type == "code":
        return _codes(field, text, profile)
    if field.type == "uscc":
        text = text.str.to_uppercase()
        return text, _mask("USCC_CHECK_DIGIT", text, _is_wrong_uscc)
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


def _mask(code: str, text: polars.Series, is_wrong: Callable[[polars.Series], polars.Series]) -> Problems:
    wrong = is_wrong(text)
    return [(code, wrong.fill_null(False).to_numpy())] if wrong.any() else []


def _dates(text: polars.Series, formats: list[str]) -> polars.Series:
    typed = polars.repeat(None, text.len(), dtype=polars.Date, eager=True)
    for form in _spelled_out(formats):
        if typed.null_count() == text.null_count():
            break
        if form == "excel":
            more = _excel(text).cast(polars.Date)
        elif "%H" in form or "%I" in form:
            more = text.str.to_datetime(form, strict=False, time_unit="us", cache=False).cast(polars.Date)
        else:
            more = text.str.to_date(form, strict=False)
        typed = more if typed.null_count() == text.len() else typed.zip_with(typed.is_not_null(), more)
    if typed.null_count() < typed.len() and typed.min() < EARLIEST:  # type: ignore[operator]
        typed = typed.set((typed < EARLIEST).fill_null(False), None)
    return typed


def _timestamps(text: polars.Series, formats: list[str]) -> polars.Series:
    local = polars.repeat(None, text.len(), dtype=polars.Datetime("us"), eager=True)
    for form in _spelled_out(formats):
        if local.null_count() == text.null_count():
            break
        if form == "excel":
            more = _excel(text)
        elif "%H" in form or "%I" in form:
            more = text.str.to_datetime(form, strict=False, time_unit="us", cache=False)
        else:
            more = text.str.to_date(form, strict=False).cast(polars.Datetime("us"))
        if getattr(more.dtype, "time_zone", None) is not None:  # the format has %z
            more = more.dt.convert_time_zone("Asia/Shanghai").dt.replace_time_zone(None)
        local = more if local.null_count() == text.len() else local.zip_with(local.is_not_null(), more)
    if local.null_count() == local.len():
        return local.dt.replace_time_zone("UTC")
    if local.min() < datetime(1900, 1, 1):  # type: ignore[operator]
        local = local.set((local < datetime(1900, 1, 1)).fill_null(False), None)
        if local.null_count() == local.len():
            return local.dt.replace_time_zone("UTC")
    if local.min() > SUMMER_TIME_ENDED:  # type: ignore[operator]
        return (local - UTC_OFFSET).dt.replace_time_zone("UTC")
    zoned = local.dt.replace_time_zone("Asia/Shanghai", ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _spelled_out(formats: list[str]) -> list[str]:
    return [part for form in formats for part in ((*EXCEL_TEXT, "excel") if form == "excel" else (form,))]


def _excel(text: polars.Series) -> polars.Series:
    """Return local instants of Excel's day numbers (1899-12-30 is 0), rounded to the second."""
    days = text.cast(polars.Float64, strict=False)
    days = days.set(((days < EXCEL_DAYS[0]) | (days > EXCEL_DAYS[1])).fill_null(False), None)
    seconds = (days * 86_400).round().cast(polars.Int64) + (EXCEL_EPOCH - date(1970, 1, 1)).days * 86_400
    return (seconds * MICROSECONDS).cast(polars.Datetime("us"))


def _integers(text: polars.Series) -> polars.Series:
    typed = text.cast(polars.Int32, strict=False)
    if typed.null_count() == text.null_count():
        return typed
    numbers = text.cast(polars.Float64, strict=False)  # a spreadsheet's 5.0
    whole = numbers.set((numbers != numbers.round()).fill_null(False) | numbers.is_nan().fill_null(False), None)
    return typed.zip_with(typed.is_not_null(), whole.cast(polars.Int32, strict=False))


def _decimals(text: polars.Series, field: Field) -> polars.Series:
    kept = polars.Decimal(field.precision, field.scale)
    is_plain = text.str.contains(rf"^[+-]?[0-9]+(\.[0-9]{{0,{field.scale}}}0*)?$")
    typed = text.cast(kept, strict=False)
    if is_plain.all() and typed.null_count() == text.null_count():
        return typed
    numbers = text.cast(polars.Float64, strict=False)
    rounded = numbers.round(field.scale)
    is_noise = ((numbers - rounded).abs() < FLOAT_NOISE) & (numbers.abs() < 10.0 ** (field.precision - field.scale))
    is_noise &= text.str.contains(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
    repaired = numbers.set(~is_noise.fill_null(False), None).cast(kept, strict=False)
    return typed.zip_with(is_plain.fill_null(False) & typed.is_not_null(), repaired)


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


def _is_wrong_uscc(column: polars.Series) -> polars.Series:
    distinct = column.drop_nulls().unique()
    wrong = [code for code in distinct if not is_uscc(code)]
    return column.is_in(wrong)


def is_uscc(code: str) -> bool:
    """Say whether ``code`` is a valid unified social credit code (GB 32100-2015: form and check character).

    >>> is_uscc("91350100M000100Y43"), is_uscc("91350100M000100Y44")
    (True, False)
    """
    if len(code) != 18 or any(character not in USCC_CHARACTERS for character in code):
        return False
    total = sum(USCC_CHARACTERS.index(character) * pow(3, place, 31) for place, character in enumerate(code[:17]))
    return (31 - total % 31) % 31 == USCC_CHARACTERS.index(code[17])
