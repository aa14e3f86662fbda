"""The normal form of Chinese names of residential communities and of organisations: what two spellings have in common.

Owns how a name is taken apart, in columns (polars), and the version of that reading. Must not know the register:
it looks at one name at a time. docs/matching.md tells every rule with examples.

A name becomes these texts:

- ``form``: the same name written one way (width, script, brackets, numerals, phases last). Equal forms are the
  same words.
- ``words``: the form without its division or street office in front.
- ``core``: the words without those that tell nothing (小区; 有限公司).
- ``base``: the core without its kind (花园, 家园; 物业服务), "" where nothing would be left.
- ``kind``: what was taken from the core: a community's 花园, an enterprise's line of business.
- ``marks``: the characters that tell neighbours apart (numbers, letters, 东西南北, 新老, 一期), in order. Names of
  different marks are never one by themselves.
- ``single``: the core with one of each character that stands twice or more beside itself.
- ``sound``: the core with one character for each sound, ``shape``: with one for each group of look-alikes.
- ``place``: the city or county named in front, without 市 or 区; "" where none is.
- ``own``: a community's core without the developer (万科) or the street in front of it, else the core.
- ``branch``: an enterprise's branch (包头分公司); "" for the head.
"""

import re
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal

import polars
import yaml

VERSION = "names-2026.12"

EntityType = Literal["community", "enterprise"]

WORDS = yaml.load((Path(__file__).parent / "words.yml").read_text("utf-8"), Loader=yaml.CSafeLoader)
BUSINESS = {kind: written.split() for kind, written in WORDS["business"].items()}
COUNTED = WORDS["counted"].split()
COMMUNITY_NOISE = WORDS["community_noise"].split()
DORMITORIES = WORDS["dormitories"].split()
COMMUNITY_KINDS = WORDS["community_kinds"].split()
PROPERTY_TYPES = WORDS["property_types"].split()
DEVELOPERS = WORDS["developers"].split()
LEGAL_FORMS = WORDS["legal_forms"].split()
BRANCHES = WORDS["branches"].split()
LOOK_ALIKES = WORDS["look_alikes"].split()

