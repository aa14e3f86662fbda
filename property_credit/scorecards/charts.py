"""Charts as SVG. Vega draws frames and clouds (vl-convert); a line is laid into its frame by the frame's scales.

Measured 2026-11 on two cores: vl-convert needs 18 ms for a line chart and 10-25 ms for a Chinese word in it, 6,000
enterprises with two charts each would take four minutes. The months and the few round tops of an axis give some dozen
frames, so a frame is drawn once; where a point of a line lies in it is the same linear arithmetic that Vega does, and a
test compares the two. Charts carry figures only: what they show stands in the page beside them.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

INK, ACCENT, QUIET, GRID = "#2b3a42", "#17616b", "#6b777d", "#e3e6e4"
WIDTH, HEIGHT, PADDING = 350, 170, 0.5
TOPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
FUNNEL_WIDTH, FUNNEL_HEIGHT, FUNNEL_TOP, FUNNEL_CELLS = 520, 250, 2.5, (44, 30)


@dataclass(frozen=True)
class Series:
    """One line of a chart: a value per month, None where there is none. ``is_main``: drawn strong, others dashed."""

    name: str
    values: Sequence[float | None]
    is_main: bool = True


@dataclass(frozen=True)
class _Frame:
    """An SVG up to its closing tag, and where the plot's corner lies in it."""

    svg: str
    left: float
    top: float


def trend(
    months: Sequence[str],
    series: Sequence[Series],
    *,
    is_ratio: bool = False,
    marks: Sequence[str] = (),
    title: str = "",
    is_open: bool = False,
) -> Markup:
    """Return lines over ``months`` (yyyy-mm, oldest first) as one SVG element; empty when there is nothing to draw.

    Args:
        months: the x axis; labelled every sixth month.
        series: lines over it, each as long as ``months``.
        is_ratio: values are ratios 0-1, the axis is in percent and need not begin at zero.
        marks: months before which a vertical line stands (a new method).
        title: what the y axis counts and in which unit.
        is_open: the last month is still in progress: its point is hollow, and the way to it dashed.
    """
    values = [value for line in series for value in line.values if value is not None]
    if not values:
        return Markup("")
    low, top = ratio_span(values) if is_ratio else (0.0, round_top(max(values)))
    frame = _trend_frame(tuple(months), low, top, is_ratio)
    parts = [frame.svg, f'<g transform="translate({frame.left:g},{frame.top:g})" fill="none">']
    words = f'fill="{INK}" font-family="sans-serif" font-size="12"'
    parts.append(f'<text x="{-frame.left + 2:g}" y="-9" {words}>{escape(title)}</text>' if title else "")
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 36}" text-anchor="end" {words}>月份</text>')
    for month in marks:
        x = place(months.index(month), len(months)) - WIDTH / (len(months) - 1 + 2 * PADDING) / 2
        parts.append(f'<path d="M{x:.1f},0V{HEIGHT}" stroke="{INK}" stroke-dasharray="2,3"/>')
    for line in sorted(series, key=lambda one: one.is_main):
        style = f'stroke="{ACCENT}" stroke-width="2.2"' if line.is_main else f'stroke="{QUIET}" stroke-dasharray="5,3"'
        is_cut = is_open and line.is_main and line.values[-1] is not None
        whole = [*line.values[:-1], None] if is_cut else line.values
        parts.append(f'<path d="{line_path(whole, top, low)}" {style}/>')
        if is_cut:
            last = [*[None] * (len(months) - 2), *line.values[-2:]][-len(months) :]
            parts.append(f'<path d="{line_path(last, top, low)}" {style} stroke-dasharray="2,3"/>')
        known = [index for index, value in enumerate(line.values) if value is not None]
        if line.is_main and known:
            y, fill = _height_of(line.values[known[-1]] or 0, low, top), "#fff" if is_cut else ACCENT
            at = f'cx="{place(known[-1], len(months)):.1f}" cy="{y:.1f}"'
            parts.append(f'<circle {at} r="3.2" fill="{fill}" stroke="{ACCENT}"/>')
    return Markup("".join(parts) + "</g></svg>")  # numbers, our own words, and a title that is escaped


