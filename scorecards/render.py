"""From facts to the files of a month: one function a kind of page, each returning paths and bytes.

Owns the templates' environment. The same facts give the same bytes; nothing here reads or writes a file of the site.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scorecards import area as area_of
from scorecards import area_enterprises, charts, downloads, figures, labels
from scorecards import enterprise as enterprise_of
from scorecards.areas import LEVELS
from scorecards.facts import Facts

PACKAGE = Path(__file__).parent
ASSETS = ("site.css", "site.js")
BELOW = {"region": "盟市", "city": "旗县区", "district": "街道", "street": ""}


class Templates(Environment):
    """Templates that look into rows first: ``row.name`` is ``row["name"]``, without an attribute's way to nowhere."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return ``obj``'s item of that name where it is a row and has one, else what Jinja finds."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the compiled templates with the one path of figures and the ways numbers and dates are written."""
    found = Templates(
        loader=FileSystemLoader(PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters.update(
        fixed=labels.fixed, trimmed=labels.trimmed, percent=labels.percent, day=labels.day, month_zh=labels.month_zh
    )
    found.globals.update(
        shown=figures.shown,
        term=figures.term,
        change=figures.change,
        authority=labels.authority,
        kpi_value=_kpi_value,
        listed=area_of.LISTED,
    )
    return found


def _kpi_value(line: dict[str, Any], code: str) -> Any:
    return figures.shown(
        "kpi.actual", f"{code}/{line['kpi_code']}", line["actual"], line["href"], text=line["actual_text"]
    )


def common(facts: Facts, to_root: str) -> dict[str, Any]:
    """Return what every page of a month needs."""
    return {
        "to_root": to_root,
        "edition": facts.edition.edition_id,
        "business_date": facts.business_date,
        "month": facts.month,
        "publication": facts.publication,
        "published_days_ago": (facts.business_date - facts.publication["business_date"]).days,
        "stale_feeds": [row for row in facts.rows("feeds") if row["is_stale"] or not row["is_available"]],
    }


def area_files(facts: Facts, code: str) -> Iterator[tuple[str, bytes]]:
    """Yield an area's page, its directory of enterprises, its downloads and its search index."""
    view = area_of.area_page(facts, code)
    level = facts.areas.levels[code]
    shared = common(facts, "../")
    yield f"area/{code}.html", _html("area", shared, view | {"level_below": BELOW[level]})
    pages = area_enterprises.directory_pages(facts, code)
    for number, rows in enumerate(pages, 1):
        path = f"area/{code}.enterprises{'' if number == 1 else f'-{number}'}.html"
        directory = {"code": code, "name": view["name"], "rows": rows, "number": number, "page_count": len(pages)}
        yield path, _html("directory", shared, directory | {"total": view["values"]["enterprises.count"][0]})
    yield f"area/{code}.csv", downloads.area_csv(code, view["name"], view["values"])
    yield f"area/{code}.xlsx", downloads.area_workbook(facts, code, view, chain.from_iterable(pages))
    if view["has_evidence"]:
        yield f"area/{code}.evidence.csv", downloads.evidence_csv(facts, code)
    yield f"area/{code}.search.js", search_index(facts, code)


def enterprise_files(
    facts: Facts, uscc: str, cloud: tuple[float, float, float, float] | None
) -> Iterator[tuple[str, bytes]]:
    """Yield an enterprise's page and its points as CSV."""
    view = enterprise_of.enterprise_page(facts, uscc, funnel=cloud)
    yield f"enterprise/{uscc}.html", _html("enterprise", common(facts, "../"), view)
    yield f"enterprise/{uscc}.csv", downloads.enterprise_csv(uscc, view)


def shared_files(facts: Facts) -> Iterator[tuple[str, bytes]]:
    """Yield what all pages share: entry, definitions, style, script, the search index, who may read what."""
    shared = common(facts, "")
    yield "index.html", _html("index", shared, {"tree": facts.areas, "levels": LEVELS})
    yield "definitions.html", _html("definitions", shared, {"figures": list(figures.catalogue().values())})
    for name in ASSETS:
        yield f"assets/{name}", (PACKAGE / "assets" / name).read_bytes()
    yield "search.js", search_index(facts, facts.areas.root)
    yield "access.json", access(facts)


def funnel_file(facts: Facts) -> dict[str, bytes]:
    """Return the cloud of all enterprises over which each one's page lays its mark; empty when there is none."""
    points = enterprise_of.funnel_points(facts)
    return {"assets/funnel.svg": charts.funnel(points).encode()} if points else {}


def access(facts: Facts) -> bytes:
    """Return who may read what: each area's parent, and the areas that look after each enterprise."""
    found = {
        "areas": {code: [facts.areas.parents[code], facts.areas.names[code]] for code in facts.areas.all()},
        "enterprises": {uscc: sorted(areas) for uscc, areas in facts.enterprise_areas.items()},
    }
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def search_index(facts: Facts, code: str) -> bytes:
    """Return a script with every area, enterprise and community in an area: name, code, place, address."""
    below = facts.areas.below(code)
    names = facts.areas.names
    rows = [
        [names[one], one, LEVELS[facts.areas.levels[one]], f"area/{one}.html"]
        for one in facts.areas.all()
        if one in below
    ]
    for uscc in facts.area_enterprises.get(code, []):
        rows.append([facts.standing[uscc]["enterprise_name"], uscc, "企业", f"enterprise/{uscc}.html"])
    for leaf in sorted(below):
        for row in facts.communities.get(leaf, []):
            at = f"area/{leaf}.html#c-{row['community_id']}"
            rows.append([row["community_name"] or row["community_id"], row["community_id"], names[leaf], at])
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.searchIndex={text};\n".encode()


def _html(template: str, shared: dict[str, Any], view: dict[str, Any]) -> bytes:
    return environment().get_template(f"{template}.html.j2").render(**{**shared, **view}).encode()