LEAST_PLACE, LONGEST_PLACE = 2, 12  # characters
FIRST_HAN, LAST_HAN = 0x3400, 0x9FFF
NUMERALS = "零一二三四五六七八九"
POSITIONAL, END = f"[{NUMERALS}]{{3,}}", "\x1e"
MOST_COUNTED = 40  # 三十九号院 is read as 39号院; what counts further is written in digits
ROMAN = {"Ⅰ": "1", "Ⅱ": "2", "Ⅲ": "3", "Ⅳ": "4", "Ⅴ": "5", "Ⅵ": "6", "Ⅶ": "7", "Ⅷ": "8", "Ⅸ": "9", "Ⅹ": "10"}
ROMAN_LETTERS = {"viii": 8, "vii": 7, "iii": 3, "vi": 6, "iv": 4, "ix": 9, "ii": 2, "v": 5, "x": 10, "i": 1}
SAME_CHARACTER = {"壹": "一", "贰": "二", "叁": "三", "〇": "零", "○": "零", "邨": "村", "#": "号", "♯": "号"}
OPENING, CLOSING = "[{<〔【《〈「『﹝", "]}>〕】》〉」』﹞"
NOISE = r"[\s\p{Cf}\p{Cc}▪■□◆◇★☆°º℃·•‧∙・●,，。.、;；:：!！?？'\"“”‘’`´~～_=+*|\\/—–－…^&@$%]"
OTHER_NAMES = r"\((?:原名?|曾用名|又名|别名|旧称|俗称|现名?|推广名|案名|备案名)[:：]?[^()]*\)"
# 万达 counts nothing, 三万 does
LONE_TENS = "(^|[^0-9一二三四五六七八九十百千万])[百千万]+"
# characters that tell a community from its neighbour
MARKS = "0-9a-z东西南北中上下前后左右内外新老旧大小零一二三四五六七八九十百千万甲乙丙丁"
NOT_MARKS: dict[str, list[str]] = {
    "community": ["小区", "大厦", "东方", "中心", "大院", "大楼", "中央", "大街", "大道", "大桥"],
    "enterprise": [],
}
LATIN_FORMS = r"(?:limited|ltd|ld|plc|inc|llc|llp|corp)$"
# a street in front of a name that says more: 友谊大街阳光花园
STREET = r"^[^0-9]{1,5}(?:大街|大道|路|街|巷)(?:[0-9]+号)?([^0-9道办口里巷街坊][^0-9]{2,})$"
# what follows a comma is where it stands: 绿都雅苑，团结大街45号
ADDRESS_BEHIND = r"^([^，,;；]{2,})[，,;；].*(?:路|街|道|巷|号).*$"
# 青山路街道 is no street office of 青山区 called 路
ROAD_BEHIND = "^(?:大街|大道|[路街道巷镇])"
# a street office in front: 先锋道街道, 万水泉镇
STREET_OFFICE = r"^[^0-9小古新老]{2,6}?(?:街道办事处|街道办|街道|苏木|镇)"
# an address as a name ends in its number
BUILDING = r"(?:(?:第)?(?:[0-9]+[a-z]?|[a-z])(?:号楼|楼|栋|幢|单元|层|室|户))+[0-9]*$"
PHASE_OR_SIDE = r"[0-9a-z]+期|[东西南北中a-z0-9]+区"
ACCOUNT = r"\([^()]*(?:专户|账户|户|资金|收益|费)\)$|(?:公共收益|维修资金|共有资金|专用)?(?:专户|账户|专用账户)$"
SAME_SOUND_ENDS = (("eng", "en"), ("ing", "in"), ("ang", "an"))
SAME_SOUND_STARTS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"))
SAME_SOUND_INSIDE = (("v", "u"),)  # ü: 绿 and 录


def normalized(
    names: polars.Series,
    entity_type: EntityType,
    places: tuple[str, ...] = (),
    *,
    divisions: polars.Series | None = None,
    is_register: bool = False,
) -> polars.DataFrame:
    """Take names apart; see the module for the columns.

    ``names``: texts, null or blank where there is none (all columns are then ""). ``places``: divisions that a
    community's name may begin with in their short form too (those it may lie in). ``divisions``: where each lies, null
    where nobody says; 青山家园 in another division than 青山区 is called so. ``is_register``: a building behind
    the name is part of it; in an office\'s row it only tells where in the community. Returns as many rows, in order:
    single, form, core, base, kind, marks, sound, shape, place and branch, all text and never null.
    """
    text = _plain(names.fill_null("").alias("name"))
    pattern = _place_pattern(entity_type, places)
    if divisions is None:
        divisions = polars.Series([None] * len(names), dtype=polars.String)
    text = text.with_columns(divisions.alias("lies_in"))
    frame = _community(text, pattern, is_register) if entity_type == "community" else _enterprise(text, pattern)
    quiet = NOT_MARKS[entity_type]
    marked = polars.col("own").str.replace_many(list(quiet), [""] * len(quiet)) if quiet else polars.col("own")
    sounds, shapes = _sounds(), _shapes()
    return frame.with_columns(
        marked.str.replace_all("[a-z]{2,}", "")
        .str.replace_all(LONE_TENS, "$1")
        .str.replace_all(f"[^{MARKS}]", "")
        .alias("marks"),  # a word is no letter
        polars.col("core").str.replace_many(list(sounds), list(sounds.values())).alias("sound"),
        polars.col("core").str.replace_many(list(shapes), list(shapes.values())).alias("shape"),
        polars.Series("single", [_undoubled(core) for core in frame["core"]], polars.String),
    ).select("single", "form", "core", "base", "kind", "marks", "sound", "shape", "place", "branch", "own", "words")


