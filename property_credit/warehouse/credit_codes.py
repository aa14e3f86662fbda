"""统一社会信用代码 (GB 32100-2015): what makes a code one that an organisation can carry.

Owns the form of a code, in one place for ingestion, the API and the simulation. Knows no register: whether a firm
with this code exists is another question.
"""

from functools import lru_cache
from typing import NamedTuple

from stdnum import numdb
from stdnum.cn import ric

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # values 0 to 30: no I, O, S, V, Z
LENGTH = 18
DIGITS = "0123456789" * 3  # 123456789012345678 has a right check digit
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = [pow(3, place, 31) for place in range(LENGTH - 1)]
# 登记管理部门 -> 机构类别 that it registers; 54 and 55 are the villages' and residents' committees
CATEGORIES = {
    "1": "1239", "2": "19", "3": "123459", "4": "19", "5": "123459", "6": "19", "7": "129", "8": "19", "9": "1239",
    "A": "19", "N": "1239", "Y": "19",
}  # fmt: skip
NATIONAL = "10"  # 100000: registered with the state's own office


class Wrong(NamedTuple):
    """Why a text is no code: the reason, and a sentence in Chinese and in English; none quotes a resident's number."""

    code: str
    zh: str
    en: str


def check_character(first17: str) -> str:
    """Return the 18th character of a code whose first 17 are given.

    >>> check_character("91350100M000100Y4")
    '3'
    """
    return ALPHABET[-sum(_VALUES[character] * weight for character, weight in zip(first17, _WEIGHTS, strict=True)) % 31]


def problem_with(code: str) -> str | None:
    """Say what is wrong with ``code`` (upper case), or None when an organisation can carry it.

    >>> problem_with("91350100M000100Y43") is None
    True
    >>> problem_with("91350100M000100Y44")
    'the check digit should be 3, not 4'
    """
    wrong = why_wrong(code)
    return wrong.en if wrong else None


def words_for(code: str) -> tuple[str, str] | None:
    """Say what is wrong with ``code`` in Chinese and in English, or None when an organisation can carry it."""
    wrong = why_wrong(code)
    return (wrong.zh, wrong.en) if wrong else None


@lru_cache(maxsize=1 << 16)  # a ledger names the same few thousand firms in each of its blocks
def why_wrong(code: str) -> Wrong | None:
    """Return why ``code`` (upper case) is no credit code; None when its form, check digit and parts are right.

    >>> why_wrong("000000000000000000").code
    'USCC_PLACEHOLDER'
    """
    if len(code) != LENGTH:
        only = (
            ("，单独的组织机构代码不够", ": an organisation code alone is not enough")
            if len(code) in (9, 10)
            else ("", "")
        )
        zh, en = f"代码为 18 位，此处为 {len(code)} 位", f"a code has 18 characters, this one has {len(code)}"
        return Wrong("USCC_WRONG_FORM", zh + only[0], en + only[1])
    for position, character in enumerate(code, start=1):
        if character not in _VALUES:
            zh = f"第 {position} 位（{character!r}）不是代码可用字符"
            return Wrong("USCC_WRONG_FORM", zh, f"character {position} ({character!r}) does not occur in a code")
    own = code[8:17]
    if len(set(code)) <= 2 or len(set(own)) == 1 or own in DIGITS or own in DIGITS[::-1] or code in ALPHABET * 2:
        return Wrong("USCC_PLACEHOLDER", "是占位符，不是已赋码的代码", "a placeholder, not a code that was issued")
    if ric.is_valid(code):
        zh = "是居民身份证号码，不是组织的代码"
        return Wrong("USCC_RESIDENT_NUMBER", zh, "a resident's identity number, not the code of an organisation")
    expected = check_character(code[:17])
    if code[17] != expected:
        zh = f"校验码应为 {expected}，此处为 {code[17]}"
        return Wrong("USCC_CHECK_DIGIT", zh, f"the check digit should be {expected}, not {code[17]}")
    if code[0] not in CATEGORIES or code[1] not in CATEGORIES[code[0]]:
        zh = f"没有登记管理部门以 {code[:2]} 开头赋码"
        return Wrong("USCC_NOT_ISSUED", zh, f"no registration department issues codes that begin with {code[:2]}")
    if not (code[2:8].isdigit() and _is_division(code[2:8])):
        return Wrong("USCC_NOT_ISSUED", "第 3 至 8 位不是行政区划", "characters 3 to 8 are no administrative division")
    return None


@lru_cache(maxsize=1 << 12)
def _is_division(code: str) -> bool:
    """Say whether the first two digits name a province; counties are founded and renumbered, so they decide nothing."""
    if code[:2] == NATIONAL:
        return code == NATIONAL + "0000"
    return any(properties for _part, properties in numdb.get("cn/loc").info(code))
