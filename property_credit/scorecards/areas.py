"""The tree of areas that have a page: the autonomous region, cities, districts, streets with anything to show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from property_credit.scorecards.errors import ScorecardError

LEVELS = {"region": "自治区", "city": "盟市", "district": "旗县区", "street": "街道"}
TILES = {  # column and row of a tile, roughly where the place lies
    "150700": (6, 0), "152200": (6, 1), "150500": (6, 2), "150400": (5, 2), "152500": (4, 1), "150900": (3, 2),
    "150100": (2, 3), "150200": (1, 2), "150600": (1, 3), "150800": (0, 1), "150300": (0, 3), "152900": (-1, 2),
    "150206": (1, 0), "150223": (0, 0), "150222": (1, 1), "150205": (2, 1), "150221": (3, 2), "150202": (2, 2),
    "150204": (1, 2), "150203": (0, 2), "150271": (1, 3), "150207": (0, 3),
}  # fmt: skip


@dataclass(frozen=True)
class AreaTree:
    """Areas with data and everything above them.

    ``children`` maps a code to the codes directly below it in order of code; ``silent`` to those below it that the
    region table knows but nothing was delivered for.
    """

    root: str
    children: Mapping[str, list[str]]
    silent: Mapping[str, list[str]]
    names: Mapping[str, str]
    parents: Mapping[str, str | None]
    levels: Mapping[str, str]
    _below: dict[str, set[str]] = field(default_factory=dict)

    def below(self, code: str) -> set[str]:
        """Return ``code`` and every code below it."""
        if code not in self._below:
            codes = {code}
            for child in self.children.get(code, []):
                codes |= self.below(child)
            self._below[code] = codes
        return self._below[code]

    def path(self, code: str) -> list[str]:
        """Return the codes from the root down to ``code``."""
        way = [code]
        while parent := self.parents.get(way[0]):
            way.insert(0, parent)
        return way

    def all(self) -> list[str]:
        """Return every code of the tree, the root first, then level by level."""
        return self._ordered

    @cached_property
    def _ordered(self) -> list[str]:
        order = list(LEVELS)
        return sorted(self.names, key=lambda code: (order.index(self.levels[code]), code))


def tree(areas: Iterable[Mapping[str, Any]], used: set[str]) -> AreaTree:
    """Build the tree over the ``used`` codes; ScorecardError when one of them is not a known area."""
    known = {row["area_code"]: row for row in areas}
    unknown = sorted(used - set(known))
    if unknown or not used:
        problem = f"no area is called {', '.join(unknown[:5])}" if unknown else "no area has any data"
        raise ScorecardError(f"{problem}: build the warehouse first, or add the region to its seed")
    kept: set[str] = set()
    for code in used:
        step: str | None = code
        while step and step not in kept:
            kept.add(step)
            step = known[step]["parent_area_code"]
    roots = [code for code in kept if known[code]["parent_area_code"] is None]
    if len(roots) != 1:
        raise ScorecardError(f"{len(roots)} areas have none above them, there must be one: check the seed of regions")
    children: dict[str, list[str]] = {}
    silent: dict[str, list[str]] = {}
    for code in sorted(known):
        parent = known[code]["parent_area_code"]
        if parent in kept:
            (children if code in kept else silent).setdefault(parent, []).append(code)
    return AreaTree(
        root=roots[0],
        children=children,
        silent=silent,
        names={code: str(known[code]["area_name"] or code) for code in kept},
        parents={code: known[code]["parent_area_code"] for code in kept},
        levels={code: str(known[code]["level_code"]) for code in kept},
    )
