"""Trend charts as SVG, drawn by Altair and vl-convert and kept by their content.

Measured 2026-11: text is what costs (a Chinese word 10-25 ms, a number 1-2 ms, a line chart without text 18 ms), so
charts carry figures only; what they show stands in the page beside them. A chart whose data did not change is not
drawn again: drawings lie under their specification's hash.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

INK, ACCENT, QUIET, GRID = "#33414a", "#1f6f78", "#a9b2b5", "#e6e8e6"


@dataclass(frozen=True)
class Series:
    """One line of a chart: a value per month, None where there is none. ``is_main``: drawn strong."""

    name: str
    values: Sequence[float | None]
    is_main: bool = True


def trend(
    months: Sequence[str], series: Sequence[Series], *, folder: Path, is_ratio: bool = False, is_bar: bool = False
) -> str:
    """Return a chart over ``months`` (yyyy-mm, oldest first) as one SVG element; empty when there is nothing to draw.

    Args:
        months: the x axis; labelled every sixth month.
        series: lines over it, as long as ``months``; the main one is drawn last.
        folder: where drawings are kept.
        is_ratio: values are ratios 0-1 and the axis is in percent.
        is_bar: draw the (single) series as bars.
    """
    if not any(value is not None for line in series for value in line.values):
        return ""
    template = _template(tuple(months), is_ratio, is_bar)
    rows = [
        {"month": month, "value": value, "series": "main" if line.is_main else "other"}
        for line in sorted(series, key=lambda line: line.is_main)
        for month, value in zip(months, line.values, strict=True)
        if value is not None
    ]
    spec = json.loads(template)
    spec["datasets"] = {"points": rows}
    text = json.dumps(spec, ensure_ascii=False, sort_keys=True)
    kept = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.svg"
    if not kept.exists():
        import vl_convert

        folder.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(_tidy(vl_convert.vegalite_to_svg(spec)), encoding="utf-8")
        partial.rename(kept)
    return kept.read_text(encoding="utf-8")


@lru_cache(maxsize=32)
def _template(months: tuple[str, ...], is_ratio: bool, is_bar: bool) -> str:
    """Return the specification without its data, as JSON: Altair builds it once for all pages of a month."""
    import altair as alt

    every_sixth = [month for index, month in enumerate(reversed(months)) if index % 6 == 0]
    x = alt.X(
        "month:O",
        title=None,
        scale=alt.Scale(domain=list(months), paddingOuter=0.3),
        axis=alt.Axis(values=every_sixth, labelAngle=0, tickSize=4, labelPadding=4, grid=False),
    )
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1]) if is_ratio else alt.Scale(zero=True, nice=4),
        axis=alt.Axis(tickCount=4, domain=False, ticks=False, minExtent=38, format="%" if is_ratio else alt.Undefined),
    )
    color = alt.Color("series:N", legend=None, scale=alt.Scale(domain=["other", "main"], range=[QUIET, ACCENT]))
    chart: Any = alt.Chart(alt.NamedData(name="points"))
    if is_bar:
        chart = chart.mark_bar(color=ACCENT, size=9).encode(x=x, y=y)
    else:
        chart = chart.mark_line(strokeWidth=2).encode(x=x, y=y, color=color)
    styled = (
        chart.properties(width=310, height=130)
        .configure(font="sans-serif", background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, labelFontSize=12, gridColor=GRID, domainColor=QUIET, tickColor=QUIET)
    )
    return json.dumps(styled.to_dict(validate=False), sort_keys=True)


def _tidy(svg: str) -> str:
    """Let the page size the chart and name it; drop the roles of every mark, which a reader would have to walk."""
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    return re.sub(
        r'<svg ([^>]*?)width="(\d+)" height="(\d+)"', r'<svg aria-hidden="true" \1width="\2" height="\3"', svg, count=1
    )