def _in_numerals(texts: polars.Series) -> polars.Series:
    """Return texts with long numbers written one way, place by place: 1319小区 is 一三一九小区."""
    is_long = texts.str.contains("[0-9]{3}")
    if not is_long.any():
        return texts
    table = str.maketrans("0123456789", NUMERALS)
    numerals = [re.sub("[0-9]{3,}", lambda run: str(run[0]).translate(table), text) for text in texts.filter(is_long)]
    return texts.scatter(is_long.arg_true(), numerals)


def _undoubled(text: str) -> str:
    """Return a text with one of each character that stands twice or more beside itself."""
    return "".join(character for character, _run in groupby(text))


def plain(texts: polars.Series) -> polars.Series:
    """Return texts of any kind written as ``form`` is, so that a core can be looked for in them; null stays null."""
    forms = _plain(texts.fill_null("").alias("name"))["form"]
    return forms.str.replace_all(r"[()]", "").alias(texts.name).set(texts.is_null(), None)


def _plain(names: polars.Series) -> polars.DataFrame:
    """Return column ``form``: one width, one script, small letters, round brackets, no spaces and no dots."""
    simplified = {**_simplified(), **SAME_CHARACTER}
    form = polars.col("name").str.replace_many(list(ROMAN), list(ROMAN.values())).str.normalize("NFKC")
    form = form.str.to_lowercase().str.replace_many(list(simplified), list(simplified.values()))
    form = form.str.replace_all("&", "and", literal=True).str.replace_many(
        [*OPENING, *CLOSING], ["("] * len(OPENING) + [")"] * len(CLOSING)
    )
    form = form.str.replace(ADDRESS_BEHIND, "$1").str.replace_all(NOISE, "")
    form = form.str.replace_all(r"([^0-9])-|-([^0-9]|$)", "$1$2").str.replace_all(r"^-", "")
    form = form.str.replace_all(OTHER_NAMES, "")
    form = form.str.replace_all(f"({POSITIONAL})", f"${{1}}{END}")  # 九里 in 一三一九里 counts nothing
    counted = _counted()
    form = form.str.replace_many(list(counted), list(counted.values()), leftmost=True)
    form = form.str.replace_all(END, "", literal=True)
    form = form.str.replace_all(r"第([0-9]+)", "$1").str.replace_all(r"0+([1-9][0-9]*(?:期|号|区|栋))", "$1")
    return names.to_frame().select(form.alias("form"))


