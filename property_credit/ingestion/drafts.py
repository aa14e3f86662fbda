"""A first profile for an export: what is sure, what is a guess, and what a person must decide.

Owns how columns are compared with the contracts and with the profiles there are, and the commented YAML. Nothing
is called sure that rests on likeness alone: a header must be the contract's own word or stand in another profile,
and its values must fit.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import polars
import yaml
from rapidfuzz import fuzz
from scipy.optimize import linear_sum_assignment

from property_credit.ingestion import dates, exports, feeds
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.contract import Feed, Field, IngestionError
from property_credit.ingestion.exports import Column, Export
from property_credit.ingestion.profile import OPPOSITES, UNITS, Profile

Certainty = Literal["sure", "guess", "decide"]

TORN = 0.02  # of values that a sure format may leave unread
LEAST_LIKE = 0.45  # of a header's and a field's words; below it a person decides
FITS = {  # kinds of columns that a field of a type can be, and how well
    "date": {"date": 1.0, "empty": 0.5, "id": 0.2, "number": 0.2},
    "timestamp": {"date": 1.0, "empty": 0.5},
    "integer": {"number": 1.0, "empty": 0.5, "code": 0.2},
    "decimal": {"number": 1.0, "empty": 0.5, "code": 0.1},
    "boolean": {"boolean": 1.0, "code": 0.4, "empty": 0.5},
    "code": {"code": 1.0, "boolean": 0.6, "empty": 0.5, "text": 0.2, "id": 0.3, "number": 0.3},
    "uscc": {"uscc": 1.0, "empty": 0.5, "id": 0.6},
    "text": {
        "text": 1.0,
        "id": 1.0,
        "code": 0.9,
        "number": 0.7,
        "empty": 0.6,
        "uscc": 0.3,
        "boolean": 0.3,
        "date": 0.1,
    },
}
# words of offices' headers and what the contracts call the same
SAME_WORDS = {
    **dict.fromkeys(("留言", "来信", "信件", "信访", "工单", "投诉", "反映", "来电"), "诉求"),
    **{
        "主题": "标题",
        "详情": "内容",
        "意见": "内容",
        "分类": "类别",
        "一级": "",
        "单号": "编号",
        "用户": "人",
        "姓名": "人",
    },
    **{
        "单位名称": "企业名称",
        "公司": "企业",
        "楼盘": "小区",
        "项目名称": "小区名称",
        "发生日期": "日期",
        "户名": "名称",
    },
    **dict.fromkeys(("supplier", "vendor", "payee"), "counterparty"),
    **{"business": "object", "creation date": "booked date", "description": "summary", "total": "amount"},
    **dict.fromkeys(("sum of", "nett", "net ", "invoice", "gross"), ""),
}
SOME_DATE = ("date", "day", "time", "日期", "时间", "年月日")
# headers under which offices write who is meant where the number is missing: what a profile's `match` reads
MATCHED = {
    "community_id": {
        "name": re.compile(r"小区|楼盘|项目名|物业项目|^communit|estate", re.IGNORECASE),
        "address": re.compile(r"地址|位置|坐落|address", re.IGNORECASE),
        "street": re.compile(r"街道|镇|苏木|street", re.IGNORECASE),
        "within": re.compile(r"区县|旗县|县区|^(?:所属|行政)?区(?:域|划)?$|district", re.IGNORECASE),
    },
    "uscc": {"name": re.compile(r"企业|公司|单位|物业服务人|户名|enterprise|company|supplier", re.IGNORECASE)},
}
CHINESE = re.compile("[\u4e00-\u9fff]")
NUMBERED = re.compile(r"(?:编号|编码|号码|代码|流水号|单号|序列号|_?id|\bno\.?|number)$", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a column of the export goes: a field, or None; how sure that is and why."""

    column: Column
    field: str | None
    certainty: Certainty
    why: str


@dataclass(frozen=True)
class Draft:
    """What was made of an export: its feed, where each column goes, and the profile as text."""

    export: Export
    feed: str
    is_feed_sure: bool
    places: tuple[Place, ...]
    text: str
    questions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Known:
    """What contracts and profiles already call things, without the profiles that are hidden."""

    headers: dict[str, Counter[str]]  # field name → headers
    own_headers: dict[tuple[str, str], Counter[str]]  # (feed, field name) → headers
    codes: dict[tuple[str, str], dict[str, str]]  # (feed, field name) → word → code
    all_codes: dict[str, dict[str, str]]


