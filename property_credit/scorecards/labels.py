"""The Chinese words of the pages for codes that come from elsewhere, and how numbers are written."""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import TypeAlias

DASH = "—"
STATUSES = {"rated": "已评级", "not_rated": "暂不评级", "serious_dishonesty": "严重失信"}
PILLARS = {"public": "公共信用", "market": "市场信用", "bonus": "加分"}
AUTHORITIES = {
    "housing": "住房和城乡建设部门",
    "fire": "消防部门",
    "market": "市场监督管理部门",
    "urban_management": "城市管理部门",
    "police": "公安机关",
    "other": "其他部门",
}
POLICIES = {"A": "内政办发〔2026〕18号", "B": "包头市三年行动方案"}

Number: TypeAlias = Decimal | float | int | None


def label(words: Mapping[str, str], code: str) -> str:
    """Return the word for ``code``, or the code itself where there is none."""
    return words.get(code, code)


def clause(source: str) -> str:
    """Write a clause with the name of its document.

    >>> clause("A 四(二)")
    '内政办发〔2026〕18号 四(二)'
    """
    document, _, rest = source.partition(" ")
    return f"{label(POLICIES, document)} {rest}".strip()


@cache
def _places(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)


def rounded(value: Decimal, digits: int) -> Decimal:
    """Return ``value`` with ``digits`` decimals, rounded half away from zero as the warehouse rounds.

    >>> rounded(Decimal("0.125"), 2)
    Decimal('0.13')
    """
    return value.quantize(_places(digits), ROUND_HALF_UP)


def fixed(value: Number, digits: int = 2) -> str:
    """Write ``value`` with ``digits`` decimals, rounded half up, thousands apart; a dash for None.

    >>> fixed(Decimal("1234.565"))
    '1,234.57'
    >>> fixed(Decimal("-0.0004"), 1)  # nothing has no sign
    '0.0'
    """
    if value is None:
        return DASH
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    shown = exact.quantize(_places(digits), ROUND_HALF_UP)
    return f"{shown if shown else abs(shown):,}"


def trimmed(value: Number, digits: int = 2) -> str:
    """Write ``value`` like ``fixed`` without trailing zeros.

    >>> trimmed(Decimal("12.50"))
    '12.5'
    """
    text = fixed(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(ratio: Number, digits: int = 1) -> str:
    """Write a ratio 0-1 as a percentage; a dash for None."""
    return DASH if ratio is None else f"{fixed(Decimal(str(ratio)) * 100, digits)}%"


def day(value: date | str | None) -> str:
    """Write a date as 2026-10-31; a dash for None."""
    return DASH if value is None else str(value)[:10]


def month_zh(month: str) -> str:
    """Write a month such as 2026-10 as 2026年10月."""
    return f"{month[:4]}年{int(month[5:7])}月"


def authority(name: str) -> str:
    """Write an authority: the word for a code, or the name as the record gives it."""
    return label(AUTHORITIES, name)