def _community(plain: polars.DataFrame, places: str, is_register: bool) -> polars.DataFrame:
    aside = rf"\((?:{'|'.join(sorted(PROPERTY_TYPES, key=len, reverse=True))})\)"
    where = r"\(([^()]*[^()0-9a-z东西南北中][区县市旗镇路街道圈])\)"
    plain = plain.with_columns(
        polars.col("form").str.extract(where).fill_null("").alias("inner"),
        polars.col("form").str.replace_all(aside, "").str.replace(where, "").alias("said"),
    )
    plain = plain.with_columns(
        _unless_short(polars.col("said").str.replace_all(r"[()]", ""), polars.col("form")).alias("said")
    )
    bare = [polars.col(name).str.replace_all(r"[()]", "") for name in ("form", "said")]
    frame = plain.select(
        _phase_last(bare[0]).alias("form"),
        _phase_last(bare[1] if is_register else _without_building(bare[1])).alias("said"),
        "inner",
        "lies_in",
    )
    frame = frame.with_columns(polars.col("said").map_batches(_in_numerals, return_dtype=polars.String))
    halls = ["宿舍"] * len(DORMITORIES)
    frame = frame.with_columns(polars.col("form", "said").str.replace_many(list(DORMITORIES), halls, leftmost=True))
    frame = frame.with_columns(
        polars.col("said").str.extract(places).fill_null("").alias("place"),
    )
    is_another = ~polars.col("place").str.contains("[省市盟区县旗]$") & ~polars.col("lies_in").str.starts_with(
        polars.col("place")
    )
    rest = polars.col("said").str.slice(polars.col("place").str.len_chars())
    is_road = ~polars.col("place").str.contains("[省市盟区县旗]$") & rest.str.contains(ROAD_BEHIND)
    is_another = is_another.fill_null(False) | is_road
    whole = polars.col("said").str.extract(_place_pattern("community", ())).fill_null("")
    frame = frame.with_columns(polars.when(is_another).then(whole).otherwise("place").alias("place"))
    generic = [*COMMUNITY_NOISE, *COMMUNITY_KINDS, *DORMITORIES]
    frame = _without_place(frame, "said", generic)
    frame = frame.with_columns(polars.when(polars.col("inner") == "").then("place").otherwise("inner").alias("place"))
    frame = frame.with_columns(_without_level("place"))
    office = _unless_short(polars.col("core").str.replace(STREET_OFFICE, ""), polars.col("core"), least=3)
    frame = frame.with_columns(office.alias("core")).with_columns(polars.col("core").alias("words"))
    quiet = polars.col("core").str.replace_many(list(COMMUNITY_NOISE), [""] * len(COMMUNITY_NOISE), leftmost=True)
    frame = frame.with_columns(_unless_short(quiet, polars.col("core")).alias("core"))
    frame = frame.with_columns(polars.col("core").str.replace(r"([0-9]号)院$", "$1"))
    kinds = f"(?:{'|'.join(COMMUNITY_KINDS)})"
    kind = polars.col("core").str.extract(rf"^..+?({kinds})(?:[0-9a-z]+期|[东西南北中a-z0-9]+区|[0-9a-z])*$")
    frame = frame.with_columns(kind.fill_null("").alias("kind"))
    base = (
        polars.when(kind.is_null())
        .then("core")
        .otherwise(
            polars.col("core").str.replace(rf"^(..+?){kinds}((?:[0-9a-z]+期|[东西南北中a-z0-9]+区|[0-9a-z])*)$", "$1$2")
        )
    )
    own = polars.col("core").str.replace(f"^(?:{'|'.join(DEVELOPERS)})", "").str.replace(STREET, "$1")
    is_named = _said(own, sorted(generic, key=lambda word: (-len(word), word))).str.len_chars() >= 2
    own = polars.when(is_named).then(own).otherwise("core")
    return frame.with_columns(base.alias("base"), polars.lit("").alias("branch"), own.alias("own"))


def _enterprise(plain: polars.DataFrame, places: str) -> polars.DataFrame:
    form = polars.col("form").str.replace(ACCOUNT, "")
    inner = form.str.extract(rf"\({places[1:]}\)")
    form = form.str.replace(rf"\({places[1:]}\)", "").str.replace_all(r"[()]", "")
    frame = plain.select(form.alias("form"), inner.fill_null("").alias("inner"))
    legal = "|".join(LEGAL_FORMS)
    branches = "|".join(BRANCHES)
    branch = polars.col("form").str.extract(rf"(?:{legal})(.{{0,20}}(?:{branches}))$")
    frame = frame.with_columns(
        branch.fill_null("").alias("branch"),
        polars.when(branch.is_null())
        .then("form")
        .otherwise(polars.col("form").str.replace(rf"((?:{legal})).{{0,20}}(?:{branches})$", "$1"))
        .alias("head"),
    )
    frame = frame.with_columns(
        polars.col("head").str.extract(places).fill_null("").alias("place"),
    )
    words = [*LEGAL_FORMS, *(word for written in BUSINESS.values() for word in written)]
    frame = _without_place(frame, "head", words)
    frame = frame.with_columns(
        polars.when(polars.col("inner") != "").then("inner").otherwise("place").alias("place")
    ).with_columns(_without_level("place"))
    quiet = polars.col("core").str.replace_all(f"(?:{legal})", "").str.replace(LATIN_FORMS, "")
    frame = frame.with_columns(_unless_short(quiet, polars.col("core")).alias("core"))
    marked = {word: f"<{kind}>" for kind, written in BUSINESS.items() for word in written}
    lines = polars.col("core").str.replace_many(list(marked), list(marked.values()), leftmost=True)
    frame = frame.with_columns(lines.alias("lines"), polars.col("core").alias("words"))
    base = polars.col("lines").str.replace_all(r"<[^>]*>", "").str.replace_all("(?:服务|管理|经营|运营)+$", "")
    kind = polars.col("lines").str.extract_all(r"<[^>]*>").list.unique().list.sort().list.join("")
    core = polars.col("lines").str.replace_all(r"[<>]", "")
    return frame.with_columns(
        _unless_short(base, polars.lit("")).alias("base"), kind.alias("kind"), core.alias("core"), core.alias("own")
    )


