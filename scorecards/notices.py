"""Half-year notice (半年通报) and mid-term review (中期评估), as 内政办发〔2026〕18号 七 asks for them.

A document of one area about those below it: progress ranked, lagging areas first, targets, and where every figure comes
from. Built from the newest kept edition of the period, so a past notice can be written again as it was.
"""

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from scorecards import area_figures, ranking, reading, targets
from scorecards.editions import newest
from scorecards.errors import ScorecardError
from scorecards.facts import Facts
from scorecards.figures import figure
from scorecards.render import common, environment
from warehouse.connection import connect
from warehouse.settings import get_settings

HALF = re.compile(r"(\d{4})H([12])")
COVERAGE_SINCE = "2026-01"  # the policy's first month
SOURCES = (
    "complaints.count",
    "complaints.rate",
    "complaints.within_24h",
    "coverage.professional",
    "coverage.old",
    "coverage.managed",
    "ranking.points",
)


def half_year_notice(half: str, area_code: str) -> Path:
    """Write the notice of a half year (such as ``2026H2``) on the areas below ``area_code``; return the page.

    Raises ScorecardError when the half is not one, no month of it has been built, or the area has nothing below it.
    """
    found = HALF.fullmatch(half)
    if not found:
        raise ScorecardError(f"a half year looks like 2026H2, not {half}")
    year, number = int(found[1]), int(found[2])
    months = [f"{year}-{month:02d}" for month in range(1 + 6 * (number - 1), 7 + 6 * (number - 1))]
    earlier_year, first = (year, 1) if number == 2 else (year - 1, 7)
    before = [f"{earlier_year}-{month:02d}" for month in range(first, first + 6)]
    title = f"{year}年{'上' if number == 1 else '下'}半年物业服务工作通报"
    return _write(_facts(months), area_code, name=half, title=title, now=months, before=before, is_review=False)


def mid_term_review(until: date, area_code: str) -> Path:
    """Write the mid-term review up to ``until`` on those below ``area_code``: the period against the year before."""
    months = [f"{year}-{month:02d}" for year in range(2026, until.year + 1) for month in range(1, 13)]
    now = [month for month in months if COVERAGE_SINCE <= month <= f"{until:%Y-%m}"]
    if not now:
        raise ScorecardError("the policy began in 2026: a mid-term review ends in 2026 or later")
    before = [f"{int(month[:4]) - 1}{month[4:]}" for month in now[-12:]]
    title = f"物业服务工作中期评估（截至{until.year}年{until.month}月）"
    return _write(
        _facts([*now]),
        area_code,
        name=f"{until:%Y-%m}-review",
        title=title,
        now=now[-12:],
        before=before,
        is_review=True,
    )


def _facts(months: Sequence[str]) -> Facts:
    """Return the facts of the newest edition of ``months``."""
    with connect("pc_pages") as connection:
        for month in reversed(months):
            edition_id = newest(connection, month=month, until=date.max)
            if edition_id:
                break
        else:
            raise ScorecardError(f"no month from {months[0]} to {months[-1]} has been built: build one first")
    return reading.read(edition_id, [])


def _write(
    facts: Facts, area_code: str, *, name: str, title: str, now: list[str], before: list[str], is_review: bool
) -> Path:
    tree = facts.areas
    if area_code not in tree.names:
        raise ScorecardError(f"no area {area_code} has data: `property-credit pages build` lists them in its index")
    below = tree.children.get(area_code, [])
    if not below:
        raise ScorecardError(f"{tree.names[area_code]} has nothing below it that could be ranked")
    known = [month for month in now if month <= facts.month]
    compared = before[: len(known)] if not is_review else before[-len(known) :]
    pages = get_settings().pages_dir
    assert pages
    path = pages / "notices" / name / f"{area_code}.html"
    view = {
        "title": title,
        "name": tree.names[area_code],
        "code": area_code,
        "months": known,
        "before_months": compared,
        "is_partial": len(known) < len(now),
        "lines": [
            _line(facts, one, known, compared) for one in ranking.progress(facts, below, now=known, before=compared)
        ],
        "total": _sums(facts, area_code, known, compared),
        "kpis": targets.kpi_lines(facts, area_code, area_figures.values_of(facts, area_code)),
        "criteria": ranking.CRITERIA,
        "sources": [figure(code) for code in SOURCES],
        "is_review": is_review,
    }
    text = environment().get_template("notice.html.j2").render(**common(facts, f"../../{facts.month}/"), **view)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    path.with_suffix(".pdf").unlink(missing_ok=True)
    return path


def _line(facts: Facts, one: ranking.Standing, now: list[str], before: list[str]) -> dict[str, Any]:
    code = one.area_code
    return {
        "code": code,
        "name": facts.areas.names[code],
        "points": one.points,
        "values": one.values,
        "ranks": one.ranks,
        "sums": _sums(facts, code, now, before),
    }


def _sums(facts: Facts, code: str, now: list[str], before: list[str]) -> dict[str, Any]:
    return {"now": ranking.sums(facts, code, now), "before": ranking.sums(facts, code, before)}
