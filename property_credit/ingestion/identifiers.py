"""One rule for identifiers of every feed: what is only dress is taken off, what cannot be known any more is refused.

Taken off: white space around; invisible characters (U+200B, U+FEFF, U+00AD …) anywhere; a leading apostrophe and
``="…"``, which keep a spreadsheet from reading a number; full-width letters, digits and dashes become ASCII. Letters
keep their case, and a key that differs from another only by it is refused. Refused as well: what a spreadsheet has
destroyed (``1.50203E+17``, zeros for digits beyond the 15th, ``3月1日`` for 3-1, ``#N/A``), a key that is a word for
none or a total, and characters that cannot be told by eye (control characters, U+FFFD, Cyrillic among Latin letters).
"""

import re
from collections.abc import Callable
from typing import Literal

import numpy
import polars

# A column without such a text needs neither cleaning nor a second look.
SUSPECT = (
    r"[^ -~\p{Han}]"
    r"|^['=#]"
    r"|[0-9]\s?[eE]\+[0-9]|[0-9][.,][0-9]+\s?[eE]"
    r"|^[0-9]+[.]0+$|10\^"
    r"|^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:|^([0-9]{4}年)?[0-9]{1,2}月([0-9]{1,2}日)?$"
)
USUAL = bytes(code for code in range(0x20, 0x7F) if chr(code) not in "'=+#.,^:")
INVISIBLE = r"[\p{Cf}\x{034F}\x{115F}\x{1160}\x{3164}\x{FFA0}\x{FE00}-\x{FE0F}]"
AROUND = r"^[\p{Cc}\s]+|[\p{Cc}\s]+$"
QUOTED = r'^[=＝]\s*["＂“”](.*)["＂“”]$'
APOSTROPHE = r"^['＇’‘]"
WIDE = {
    chr(0xFEE0 + code): chr(code)
    for code in map(ord, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_/.#+")
}
DASHES = dict.fromkeys("‐‑‒–—―−", "-")
SPACES = dict.fromkeys(
    "\u00a0\u3000\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "
)
PLAIN = WIDE | DASHES | SPACES
# 2E10 may be a house; 2E+10, 1.5E10 and 150.2E+15 (the format of engineers) were numbers
SCIENTIFIC = (
    r"(?:^|[^0-9A-Za-z.,])(?:[0-9]{1,3}(?:[.,][0-9]+)?\s?[eE]\+|[0-9]{1,3}[.,][0-9]+\s?[eE]-?)[0-9]+(?:$|[^0-9A-Za-z])"
    r"|(?:^|[^0-9.,])[0-9](?:[.,][0-9]+)?\s?(?:×\s?10\^?|[xX*]\s?10\^)[0-9]+$"
)
BROKEN = (
    r"^#+$|^(?i)#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!)$"  # what a spreadsheet shows for an error
    r"|^[0-9]{5,}[.]0+$"  # a number that was a fraction on its way, so that zeros before it are gone
    r"|^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$"  # 3-1 became a date cell
    r"|^([0-9]{4}年)?[0-9]{1,2}月([0-9]{1,2}日)?$"  # and was shown as one
)
# in place of a key: words for "none", and the rows that sum up others
PLACEHOLDER = (
    r"^(?i)(null|none|nan|nil|n/?a|\\n|undefined|true|false|test|unknown|[-/\\_.*?？—–]+|无|空|暂无|没有|未知|不详|待定|待补|同上)$"
    r"|^[（(【]?(本[页日周旬月季年次]|当[日月年]|全[年部]|[0-9一二三四五六七八九十]+月份?|累|总|期[初末])?[合总小共累]\s*计"
    r"|^[第以上述各分页行0-9一二三四五六七八九十（(]{1,8}[合总小共累]\s*计"
    r"|^(承前页|过次页|转下页|承上页|接上页|上页结转|结转[上下][页年期]|[上本][年期月]结[转余]|[期年月][初末]余额)"
    r"|^(?i)((grand|sub|page)[ -]?)?totals?\b"
)
DIGITS_KEPT = 15  # of a number in a spreadsheet
LONG = r"^[0-9]{16,}$"
FEW_SMALL = 1_000  # more are the source's own way to number
EVIDENCE = 3  # numbers that agree, one fewer for each digit beyond the first
UNREADABLE = r"[\p{C}\p{Zl}\p{Zp}\x{FFFD}]"
LOOKALIKE, LATIN = r"[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Cherokee}]", r"[0-9A-Za-z]"

Suspicion = Literal["dress", "zeros"]

_UNREADABLE_HERE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd\ue000-\uf8ff\u0370-\u058f\u13a0-\u13ff]|[\U000e0000-\U0010ffff]"
)


def suspicion(column: polars.Series) -> Suspicion | None:
    """Say whether an identifier of the column may be odd: in its dress, or only by the zeros that it ends in.

    All of them are looked at as one text: five times as fast as a pattern on each (measured 2026-11).
    """
    if column.null_count() == column.len():
        return None
    text = column.str.join("").item()
    if (not text.isascii() or text.encode().translate(None, USUAL)) and column.str.contains(SUSPECT).any():
        return "dress"
    is_long = column.str.len_bytes() > DIGITS_KEPT
    return "zeros" if is_long.any() and (is_long & column.str.ends_with("0")).any() else None


