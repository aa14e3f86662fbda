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
LARGEST_COUNT = (
    10_000_000  # of a field that says no maximum: sums of more would not fit the marts, and nobody counts so
)
LARGEST_AMOUNT = 100_000_000_000  # 一千亿: ten times what a city's maintenance funds hold


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
        Reason(
            "CELL_MERGED", "合并单元格，取值不明确", "a merged cell above may be meant: say `fill_down` in the profile"
        ),
        Reason(
            "QUOTE_OVER_ROWS", "引号未闭合或跨越多行记录", "a quote is not closed, or runs over what look like rows"
        ),
        Reason("SIGN_UNKNOWN", "借贷标志无法识别", "the profile's `signs` do not say which sign this word means"),
        Reason("REQUIRED_MISSING", "必填项为空", "a required value is missing"),
        Reason("TYPE_INVALID_DATE", "日期无法识别", "no plausible date in any of the profile's formats"),
        Reason("TYPE_INVALID_TIMESTAMP", "时间无法识别", "no plausible time in any of the profile's formats"),
        Reason("TYPE_INVALID_NUMBER", "数值无法识别", "not a number, or more decimals than the field keeps"),
        Reason("TYPE_INVALID_BOOLEAN", "是否值无法识别", "neither of the profile's words for yes and no"),
        Reason("CODE_UNKNOWN", "代码值不在目录中", "a value the profile and the feed do not know"),
        Reason("TEXT_TOO_LONG", "文本超长", "the text is longer than the field allows"),
        Reason("TEXT_WRONG_FORM", "格式不符", "the text does not have the form that the field requires"),
        Reason("VALUE_OUT_OF_RANGE", "数值超出允许范围", "the number is outside the field's range"),
        Reason(
            "ID_DESTROYED", "编号已被电子表格破坏", "a spreadsheet destroyed the identifier: export the column as text"
        ),
        Reason("ID_UNREADABLE", "编号含无法辨认的字符", "characters in the identifier that cannot be told by eye"),
        Reason(
            "ID_PLACEHOLDER",
            "编号处为合计、结转等字样或占位符；合计行请在来源配置 skip_rows 中声明",
            "a word such as 合计 or 无 stands for the number: leave such rows out by `skip_rows`, or correct it",
        ),
        Reason("ID_CASE", "编号与另一编号仅大小写不同", "another key differs from it only in the case of its letters"),
        Reason("USCC_WRONG_FORM", "统一社会信用代码格式错误", "not the 18 characters of a code (GB 32100-2015)"),
        Reason("USCC_PLACEHOLDER", "统一社会信用代码为占位符", "a placeholder, not a code that was issued"),
        Reason("USCC_RESIDENT_NUMBER", "疑似居民身份证号码", "a resident's number, not an organisation's code"),
        Reason("USCC_CHECK_DIGIT", "统一社会信用代码校验错误", "its check digit is wrong (GB 32100-2015)"),
        Reason(
            "USCC_NOT_ISSUED", "登记部门、类别或区划不存在", "no such registration department, category or division"
        ),
        Reason(
            "REGION_UNKNOWN",
            "区划代码不在区划目录中，请核对；确为新设区划的，请平台补充目录",
            "no division of the seed `regions`: correct the code, or have a new division added to the seed",
        ),
        Reason(
            "KEY_REUSED",
            "编号重复使用：同一编号下不可变更的内容不同，双方均暂不计入，待认定",
            "the number is used again: what cannot change under it differs from what stands beside it; neither counts "
            "until it is decided by `property-credit corrections`",
        ),
        Reason(
            "KEY_VOID",
            "该编号已由报送单位作废；确需恢复的，请以更正标志重报",
            "its office made the number void: to restore it, send it again marked as a correction",
        ),
        Reason("MARK_UNKNOWN", "更正、作废标志无法识别", "the profile's `marks` do not say what this word means"),
        Reason("DATE_IN_FUTURE", "日期晚于业务日期", "the date is later than the business date"),
        Reason(
            "NAME_UNMATCHED",
            "未报编号，只有名称：待与主体登记簿比对",
            "a name in place of the number: it waits until it is linked (`property-credit entities candidates`)",
        ),
        Reason("REFERENCE_UNKNOWN", "引用的对象不存在", "refers to a key that no earlier delivery has brought"),
    )
}


# a row refused for these alone is not wrong in itself: it waits for a link, a register, a day, a profile's mapping
NOT_YET: Mapping[str, str] = {
    "NAME_UNMATCHED": "name",
    "REFERENCE_UNKNOWN": "register",
    "DATE_IN_FUTURE": "day",
    "CODE_UNKNOWN": "profile",
    "REGION_UNKNOWN": "profile",  # or for the seed of regions, which is part of the contract
}
WAITS_AT_MOST_DAYS = 366  # for a day to come; what lies further ahead is wrong


