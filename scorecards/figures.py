"""The catalogue of figures (figures.yml), and the one path by which a figure gets onto a page.

Owns a figure's name, definition, unit and how its value is written. Knows nothing of where values come from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from scorecards.errors import ScorecardError
from scorecards.labels import DASH, fixed, percent, trimmed

CATALOGUE = Path(__file__).parent / "figures.yml"
UNITS: Mapping[
    str, tuple[Callable[[Any], str], str]
] = {  # unit → (how it is written, the word behind it in a table's head or a tile)
    "count": (lambda value: fixed(value, 0), ""),
    "households": (lambda value: fixed(value, 0), "户"),
    "ratio": (percent, ""),
    "per_1k": (lambda value: fixed(value, 2), "件"),
    "cases": (lambda value: fixed(value, 1), "件"),
    "ratio_change": (lambda value: f"{fixed(value * 100, 1)} 个百分点" if value is not None else DASH, ""),
    "points": (lambda value: trimmed(value, 2), "分"),
    "pct": (lambda value: f"{fixed(value, 1)}%" if value is not None else DASH, ""),
    "days": (lambda value: fixed(value, 0), "天"),
    "cny": (lambda value: fixed(value, 2), "元"),
    "number": (lambda value: trimmed(value, 2), ""),
}


@dataclass(frozen=True)
class Figure:
    """One entry of the catalogue; the fields are explained at the head of figures.yml."""

    code: str
    label: str
    definition: str
    unit: str
    source: str
    subject: str
    better: str | None = None

    def text(self, value: Any) -> str:
        """Write ``value`` as this figure is written: rounded once, a dash for None."""
        return str(UNITS[self.unit][0](value))


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Figure]:
    """Read figures.yml; ScorecardError names the entry that is wrong."""
    found = {}
    for code, fields in yaml.safe_load(CATALOGUE.read_text(encoding="utf-8")).items():
        try:
            figure = Figure(code=code, **fields)
        except TypeError as error:
            raise ScorecardError(f"figures.yml, {code}: {error}") from error
        if figure.unit not in UNITS or figure.better not in ("up", "down", None):
            raise ScorecardError(f"figures.yml, {code}: unit {figure.unit!r} or better {figure.better!r} is not known")
        found[code] = figure
    return found


def figure(code: str) -> Figure:
    """Return the entry for ``code``; ScorecardError when the catalogue has none."""
    try:
        return catalogue()[code]
    except KeyError:
        raise ScorecardError(f"no figure {code!r} in scorecards/figures.yml: add it there first") from None


def shown(code: str, subject: str, value: Any, href: str | None = None, *, text: str | None = None) -> Markup:
    """Return a figure as HTML: its value, what it is of, and a link to what it is made of.

    Every number on a page comes from here: ``data-figure`` says which figure of whom, ``data-value`` the value before
    it was rounded for people. ``text`` replaces how the catalogue's unit would write it.
    """
    entry = figure(code)
    words = escape(text or entry.text(value))
    if value is None:
        return Markup(f'<span class="v none">{words}</span>')
    what = f'data-figure="{code}/{escape(subject)}" data-value="{escape(value)}"'  # Markup.format costs five times this
    if href:
        return Markup(f'<a class="v" href="{escape(href)}" {what}>{words}</a>')
    return Markup(f'<span class="v" {what}>{words}</span>')


@lru_cache(maxsize=1024)
def term(code: str, to_root: str, label: str | None = None) -> Markup:
    """Return a figure's label as a link to its definition."""
    entry = figure(code)
    return Markup('<a class="d" href="{}definitions.html#{}" title="{}">{}</a>').format(
        to_root, code, entry.definition, label or entry.label
    )


def change(code: str, value: Any, before: Any, against: str = "上月") -> Markup:
    """Return how ``value`` moved against ``before`` in words and shape, coloured only where more is better or worse."""
    if value is None or before is None:
        return Markup('<span class="delta same">{}无数据</span>').format(against)
    entry = figure(code)
    step = value - before
    if entry.text(value) == entry.text(before):
        return Markup('<span class="delta same">与{}持平</span>').format(against)
    word, arrow = ("升", "▲") if step > 0 else ("降", "▼")
    good = entry.better == ("up" if step > 0 else "down")
    kind = "same" if entry.better is None else "good" if good else "bad"
    amount = f"{fixed(abs(step) * 100, 1)} 个百分点" if entry.unit == "ratio" else entry.text(abs(step))
    if not amount.strip("0. 个百分点%"):
        return Markup('<span class="delta same">与{}持平</span>').format(against)
    return Markup('<span class="delta {}">{} 较{}{} {}</span>').format(kind, arrow, against, word, amount)