def draft(path: Path, *, feed: str | None = None, hidden: Collection[str] = ()) -> Draft:
    """Look at an export and draft its profile.

    ``feed``: its name, by default the one that fits best. ``hidden``: names of profiles that are not to be asked
    (to test the draft on a file whose profile is known). IngestionError when the file is no table or the feed is
    unknown.
    """
    export = exports.look(path)
    known = _known([profile for profile in profiles.load_all() if profile.name not in hidden])
    if feed:
        contract, is_sure = feeds.get(feed), True
        places, _score = _assigned(export.columns, contract, known)
    else:
        fitted = [(*_assigned(export.columns, feeds.get(name), known), name) for name in feeds.NAMES]
        fitted.sort(key=lambda one: -one[1])
        places, score, name = fitted[0]
        contract, is_sure = feeds.get(name), score > 1.3 * fitted[1][1]
    return _written(export, contract, is_sure, tuple(places), known)


def _known(others: Sequence[Profile]) -> _Known:
    headers: dict[str, Counter[str]] = {}
    own: dict[tuple[str, str], Counter[str]] = {}
    codes: dict[tuple[str, str], dict[str, str]] = {}
    all_codes: dict[str, dict[str, str]] = {}
    for profile in others:
        for name, aliases in profile.columns.items():
            headers.setdefault(name, Counter()).update(aliases)
            own.setdefault((profile.feed, name), Counter()).update(aliases)
        for name, words in profile.codes.items():
            meanings = {word: code for word, code in words.items() if code}
            codes.setdefault((profile.feed, name), {}).update(meanings)
            all_codes.setdefault(name, {}).update(meanings)
    return _Known(headers, own, codes, all_codes)


def _assigned(columns: Sequence[Column], feed: Feed, known: _Known) -> tuple[list[Place], float]:
    """Return where each column goes, at most one to a field, and how well all of it fits."""
    fields = feed.fields
    scores = numpy.zeros((len(columns), len(fields)))
    certainties: dict[tuple[int, int], tuple[Certainty, str]] = {}
    for row, column in enumerate(columns):
        for place, field in enumerate(fields):
            score, certainty, why = _fit(column, feed, field, known)
            scores[row, place] = score
            certainties[row, place] = (certainty, why)
    chosen = dict(zip(*linear_sum_assignment(-scores), strict=True)) if columns else {}
    places, total = [], 0.0
    for row, column in enumerate(columns):
        at = chosen.get(row)
        if at is None or scores[row, at] < LEAST_LIKE:
            places.append(Place(column, None, "decide", "no field of the feed is called like it"))
            continue
        certainty, why = certainties[row, at]
        total += scores[row, at]
        places.append(Place(column, fields[at].name, certainty, why))
    return places, total


def _fit(column: Column, feed: Feed, field: Field, known: _Known) -> tuple[float, Certainty, str]:
    kind = FITS[field.type].get(column.kind, 0.0)
    if field.type == "uscc" and column.kind == "uscc":
        kind = 1.2
    words = {**known.all_codes.get(field.name, {}), **known.codes.get((feed.name, field.name), {})}
    words |= {code: code for code in field.codes}
    share = (
        sum(value in words for value in column.distinct) / len(column.distinct) if column.distinct and words else 0.0
    )
    if field.type == "code":
        kind = max(kind, share) if share else 0.6 * kind
    if kind == 0.0:
        return 0.0, "guess", ""
    header = column.header
    if header == field.zh or header in known.own_headers.get((feed.name, field.name), ()):
        sure: Certainty = (
            "sure" if kind >= 0.6 and (field.type != "code" or share == 1 or not column.values) else "guess"
        )
        if header == field.zh:
            return 2.0 * (0.5 + 0.5 * min(kind, 1)), sure, "the contract's own word"
        if field.type == "text" and column.kind in ("code", "boolean") and not feed.is_identifier(field):
            return 0.85, "guess", "another profile's header, but a few words only: is it a code?"
        return 2.0 * (0.5 + 0.5 * min(kind, 1)), sure, "another profile's header"
    if header in known.headers.get(field.name, ()):
        return 1.7 * (0.5 + 0.5 * min(kind, 1)), "guess", "a header of other feeds' profiles"
    like = max(_likeness(header, word) for word in _words(feed, field, known))
    if field.is_date and header.lower() in SOME_DATE and field.name == feed.event_field:
        like = max(like, 0.8)  # a date without a word is the day of what the row tells
    if field.type in ("integer", "decimal") and NUMBERED.search(header):
        like = 0.0  # an identifier that happens to be digits
    if column.is_unique and NUMBERED.search(header) and (field.name,) == feed.key:
        like = min(1.0, like + 0.2)
    score = like * (0.4 + 0.6 * min(kind, 1))
    if field.type == "uscc" and column.kind == "uscc":
        score = max(score, 0.9)
    if field.type == "code" and share >= 0.8 and len(column.distinct) >= 2:
        score = max(score, 0.5 + 0.5 * like + 0.2 * share)
    return score, "guess", f"like {field.zh}" if like >= LEAST_LIKE else "its values fit"