def ratio_span(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis of ratios: twentieths around the values, a tenth apart at least, within 0 and 1.

    >>> ratio_span([0.72, 0.81]), ratio_span([0.01]), ratio_span([1.0])
    ((0.7, 0.85), (0.0, 0.1), (0.9, 1.0))
    """
    low, top = math.floor(round(min(values) * 20, 6)), math.ceil(round(max(values) * 20, 6))
    while top - low < 2:
        low, top = (low - 1, top) if top >= 20 else (low, top + 1)
    return max(low, 0) / 20, min(max(top, 2), 20) / 20


def _height_of(value: float, low: float, top: float) -> float:
    return HEIGHT * (1 - (value - low) / (top - low))


def spark(values: Sequence[float | None], *, width: int = 120, height: int = 26) -> Markup:
    """Return a small line without axes, its last point marked; empty when fewer than two values are known."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(known), max(known)
    span = (high - low) or 1
    step = (width - 8) / (len(values) - 1)
    points = [
        f"{4 + step * index:.1f},{height - 4 - (height - 8) * (value - low) / span:.1f}"
        for index, value in enumerate(values)
        if value is not None
    ]
    x, y = points[-1].split(",")
    return Markup(
        f'<svg class="spark" aria-hidden="true" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{ACCENT}" stroke-width="1.6"/>'
        f'<circle cx="{x}" cy="{y}" r="2.6" fill="{ACCENT}"/></svg>'
    )


def strip(value: float | None, steps: Sequence[Any], top: float) -> Markup:
    """Return where ``value`` lies in a spread (10th, 25th, 50th, 75th, 90th percentile) on an axis 0 to ``top``."""
    if len(steps) != 5:
        return Markup("")
    at = [min(max(float(step) / top, 0), 1) * 150 for step in steps]
    mark = ""
    if value is not None:
        x = min(max(value / top, 0), 1) * 150
        mark = f'<path d="M{x:.1f},1l5,7l-5,7l-5,-7z" fill="{ACCENT}" stroke="#fff"/>'
    return Markup(
        '<svg class="strip" aria-hidden="true" viewBox="-6 0 162 16" width="162" height="16">'
        f'<path d="M0,8H150" stroke="{GRID}" stroke-width="2"/>'
        f'<path d="M{at[0]:.1f},8H{at[4]:.1f}" stroke="#9aa5a9" stroke-width="2"/>'
        f'<rect x="{at[1]:.1f}" y="4" width="{at[3] - at[1]:.1f}" height="8" fill="#cfd6d7"/>'
        f'<path d="M{at[2]:.1f},3V13" stroke="{INK}" stroke-width="2"/>{mark}</svg>'
    )


def round_top(value: float) -> float:
    """Return the next round number at or above ``value``: the top of an axis.

    >>> [round_top(value) for value in (0, 0.3, 6.1, 2417)]
    [1.0, 0.3, 8.0, 2500.0]
    """
    if value <= 0:
        return 1.0
    power = 1.0
    while value > power * 10:
        power *= 10
    while value <= power and power > 1e-6:
        power /= 10
    return float(f"{next(top * power for top in TOPS if top * power >= value):g}")


def place(index: int, count: int) -> float:
    """Return the x of the ``index``-th of ``count`` months, as Vega's point scale places it."""
    return WIDTH / (count - 1 + 2 * PADDING) * (PADDING + index)


def line_path(values: Sequence[float | None], top: float, low: float = 0.0) -> str:
    """Return an SVG path through the known values on an axis from ``low`` to ``top``; what is missing breaks it."""
    steps, is_open = [], False
    for index, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        steps.append(f"{'L' if is_open else 'M'}{place(index, len(values)):.1f},{_height_of(value, low, top):.1f}")
        is_open = True
    return "".join(steps)


def trend_spec(months: Sequence[str], top: float, *, is_ratio: bool, low: float = 0.0) -> dict[str, Any]:
    """Return the Vega-Lite specification of a frame; with rows in its data set ``points`` it is the whole chart."""
    every_sixth = [month for index, month in enumerate(reversed(months)) if index % 6 == 0]
    return {
        **_style(WIDTH, HEIGHT),
        "padding": {"left": 5, "right": 8, "top": 24, "bottom": 20},  # for the titles of the axes
        "data": {"name": "points"},
        "mark": {"type": "line", "strokeWidth": 2.2},
        "encoding": {
            "x": {
                "field": "month",
                "type": "ordinal",
                "title": None,
                "scale": {"type": "point", "domain": list(months), "padding": PADDING},
                "axis": {"values": every_sixth, "labelAngle": 0, "tickSize": 4, "labelPadding": 4, "grid": False},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [low, top], "nice": False, "zero": not low},
                "axis": {"tickCount": 4, "domain": False, "ticks": False, "minExtent": 38}
                | ({"format": "%"} if is_ratio else {}),
            },
        },
    }


