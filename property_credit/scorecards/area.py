"""What an area's page shows, top to bottom: what changed, targets, who to call, complaints, inspections, coverage."""

from collections.abc import Mapping
from typing import Any

from property_credit.scorecards import (
    area_charts,
    area_communities,
    area_enterprises,
    area_figures,
    chance,
    changes,
    coverage,
    duties,
    peers,
    ranking,
    supervision,
    targets,
    tenders,
)
from property_credit.scorecards.areas import LEVELS, TILES
from property_credit.scorecards.facts import Facts, keyed

LISTED = 40  # of a list that may be long; the rest stands in the directory and in Excel


def area_page(facts: Facts, code: str) -> dict[str, Any]:
    """Return what the template of area ``code`` needs."""
    tree = facts.areas
    values = area_figures.values_of(facts, code)
    children = tree.children.get(code, [])
    communities = facts.communities.get(code, [])
    parts = "communities" if communities and not children else None
    lagging, tiles = _lagging(facts, children), _map(facts, code)
    causes = {
        month: changes.cause(facts, code, values, month=month) for month in (facts.month_before, facts.year_before)
    }
    calls = area_enterprises.calls(facts, code)
    return {
        "code": code,
        "name": tree.names[code],
        "level": LEVELS[tree.levels[code]],
        "path": [{"name": tree.names[step], "href": f"{step}.html"} for step in tree.path(code)[:-1]],
        "values": values,
        "year_values": area_figures.year_before_of(facts, code),
        "against": facts.against,
        "against_year": facts.against_year,
        "month_before": facts.month_before,
        "year_before": facts.year_before,
        "is_in_progress": facts.is_in_progress,
        "span_of": facts.span_of,
        "why": area_figures.reasons_of(facts, code),
        "missing": coverage.now_missing(facts, code),
        "links": {name: area_figures.link_of(name, code, parts, bool(children)) for name in values},
        "tiles": changes.tiles(facts, code, values),
        "cause": causes,
        "desks": area_enterprises.desks(facts, code),
        "has_contacts": bool(facts.contacts),
        "called": area_enterprises.whom_to_call(facts, code, calls, _areas_to_call(causes, lagging, tiles)),
        "shares": area_figures.shares(values),
        "todo": _todo(values),
        "kpis": targets.kpi_lines(facts, code, values),
        "map": tiles,
        "calls": calls,
        "lagging": lagging,
        "charts": area_charts.trends(facts, code),
        "multiples": area_charts.multiples(facts, children),
        "slopes": area_charts.slopes(facts, children),
        "funnel": area_charts.funnel(facts, code),
        "days": area_charts.days(facts, code),
        "tables": {
            name: area_figures.table(facts, children, columns) if children else None
            for name, columns in area_figures.TABLES.items()
        },
        "has_children": bool(children),
        "causes": changes.split_of(facts, code, "category"),
        "parties": changes.split_of(facts, code, "responsible_party"),
        "peer_shares": peers.shares(facts, code),
        "peer_kinds": peers.by_kind(facts, code),
        "hot_spots": area_communities.hot_spots(facts, code),
        "communities": area_communities.listed(facts, communities),
        "community_count": len(communities),
        "supervised": supervision.section(facts, code),
        "duty_silences": duties.silences(facts, code),
        "disputes": duties.disputes(facts, code),
        "contracts": duties.contracts(facts, code),
        "fees": duties.fees(facts, code),
        "chosen": tenders.section(facts, code),
        "feeds": _feeds(facts),
        "directory": f"{code}.enterprises.html",
    }


def _areas_to_call(
    causes: Mapping[str, dict[str, Any] | None], lagging: list[dict[str, Any]], tiles: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Return the areas below that ask for a call, and why: more complaints than chance, most of the rise, lagging."""
    areas = [(tile["code"], "诉求偏高") for tile in tiles if tile["kind"] == "more"]
    first = next(iter(causes.values()))
    if first and first["where"] and first["step"] > 0:
        areas.append((first["where"]["code"], "诉求增加最多"))
    return areas + [(one["code"], "进展最落后") for one in lagging[:1]]


def _todo(values: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return what to do first this month; empty when nothing asks for it."""
    matters: list[dict[str, Any]] = []

    def add(figure_code: str, before: str, after: str, href: str) -> None:
        if values.get(figure_code, (0, 0))[0]:
            matters.append({"figure": figure_code, "before": before, "after": after, "href": href})

    add("grades.key_supervision", "约谈重点监管企业", "家", "#key")
    add("grades.vetoed", "核对在期否决的整改", "家", "#vetoes")
    add("grades.down", "了解降级原因", "家", "#moves")
    add("escalations.open", "办结超时诉求", "件", "#supervision")
    add("alerts.serious", "处置严重预警", "件", "#supervision")
    add("clocks.overdue", "补办逾期的异议与修复", "件", "#clocks")
    add("orders.open", "督促逾期未整改", "件", "#inspections")
    return matters


def _map(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the areas below as tiles where they lie, those nothing was delivered for included."""
    tree = facts.areas
    below = tree.children.get(code, [])
    if not below or tree.levels[code] not in ("region", "city"):
        return []
    every = sorted([*below, *tree.silent.get(code, [])])
    if any(one not in TILES for one in every):
        placed = {one: (index % 5, index // 5) for index, one in enumerate(every)}
    else:
        placed = {one: TILES[one] for one in every}
    left = min(column for column, _ in placed.values())
    top = min(row for _, row in placed.values())
    tiles = []
    for one in every:
        rate = area_figures.values_of(facts, one)["complaints.rate"][0] if one in tree.names else None
        score = chance.of_area(facts, one).get("chance.peers") if one in tree.names else None
        tiles.append(
            {
                "code": one,
                "name": tree.names.get(one) or _known_name(facts, one),
                "column": placed[one][0] - left + 1,
                "row": placed[one][1] - top + 1,
                "value": rate,
                "score": score if rate is not None else None,
                "kind": "silent" if rate is None else chance.kind_of(score) or "unknown",
                "why": area_figures.reasons_of(facts, one).get("complaints.rate") if one in tree.names else None,
                "href": f"{one}.html" if one in tree.names else None,
            }
        )
    return tiles


def _known_name(facts: Facts, code: str) -> str:
    return str(keyed(facts.rows("areas"), "area_code")[code]["area_name"])


def _lagging(facts: Facts, children: list[str]) -> list[dict[str, Any]]:
    if len(children) < 2:
        return []
    now, before = ranking.spans(facts)
    return [
        {
            "code": one.area_code,
            "name": facts.areas.names[one.area_code],
            "href": f"{one.area_code}.html",
            "values": one.values,
            "points": one.points,
        }
        for one in ranking.progress(facts, children, now=now, before=before)
    ]


def _feeds(facts: Facts) -> list[dict[str, Any]]:
    batches = keyed(facts.rows("batches"), "feed")
    waiting = keyed(facts.edition.tables.get("waiting", []), "feed")  # not in editions kept before rows could wait
    none = {"rows_waiting": 0, "waiting_since": None, "waiting_days": None}
    return [
        {
            **row,
            **batches.get(
                row["feed"], {"batch_count": 0, "refused_count": None, "rows_accepted": None, "rows_rejected": None}
            ),
            **waiting.get(row["feed"], none),
        }
        for row in facts.rows("feeds")
    ]
