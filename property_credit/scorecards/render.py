"""From facts to the files of a month: one function a kind of page, each returning paths and bytes.

Owns the templates' environment. The same facts give the same bytes; nothing here reads or writes a file of the site.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from property_credit.scorecards import area as area_of
from property_credit.scorecards import (
    area_enterprises,
    chance,
    charts,
    coverage,
    downloads,
    figures,
    half_year,
    labels,
    targets,
    timelines,
    workbooks,
)
from property_credit.scorecards import enterprise as enterprise_of
from property_credit.scorecards.areas import LEVELS
from property_credit.scorecards.facts import Facts

PACKAGE = Path(__file__).parent
ASSETS = ("site.css", "site.js", "tables.js", "compare.js", "months.js")
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
    templates = Templates(
        loader=FileSystemLoader(PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters.update(
        percent_text=lambda text: labels.percent(Decimal(text)),
        fixed=labels.fixed,
        trimmed=labels.trimmed,
        percent=labels.percent,
        day=labels.day,
        month_zh=labels.month_zh,
    )
    templates.globals.update(
        shown=figures.shown,
        term=figures.term,
        change=figures.change,
        chance_kind=chance.kind_of,
        chance_words=chance.WORDS,
        authority=labels.authority,
        kpi_value=_kpi_value,
        listed=area_of.LISTED,
    )
    return templates


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
        "against": facts.against,
        "missing": [],
        "subject": "",
        "failures": coverage.failures(facts),
        "month": facts.month,
        "publication": facts.publication,
        "published_days_ago": (facts.business_date - facts.publication["business_date"]).days,
        "stale_feeds": coverage.stale(facts),
    }


def area_files(facts: Facts, code: str) -> Iterator[tuple[str, bytes]]:
    """Yield an area's page, its directory of enterprises, its downloads and its search index."""
    view = area_of.area_page(facts, code)
    level = facts.areas.levels[code]
    shared = common(facts, "../") | {"subject": code}
    yield f"area/{code}.html", _html("area", shared, view | {"level_below": BELOW[level]})
    enterprises = area_enterprises.directory(facts, code)
    yield from _directory(shared, view, enterprises)
    gaps = {"code": code, "name": view["name"], "path": view["path"], "lists": targets.lists(facts, code)}
    yield f"area/{code}.targets.html", _html("targets", shared, gaps)
    yield f"area/{code}.targets.csv", downloads.targets_csv(facts, code)
    for name, notice in half_year.of_the_month(facts, code):
        yield f"area/{code}.{name}.html", _html("notice", shared, notice)
    if facts.communities.get(code):
        communities = timelines.of_area(facts, code)
        history = {"code": code, "name": view["name"], "communities": communities}
        yield f"area/{code}.history.html", _html("history", shared, history)
        events = (row for one in communities for row in timelines.rows(one["every"]))
        yield f"area/{code}.history.csv", downloads.csv_bytes(timelines.HEAD, events)
    yield f"area/{code}.figures.js", figures_of(facts, code, view)
    yield f"area/{code}.csv", downloads.area_csv(code, view["name"], view)
    yield f"area/{code}.xlsx", workbooks.area_workbook(facts, code, view, enterprises)
    yield f"area/{code}.evidence.csv", downloads.evidence_csv(facts, code)
    yield f"area/{code}.todo.csv", downloads.todo_csv(facts, code)
    yield f"area/{code}.search.js", search_index(facts, code)
    yield f"area/{code}.ids.js", id_index(facts, code)