def _words(feed: Feed, field: Field, known: _Known) -> list[str]:
    own = list(known.own_headers.get((feed.name, field.name), ())) + list(known.headers.get(field.name, ()))
    return [field.zh, field.en, field.name.replace("_", " "), *own]


def _likeness(header: str, words: str) -> float:
    """Return how alike a header and a field's words are (0–1); synonyms of offices count as the same."""
    one, other = _spelled(header), _spelled(words)
    like = fuzz.ratio(one, other) / 100
    if one.isascii() and other.isascii():
        ours, theirs = set(one.split()), set(other.split())
        shared = len(ours & theirs) / max(1, len(ours | theirs))
        return max(0.8 * like, fuzz.token_sort_ratio(one, other) / 100 * 0.9, 0.3 + 0.7 * shared if shared else 0.0)
    return max(like, 0.9 * _inside(one, other)) if min(len(one), len(other)) >= 2 else like


def _inside(one: str, other: str) -> float:
    short, long = sorted((one, other), key=len)
    return 0.6 + 0.4 * len(short) / len(long) if short in long else 0.0


def _spelled(text: str) -> str:
    plain = re.sub(r"[（(].*?[）)]", "", text).lower().replace("_", " ").strip()
    for one, other in SAME_WORDS.items():
        plain = plain.replace(one, other)
    return " ".join(plain.split())


def _written(export: Export, feed: Feed, is_feed_sure: bool, places: tuple[Place, ...], known: _Known) -> Draft:
    """Write the profile as YAML, a comment behind each line that is not sure."""
    questions: list[str] = []
    lines = [
        f"# Drafted from {export.path.name}. `sure`: the contract's or another profile's own word, and the values fit;",
        "# `guess`: look at it; `decide`: only a person knows. Then: property-credit sources check THIS.yml FILE",
        f"feed: {feed.name}  # {'sure' if is_feed_sure else 'guess: ' + feed.title_zh}",
        "# office_zh:  # decide: the office that delivers",
        f"format: {export.format}  # sure",
        f"files: {_text(_pattern(export.path.name))}  # guess: names of its next files",
    ]
    questions.append("the office's name")
    if export.format == "csv":
        lines.append(f"encoding: {export.encoding}  # {_doubt(export, 'encoding')}")
        if export.delimiter != ",":
            lines.append(f"delimiter: {_text(export.delimiter)}  # sure")
    elif export.sheets > 1:
        lines.append(f"sheet: {export.sheet}  # {_doubt(export, 'sheet')}")
    mapped = {place.field: place for place in places if place.field}
    header = [place.column.header for place in places if place.field][:3] or [
        column.header for column in export.columns[:3]
    ]
    lines.append(f"header: {{find: {_flow(header)}}}  # {_doubt(export, 'header')}: row {export.header_row}")
    lines.append("columns:")
    for name, place in mapped.items():
        lines.append(f"  {name}: {_text(place.column.header)}  # {place.certainty}: {place.why}")
    signs = [place for place in places if not place.field and _is_sign(place.column)]
    free = [place.column for place in places if not place.field and place not in signs]
    matches = _matches(feed, mapped, free)
    for name, parts in matches.items():
        lines = [line for line in lines if not line.startswith(f"  {name}: ")]
        has_number = name in mapped and mapped[name].column.header != parts["name"]
        said = [f"column: {_text(mapped[name].column.header)}"] if has_number else []
        said.append(f"match: {{{', '.join(f'{part}: {_text(header)}' for part, header in parts.items())}}}")
        lines.append(f"  {name}: {{{', '.join(said)}}}  # guess: names are compared with the register of entities")
        questions.append(f"whether {parts['name']} says who is meant where {name} is missing")
    read = {header for parts in matches.values() for header in parts.values()}
    left = [column.header for column in free if column.header not in read]
    if left:
        lines.append(f"ignore: {_flow(left)}  # decide: fields of the feed that they could be?")
        questions.append(f"what {len(left)} columns are that no field is called like")
    lines += _constants(feed, {*mapped, *matches}, questions)
    lines += _dates(feed, mapped, questions)
    lines += _codes(feed, mapped, known, questions)
    lines += _booleans(feed, mapped)
    lines += _numbers(feed, mapped)
    amount = next((field.name for field in feed.fields if field.is_money and field.name in mapped), None)
    for place in signs[:1] if amount else ():
        words = sorted(place.column.distinct)
        negative = [one for one, _other in OPPOSITES if one in words] or words[:1]
        kept = [word for word in words if word not in negative]
        lines.append(
            f"signs: {{{amount}: {{negate_when: {{column: {_text(place.column.header)}, equals: {_flow(negative)}}}, "
            f"keep_when: {_flow(kept)}}}}}  # guess: which side is negative"
        )
    if export.totals:
        total = f", total_of: {amount}" if amount else ""
        lines.append("skip_rows:")
        for header_of, word in dict.fromkeys((one, re.escape(word.strip())) for one, word in export.totals):
            lines.append(
                f"  - {{column: {_text(header_of)}, matches: {_text('^' + word + '$')}{total}}}  # sure: a total"
            )
    return Draft(export, feed.name, is_feed_sure, places, "\n".join(lines) + "\n", tuple(questions))


