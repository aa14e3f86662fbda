"""Build the month's pages: an index, a page per region, a page per enterprise, all readable without a network."""

import os
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scorecards import facts as facts_of
from scorecards import labels
from scorecards.enterprise import enterprise_page
from scorecards.facts import Facts
from scorecards.region import region_page
from scorecards.regions import RegionTree, tree
from warehouse.settings import get_settings

TEMPLATES = Path(__file__).parent / "templates"


def build(business_date: date) -> list[Path]:
    """Write the pages of ``business_date`` below DATA_DIR/pages/<yyyy-mm>/; return every page, the index first.

    The same facts give the same bytes, and a page whose bytes did not change is left alone. Pages of enterprises that
    are no longer shown are removed. Raises ScorecardError when nothing is published or a mart is missing.
    """
    facts = facts_of.read(business_date)
    pages = get_settings().data_dir / "pages"
    folder, drawings = pages / f"{business_date:%Y-%m}", pages / ".charts"
    environment = _environment()
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    regions = _regions(facts)
    common = {"style": style, **_common(facts)}
    written: list[Path] = []
    for code in regions.all():
        path = folder / ("index.html" if code == regions.root else f"region/{code}.html")
        view = region_page(facts, regions, code, drawings=drawings)
        _write(path, environment.get_template("region.html.j2").render(**common, **view))
        written.append(path)
    for uscc in facts.standing:
        path = folder / f"enterprise/{uscc}.html"
        view = enterprise_page(facts, regions, uscc, drawings=drawings)
        _write(path, environment.get_template("enterprise.html.j2").render(**common, **view))
        written.append(path)
    _remove_others(folder, written)
    return written


def _regions(facts: Facts) -> RegionTree:
    return tree(
        facts.regions,
        {row["region_code"] for row in facts.enterprises.values() if row["region_code"]} | set(facts.region_months),
    )


def _common(facts: Facts) -> dict[str, Any]:
    stale = [
        {
            "name": row["title_zh"],
            "is_available": row["is_available"],
            "is_stale": row["is_stale"],
            "latest_event_on": row["latest_event_on"],
            "latest_known_on": row["latest_known_on"],
            "age_days": (facts.business_date - row["latest_known_on"]).days if row["latest_known_on"] else None,
        }
        for row in facts.feeds
    ]
    return {
        "business_date": facts.business_date,
        "month": f"{facts.business_date:%Y-%m}",
        "publication": facts.publication,
        "published_days_ago": (facts.business_date - facts.publication["business_date"]).days,
        "feeds": stale,
        "stale_feeds": [row for row in stale if row["is_stale"] or not row["is_available"]],
    }


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        fixed=labels.fixed, trimmed=labels.trimmed, percent=labels.percent, day=labels.day, month_zh=labels.month_zh
    )
    return environment


def _write(path: Path, text: str) -> None:
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _remove_others(folder: Path, written: list[Path]) -> None:
    for stray in set(folder.rglob("*.html")) - set(written):
        stray.unlink()