def _directory(
    shared: dict[str, Any], view: dict[str, Any], enterprises: list[dict[str, Any]]
) -> Iterator[tuple[str, bytes]]:
    """Yield an area's directory in pages; of more than one, all rows in a script to sort, filter and export."""
    code, size = shared["subject"], area_enterprises.DIRECTORY_PAGE
    template = environment().get_template("directory_row.html.j2")
    rows = [Markup(template.render(row=row).strip()) for row in enterprises]
    about: dict[str, Any] = {
        "code": code,
        "name": view["name"],
        "total": view["values"]["enterprises.count"][0],
        "row_count": len(rows),
        "page_count": max(1, -(-len(rows) // size)),
        "grades": sorted({row["badge"]["text"] for row in enterprises}),
        "notes": sorted({cap for row in enterprises for cap in row["caps"]})
        + ["■ 重点监管"] * any(row["is_key_supervision"] for row in enterprises),
    }
    for number in range(1, about["page_count"] + 1):
        path = f"area/{code}.enterprises{'' if number == 1 else f'-{number}'}.html"
        some = rows[(number - 1) * size : number * size]
        yield path, _html("directory", shared, about | {"rows": some, "number": number})
    if about["page_count"] > 1:
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        yield f"area/{code}.enterprises.js", f'(window.tableRows??={{}})["{code}.enterprises.js"]={text};\n'.encode()


def enterprise_files(
    facts: Facts, uscc: str, cloud: tuple[float, float, float, float] | None
) -> Iterator[tuple[str, bytes]]:
    """Yield an enterprise's page and its points as CSV."""
    view = enterprise_of.enterprise_page(facts, uscc, funnel=cloud)
    yield f"enterprise/{uscc}.html", _html("enterprise", common(facts, "../"), view | {"subject": uscc})
    yield f"enterprise/{uscc}.csv", downloads.enterprise_csv(uscc, view)
    history = timelines.rows(timelines.of(facts, uscc))
    yield f"enterprise/{uscc}.history.csv", downloads.csv_bytes(timelines.HEAD, history)
    yield f"enterprise/{uscc}.evidence.csv", downloads.enterprise_evidence_csv(view)


def shared_files(facts: Facts) -> Iterator[tuple[str, bytes]]:
    """Yield what all pages share: entry, definitions, style, script, the search index, who may read what."""
    shared = common(facts, "")
    yield "index.html", _html("index", shared, {"tree": facts.areas, "levels": LEVELS})
    yield "compare.html", _html("compare", shared, {"tree": facts.areas, "levels": LEVELS})
    yield "definitions.html", _html("definitions", shared, {"figures": list(figures.catalogue().values())})
    for name in ASSETS:
        yield f"assets/{name}", (PACKAGE / "assets" / name).read_bytes()
    yield "figures.js", definitions()
    yield "search.js", search_index(facts, facts.areas.root)
    yield "ids.js", id_index(facts, facts.areas.root)
    yield "access.json", access(facts)


def figures_of(facts: Facts, code: str, view: dict[str, Any]) -> bytes:
    """Return a script with an area's figures as they are written, for the page that compares months and areas."""
    catalogue = figures.catalogue()
    values = {
        name: {
            "label": catalogue[name].label,
            "unit": catalogue[name].unit,
            "value": None if now is None else str(now),
            "text": catalogue[name].text(now),
            "why": view["why"].get(name),
        }
        for name, (now, _) in view["values"].items()
        if name in catalogue
    }
    said = {"name": view["name"], "month": facts.month, "night": str(facts.business_date), "values": values}
    said["is_in_progress"] = facts.is_in_progress
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'(window.areaFigures??={{}})["{facts.month}/{code}"]={text};\n'.encode()


def definitions() -> bytes:
    """Return a script with what each figure means, where it comes from and which feeds it needs."""
    entries = {
        code: {
            "label": entry.label,
            "definition": entry.definition,
            "unit": entry.unit,
            "source": entry.source,
            "needs": list(entry.needs),
            "better": entry.better,
        }
        for code, entry in figures.catalogue().items()
    }
    return f"window.figureCatalogue={json.dumps(entries, ensure_ascii=False, separators=(',', ':'))};\n".encode()


def funnel_file(facts: Facts) -> dict[str, bytes]:
    """Return the cloud of all enterprises over which each one's page lays its mark; empty when there is none."""
    points = enterprise_of.funnel_points(facts)
    return {"assets/funnel.svg": charts.funnel(points).encode()} if points else {}


def access(facts: Facts) -> bytes:
    """Return who may read what: each area's parent, and the areas that look after each enterprise."""
    rights = {
        "areas": {code: [facts.areas.parents[code], facts.areas.names[code]] for code in facts.areas.all()},
        "enterprises": {uscc: sorted(areas) for uscc, areas in facts.enterprise_areas.items()},
    }
    return json.dumps(rights, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


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
        page = f"enterprise/{uscc}.html"
        rows.append([facts.standing[uscc]["enterprise_name"], uscc, "企业", page])
        rows += [[name, uscc, "企业（曾用名）", page] for name in facts.former_names(uscc)]
    for leaf in sorted(below):
        for row in facts.communities.get(leaf, []):
            at = f"area/{leaf}.html#c-{row['community_id']}"
            rows.append([row["community_name"] or row["community_id"], row["community_id"], names[leaf], at])
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.searchIndex={text};\n".encode()


def id_index(facts: Facts, code: str) -> bytes:
    """Return a script with the ids of an area's complaints, findings, alerts, records, contracts, and where they are.

    Read only when somebody looks for a number: it is many times the index of names.
    """
    index: dict[str, str] = {}
    mine, below = set(facts.area_enterprises.get(code, [])), facts.areas.below(code)
    for uscc in sorted(mine & facts.indicator_evidence.keys()):
        for indicator, pieces in facts.indicator_evidence[uscc].items():
            for piece in pieces:
                community = facts.community.get(piece[2] or "")
                if community["leaf_area_code"] in below if community else facts.areas.levels[code] != "street":
                    index.setdefault(piece[0], f"enterprise/{uscc}.html#{indicator}")
    for uscc in sorted(mine & facts.scores.keys()):
        for record in (facts.scores[uscc]["lift"] or {}).get("records", []):
            index.setdefault(record["record_id"], f"enterprise/{uscc}.html#improvement")
    for row in facts.within("alerts", code):
        if row["state_code"] != "closed":
            index[row["alert_id"]] = f"area/{facts.place_of(row)}.html#alerts"
    for row in facts.within("escalations", code):
        index[row["complaint_id"]] = f"area/{facts.place_of(row)}.html#escalations"
    for leaf in sorted(below):
        for place in facts.communities.get(leaf, []):
            for row in facts.evidence.get(place["community_id"], []):
                index[row["evidence_id"]] = f"area/{leaf}.html#c-{place['community_id']}"
    text = json.dumps(sorted(index.items()), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.idIndex={text};\n".encode()


def _html(template: str, shared: dict[str, Any], view: dict[str, Any]) -> bytes:
    return environment().get_template(f"{template}.html.j2").render(**{**shared, **view}).encode()