def _matches(feed: Feed, mapped: dict[str, Place], free: Sequence[Column]) -> dict[str, dict[str, str]]:
    """Return by which free columns a missing number could be looked up: field → part of ``match`` → header.

    Where every row of the sample brings the number nobody needs the names.
    """
    proposals: dict[str, dict[str, str]] = {}
    words = [column for column in free if column.kind in ("text", "code", "id") and not NUMBERED.search(column.header)]
    for name, parts in MATCHED.items():
        if name in feed.key or name not in {field.name for field in feed.fields}:
            continue
        own = mapped[name].column if name in mapped else None
        is_name = own is not None and _is_named(own) and bool(parts["name"].search(own.header))
        if own is not None and own.filled == 1 and not is_name:
            continue
        headers = {
            part: column.header
            for part, pattern in parts.items()
            for column in reversed([own, *words] if own is not None and is_name else words)  # of several the first
            if pattern.search(column.header)
        }
        if "name" in headers:
            proposals[name] = headers
            words = [column for column in words if column.header not in headers.values()]
    return proposals


def _is_named(column: Column) -> bool:
    """Say whether most values are written in Chinese: names, no numbers."""
    return sum(bool(CHINESE.search(value)) for value in column.distinct) * 2 > len(column.distinct)


def _doubt(export: Export, name: str) -> str:
    return f"guess: {export.doubts[name]}" if name in export.doubts else "sure"


def _constants(feed: Feed, mapped: Collection[str], questions: list[str]) -> list[str]:
    missing = [field for field in feed.fields if field.required and field.name not in mapped]
    if not missing:
        return []
    questions.append("where " + ", ".join(field.name for field in missing) + " come from: the feed requires them")
    lines = ["# constants:  # decide: required, and no column is it; a fixed value here, or `derive`"]
    for field in missing:
        choice = f" one of {' '.join(field.codes)}" if field.codes else ""
        lines.append(f"#   {field.name}: ?  # decide: {field.zh}{choice}")
    return lines


