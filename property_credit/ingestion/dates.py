"""How offices write days and instants: every format of the profile is tried, and only a plausible year counts.

A format is chrono's (``%Y-%m-%d %H:%M``), ``excel`` (a date cell, or its day number) or ``chinese`` (二〇二六年十月).
With ``%p`` a text may say 上午 and 下午; 24:00 is the midnight that ends the day. A value that one format reads as a
year before 1901 or after 2199 was not meant for it: the next one is tried.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

import polars

# what lies before is a slip of the hand (0224-01-02), or what a system writes for none (1900-01-01, 1899-12-30)
EARLIEST = date(1901, 1, 1)
LATEST = date(2200, 1, 1)  # from here on it is one as well, or a way to write "no end": say that in `nulls`
FIRST_INSTANT, LAST_INSTANT = datetime(1901, 1, 1), datetime(2200, 1, 1)
EXCEL_EPOCH = date(1899, 12, 30)
EXCEL_DAYS = (18_264, 73_050)  # 1950 to 2099: 2026 and 10.31 are no day numbers, whatever a spreadsheet makes of them
EXCEL_TEXT = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f")  # how a true date cell reads as text
NOISE_DAYS = 1e-9  # by which a day number that was computed may fall short
CHINESE_TEXT = ("%Y年%m月%d日", "%Y年%m月%d日%H时%M分%S秒", "%Y年%m月%d日%H时%M分")
SUMMER_TIME_ENDED = datetime(1991, 9, 16)
UTC_OFFSET = timedelta(hours=8)
MICROSECONDS = 1_000_000
# 24:00 of the hours, not of 05:24:00
END_OF_DAY = r"(^|[^0-9:：时点])24([:：时点]0{1,2}(分|[:：分]?0{1,2}秒?)?(\.0+)?|时|点)$"
HALVES = {
    **dict.fromkeys(("上午", "凌晨", "清晨", "早上", "早晨", "a.m.", "A.M."), "AM"),
    **dict.fromkeys(("下午", "中午", "傍晚", "p.m.", "P.M."), "PM"),
}
NOON = r"中午\s*(1[01][:：点时])"  # 中午11点 is before noon, 中午12点 and 1点 are not
EVENING = r"(?:晚上|夜间)\s*(0?[5-9]|1[01])([:：点时])"  # 晚上12点 to 4点 may be of either night
DIGITS = {character: place for place, character in enumerate("〇一二三四五六七八九")} | {
    "零": 0,
    "○": 0,
    "两": 2,
    "元": 1,
}
NUMERALS = re.compile(r"[〇零○一二三四五六七八九两十廿卅]+")
WIDE = {chr(0xFEE0 + code): chr(code) for code in map(ord, "0123456789-/.: ") if code > 32} | {"　": " "}


def why_no_format(form: str) -> str | None:
    """Say why ``form`` is no format of dates or times; None when it is one."""
    if form in ("excel", "chinese"):
        return None
    try:
        _instant(polars.Series(["x"]), form)
    except polars.exceptions.PolarsError as error:
        return str(error).splitlines()[0]
    return None


def parse_dates(text: polars.Series, formats: list[str]) -> polars.Series:
    """Return the days of ``text``, null where no format gives a plausible one."""
    return _first_plausible(text, formats, _day, EARLIEST, LATEST, polars.Date())


def parse_timestamps(text: polars.Series, formats: list[str]) -> polars.Series:
    """Return the instants (UTC) of ``text`` in Shanghai's time, null where no format gives a plausible one."""
    local = _first_plausible(text, formats, _instant, FIRST_INSTANT, LAST_INSTANT, polars.Datetime("us"))
    if local.null_count() == local.len():
        return local.dt.replace_time_zone("UTC")
    if not (local <= SUMMER_TIME_ENDED).any():
        return (local - UTC_OFFSET).dt.replace_time_zone("UTC")
    zoned = local.dt.replace_time_zone("Asia/Shanghai", ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _first_plausible(
    text: polars.Series,
    formats: list[str],
    parse: Callable[[polars.Series, str], polars.Series],
    first: date,
    end: date,
    kind: polars.DataType,
) -> polars.Series:
    typed = polars.repeat(None, text.len(), dtype=kind, eager=True)
    for written, form in _spelled_out(text, formats):
        if typed.null_count() == text.null_count():
            break
        more = parse(written, form)
        more = more.set(((more < first) | (more >= end)).fill_null(False), None)
        typed = more if typed.null_count() == text.len() else typed.zip_with(typed.is_not_null(), more)
    return typed


def _spelled_out(text: polars.Series, formats: list[str]) -> list[tuple[polars.Series, str]]:
    """Return the formats one by one, each with the texts as it wants them: digits for numerals, AM for 上午."""
    tried: list[tuple[polars.Series, str]] = []
    plain = text
    if text.str.contains(r"[０-９．：／－　]").any():
        plain = text.str.replace_many(list(WIDE), list(WIDE.values())).str.strip_chars()
    for form in formats:
        if form == "excel":
            tried += [(plain, part) for part in (*EXCEL_TEXT, "excel")]
        elif form == "chinese":
            digits = _without_numerals(plain)
            tried += [(digits, part) for part in CHINESE_TEXT]
        elif "%p" in form:
            halves = plain.str.replace_all(NOON, "AM${1}").str.replace_all(EVENING, "PM${1}${2}")
            halves = halves.str.replace_many(list(HALVES), list(HALVES.values()))
            tried.append((halves, form))
        else:
            tried.append((plain, form))
    return tried


def _day(text: polars.Series, form: str) -> polars.Series:
    if form == "excel":
        return excel_days(text).cast(polars.Date)
    if "%H" in form or "%I" in form:
        started, _is_end = _of_the_day_that_ends(text)
        return _parsed_instant(started, form).cast(polars.Date)
    return text.str.to_date(form, strict=False)


def _instant(text: polars.Series, form: str) -> polars.Series:
    if form == "excel":
        return excel_days(text)
    if "%H" not in form and "%I" not in form:
        return text.str.to_date(form, strict=False).cast(polars.Datetime("us"))
    started, is_end = _of_the_day_that_ends(text)
    instants = _parsed_instant(started, form)
    if is_end is not None:
        instants = instants.zip_with(~is_end, instants + timedelta(days=1))
    return instants


def _parsed_instant(text: polars.Series, form: str) -> polars.Series:
    """Return local instants; one that has its own zone is turned into Shanghai's time."""
    instants = text.str.to_datetime(form, strict=False, time_unit="us", cache=False)
    if getattr(instants.dtype, "time_zone", None) is not None:  # the format has %z
        instants = instants.set(
            ((instants.dt.year() < EARLIEST.year) | (instants.dt.year() > LATEST.year)).fill_null(False), None
        )
        instants = instants.dt.convert_time_zone("Asia/Shanghai").dt.replace_time_zone(None)
    return instants


def _of_the_day_that_ends(text: polars.Series) -> tuple[polars.Series, polars.Series | None]:
    """Return the texts with 24:00 as 00:00, and where that was so (None: nowhere)."""
    is_end = text.str.contains(END_OF_DAY).fill_null(False)
    if not is_end.any():
        return text, None
    zero = text.str.replace(r"24([:：时点]0{1,2}(分|[:：分]?0{1,2}秒?)?(\.0+)?|时|点)$", "00$1")
    return zero.zip_with(is_end, text), is_end


def excel_days(text: polars.Series) -> polars.Series:
    """Return instants of Excel's day numbers (1899-12-30 is 0), to the second, never rounded into another day."""
    days = text.cast(polars.Float64, strict=False)
    days = days.set((~days.is_between(*EXCEL_DAYS)).fill_null(False), None)
    last = ((days + NOISE_DAYS).floor() + 1) * 86_400 - 1  # 23:59:59.997 is how some systems write the end of a day
    seconds = polars.select(polars.min_horizontal((days * 86_400).round(), last)).to_series()
    seconds = seconds.cast(polars.Int64) + (EXCEL_EPOCH - date(1970, 1, 1)).days * 86_400
    return (seconds * MICROSECONDS).cast(polars.Datetime("us"))


def _without_numerals(text: polars.Series) -> polars.Series:
    """Return 二〇二六年十月三十一日下午三时 as 2026年10月31日15时."""
    return text.map_elements(_digits_of, return_dtype=polars.String)


def _digits_of(text: str) -> str:
    rewritten = NUMERALS.sub(lambda numeral: _number(numeral.group()), text).replace("点", "时").replace("號", "日")
    rewritten = (
        rewritten.replace("元月", "1月")
        .replace("号", "日")
        .replace("时正", "时")
        .replace("时整", "时")
        .replace("时半", "时30分")
    )
    rewritten = re.sub(r"(时)$", r"\g<1>0分", rewritten)  # three o'clock: a format needs the minutes
    rewritten = re.sub(NOON, r"上午\1", rewritten)
    half = re.search(r"(上午|凌晨|清晨|早上|早晨|下午|中午|傍晚)\s*([0-9]{1,2})时", rewritten)
    if half is None:
        return rewritten
    hour = int(half.group(2)) % 12 + (12 if HALVES[half.group(1)] == "PM" else 0)
    return f"{rewritten[: half.start()]}{hour}时{rewritten[half.end() :]}"


def _number(numeral: str) -> str:
    """Return a numeral in digits: a year by its digits, anything up to 九十九 by tens.

    >>> _number("二〇二六"), _number("三十一"), _number("廿五"), _number("十")
    ('2026', '31', '25', '10')
    """
    numeral = numeral.replace("廿", "二十").replace("卅", "三十")
    if "十" not in numeral:
        return "".join(str(DIGITS[character]) for character in numeral)
    tens, _ten, ones = numeral.partition("十")
    if len(tens) > 1 or len(ones) > 1:
        return numeral  # no such number
    return str((DIGITS[tens] if tens else 1) * 10 + (DIGITS[ones] if ones else 0))
