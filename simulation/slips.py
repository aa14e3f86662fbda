"""Names as clerks write them: communities of a city that are hard to tell apart, and spellings with their truth.

A city has several 阳光小区, estates in phases, old names and addresses. A clerk leaves the suffix out, writes the phase
in another way, puts the district in front, takes a character that sounds or looks alike, or writes what the place was
called before. ``make_places`` gives the register, ``write_slips`` the spellings; ``kind`` says what was done to each.
Owns the slips alone: whoever matches names must not know how they were made.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.tables import random

_ROOTS = (
    *("阳光", "幸福", "锦绣", "富强", "友谊", "青山", "滨河", "丽景", "金辉", "鹿城", "春晖", "万达", "恒基", "昆河"),
    *("保利香槟", "中央公园", "和平里", "自由路", "钢铁大街", "赛罕塔拉", "当代风华", "松石国际", "绿都"),
)
_SUFFIXES = ("小区", "花园", "家园", "嘉园", "雅苑", "新村", "华庭", "名邸", "公馆", "里")
ROADS = ("钢铁大街", "民主路", "友谊大街", "黄河大街", "团结大街", "建设路", "文化路", "青年路", "富强路", "林荫路")
_DISTRICTS = (
    *(("150202", "东河区"), ("150203", "昆都仑区"), ("150204", "青山区"), ("150205", "石拐区"), ("150207", "九原区")),
    ("150221", "土默特右旗"),
)
_STREETS = ("沼潭街道", "少先路街道", "自由路街道", "青福镇", "科学路街道", "富强路街道", "先锋道街道", "万水泉镇")
_CHINESE = "一二三四五六七八九"
_ROMAN = ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ", "Ⅴ")
# characters that sound alike, and such as look alike on a form
_SOUNDS = dict(zip("阳锦辉丽园华馨绿河昆富祥鹿邸晖", "洋金晖利圆花欣录和坤福翔路第辉", strict=True))
_LOOKS = dict(zip("阳园苑辉晖春锦里名未庭青", "阴圆宛晖珲舂绵理各末廷清", strict=True))
_TRADITIONAL = dict(
    zip("阳园华锦绣丽万达绿钢铁国际东区号楼龙风", "陽園華錦繡麗萬達綠鋼鐵國際東區號樓龍風", strict=True)
)
_FULL = str.maketrans("0123456789()", "０１２３４５６７８９（）")
KINDS = (
    "exact", "suffix_dropped", "suffix_changed", "phase_written", "phase_dropped", "district_before", "street_before",
    "full_width", "traditional", "brackets", "sounds_alike", "looks_alike", "dropped", "doubled", "swapped", "old_name",
    "with_address", "building_behind", "two_slips", "nobody",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A community of the register; ``phase`` 0: it has none. ``old_name`` is what it was called before, or empty."""

    community_id: str
    name: str
    district_code: str
    district: str
    street: str
    address: str
    root: str
    suffix: str
    phase: int
    old_name: str


@dataclass(frozen=True)
class Slip:
    """What a clerk wrote, and the truth: ``community_id`` is None where nobody in the register is meant.

    ``can_be_told``: a person with the register before them could say which one is meant; without the phase of an estate
    in phases, or without a place beside one of several namesakes, nobody can.
    """

    name: str
    address: str
    district: str
    kind: str
    community_id: str | None
    can_be_told: bool


def make_places(count: int, *, seed: int) -> list[Place]:
    """Return ``count`` communities over the districts of a city; namesakes in other districts, estates in phases.

    >>> [place.name for place in make_places(2, seed=1)] == [place.name for place in make_places(2, seed=1)]
    True
    """
    rng = random(seed, "places")
    places: list[Place] = []
    taken: set[tuple[str, str]] = set()
    while len(places) < count:
        root = _ROOTS[rng.integers(len(_ROOTS))]
        suffix = _SUFFIXES[0] if rng.random() < 0.35 else _SUFFIXES[rng.integers(len(_SUFFIXES))]
        code, district = _DISTRICTS[rng.integers(len(_DISTRICTS))]
        if (code, root + suffix) in taken:  # more than the words give: numbered estates, as many cities have
            root = f"{root}{_in_chinese(len(taken) + 1)}"
        taken.add((code, root + suffix))
        street = _STREETS[rng.integers(len(_STREETS))]
        address = f"{ROADS[rng.integers(len(ROADS))]}{int(rng.integers(1, 200))}号"
        old_name = ""
        if rng.random() < 0.15:
            old_name = f"{ROADS[rng.integers(len(ROADS))]}{_in_chinese(len(taken))}号街坊"
        phases = int(rng.integers(2, 5)) if rng.random() < 0.2 else 0
        for phase in range(1, phases + 1) if phases else (0,):
            behind = f"{_CHINESE[phase - 1]}期" if phase else ""
            places.append(
                Place(
                    community_id=f"XQ{len(places) + 1:06d}",
                    name=root + suffix + behind,
                    district_code=code,
                    district=district,
                    street=street,
                    address=address,
                    root=root,
                    suffix=suffix,
                    phase=phase,
                    old_name=old_name if not phases else "",
                )
            )
    return places[:count]


