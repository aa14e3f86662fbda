"""Half-year notice (半年通报) and mid-term review (中期评估) of any past period, written on request.

Built from the newest kept edition of the period, so a past notice can be written again as it was. Every month's site
holds those of the month; ``half_year`` owns what they say.
"""

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from property_credit.scorecards import half_year, reading
from property_credit.scorecards.editions import newest
from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.render import common, environment
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

HALF = re.compile(r"(\d{4})H([12])")


def half_year_notice(half: str, area_code: str) -> Path:
    """Write the notice of a half year (such as ``2026H2``) on the areas below ``area_code``; return the page.

    Raises ScorecardError when the half is not one, no month of it has been built, or the area has nothing below it.
    """
    match = HALF.fullmatch(half)
    if not match:
        raise ScorecardError(f"a half year looks like 2026H2, not {half}")
    _, months = half_year.half_of(f"{match[1]}-{'01' if match[2] == '1' else '07'}")
    facts = _facts(months)
    title = half_year.notice_title(half)
    return _write(half, area_code, facts, half_year.view(facts, area_code, title=title, now=months, is_review=False))


def mid_term_review(until: date, area_code: str) -> Path:
    """Write the mid-term review up to ``until`` on those below ``area_code``: the period against the year before."""
    month = f"{until:%Y-%m}"
    months = half_year.review_months(month)
    facts = _facts(months)
    title = half_year.review_title(month)
    view = half_year.view(facts, area_code, title=title, now=months, is_review=True)
    return _write(f"{month}-review", area_code, facts, view)


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


def _write(name: str, area_code: str, facts: Facts, view: dict[str, Any]) -> Path:
    pages = get_settings().pages_dir
    assert pages
    path = pages / "notices" / name / f"{area_code}.html"
    shared = common(facts, f"../../{facts.month}/") | view | {"area": f"../../{facts.month}/area/"}
    text = environment().get_template("notice.html.j2").render(**shared)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    path.with_suffix(".pdf").unlink(missing_ok=True)
    return path