@lru_cache(maxsize=256)
def _trend_frame(months: tuple[str, ...], low: float, top: float, is_ratio: bool) -> _Frame:
    return _drawn(trend_spec(months, top, is_ratio=is_ratio, low=low) | {"datasets": {"points": []}})


def funnel(points: Sequence[tuple[float, float]]) -> str:
    """Return the cloud of all enterprises (expected complaints, ratio) with the 90 % limits around 1, as an SVG file.

    Ratios above the top stand at the top. Enterprises are counted in cells, so that the drawing stays small.
    """
    most = max((expected for expected, _ in points), default=1.0)
    cells = Counter(
        (round(across * FUNNEL_CELLS[0]), round(down * FUNNEL_CELLS[1]))
        for across, down in (funnel_place(expected, ratio, most) for expected, ratio in points)
    )
    rows = [
        {
            "expected": most * (column / FUNNEL_CELLS[0]) ** 2,
            "ratio": FUNNEL_TOP * (1 - row / FUNNEL_CELLS[1]),
            "count": count,
        }
        for (column, row), count in sorted(cells.items())
    ]
    limits = [
        {
            "expected": most * (step / 60) ** 2,
            "low": max(0.0, 1 - 1.645 / (most * (step / 60) ** 2) ** 0.5),
            "high": min(FUNNEL_TOP, 1 + 1.645 / (most * (step / 60) ** 2) ** 0.5),
        }
        for step in range(1, 61)
    ]
    size = {"range": [16, 160], "domain": [1, max(cells.values(), default=1)]}
    x = {
        "field": "expected",
        "type": "quantitative",
        "title": None,
        "scale": {"type": "sqrt", "domain": [0, most], "nice": False},
        "axis": {"grid": False, "tickCount": 5},
    }
    y = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, FUNNEL_TOP], "nice": False},
        "axis": {"tickCount": 5},
    }
    limit = {"type": "line", "strokeDash": [4, 3], "stroke": QUIET, "strokeWidth": 1.2}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"ratio": 1}]},
            "mark": {"type": "rule", "stroke": INK},
            "encoding": {"y": {**y, "field": "ratio"}},
        },
        *(
            {"data": {"values": limits}, "mark": limit, "encoding": {"x": x, "y": {**y, "field": side}}}
            for side in ("low", "high")
        ),
        {
            "data": {"values": rows},
            "mark": {"type": "circle", "color": "#8fa3a8", "opacity": 0.8},
            "encoding": {
                "x": x,
                "y": {**y, "field": "ratio"},
                "size": {"field": "count", "type": "quantitative", "legend": None, "scale": size},
            },
        },
    ]
    return _drawn({**_style(FUNNEL_WIDTH, FUNNEL_HEIGHT), "layer": layers}, is_file=True).svg + "</svg>"


def funnel_place(expected: float, ratio: float, most: float) -> tuple[float, float]:
    """Return where an enterprise lies in the funnel, as shares of the plot's width and height."""
    return (max(expected, 0) / most) ** 0.5 if most else 0.0, 1 - min(max(ratio, 0), FUNNEL_TOP) / FUNNEL_TOP


def funnel_corner(svg: str) -> tuple[float, float, float, float]:
    """Return the plot's left and top in the funnel's drawing, and the drawing's width and height."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    corner = re.search(r"translate\(([\d.]+),([\d.]+)\)", svg)
    assert size and corner
    return float(corner[1]), float(corner[2]), float(size[1]), float(size[2])


def _style(width: int, height: int) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": height,
        "config": {
            "font": "sans-serif",
            "background": "transparent",
            "view": {"stroke": None},
            "axis": {
                "labelColor": INK, "labelFontSize": 12, "gridColor": GRID, "domainColor": QUIET, "tickColor": QUIET,
            },
        },
    }  # fmt: skip


def _drawn(spec: dict[str, Any], *, is_file: bool = False) -> _Frame:
    """Draw ``spec``; drop the roles of every mark, which a reader would have to walk."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec)
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    corner = re.search(r"translate\(([\d.]+),([\d.]+)\)", svg)
    if not corner:
        raise ValueError("the drawing has no plot")
    if not is_file:
        svg = svg.replace("<svg ", '<svg aria-hidden="true" ', 1)
        svg = re.sub(r' xmlns(?::xlink)?="[^"]*"| version="1.1"', "", svg)
    return _Frame(svg.removesuffix("</svg>"), float(corner[1]), float(corner[2]))