def _without_place(frame: polars.DataFrame, column: str, words: list[str]) -> polars.DataFrame:
    """Add ``core``: what stands behind ``place``, if that is more than ``words``; else all of it, and no place."""
    rest = polars.col(column).str.slice(polars.col("place").str.len_chars())
    words = sorted(set(words), key=lambda word: (-len(word), word))
    distinctive = _said(rest, words)
    is_named = (distinctive.str.len_chars() >= 2) & (polars.col("place") != "")
    return frame.with_columns(
        polars.when(is_named).then(rest).otherwise(column).alias("core"),
        polars.when(is_named).then("place").otherwise(polars.lit("")).alias("place"),
    ).with_columns(_without_level("place"))


def _replaced(text: polars.Expr, alike: dict[str, str]) -> polars.Expr:
    return text.str.replace_many(list(alike), list(alike.values())) if alike else text


def _plainly(word: str, alike: dict[str, str]) -> str:
    return "".join(alike.get(character, character) for character in word)


def _said(rest: polars.Expr, words: list[str]) -> polars.Expr:
    """Return what a text names: without its phase and without ``words``, of which the longest come first."""
    return rest.str.replace_all(PHASE_OR_SIDE, "").str.replace_many(words, [""] * len(words), leftmost=True)


def _without_building(name: polars.Expr) -> polars.Expr:
    return _unless_short(name.str.replace(BUILDING, ""), name, least=3)


def _phase_last(form: polars.Expr) -> polars.Expr:
    """Return a community's form with its phase at the end: 二期南区 and 南区二期 are one."""
    phase = form.str.extract(r"([0-9a-z]+期)")
    return polars.when(phase.is_null()).then(form).otherwise(form.str.replace(r"[0-9a-z]+期", "") + phase)


def _unless_short(shorter: polars.Expr, longer: polars.Expr, least: int = 2) -> polars.Expr:
    """Return the shorter text where it keeps at least ``least`` characters, else the longer one."""
    return polars.when(shorter.str.len_chars() >= least).then(shorter).otherwise(longer)


def _without_level(column: str) -> polars.Expr:
    return (
        polars.col(column)
        .str.replace(r"^(?:.*(?:省|自治区|内蒙古))?(..+?)(?:市|区|县|旗|盟|自治州|地区)?$", "$1")
        .alias(column)
    )


@cache
def _simplified() -> dict[str, str]:
    """Return the characters of the traditional script that have one simplified one (OpenCC)."""
    import opencc

    convert = opencc.OpenCC("t2s").convert
    pairs = ((character, convert(character)) for character in map(chr, range(FIRST_HAN, LAST_HAN + 1)))
    return {old: new for old, new in pairs if old != new and len(new) == 1}


@cache
def _counted() -> dict[str, str]:
    """Return what is counted in Chinese or Roman numerals in digits: 十二期 is 12期, ii期 is 2期."""
    digits = {}
    for number in range(MOST_COUNTED - 1, 0, -1):
        tens, units = divmod(number, 10)
        numeral = ("" if tens == 0 else "十" if tens == 1 else NUMERALS[tens] + "十") + (
            NUMERALS[units] if units else ""
        )
        for unit in COUNTED:
            digits[numeral + unit] = f"{number}{unit}"
    for letters, number in ROMAN_LETTERS.items():
        for unit in ("期", "区"):
            digits[letters + unit] = f"{number}{unit}"
    return digits