def write_slips(places: list[Place], count: int, *, seed: int) -> list[Slip]:
    """Return ``count`` spellings in random order, kinds about as often; one in twenty means nobody."""
    rng = random(seed, "slips")
    namesakes: dict[tuple[str, str], int] = {}
    for place in places:
        namesakes[place.district_code, place.root] = namesakes.get((place.district_code, place.root), 0) + 1
    kinds = [kind for kind in KINDS if kind != "nobody"]
    slips = []
    for _ in range(count):
        place = places[rng.integers(len(places))]
        if rng.random() < 0.05:
            slips.append(_nobody(place, rng))
            continue
        kind = kinds[rng.integers(len(kinds))]
        slips.append(_slip(place, kind, namesakes, rng))
    return [slips[index] for index in rng.permutation(len(slips))]


def spell(place: Place, kind: str, rng: np.random.Generator) -> str:
    """Return the name of ``place`` with one kind of slip (of KINDS but ``nobody``); as it is where there is none."""
    return _WRITERS[kind](place, rng)


def _slip(place: Place, kind: str, namesakes: dict[tuple[str, str], int], rng: np.random.Generator) -> Slip:
    name = _WRITERS[kind](place, rng)
    if name == place.name and kind != "exact":
        kind = "exact"  # the slip finds nothing to change in this name
    loses_phase = kind == "phase_dropped" and bool(place.phase)
    loses_suffix = kind in ("suffix_dropped", "suffix_changed", "two_slips")
    is_alone = namesakes[place.district_code, place.root] == 1
    has_address = kind == "with_address" or rng.random() < 0.3
    can_be_told = not loses_phase and (is_alone or not loses_suffix)
    return Slip(name, place.address if has_address else "", place.district, kind, place.community_id, can_be_told)


def _nobody(place: Place, rng: np.random.Generator) -> Slip:
    """Return a place that stands in no register: a shop, a school, a building site, or another town's estate."""
    others = ("购物广场", "小学", "写字楼", "施工工地", "农贸市场", "派出所", "村委会")
    road = ROADS[rng.integers(len(ROADS))]
    name = f"{road}{others[rng.integers(len(others))]}" if rng.random() < 0.7 else f"外地{road}{place.suffix}"
    return Slip(name, "", place.district, "nobody", None, True)


def _in_chinese(number: int) -> str:
    digits = "零一二三四五六七八九"
    return "".join(digits[int(digit)] for digit in str(number))


def _replaced(name: str, table: dict[str, str], rng: np.random.Generator) -> str:
    places = [index for index, character in enumerate(name) if character in table]
    if not places:
        return name
    index = places[rng.integers(len(places))]
    return name[:index] + table[name[index]] + name[index + 1 :]


def _phase_written(place: Place, rng: np.random.Generator) -> str:
    if not place.phase:
        return place.name
    number = place.phase
    ways = (f"{number}期", f"{_ROMAN[number - 1]}期", f"({number}期)", f"（{_CHINESE[number - 1]}期）", f"第{number}期")
    return place.root + place.suffix + ways[rng.integers(len(ways))]


def _dropped(place: Place, rng: np.random.Generator) -> str:
    index = int(rng.integers(len(place.root)))
    return place.name[:index] + place.name[index + 1 :] if len(place.root) > 2 else place.name


def _doubled(place: Place, rng: np.random.Generator) -> str:
    index = int(rng.integers(len(place.root)))
    return place.name[: index + 1] + place.name[index:]


def _swapped(place: Place, rng: np.random.Generator) -> str:
    index = int(rng.integers(len(place.root) - 1))
    return place.name[:index] + place.name[index + 1] + place.name[index] + place.name[index + 2 :]


def _suffix_changed(place: Place, rng: np.random.Generator) -> str:
    other = _SUFFIXES[rng.integers(len(_SUFFIXES))]
    return place.root + other + place.name[len(place.root + place.suffix) :]


def _building_behind(place: Place, rng: np.random.Generator) -> str:
    return f"{place.name}{int(rng.integers(1, 40))}号楼{int(rng.integers(1, 5))}单元"


def _two_slips(place: Place, rng: np.random.Generator) -> str:
    return place.district + _replaced(place.root, _SOUNDS, rng) + place.name[len(place.root + place.suffix) :]


_WRITERS: dict[str, Callable[[Place, np.random.Generator], str]] = {
    "exact": lambda place, _: place.name,
    "suffix_dropped": lambda place, _: place.root + place.name[len(place.root + place.suffix) :],
    "suffix_changed": _suffix_changed,
    "phase_written": _phase_written,
    "phase_dropped": lambda place, _: place.root + place.suffix,
    "district_before": lambda place, _: place.district + place.name,
    "street_before": lambda place, _: place.street + place.name,
    "full_width": lambda place, rng: _phase_written(place, rng).translate(_FULL) + "　",
    "traditional": lambda place, _: "".join(_TRADITIONAL.get(character, character) for character in place.name),
    "brackets": lambda place, _: f"{place.name}（{place.district}）",
    "sounds_alike": lambda place, rng: _replaced(place.name, _SOUNDS, rng),
    "looks_alike": lambda place, rng: _replaced(place.name, _LOOKS, rng),
    "dropped": _dropped,
    "doubled": _doubled,
    "swapped": _swapped,
    "old_name": lambda place, _: place.old_name or place.name,
    "with_address": lambda place, _: f"{place.name}，{place.address}",
    "building_behind": _building_behind,
    "two_slips": _two_slips,
}
