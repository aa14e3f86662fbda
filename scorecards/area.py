"""What an area's page shows, top to bottom: what changed, targets, who to call, complaints, inspections, coverage."""

from collections.abc import Mapping
from typing import Any

from scorecards import area_communities, area_enterprises, area_figures, charts, ranking, supervision, targets
from scorecards.areas import LEVELS, TILES
from scorecards.facts import Facts, keyed
from scorecards.figures import figure

LISTED = 40  # of a list that may be long; the rest stands in the directory and in Excel
LEVELS_WITH_EVIDENCE = ("district", "street")
TILES_SHOWN = (
    "complaints.count",
    "complaints.rate",
    "complaints.within_24h",
    "inspections.failed_ratio",
    "orders.overdue",
    "coverage.professional_month",
)


def area_page(facts: Facts, code: str) -> dict[str, Any]:
    """Return what the template of area ``code`` needs."""
    tree = facts.areas
    values = area_figures.values_of(facts, code)
    children = tree.children.get(code, [])
    communities = facts.communities.get(code, [])
    parts = "communities" if communities and not children else None
    return {
        "code": code,
        "name": tree.names[code],
        "level": LEVELS[tree.levels[code]],
        "path": [{"name": tree.names[step], "href": f"{step}.html"} for step in tree.path(code)[:-1]],
        "values": values,
        "links": {name: area_figures.link_of(name, code, parts, bool(children)) for name in values},
        "tiles": [name for name in TILES_SHOWN if values.get(name, (None, None))[0] is not None],
        "shares": area_figures.shares(values),
        "todo": _todo(values),
        "kpis": targets.kpi_lines(facts, code, values),
        "map": _map(facts, code),
        "calls": area_enterprises.calls(facts, code),
        "lagging": _lagging(facts, children),
        "charts": _charts(facts, code),
        "tables": {
            name: area_figures.table(facts, children, columns) if children else None
            for name, columns in area_figures.TABLES.items()
        },
        "has_children": bool(children),
        "causes": _split(facts, code, "category"),
        "parties": _split(facts, code, "responsible_party"),
        "hot_spots": area_communities.hot_spots(facts, code),
        "communities": area_communities.listed(facts, communities),
        "community_count": len(communities),
        "supervised": supervision.section(facts, code),
        "feeds": _feeds(facts),
        "directory": f"{code}.enterprises.html",
        "has_evidence": tree.levels[code] in LEVELS_WITH_EVIDENCE,
    }


def _todo(values: Mapping[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return what to do first this month; empty when nothing asks for it."""
    found: list[dict[str, Any]] = []

    def add(figure_code: str, before: str, after: str, href: str) -> None:
        if values.get(figure_code, (0, 0))[0]:
            found.append({"figure": figure_code, "before": before, "after": after, "href": href})

    add("grades.key_supervision", "约谈重点监管企业", "家", "#key")
    add("grades.vetoed", "核对在期否决的整改", "家", "#vetoes")
    add("grades.down", "了解降级原因", "家", "#moves")
    add("escalations.open", "办结超时诉求", "件", "#supervision")
    add("alerts.serious", "处置严重预警", "件", "#supervision")
    add("clocks.overdue", "补办逾期的异议与修复", "件", "#clocks")
    add("orders.open", "督促逾期未整改", "件", "#inspections")
    return found


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
    rates = sorted(
        facts.area_months[one, facts.month]["complaints_per_1k_household_months"] or 0
        for one in below
        if (one, facts.month) in facts.area_months
    )
    found = []
    for one in every:
        row = facts.area_months.get((one, facts.month))
        rate = row["complaints_per_1k_household_months"] if row else None
        found.append(
            {
                "code": one,
                "name": tree.names.get(one) or _known_name(facts, one),
                "column": placed[one][0] - left + 1,
                "row": placed[one][1] - top + 1,
                "value": rate,
                "kind": "silent" if rate is None else _third(rate, rates),
                "href": f"{one}.html" if one in tree.names else None,
            }
        )
    return found


def _known_name(facts: Facts, code: str) -> str:
    return str(keyed(facts.rows("areas"), "area_code")[code]["area_name"])


def _third(rate: Any, rates: list[Any]) -> str:
    """Return which third of the areas a rate is in; two areas or fewer are not told apart."""
    if len(rates) < 3:
        return "middle"
    position = sum(other < rate for other in rates) / len(rates)
    return "low" if position < 1 / 3 else "high" if position >= 2 / 3 else "middle"


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


def _charts(facts: Facts, code: str) -> list[dict[str, Any]]:
    above = facts.areas.parents[code]
    found = []
    for name in ("complaints.count", "complaints.rate", "complaints.within_24h"):
        entry = figure(name)
        column = entry.source.partition(".")[2]
        lines = [charts.Series(facts.areas.names[code], targets.column_values(facts, code, column))]
        if above and name != "complaints.count":
            lines.append(
                charts.Series(facts.areas.names[above], targets.column_values(facts, above, column), is_main=False)
            )
        svg = charts.trend(facts.months, lines, is_ratio=entry.unit == "ratio")
        if svg:
            found.append(
                {
                    "code": name,
                    "svg": svg,
                    "lines": lines,
                    "months": [
                        {"month": month, "value": (facts.area_months.get((code, month)) or {}).get(column)}
                        for month in reversed(facts.months)
                    ],
                }
            )
    return found


def _split(facts: Facts, code: str, dimension: str) -> list[dict[str, Any]]:
    """Return this month's complaints by cause or party, most first, with last month's beside them."""
    now: dict[str, int] = {}
    before: dict[str, int] = {}
    for row in facts.area_complaints.get(code, []):
        if row["dimension_code"] == dimension:
            side = now if row["month"] == facts.month else before if row["month"] == facts.month_before else {}
            side[row["value_code"]] = row["complaint_count"]
    most = max(now.values(), default=1)
    return [
        {
            "subject": f"{code}/{dimension}:{value}",
            "name": facts.word(dimension, value),
            "value": count,
            "before": before.get(value),
            "share": count / most,
        }
        for value, count in sorted(now.items(), key=lambda item: (-item[1], item[0]))
    ]


def _feeds(facts: Facts) -> list[dict[str, Any]]:
    batches = keyed(facts.rows("batches"), "feed")
    return [
        {
            **row,
            **batches.get(
                row["feed"], {"batch_count": 0, "refused_count": 0, "rows_accepted": None, "rows_rejected": None}
            ),
        }
        for row in facts.rows("feeds")
    ]
