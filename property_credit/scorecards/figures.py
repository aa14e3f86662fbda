"""The catalogue of figures (figures.yml), and the one path by which a figure gets onto a page.

Owns a figure's name, definition, unit and how its value is written. Knows nothing of where values come from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.labels import DASH, fixed, percent, trimmed

SHORT = "数据缺报"  # beside a dash; which feed and which office is its title and stands at the head of the page
CATALOGUE = Path(__file__).parent / "figures.yml"
NUMBERS = (Decimal, int, float)
UNITS: Mapping[
    str, tuple[Callable[[Any], str], str]
] = {  # unit → (how it is written, the word behind it in a table's head or a tile)
    "count": (lambda value: fixed(value, 0), ""),
    "households": (lambda value: fixed(value, 0), "户"),
    "ratio": (percent, ""),
    "per_1k": (lambda value: fixed(value, 2), "件"),
    "cases": (lambda value: fixed(value, 1), "件"),
    "ratio_change": (lambda value: f"{fixed(value * 100, 1)} 个百分点" if value is not None else DASH, ""),
    "points": (lambda value: fixed(value, 2), "分"),
    "decimal": (lambda value: fixed(value, 2), ""),
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
    needs: tuple[str, ...] = ()

    @property
    def axis(self) -> str:
        """Return the title of an axis that shows this figure: its label, and its unit where it has one."""
        word = {"ratio": "%"}.get(self.unit, UNITS[self.unit][1] or "件")
        return f"{self.label}（{word}）"

    def text(self, value: Any) -> str:
        """Write ``value`` as this figure is written: rounded once, a dash for None."""
        return str(UNITS[self.unit][0](value))


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Figure]:
    """Read figures.yml; ScorecardError names the entry that is wrong."""
    figures = {}
    for code, fields in yaml.safe_load(CATALOGUE.read_text(encoding="utf-8")).items():
        try:
            figure = Figure(code=code, **{**fields, "needs": tuple(fields.get("needs", ()))})
        except TypeError as error:
            raise ScorecardError(f"figures.yml, {code}: {error}") from error
        if figure.unit not in UNITS or figure.better not in ("up", "down", None):
            raise ScorecardError(f"figures.yml, {code}: unit {figure.unit!r} or better {figure.better!r} is not known")
        figures[code] = figure
    return figures


def figure(code: str) -> Figure:
    """Return the entry for ``code``; ScorecardError when the catalogue has none."""
    try:
        return catalogue()[code]
    except KeyError:
        raise ScorecardError(f"no figure {code!r} in scorecards/figures.yml: add it there first") from None


def shown(
    code: str, subject: str, value: Any, href: str | None = None, *, text: str | None = None, why: str | None = None
) -> Markup:
    """Return a figure as HTML: its value, what it is of, and a link to what it is made of.

    Every number on a page comes from here: ``data-figure`` says which figure of whom, ``data-value`` the value before
    it was rounded for people. ``text`` replaces how the catalogue's unit would write it. ``why``: what a value that is
    not known lacks; it stands with the dash.
    """
    entry = figure(code)
    words = escape(text) if text else entry.text(value)
    if value is None:
        note = f' title="{escape(why)}">{words}<small>{SHORT}</small>' if why else f">{words}"
        return Markup(f'<span class="v none"{note}</span>')
    exact = str(value) if isinstance(value, NUMBERS) else escape(value)  # escaping is a tenth of a region's pages
    what = f'data-figure="{code}/{escape(subject)}" data-value="{exact}"'  # Markup.format costs five times this
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


def change(
    code: str, value: Any, before: Any, against: str = "上月", *, subject: str = "", is_chance: bool = False
) -> Markup:
    """Return how ``value`` moved against ``before`` in words and shape, coloured only where more is better or worse.

    ``subject``: what ``before`` is of, as in ``150200@2026-09``; it is then checked like any other figure.
    ``is_chance``: chance alone moves as much, so that it is neither better nor worse.
    """
    if value is None or before is None:
        return Markup('<span class="delta same">{}无数据</span>').format(against)
    entry = figure(code)
    what = Markup(' data-figure="{}/{}" data-value="{}"').format(code, subject, before) if subject else ""
    step = value - before
    amount = f"{fixed(abs(step) * 100, 1)} 个百分点" if entry.unit == "ratio" else entry.text(abs(step))
    if entry.text(value) == entry.text(before) or not amount.strip("0. 个百分点%"):
        return Markup('<span class="delta same"{}>与{}持平</span>').format(what, against)
    word, arrow = ("升", "▲") if step > 0 else ("降", "▼")
    good = entry.better == ("up" if step > 0 else "down")
    kind = "same" if entry.better is None or is_chance else "good" if good else "bad"
    return Markup('<span class="delta {}"{}>{} 较{}{} {}</span>').format(kind, what, arrow, against, word, amount)