@dataclass(frozen=True)
class Field:
    """One column of a feed and everything one value of it must satisfy by itself.

    ``maximum_length`` is in characters; ``minimum`` and ``maximum`` are inclusive; ``references`` names the feed
    whose key the value must be; ``may_be_future`` lets a date lie after the business date (an end, a due date);
    ``is_region``: the code of a division that the models place the row in; ``is_later``: the field came when rows had
    been loaded without it, and a row that lacks it is the row it was.
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
    is_region: bool = False
    is_later: bool = False

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Return the least and the largest number allowed, both included; counts and amounts always have a largest."""
        if self.type == "integer":
            return self.minimum, LARGEST_COUNT if self.maximum is None else self.maximum
        if self.type == "decimal":
            largest = min(LARGEST_AMOUNT, 10 ** (self.precision - self.scale) - 1)
            return (
                -largest if self.minimum is None else self.minimum,
                largest if self.maximum is None else self.maximum,
            )
        return self.minimum, self.maximum

    @property
    def is_date(self) -> bool:
        """Say whether the value is a day or an instant."""
        return self.type in ("date", "timestamp")

    @property
    def is_money(self) -> bool:
        """Say whether the value is an amount of money, beside which a unit may stand."""
        return self.type == "decimal" and self.name.split("_")[-1] in ("amount", "balance", "cny")


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
    """The contract of one feed: raw.<name> has ``fields`` in this order, then the columns that ingestion adds.

    ``max_age_days``: after so many days without a delivery the feed is shown as stale. ``has_own_dag``: its rows are
    events, loaded by the DAG ``ingest_<name>``; all other feeds are registers. ``is_scored``: grades read it, so that
    its absence is one of their inputs.
    ``changed_field`` is the source's own change time. It orders the versions of a row, then arrival does, then place;
    where it is empty, or later than the arrival, arrival alone does. A profile that does not give it says so in every
    load's report (``ordered_by``). One that lies ahead refuses no row: the sender's clock is wrong, not the row.
    ``immutable`` cannot change under one key (``keys``); ``withdrawn`` is the field and the code by which an office
    takes a row back, after which the number may be sent again with other values.
    ``person`` names the fields by which the person of a row is known, the first that is filled: what is ``personal``
    in the row is sealed under that person's key (``sealing``). ``is_party``: a party whose name other feeds have too.
    ``kept_years``: so many years after the year of the event the keys are destroyed; 0: as many after the row ended as
    ``personal`` says.
    ``ends_field`` is the day on which a row that disappears from a full list ends, ``ends_cause_field`` then says
    'vanished'; ``leaves``: it has no such day, and counts only while a list holds it. Rows of other registers stay:
    what happened does not end, and who exists is ended by a decision.
    """

    name: str
    title_zh: str
    title_en: str
    max_age_days: int
    key: tuple[str, ...]
    event_field: str
    fields: tuple[Field, ...]
    rules: tuple[RowRule, ...] = ()
    has_own_dag: bool = False
    is_scored: bool = False
    changed_field: str = "updated_at"
    immutable: tuple[str, ...] = ()
    withdrawn: tuple[str, str] | None = None
    ends_field: str | None = None
    ends_cause_field: str | None = None
    leaves: bool = False
    person: tuple[str, ...] = ()
    is_party: bool = False
    kept_years: int = 0

    @property
    def sealed_fields(self) -> tuple[str, ...]:
        """Return the fields whose values are sealed under the key of the row's person."""
        return tuple(field.name for field in self.fields if field.personal) if self.person else ()

    @property
    def can_vanish(self) -> bool:
        """Say whether a row that disappears from a full list no longer counts from that day."""
        return self.ends_field is not None or self.leaves

    @property
    def own_ids(self) -> tuple[str, ...]:
        """Return the fields that hold an office's own number of a row of this feed: the key, and what repeats one."""
        key = self.field(self.key[0])
        own = (key.name,) if key.type == "text" and not key.references else ()
        return own + tuple(name for name in ("repeat_of_id",) if own and name in self.field_names)

    def field(self, name: str) -> Field:
        """Return the field called ``name``; KeyError when there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"feed {self.name} has no field {name}")

    @property
    def references(self) -> frozenset[str]:
        """Return the names of the other feeds whose keys its rows name."""
        return frozenset(field.references for field in self.fields if field.references) - {self.name}

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

    def is_identifier(self, field: Field) -> bool:
        """Say whether the field holds an identifier as text: the key, a reference, or an ``_id`` or ``_no``."""
        named = field.name in self.key or field.references is not None or field.name.endswith(("_id", "_no"))
        return field.type == "text" and named

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
        if field.type == "uscc":
            codes += [code for code in REASONS if code.startswith("USCC_") and code != kind]
        if self.is_identifier(field):
            codes += ["ID_DESTROYED", "ID_UNREADABLE"] + (
                ["ID_PLACEHOLDER", "ID_CASE"] if self.key == (field.name,) else []
            )
        if field.pattern:
            codes.append("TEXT_WRONG_FORM")
        if field.bounds != (None, None):
            codes.append("VALUE_OUT_OF_RANGE")
        if field.is_region:
            codes.append("REGION_UNKNOWN")
        if field.is_date and not field.may_be_future and field.name != self.changed_field:
            codes.append("DATE_IN_FUTURE")
        if field.references:
            codes.append("REFERENCE_UNKNOWN")
        return tuple(codes)
