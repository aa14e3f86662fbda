"""Drawings of an area and those below it: small multiples, slopes, a funnel of areas, the month as a calendar.

Owns how they are drawn and from which figures; every number they show stands beside them in the page, in words or as
a figure. SVG of our own: a few lines and circles each, at a size whose words can be read on a phone.
"""

import calendar
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from property_credit.scorecards import area_figures, chance, charts, targets
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.figures import figure
from property_credit.scorecards.labels import fixed

TEXT = f'font-family="sans-serif" font-size="13" fill="{charts.INK}"'
MOST = Decimal(5)  # complaints over those expected: areas beyond it stand at the top of the funnel
SHADES = ("#ffffff", "#e6f0ef", "#c5dcdd", "#9fc7ca", "#7fb0b5")  # of a calendar's day, few to many; ink reads on all


def trends(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the trends of 24 months of an area, with the area above it beside them where the two compare."""
    above = facts.areas.parents[code]
    drawn = []
    for name in ("complaints.count", "complaints.rate", "complaints.within_24h"):
        entry = figure(name)
        column = entry.source.partition(".")[2]
        lines = [charts.Series(facts.areas.names[code], targets.column_values(facts, code, column))]
        if above and name != "complaints.count":
            values = targets.column_values(facts, above, column)
            lines.append(charts.Series(facts.areas.names[above], values, is_main=False))
        is_open = facts.is_in_progress
        svg = charts.trend(facts.months, lines, is_ratio=entry.unit == "ratio", title=entry.axis, is_open=is_open)
        if svg:
            months = [
                {"month": month, "value": (facts.area_months.get((code, month)) or {}).get(column)}
                for month in reversed(facts.months)
            ]
            drawn.append({"code": name, "svg": svg, "lines": lines, "months": months, "is_open": is_open})
    return drawn


def multiples(facts: Facts, children: Sequence[str]) -> list[dict[str, Any]]:
    """Return each area's 24 months of complaints per 1,000 households, all on one scale, so that they compare."""
    column = "complaints_per_1k_household_months"
    lines = {child: targets.column_values(facts, child, column) for child in children}
    top = max((value for values in lines.values() for value in values if value is not None), default=0)
    if len(children) < 2 or not top:
        return []
    return [
        {"code": child, "name": facts.areas.names[child], "svg": _small(values, charts.round_top(top))}
        for child, values in lines.items()
    ]


def _small(values: Sequence[float | None], top: float) -> Markup:
    width, height = 190, 70
    step = (width - 8) / max(len(values) - 1, 1)
    parts, is_open = [], False
    for index, value in enumerate(values):
        if value is not None:
            parts.append(
                f"{'L' if is_open else 'M'}{4 + step * index:.1f},{height - 6 - (height - 12) * value / top:.1f}"
            )
        is_open = value is not None
    return Markup(
        f'<svg aria-hidden="true" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<path d="M4,6H{width - 4}M4,{height - 6}H{width - 4}" stroke="{charts.GRID}" fill="none"/>'
        f'<path d="{"".join(parts)}" fill="none" stroke="{charts.ACCENT}" stroke-width="1.8"/></svg>'
    )


def slopes(facts: Facts, children: Sequence[str]) -> Markup:
    """Return each area's complaints per 1,000 households a year before and now, as slopes; empty for one alone."""
    pairs = []
    for child in children:
        now = area_figures.values_of(facts, child)["complaints.rate"][0]
        before = area_figures.year_before_of(facts, child).get("complaints.rate")
        if now is not None and before is not None:
            pairs.append((facts.areas.names[child], before, now))
    if len(pairs) < 2:
        return Markup("")
    pairs = pairs[:14]
    height, left, right = max(220, 26 * len(pairs)), 165, 275
    low, top = min(min(pair[1:]) for pair in pairs), max(max(pair[1:]) for pair in pairs)
    span = (top - low) or Decimal(1)

    def placed(side: int) -> list[float]:
        wanted = [30 + float((top - pair[side]) / span) * (height - 44) for pair in pairs]
        return _apart(wanted, 16.0, height + 34)

    begins, ends = placed(1), placed(2)
    parts = [
        f'<text x="{left}" y="12" text-anchor="end" {TEXT}>{facts.year_before}</text>'
        f'<text x="{right}" y="12" {TEXT}>{facts.month}</text>'
    ]
    for (name, before, now), y, end in zip(pairs, begins, ends, strict=True):
        colour, width = (charts.ACCENT, 2.2) if now > before else (charts.QUIET, 1.4)
        parts.append(
            f'<path d="M{left + 6},{y:.1f}L{right - 6},{end:.1f}" stroke="{colour}" stroke-width="{width}"/>'
            f'<text x="{left}" y="{y + 4:.1f}" text-anchor="end" {TEXT}>{escape(name)} {fixed(before)}</text>'
            f'<text x="{right}" y="{end + 4:.1f}" {TEXT}>{fixed(now)} {escape(name)}</text>'
        )
    whole = f'<svg aria-hidden="true" viewBox="0 0 440 {height + 40}" width="440" height="{height + 40}">'
    return Markup(whole + "".join(parts) + "</svg>")


def _apart(wanted: list[float], least: float, bottom: float) -> list[float]:
    """Return places near the ``wanted`` ones, no two closer than ``least``, in the same order from the top.

    None lies below ``bottom``: those that would, and what is in their way, move up.

    >>> _apart([10, 90, 90, 95], 16, 100)
    [10, 68, 84, 100]
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places, last = list(wanted), float("-inf")
    for index in order:
        places[index] = last = max(wanted[index], last + least)
    last = bottom + least
    for index in reversed(order):
        places[index] = last = min(places[index], last - least)
    return places


def funnel(facts: Facts, code: str) -> dict[str, Any] | None:
    """Return the areas below in a funnel: complaints over those expected, against how many are expected.

    Within the dashed lines an area differs from its parent's mean by no more than single complaints would by chance;
    whether it differs for good is told by ``chance.peers``, which knows that complaints come in bursts.
    """
    rate = chance.rate_of(facts, code)
    points = []
    for child in facts.areas.children.get(code, []):
        expected, observed = chance.expected_of(facts, child, rate)
        if expected and observed is not None:
            points.append((facts.areas.names[child], child, expected, observed))
    if len(points) < 2:
        return None
    width, height, left = 330, 200, 44
    most = max(point[2] for point in points) * Decimal("1.1")
    largest = max(max(observed / expected for _, _, expected, observed in points), Decimal("1.6"))
    top = min(Decimal(str(charts.round_top(float(largest)))), MOST)

    def at(expected: Any, ratio: Any) -> tuple[float, float]:
        share = (float(expected) / float(most)) ** 0.5
        return left + share * (width - left - 8), 14 + (1 - min(float(ratio) / float(top), 1)) * (height - 44)

    limits = []
    for sign in (1, -1):
        steps = [float(most) * (step / 40) ** 2 for step in range(2, 41)]
        path = "L".join("{:.1f},{:.1f}".format(*at(e, max(1 + sign * 1.96 / e**0.5, 0))) for e in steps)
        limits.append(f'<path d="M{path}" fill="none" stroke="{charts.QUIET}" stroke-dasharray="4,3"/>')
    marks, named = [], []
    for name, child, expected, observed in points:
        x, y = at(expected, observed / expected)
        kind = chance.kind_of(chance.of_area(facts, child).get("chance.peers"))
        colour = "#9b2c1f" if kind == "more" else charts.ACCENT
        side = f'x="{x - 8:.1f}" text-anchor="end"' if x > width * 0.66 else f'x="{x + 8:.1f}"'
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        if kind in ("more", "less"):
            named.append((y, side, name))
    for (_, side, name), y in zip(named, _apart([one[0] for one in named], 14, height - 30), strict=True):
        marks.append(f'<text {side} y="{y + 4:.1f}" {TEXT}>{escape(name)}</text>')
    _, one = at(most, 1)
    heights = {Decimal(0): "0.0", Decimal(1): "1.0", top: f"{'≥' if largest > top else ''}{fixed(top, 1)}"}
    digits = 0 if most >= 12 else 1
    ticks = "".join(
        f'<text x="{left - 6}" y="{at(most, value)[1] + 4:.1f}" text-anchor="end" {TEXT}>{words}</text>'
        for value, words in heights.items()
    ) + "".join(
        f'<text x="{at(value, 1)[0]:.1f}" y="{height - 14}" text-anchor="middle" {TEXT}>{fixed(value, digits)}</text>'
        for value in (most / 8, most / 2, most)
    )
    svg = (
        f'<svg aria-hidden="true" viewBox="0 0 {width + 20} {height + 6}" width="{width + 20}" height="{height + 6}">'
        f'<path d="M{left},{one:.1f}H{width - 8}" stroke="{charts.INK}"/>{"".join(limits)}{"".join(marks)}{ticks}'
        f'<text x="{left + 6}" y="11" {TEXT}>实际÷预期</text>'
        f'<text x="{width - 8}" y="{height + 3}" text-anchor="end" {TEXT}>预期诉求（件）</text></svg>'
    )
    rows = [{"name": name, "code": child, "expected": expected, "observed": observed}
            for name, child, expected, observed in points]  # fmt: skip
    return {"svg": Markup(svg), "rows": rows}


def days(facts: Facts, code: str) -> dict[str, Any] | None:
    """Return the month as a calendar of complaints a day, Monday first; None where the month's are not known."""
    if area_figures.values_of(facts, code)["complaints.count"][0] is None:
        return None
    counts: dict[int, int] = {}
    for leaf in facts.areas.below(code):
        for community in facts.communities.get(leaf, ()):
            for row in facts.evidence.get(community["community_id"], ()):
                if row["kind_code"] == "complaint":
                    day = int(row["event_on"][8:])
                    counts[day] = counts.get(day, 0) + 1
    night = facts.business_date
    if not counts:
        return None
    most = max(counts.values())
    weeks = [
        [
            {"day": day, "count": counts.get(day, 0), "shade": _shade(counts.get(day, 0), most)}
            if day and day <= night.day
            else {"day": day or None, "count": None, "shade": SHADES[0]}
            for day in week
        ]
        for week in calendar.Calendar().monthdayscalendar(night.year, night.month)
    ]
    peak = max(sorted(counts), key=counts.__getitem__)
    return {"weeks": weeks, "peak": date(night.year, night.month, peak), "peak_count": most}


def _shade(count: int, most: int) -> str:
    return SHADES[0] if not count else SHADES[min(1 + 4 * (count - 1) // max(most, 1), 4)]