def cleaned(column: polars.Series) -> polars.Series:
    """Return the identifiers without what is only dress; an empty one becomes null."""
    odd = column.str.contains(SUSPECT).fill_null(False)
    places = odd.arg_true()
    if not len(places):
        return column
    texts = column.gather(places).str.replace_all(INVISIBLE, "").str.replace_all(AROUND, "")
    texts = texts.str.replace(QUOTED, "$1").str.replace(APOSTROPHE, "")
    texts = texts.str.replace_many(list(PLAIN), list(PLAIN.values())).str.strip_chars()
    texts = texts.set(texts.str.len_bytes() == 0, None)
    return column.scatter(places, texts)


def problems(
    column: polars.Series, suspicion: Suspicion, *, are_long_digits_kept: bool = False
) -> list[tuple[str, numpy.ndarray]]:
    """Return masks of cleaned identifiers that are destroyed or unreadable, by reason code.

    ``are_long_digits_kept``: the source is known to number with zeros beyond the 15th digit.
    """
    if suspicion == "zeros":
        rounded = None if are_long_digits_kept else _rounded(column)
        return [("ID_DESTROYED", rounded.to_numpy())] if rounded is not None and rounded.any() else []
    masks = []
    destroyed = (column.str.contains(SCIENTIFIC) | column.str.contains(BROKEN)).fill_null(False)
    if not are_long_digits_kept:
        destroyed |= _rounded(column)
    unreadable = column.str.contains(UNREADABLE) | (column.str.contains(LOOKALIKE) & column.str.contains(LATIN))
    for code, mask in (("ID_DESTROYED", destroyed), ("ID_UNREADABLE", unreadable.fill_null(False))):
        if mask.any():
            masks.append((code, mask.to_numpy()))
    return masks


def placeholders(keys: polars.Series) -> numpy.ndarray | None:
    """Return the mask of keys that are words for "none" or sum up other rows (合计); None where there is none.

    Real keys repeat few first characters, and hardly any word of these: one look at the distinct shapes suffices.
    """
    if not keys.str.contains(PLACEHOLDER).any():
        return None
    return keys.str.contains(PLACEHOLDER).fill_null(False).to_numpy()


def _rounded(column: polars.Series) -> polars.Series:
    """Return the mask of numbers whose digits beyond the 15th are all zero, where chance does not explain them.

    Serial numbers may end in zeros: one in ten does by its last digit, one in a thousand by its last three. So the
    distinct numbers of one length are evidence together, however often each stands: all of them end so (three; or two
    with two digits beyond the 15th; or one with three), or at least two and ten times as many as chance brings.
    """
    long = column.filter(column.str.contains(LONG).fill_null(False)).unique()
    numbers = polars.DataFrame({"number": long, "beyond": long.str.len_chars().cast(polars.Int64) - DIGITS_KEPT})
    numbers = numbers.with_columns(is_zero=polars.col("number").str.slice(DIGITS_KEPT).str.contains("^0+$"))
    zero, count = polars.col("is_zero").sum().over("beyond"), polars.len().over("beyond")
    by_all = (zero == count) & (count >= polars.max_horizontal(EVIDENCE - polars.col("beyond") + 1, 1))
    by_chance = (zero >= 2) & (zero > count * 10 * polars.lit(10.0).pow(-polars.col("beyond")))
    rounded = numbers.filter(polars.col("is_zero") & (by_all | by_chance))["number"]
    return column.is_in(rounded.implode()).fill_null(False)


def in_another_case(
    keys: polars.Series, exist: Callable[[polars.Series], numpy.ndarray] | None
) -> numpy.ndarray | None:
    """Return the mask of keys that are another one but for the case of their letters; None where none is.

    Looked for among ``keys`` and, where few of them have small letters, among those that ``exist`` says are loaded.
    """
    text = keys.str.join("").item() if keys.null_count() < keys.len() else ""
    if text == text.upper():
        return None
    frame = polars.DataFrame({"key": keys, "folded": keys.str.to_uppercase()})
    is_small = polars.col("key") != polars.col("folded")
    kept = polars.when((~is_small).any()).then(polars.col("folded").first()).otherwise(polars.col("key").first())
    is_other_case = (
        frame.select((polars.col("key") != kept.over("folded")).fill_null(False)).to_series().to_numpy().copy()
    )
    places = numpy.flatnonzero(frame.select(is_small.fill_null(False)).to_series().to_numpy() & ~is_other_case)
    if exist is not None and 0 < len(places) <= FEW_SMALL:
        own = frame[places]
        is_other_case[places] = exist(own["folded"]) & ~exist(own["key"])
    return is_other_case if is_other_case.any() else None


def small_letters(text: str) -> str:
    """Return the small letters of an identifier that another has as capitals.

    >>> small_letters("Ts1")
    'U+0073 at character 2'
    """
    odd = [(place, ord(letter)) for place, letter in enumerate(text, start=1) if letter != letter.upper()]
    return ", ".join(f"U+{point:04X} at character {place}" for place, point in odd[:5])


def code_points(text: str) -> str:
    """Return which characters of an identifier are unreadable, and where.

    >>> code_points("TS\\t1")
    'U+0009 at character 3'
    """
    odd = [(place, ord(match.group())) for match in _UNREADABLE_HERE.finditer(text) for place in [match.start() + 1]]
    return ", ".join(f"U+{point:04X} at character {place}" for place, point in odd[:5])
