"""The public edition: grades, status and KPIs of a month, and nothing else.

A build of its own with templates of its own, from a document that holds only what may be public: what is not in
``PublicFacts`` cannot reach a page.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scorecards import area_figures, labels, reading, targets
from scorecards.downloads import csv_bytes
from scorecards.facts import Facts
from scorecards.grades import badge, ranks
from scorecards.render import PACKAGE
from warehouse.settings import get_settings

PAGE_ROWS = 500
KPI_COLUMNS = ("kpi_zh", "target_year", "target_text", "actual_text", "source", "set_for", "state")


@dataclass(frozen=True)
class PublicFacts:
    """What the public may see: ``grades`` hold name, code, grade or status, since when; ``kpis`` a target each."""

    business_date: date
    month: str
    method_version: str
    grades: tuple[dict[str, Any], ...]
    kpis: tuple[dict[str, Any], ...]


def public_facts(facts: Facts) -> PublicFacts:
    """Return what may be public of ``facts``: grades best first, KPIs of the areas they are set for."""
    order = ranks(facts)
    versions = sorted(
        facts.standing.values(),
        key=lambda one: (order.get(one["grade"], len(order)), one["enterprise_name"], one["uscc"]),
    )
    kpis = []
    for row in facts.rows("kpis"):
        code = row["region_code"]
        if code in facts.areas.names:
            lines = targets.kpi_lines(facts, code, area_figures.values_of(facts, code))
            found = next(line for line in lines if line["kpi_code"] == row["kpi_code"] and line["region_code"] == code)
            kpis.append({name: found[name] for name in KPI_COLUMNS})
    return PublicFacts(
        business_date=facts.business_date,
        month=facts.month,
        method_version=facts.publication["method_version"],
        grades=tuple(
            {
                "name": one["enterprise_name"],
                "uscc": one["uscc"],
                "badge": badge(one),
                "valid_from": one["valid_from"],
                "is_correction": one["is_correction"],
            }
            for one in versions
        ),
        kpis=tuple(kpis),
    )


def build_public(business_date: date, folder: Path | None = None) -> tuple[Path, int]:
    """Write the public edition of a month; return its folder and how many files it has.

    Raises ScorecardError as ``scorecards.build`` does.
    """
    target = folder or get_settings().data_dir / "public" / f"{business_date:%Y-%m}"
    files = dict(public_files(public_facts(reading.read(reading.keep(business_date), []))))
    target.mkdir(parents=True, exist_ok=True)
    for path in target.glob("grades-*.html"):  # pages that an earlier edition had more of; nothing else is ours
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        partial = target / (name + ".partial")
        partial.write_bytes(content)
        os.replace(partial, target / name)
    return target, len(files)


def public_files(found: PublicFacts) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the public edition: pages of grades, the KPIs on the first of them, and a CSV."""
    template = _environment().get_template("public.html.j2")
    pages = [found.grades[at : at + PAGE_ROWS] for at in range(0, len(found.grades), PAGE_ROWS)] or [()]
    for number, rows in enumerate(pages, 1):
        name = "index.html" if number == 1 else f"grades-{number}.html"
        text = template.render(facts=found, rows=rows, number=number, page_count=len(pages))
        yield name, text.encode()
    yield "public.css", (PACKAGE / "public_assets" / "public.css").read_bytes()
    yield (
        "grades.csv",
        csv_bytes(
            ("统一社会信用代码", "企业", "等级或状态", "生效日", "更正", "评价方法"),
            (
                (
                    one["uscc"],
                    one["name"],
                    one["badge"]["text"],
                    one["valid_from"],
                    "是" if one["is_correction"] else "否",
                    found.method_version,
                )
                for one in found.grades
            ),
        ),
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(PACKAGE / "public_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(day=labels.day, month_zh=labels.month_zh)
    return found
