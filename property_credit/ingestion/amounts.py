"""How offices write numbers: each is turned into plain digits exactly, or left as it is and refused later.

Read without being told: full-width digits, U+2212, ``(123.45)`` and ``123.45-`` for negative ones, ¥ before or 元
behind, a unit in the cell (3.5万元), and thousands in groups of three where a decimal point shows which is which
(1,000.00). A profile's ``numbers`` says the rest: ``remove``, ``decimal: ","``, ``unit: 万元``.
"""

from collections.abc import Mapping
from decimal import Decimal

import polars

from property_credit.ingestion.profile import UNITS, Number

PLAIN = r"^[+-]?[0-9]+(\.[0-9]*)?$"
GROUPS = ",，'’ \u00a0\u202f\u3000_"
_WIDE = {chr(0xFEE0 + code): chr(code) for code in map(ord, "0123456789.,()+-%$")}
_SIGNS = dict.fromkeys("−‐‑–﹣", "-") | {
    "〇": "0",
    "　": " ",
    "\u00a0": " ",
    **dict.fromkeys("\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
    "￥": "¥",
    "（": "(",
    "）": ")",
    "，": ",",
}
_NARROW = _WIDE | _SIGNS
_BEFORE, _AFTER = r"(?:¥|RMB|CNY|人民币)", "|".join(sorted(map(str, UNITS), key=len, reverse=True))
WRITTEN = (
    r"^(?P<open>\()?\s*(?P<first>[+-])?\s*" + _BEFORE + r"?\s*(?P<second>[+-])?\s*"
    r"(?P<digits>[0-9](?:[0-9.,' _’]*[0-9.])?|\.[0-9]+)"
    r"\s*(?P<unit>" + _AFTER + r"|万|亿)?整?\s*(?P<close>\))?(?P<last>-)?$"
)  # fmt: skip
_NO_NUMBER = Number()


def canonical(column: polars.Series, spec: Number | None = None, *, has_units: bool = True) -> polars.Series:
    """Return the numbers as ``[+-]digits[.digits]``; a text that is none by the grammar stays as it is, or is null.

    ``has_units``: an amount of money, so 元, 万元 and ¥ may stand beside it.
    """
    spec = spec or _NO_NUMBER
    if column.null_count() == column.len():
        return column
    if spec.takes_plain_digits:
        odd = (~column.str.contains(PLAIN)).fill_null(False)
    else:
        odd = column.is_not_null()
    places = odd.arg_true()
    if not len(places):
        return column
    return column.scatter(places, _canonical(column.gather(places), spec, has_units=has_units))


def _canonical(text: polars.Series, spec: Number, *, has_units: bool) -> polars.Series:
    stripped = text.str.strip_chars().str.replace_many(list(_NARROW), list(_NARROW.values()))
    for removed in spec.remove:
        if removed not in GROUPS and not (removed == "." and spec.decimal == ","):
            stripped = stripped.str.replace_all(removed, "", literal=True)
            if removed in _NARROW:
                stripped = stripped.str.replace_all(_NARROW[removed], "", literal=True)
    parts = stripped.str.strip_chars().str.extract_groups(WRITTEN).struct.unnest()
    frame = parts.with_columns(_ungrouped(parts["digits"], spec).alias("digits"), text.alias("text"))
    signs = polars.sum_horizontal(polars.col("open", "first", "second", "last").is_not_null().cast(polars.Int8))
    is_good = polars.col("digits").is_not_null() & (polars.col("open").is_null() == polars.col("close").is_null())
    is_good &= signs <= 1
    if not has_units:
        is_good &= polars.col("unit").is_null()
    elif (spec.unit or "元") != "元" or (frame["unit"].drop_nulls() != "元").any():
        factor = polars.col("unit").fill_null(spec.unit or "元")
        in_yuan = polars.struct("digits", factor).map_elements(_in_yuan, return_dtype=polars.String)
        frame = frame.with_columns(in_yuan.alias("digits"))
    minus = polars.any_horizontal(
        polars.col("open", "last").is_not_null(), (polars.col("first", "second") == "-").fill_null(False)
    )
    number = polars.when(minus).then(polars.concat_str([polars.lit("-"), "digits"])).otherwise("digits")
    left = polars.col("text") if spec.takes_plain_digits else polars.lit(None)  # 1.5 means nothing beside 1,5
    return frame.select(polars.when(is_good).then(number).otherwise(left)).to_series()


def _ungrouped(digits: polars.Series, spec: Number) -> polars.Series:
    """Return the digits with a decimal point and without separators; null where these do not stand in threes."""
    point, comma = (r"\.", ",") if spec.decimal == "." else (",", r"\.")
    may_group = spec.decimal == "," or any(removed in GROUPS for removed in spec.remove)
    # without a decimal point 1,234 could be either: the profile has to say that commas separate thousands
    fraction = f"(?:{point}[0-9]*)" + ("?" if may_group else "")
    grouped = rf"^[0-9]{{1,3}}(?:(?:{comma}[0-9]{{3}})+|(?: [0-9]{{3}})+|(?:['’_][0-9]{{3}})+){fraction}$"
    single = rf"^(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)$"
    is_grouped = digits.str.contains(grouped).fill_null(False)
    is_single = digits.str.contains(single).fill_null(False)
    kept = digits.set(~(is_grouped | is_single), None)
    kept = kept.str.replace_all(rf"[{comma} '’_]", "")
    return kept.str.replace(",", ".", literal=True) if spec.decimal == "," else kept


def _in_yuan(row: Mapping[str, str | None]) -> str | None:
    """Return an amount in 元, exactly; called only where a unit stands in the cell or in the profile."""
    if row["digits"] is None:
        return None
    unit = str(row["unit"])
    power = {"万": 4, "亿": 8}.get(unit) or UNITS.get(unit, 0)
    return format(Decimal(row["digits"]).scaleb(power), "f")


def stated_total(text: str, spec: Number | None) -> Decimal | None:
    """Return the amount in a cell that states a total, with or without words before it; None when there is none.

    >>> stated_total("合计：1,099.00元", None)
    Decimal('1099.00')
    """
    after = text.strip()
    for mark in ("：", ":"):
        after = after.rsplit(mark, 1)[-1]
    after = after.strip().lstrip("本页月年累计总小合共大写").strip()
    amount = canonical(polars.Series([after], dtype=polars.String), spec)
    return Decimal(amount[0]) if amount.str.contains(PLAIN)[0] else None
