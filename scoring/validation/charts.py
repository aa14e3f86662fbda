"""The four pictures of a validation report, as inline SVG: Altair's specification drawn by vl-convert."""

import re
from typing import Any

INK, ACCENT, QUIET, GRID = "#33414a", "#1f6f78", "#a9b2b5", "#e6e8e6"
WIDTH, HEIGHT = 300, 200


def draw(figures: dict[str, Any], details: dict[str, dict[str, Any]], scale: tuple[str, ...]) -> dict[str, str]:
    """Return SVG elements by name: quality, old_share, scores, events; a picture without data is left out.

    Args:
        figures: ``Validation.figures``.
        details: the gates' details by gate code.
        scale: grades, best first.
    """
    firms = [
        {key: row.get(key) for key in ("score", "grade", "old_share", "quality")} for row in figures["enterprises"]
    ]
    colours = {"domain": list(scale), "range": [ACCENT, "#8fb8a8", "#c98b4b", QUIET][: len(scale)]}
    drawn = {}
    if firms and firms[0]["quality"] is not None:
        drawn["quality"] = _points(firms, "quality", "真实质量 true quality", colours)
    if firms:
        drawn["old_share"] = _points(firms, "old_share", "老旧小区占比 old share", colours)
        rows = [{"score": row["score"], "night": "1"} for row in firms]
        rows += [{"score": score, "night": "2"} for score in figures["later_scores"]]
        drawn["scores"] = _svg(
            {
                "data": {"values": rows},
                "mark": {"type": "line", "interpolate": "step"},
                "encoding": {
                    "x": {"bin": {"step": 5}, "field": "score", "title": "S"},
                    "y": {"aggregate": "count", "title": "企业数 enterprises"},
                    "color": {"field": "night", "scale": {"range": [ACCENT, "#c98b4b"]}, "title": "业务日 night"},
                },
            }
        )
    rates = [
        {"grade": grade, **{key: entry[key] for key in ("rate", "low", "high")}}
        for grade, entry in details.get("trend", {}).get("rates", {}).items()
        if entry["rate"] is not None
    ]
    if rates:
        rate = {"field": "rate", "type": "quantitative", "title": "事件率 event rate"}
        x = {"field": "grade", "type": "nominal", "sort": list(scale), "title": None, "axis": {"labelAngle": 0}}
        drawn["events"] = _svg(
            {
                "data": {"values": rates},
                "layer": [
                    {"mark": {"type": "bar", "color": ACCENT, "size": 34},
                     "encoding": {"x": x, "y": rate}},
                    {"mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
                     "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}},
                ],
            }
        )  # fmt: skip
    return drawn


def _points(firms: list[dict[str, Any]], name: str, title: str, colours: dict[str, Any]) -> str:
    return _svg(
        {
            "data": {"values": firms},
            "mark": {"type": "point", "filled": True, "size": 28, "opacity": 0.8},
            "encoding": {
                "x": {"field": name, "type": "quantitative", "title": title, "scale": {"zero": False}},
                "y": {"field": "score", "type": "quantitative", "title": "S", "scale": {"zero": False}},
                "color": {"field": "grade", "type": "nominal", "scale": colours, "title": None},
            },
        }
    )


def _svg(spec: dict[str, Any]) -> str:
    import vl_convert

    config = {
        "axis": {"gridColor": GRID, "labelColor": INK, "titleColor": INK, "domainColor": QUIET, "tickColor": QUIET},
        "view": {"stroke": None},
    }
    full = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": WIDTH, "height": HEIGHT,
        "config": config, **spec,
    }  # fmt: skip
    return re.sub(r"^<\?xml[^>]*\?>\s*", "", vl_convert.vegalite_to_svg(full))
