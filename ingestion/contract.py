"""What a feed is: its fields, key, row rules and the reasons a row is refused for, in Chinese and English.

Owns the vocabulary that the files in ``ingestion/feeds`` are written in. Knows no file format and no office.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

FieldType = Literal["text", "date", "timestamp", "integer", "decimal", "boolean", "code", "uscc"]

REGION_PATTERN = r"^[0-9]{6}$"
STREET_PATTERN = r"^[0-9]{9}([0-9]{3})?$"
LONG_TEXT = 20_000  # characters; the longest real letter seen has 5,000
KEY_TEXT = 200


class IngestionError(Exception):
    """Input that cannot be read or a profile that is wrong: the message says what, where and what to do."""


@dataclass(frozen=True)
class Reason:
    """Why a row is refused: a stable code and what an official and an engineer read."""

    code: str
    zh: str
    en: str


REASONS: Mapping[str, Reason] = {
    reason.code: reason
    for reason in (
        Reason("ROW_WRONG_WIDTH", "列数与表头不符", "the row has more or fewer values than the header"),
        Reason("TEXT_UNREADABLE", "含无法解码的字节", "bytes that the declared encoding cannot decode"),
        Reason("FORMULA_WITHOUT_RESULT", "公式单元格无计算结果", "a formula whose result the workbook does not hold"),
        Reason("CELL_ERROR", "单元格为错误值", "an error value such as #REF! stands in the cell"),
        Reason("REQUIRED_MISSING", "必填项为空", "a required value is missing"),
        Reason("TYPE_INVALID_DATE", "日期无法识别", "not a date in any of the profile's formats"),
        Reason("TYPE_INVALID_TIMESTAMP", "时间无法识别", "not a time in any of the profile's formats"),
        Reason("TYPE_INVALID_NUMBER", "数值无法识别", "not a number, or more decimals than the field keeps"),
        Reason("TYPE_INVALID_BOOLEAN", "是否值无法识别", "neither of the profile's words for yes and no"),
        Reason("CODE_UNKNOWN", "代码值不在目录中", "a value the profile and the feed do not know"),
        Reason("TEXT_TOO_LONG", "文本超长", "the text is longer than the field allows"),
        Reason("TEXT_WRONG_FORM", "格式不符", "the text does not have the form that the field requires"),
        Reason("VALUE_OUT_OF_RANGE", "数值超出允许范围", "the number is outside the field's range"),
        Reason("USCC_CHECK_DIGIT", "统一社会信用代码校验错误", "not a valid 18-character code (GB 32100-2015)"),
        Reason("DATE_IN_FUTURE", "日期晚于业务日期", "the date is later than the business date"),
        Reason("REFERENCE_UNKNOWN", "引用的对象不存在", "refers to a key that no earlier delivery has brought"),
    )
}


@dataclass(frozen=True)
class Field:
    """One column of a feed and everything one value of it must satisfy by itself.

    ``maximum_length`` is in characters; ``minimum`` and ``maximum`` are inclusive; ``references`` names the feed
    whose key the value must be; ``may_be_future`` lets a date lie after the business date (an end, a due date).
    """

    name: str
    type: FieldType
    zh: str
    en: str
    required: bool = False
    codes: tuple[str, ...] = ()
    references: str | None = None
    personal: bool = False
    maximum_length: int = KEY_TEXT
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    precision: int = 18
    scale: int = 2
    may_be_future: bool = False

    @property
    def is_date(self) -> bool:
        """Say whether the value is a day or an instant."""
        return self.type in ("date", "timestamp")


class Row:
    """What a row rule sees: ``row["submitted_at"]`` is the typed column, ``row.business_date`` the night's date."""

    def __init__(self, business_date: date) -> None:
        self.business_date = business_date

    def __getitem__(self, name: str) -> "pl.Expr":
        import polars

        return polars.col(name)


@dataclass(frozen=True)
class RowRule:
    """A statement about several values of one row; ``is_bad`` gives True where the row is refused (null is good)."""

    code: str
    column: str
    zh: str
    en: str
    is_bad: Callable[[Row], "pl.Expr"]


@dataclass(frozen=True)
class Feed:
    """The contract of one feed: raw.<name> has ``fields`` in this order, then the columns that ingestion adds."""

    name: str
    title_zh: str
    title_en: str
    key: tuple[str, ...]
    event_field: str
    fields: tuple[Field, ...]
    rules: tuple[RowRule, ...] = ()

    def field(self, name: str) -> Field:
        """Return the field called ``name``; KeyError when there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"feed {self.name} has no field {name}")

    @property
    def field_names(self) -> tuple[str, ...]:
        """Return the names of all fields in the order of the table."""
        return tuple(field.name for field in self.fields)

    def reason(self, code: str) -> Reason:
        """Return the reason behind ``code``, a general one or one of this feed's own rules."""
        for rule in self.rules:
            if rule.code == code:
                return Reason(rule.code, rule.zh, rule.en)
        return REASONS[code]

    def checks_of(self, field: Field) -> tuple[str, ...]:
        """Return the general reason codes that ``field`` can refuse a row for, in the order they are looked at."""
        codes: list[str] = []
        if field.required:
            codes.append("REQUIRED_MISSING")
        kind = {
            "date": "TYPE_INVALID_DATE",
            "timestamp": "TYPE_INVALID_TIMESTAMP",
            "integer": "TYPE_INVALID_NUMBER",
            "decimal": "TYPE_INVALID_NUMBER",
            "boolean": "TYPE_INVALID_BOOLEAN",
            "code": "CODE_UNKNOWN",
            "uscc": "USCC_CHECK_DIGIT",
            "text": "TEXT_TOO_LONG",
        }[field.type]
        codes.append(kind)
        if field.pattern:
            codes.append("TEXT_WRONG_FORM")
        if field.minimum is not None or field.maximum is not None:
            codes.append("VALUE_OUT_OF_RANGE")
        if field.is_date and not field.may_be_future:
            codes.append("DATE_IN_FUTURE")
        if field.references:
            codes.append("REFERENCE_UNKNOWN")
        return tuple(codes)
