"""The Chinese words of the pages for codes that come from elsewhere, and how numbers are written."""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

DASH = "—"
FEEDS = {
    "enterprises": "企业名录",
    "communities": "小区档案",
    "contracts": "合同备案",
    "complaints": "诉求（码上办等）",
    "inspections": "双随机检查",
    "funds": "资金流水",
    "disclosures": "信息公示",
    "public_credit": "公共信用记录",
    "surveys": "第三方满意度",
    "personnel": "从业人员",
    "objections": "信用异议",
    "mediations": "纠纷调解",
}
STATUSES = {"rated": "已评级", "not_rated": "暂不评级", "serious_dishonesty": "严重失信"}
PILLARS = {"public": "公共信用", "market": "市场信用", "bonus": "加分"}
UNGRADED = {"not_rated": "暂不评级", "serious_dishonesty": "严重失信"}

Number: TypeAlias = Decimal | float | int | None


def label(words: Mapping[str, str], code: str) -> str:
    """Return the word for ``code``, or the code itself where there is none."""
    return words.get(code, code)


def fixed(value: Number, digits: int = 2) -> str:
    """Write ``value`` with ``digits`` decimals, rounded half up, thousands apart; a dash for None.

    >>> fixed(Decimal("1234.565"))
    '1,234.57'
    """
    if value is None:
        return DASH
    step = Decimal(1).scaleb(-digits)
    return f"{Decimal(str(value)).quantize(step, ROUND_HALF_UP):,}"


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