def _dates(feed: Feed, mapped: dict[str, Place], questions: list[str]) -> list[str]:
    lines = []
    for name, place in mapped.items():
        if not feed.field(name).is_date:
            continue
        formats = list(place.column.formats) or ["%Y-%m-%d"]
        comment = "sure" if place.column.formats and not place.column.other_formats else "guess"
        if place.column.other_formats:
            comment = f"guess: {', '.join(place.column.other_formats)} reads the same values; which is it?"
            questions.append(f"whether {place.column.header} is day or month first")
        read = dates.parse_timestamps(polars.Series(list(place.column.values), dtype=polars.String), formats)
        if comment == "sure" and read.null_count() > TORN * read.len():
            comment = f"guess: {read.null_count()} of {read.len()} values are not read so"
        if not place.column.formats:
            comment = "guess: no values to tell by"
        lines.append(f"  {name}: {_flow(formats)}  # {comment}")
    return ["dates:", *lines] if lines else []


def _codes(feed: Feed, mapped: dict[str, Place], known: _Known, questions: list[str]) -> list[str]:
    lines = []
    for name, place in mapped.items():
        field = feed.field(name)
        if field.type != "code" or not place.column.values:
            continue
        words = {**known.all_codes.get(name, {}), **known.codes.get((feed.name, name), {})}
        unknown = [value for value in place.column.distinct if value not in words and value not in field.codes]
        if not unknown and all(value in field.codes for value in place.column.distinct):
            continue
        lines.append(f"  {name}:")
        for value in place.column.distinct[: exports.FEW]:
            code = value if value in field.codes else words.get(value)
            if code in field.codes:
                lines.append(f"    {_text(value)}: {code}  # guess: as other profiles say")
            else:
                lines.append(f"    # {_text(value)}: ?  # decide: one of {' '.join(field.codes)}")
        if len(unknown) == len(place.column.distinct):
            lines[-len(unknown[: exports.FEW]) - 1] = f"  # {name}:  # decide: no profile knows these words"
        if unknown:
            questions.append(f"what {len(unknown)} words of {place.column.header} mean")
    is_said = any(not line.lstrip().startswith("#") for line in lines)
    return ["codes:" if is_said else "# codes:", *lines] if lines else []


def _booleans(feed: Feed, mapped: dict[str, Place]) -> list[str]:
    words = {
        value for name, place in mapped.items() if feed.field(name).type == "boolean" for value in place.column.distinct
    }
    if not any(feed.field(name).type == "boolean" for name in mapped):
        return []
    yes = {"是", "有", "Y", "true", "TRUE", "√", "已", "yes", "1", "在营", "存续"}
    no = {"否", "无", "N", "false", "FALSE", "×", "未", "no", "0", "注销"}
    meanings = {**{word: "true" for word in sorted(words & yes)}, **{word: "false" for word in sorted(words & no)}}
    meanings = meanings or {"是": "true", "否": "false"}
    return [f"booleans: {{{', '.join(f'{_text(word)}: {value}' for word, value in meanings.items())}}}  # guess"]


def _numbers(feed: Feed, mapped: dict[str, Place]) -> list[str]:
    lines = []
    for name, place in mapped.items():
        field = feed.field(name)
        if field.type not in ("decimal", "integer"):
            continue
        unit = next((unit for unit in UNITS if unit not in ("元", "分") and unit in place.column.header), None)
        parts = [f"remove: {_flow(place.column.remove)}"] if place.column.remove else []
        parts += [f"unit: {unit}"] if unit and field.is_money else []
        if parts:
            lines.append(f"  {name}: {{{', '.join(parts)}}}  # sure")
    return ["numbers:", *lines] if lines else []


def _is_sign(column: Column) -> bool:
    words = set(column.distinct)
    return 1 < len(words) <= 4 and any(one in words and other in words for one, other in OPPOSITES)


def _pattern(name: str) -> str:
    return re.sub(r"[0-9]{2,}(?:[-_.年月]?[0-9]{1,2})*", "*", name)


def _text(value: str) -> str:
    return yaml.safe_dump(
        value, allow_unicode=True, width=1000, default_style='"' if _needs_quotes(value) else None
    ).splitlines()[0]


def _needs_quotes(value: str) -> bool:
    return bool(re.search(r"[#:,\[\]{}&*!|>'\"%@`]|^[\s?-]|^$|^[0-9.]+$|^(?:true|false|yes|no|null|~)$", value, re.I))


def _flow(values: Sequence[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def save(made: Draft, out: Path) -> None:
    """Write a draft's text to ``out``; IngestionError when a file stands there already."""
    if out.exists():
        raise IngestionError(f"{out}: stands already; say another --out")
    out.write_text(made.text, "utf-8")
