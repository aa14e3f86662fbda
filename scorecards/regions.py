"""The tree of regions that have something to show: a city's ten districts, or cities with theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scorecards.errors import ScorecardError


@dataclass(frozen=True)
class RegionTree:
    """Regions with data and those above them up to the root, which is the lowest region that holds them all.

    ``children`` maps a code to the codes directly below it, in order of code.
    """

    root: str
    children: dict[str, list[str]]
    names: dict[str, str]
    parents: dict[str, str | None]

    def below(self, code: str) -> set[str]:
        """Return ``code`` and every code below it."""
        found = {code}
        for child in self.children.get(code, []):
            found |= self.below(child)
        return found

    def path(self, code: str) -> list[str]:
        """Return the codes from the root down to ``code``."""
        way = [code]
        while way[0] != self.root and (parent := self.parents.get(way[0])):
            way.insert(0, parent)
        return way

    def all(self) -> list[str]:
        """Return every code of the tree, the root first."""
        return [self.root, *sorted(self.below(self.root) - {self.root})]


def tree(regions: Mapping[str, Mapping[str, Any]], used: set[str]) -> RegionTree:
    """Build the tree over the ``used`` codes; ScorecardError when one of them is not a known region."""
    unknown = sorted(used - set(regions))
    if unknown or not used:
        said = f"marts.dim_region does not know {', '.join(unknown[:5])}" if unknown else "no region has any data"
        raise ScorecardError(f"{said}: build the warehouse first, or add the region to its seed")
    parents = {code: row["parent_region_code"] for code, row in regions.items()}

    def line(code: str) -> list[str]:
        way = [code]
        while parent := parents.get(way[-1]):
            way.append(parent)
        return way

    above = {code for one in used for code in line(one)[1:]}  # figures of a city are also summed for those above it
    lines = [line(code) for code in sorted(used - above)]
    shared = set(lines[0]).intersection(*map(set, lines))
    if not shared:
        raise ScorecardError("the regions with data have no region above them in common: check marts.dim_region")
    root = max(shared, key=lambda code: len(line(code)))
    kept = {code for way in lines for code in way[: way.index(root) + 1]}
    children: dict[str, list[str]] = {}
    for code in sorted(kept - {root}):
        children.setdefault(parents[code], []).append(code)
    names = {code: str(regions[code]["region_name"]) for code in kept}
    return RegionTree(root=root, children=children, names=names, parents={code: parents[code] for code in kept})
