"""The public edition: grades, status, KPIs of a month, who manages which community, and nothing else.

A build of its own with templates of its own, from a document that holds only what may be public: what is not in
``PublicFacts`` cannot reach a page.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from property_credit.scorecards import area_figures, labels, reading, targets
from property_credit.scorecards.downloads import csv_bytes
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.grades import badge, ranks
from property_credit.scorecards.render import PACKAGE
from property_credit.warehouse.settings import get_settings

PAGE_ROWS = 500
KPI_COLUMNS = ("kpi_zh", "target_year", "target_text", "actual_text", "source", "set_for", "state")


@dataclass(frozen=True)
class PublicFacts:
    """What the public may see.

    ``grades`` hold name, code, grade or status, since when; ``kpis`` a target each; ``communities`` name, division and
    manager with its code and grade, by name; ``districts`` the divisions that they lie in, by code.
    """

    business_date: date
    month: str
    method_version: str
    grades: tuple[dict[str, Any], ...]
    kpis: tuple[dict[str, Any], ...]
    communities: tuple[dict[str, Any], ...]
    districts: Mapping[str, str]


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
            target = next(line for line in lines if line["kpi_code"] == row["kpi_code"] and line["region_code"] == code)
            kpis.append({name: target[name] for name in KPI_COLUMNS})
    return PublicFacts(
        business_date=facts.business_date,
        month=facts.month,
        method_version=facts.publication["method_version"],
        grades=tuple(
            {
                "name": one["enterprise_name"],
                "former_names": facts.former_names(one["uscc"]),
                "uscc": one["uscc"],
                "badge": badge(one),
                "valid_from": one["valid_from"],
                "is_correction": one["is_correction"],
            }
            for one in versions
        ),
        kpis=tuple(kpis),
        communities=_communities(facts),
        districts={code: name for code, name in facts.areas.names.items() if facts.areas.levels[code] == "district"},
    )


def _communities(facts: Facts) -> tuple[dict[str, Any], ...]:
    """Return who manages which community: what a resident looks for."""
    rows = (row for row in facts.rows("communities") if row["region_code"] in facts.areas.names)
    return tuple(
        {
            "name": row["community_name"] or "（未命名小区）",
            "district": row["region_code"],
            "manager": row["manager_name"],
            "uscc": row["current_uscc"] if row["is_enterprise"] else None,
            "badge": badge(standing) if (standing := facts.standing.get(row["current_uscc"])) else None,
        }
        for row in sorted(rows, key=lambda one: (one["region_code"], one["community_name"] or "", one["community_id"]))
    )


def build_public(business_date: date, folder: Path | None = None) -> tuple[Path, int]:
    """Write the public edition of a month; return its folder and how many files it has.

    Raises ScorecardError as ``scorecards.build`` does.
    """
    target = folder or get_settings().data_dir / "public" / f"{business_date:%Y-%m}"
    files = dict(public_files(public_facts(reading.read(reading.keep(business_date), []))))
    target.mkdir(parents=True, exist_ok=True)
    earlier = (
        *target.glob("grades-*.html"),
        *target.glob("communities-*.html"),
    )  # an earlier edition may have had more
    for path in earlier:
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        partial = target / (name + ".partial")
        partial.write_bytes(content)
        os.replace(partial, target / name)
    return target, len(files)


def public_files(facts: PublicFacts) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the public edition: pages of grades, the KPIs on the first of them, and a CSV."""
    template = _environment().get_template("public.html.j2")
    pages = [facts.grades[at : at + PAGE_ROWS] for at in range(0, len(facts.grades), PAGE_ROWS)] or [()]
    for number, rows in enumerate(pages, 1):
        name = "index.html" if number == 1 else f"grades-{number}.html"
        text = template.render(facts=facts, rows=rows, number=number, page_count=len(pages))
        yield name, text.encode()
    listed = _environment().get_template("communities.html.j2")
    for code, district in facts.districts.items():
        communities = [one for one in facts.communities if one["district"] == code]
        yield f"communities-{code}.html", listed.render(facts=facts, rows=communities, district=district).encode()
    yield "communities.js", _search(facts)
    for name in ("public.css", "public.js"):
        yield name, (PACKAGE / "public_assets" / name).read_bytes()
    head = ("小区", "旗县区", "管理人", "统一社会信用代码", "等级或状态")
    yield (
        "communities.csv",
        csv_bytes(
            head,
            (
                (one["name"], facts.districts[one["district"]], one["manager"], one["uscc"], _grade_of(one))
                for one in facts.communities
            ),
        ),
    )
    yield (
        "grades.csv",
        csv_bytes(
            ("统一社会信用代码", "企业", "等级或状态", "生效日", "更正", "评价方法", "曾用名"),
            (
                (
                    one["uscc"],
                    one["name"],
                    one["badge"]["text"],
                    one["valid_from"],
                    "是" if one["is_correction"] else "否",
                    facts.method_version,
                    "、".join(one["former_names"]),
                )
                for one in facts.grades
            ),
        ),
    )


def _grade_of(community: Mapping[str, Any]) -> str | None:
    """Return the grade or status of a community's manager in words; None where it has none."""
    return str(community["badge"]["text"]) if community["badge"] else None


def _search(facts: PublicFacts) -> bytes:
    """Return a script with every community, its division, manager and grade, for the search of the first page."""
    rows = [
        [one["name"], facts.districts[one["district"]], one["manager"], _grade_of(one)] for one in facts.communities
    ]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.communities={text};\n".encode()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PACKAGE / "public_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=labels.day, month_zh=labels.month_zh)
    return environment