@cache
def _divisions() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the names of provinces, of cities, and of counties of three characters and more, of all years."""
    from stdnum import numdb

    provinces, cities, counties = set[str](), set[str](), set[str]()
    for _length, _low, _high, properties, children in numdb.get("cn/loc").prefixes:
        provinces.add(properties.get("province", ""))
        for _size, code, _end, division, _none in children:
            name = division.get("county", "").split("]")[-1]
            if name and name[-1] in "市盟县旗区州" and name != "市辖区" and len(name) >= 3:
                (cities if code.endswith("00") else counties).add(name)
    return frozenset(provinces - {""}), frozenset(cities), frozenset(counties)


@cache
def _place_pattern(entity_type: EntityType, places: tuple[str, ...]) -> str:
    """Return the pattern of the divisions that a name may begin with, as one group.

    An organisation's name begins with its city, with or without 市; a community's may begin with anything, so that
    only full names and those of ``places`` count.
    """
    provinces, cities, counties = (set(level) for level in _divisions())
    provinces |= {"内蒙古", "内蒙"}
    if entity_type == "enterprise":
        provinces |= {"广西", "宁夏", "新疆", "西藏"} | {
            name.removesuffix("省").removesuffix("市") for name in provinces
        }
        cities |= {short for name in cities if len(short := name.removesuffix("市").removesuffix("地区")) >= 2}
    cities |= {
        short for name in places for short in (name, shortened(name)) if LEAST_PLACE <= len(short) <= LONGEST_PLACE
    }

    def one_of(names: set[str]) -> str:
        return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))

    return f"^((?:{one_of(provinces)})?(?:{one_of(cities)})?(?:{one_of(counties)})?(?:{one_of(cities)})?)"


def shortened(division: str) -> str:
    """Return a division's name without what it is: 包头 of 包头市, 昆都仑 of 昆都仑区."""
    for level in (
        "自治区",
        "自治州",
        "自治县",
        "自治旗",
        "地区",
        "新区",
        "街道",
        "街道办事处",
        "省",
        "市",
        "区",
        "县",
        "旗",
        "盟",
        "镇",
        "苏木",
    ):
        if division.endswith(level) and len(division) - len(level) >= 2:
            return division.removesuffix(level)
    return division


@cache
def _sounds() -> dict[str, str]:
    """Return for each character the first one of its sound: without tone, zh as z, -ng as -n, l as n."""
    from pypinyin import Style
    from pypinyin.pinyin_dict import pinyin_dict
    from pypinyin.style import convert

    first: dict[str, str] = {}
    representatives = {}
    for place in range(FIRST_HAN, LAST_HAN + 1):
        readings = pinyin_dict.get(place)
        if not readings:
            continue
        sound = convert(readings.split(",")[0], Style.NORMAL, strict=True)
        for long, plain in SAME_SOUND_STARTS:
            sound = plain + sound.removeprefix(long) if sound.startswith(long) else sound
        for long, plain in SAME_SOUND_ENDS:
            sound = sound.removesuffix(long) + plain if sound.endswith(long) else sound
        for long, plain in SAME_SOUND_INSIDE:
            sound = sound.replace(long, plain)
        character = chr(place)
        representative = first.setdefault(sound, character)
        if representative != character:
            representatives[character] = representative
    return representatives


@cache
def _shapes() -> dict[str, str]:
    """Return for each look-alike the first one of its group."""
    leader: dict[str, str] = {}
    for group in LOOK_ALIKES:
        first = next((leader[character] for character in group if character in leader), group[0])
        for character in group:
            leader.setdefault(character, first)
    return {character: first for character, first in leader.items() if character != first}
