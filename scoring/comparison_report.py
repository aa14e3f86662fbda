"""The comparison of two methods as files: JSON for programs, one HTML page that works offline for a regulator."""

import json
from pathlib import Path
from typing import Any

from scoring.validation.report import STATUSES, figure, finite

TEMPLATES = Path(__file__).parent / "templates"


def write(report: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json`` of a comparison into ``folder``: same comparison, same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages.filters["figure"] = figure
    page = pages.get_template("comparison.html.j2")
    report = finite(report)
    gates = {
        name: list(zip(*(method[name] for method in report["methods"].values()), strict=True))
        for name in ("fairness", "sensitivity")
    }
    folder.mkdir(parents=True, exist_ok=True)
    html, data = folder / "report.html", folder / "report.json"
    html.write_text(page.render(r=report, last=report["nights"][-1], gates=gates, statuses=STATUSES), encoding="utf-8")
    data.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return html, data
