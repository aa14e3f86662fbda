"""Which reader may open which address: one rule over the shape of an address and the areas behind it.

An address names its subject (``area/150203.html``, ``enterprise/<code>.csv``). A reader may open it when the reader's
area is the subject's area or lies above it; an enterprise lies in every area that looks after it. What the rule does
not know is not there, whatever lies on the disk.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MONTH = re.compile(r"\d{4}-\d{2}")
SUBJECT = re.compile(
    r"(area|enterprise)/([0-9A-Z]{6,18})((?:\.(?:enterprises(?:-\d{1,3})?|evidence|todo|targets|notice|review|history))?\.(?:html|csv|xlsx|pdf)|\.(?:figures|enterprises)\.js)"
)
NOTICE = re.compile(r"([0-9A-Za-z-]{4,16})/([0-9]{6,9})\.(?:html|pdf)")
ASSETS = ("site.css", "site.js", "tables.js", "compare.js", "months.js", "funnel.svg")
SHARED = frozenset({"definitions.html", "compare.html", "figures.js", *(f"assets/{name}" for name in ASSETS)})
OPEN, OUTSIDE, UNKNOWN = "open", "outside", "unknown"


@dataclass(frozen=True)
class Scopes:
    """Who lies where in one month: each area's parent, and the areas of each enterprise."""

    parents: dict[str, str | None]
    enterprises: dict[str, frozenset[str]]

    def holds(self, area_code: str, kind: str, subject: str) -> bool:
        """Return whether a reader of ``area_code`` may see ``subject`` (an area or a credit code)."""
        if kind == "enterprise":
            return area_code in self.enterprises.get(subject, ())
        step: str | None = subject if subject in self.parents else None
        while step is not None and step != area_code:
            step = self.parents[step]
        return step is not None

    @property
    def root(self) -> str:
        """Return the area above all."""
        return next(code for code, parent in self.parents.items() if parent is None)


def scopes_of(month_folder: Path) -> Scopes | None:
    """Read a month's scopes; None when there is no such month. A month that is built anew is read anew."""
    path = month_folder / "access.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=8)
def _read(path: Path, _stamp: int) -> Scopes:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Scopes(
        parents={code: parent for code, (parent, _) in content["areas"].items()},
        enterprises={uscc: frozenset(areas) for uscc, areas in content["enterprises"].items()},
    )


def verdict(scopes: Scopes, area_code: str, path: str) -> tuple[str, str]:
    """Return what becomes of ``path`` (below the month's folder) for a reader of ``area_code``, and the file it means.

    A subject outside the reader's area is ``outside`` whether or not it exists: an address tells nothing.
    """
    if path in SHARED:
        return OPEN, path
    if path == "search.js":  # the index of what the reader may open, under one address for all pages
        return OPEN, f"area/{area_code}.search.js"
    if path == "ids.js":
        return OPEN, f"area/{area_code}.ids.js"
    if path == "index.html":
        return (OPEN, path) if area_code == scopes.root else (OPEN, "")
    match = SUBJECT.fullmatch(path)
    if not match:
        return UNKNOWN, ""
    if scopes.holds(area_code, match[1], match[2]):
        return OPEN, path
    known = match[2] in scopes.parents if match[1] == "area" else match[2] in scopes.enterprises
    return (UNKNOWN if area_code == scopes.root and not known else OUTSIDE), ""
