"""A validation on paper: report.html and report.json, and the model card, written below one folder.

Owns layout and words. Every number comes from the validation; no threshold is known here.
"""

import json
import math
from pathlib import Path
from typing import Any

from scoring.method import load
from scoring.schema import Method
from scoring.validation import charts, outcomes
from scoring.validation.outcomes import Judged
from scoring.validation.run import Validation, summary
from scoring.validation.verdicts import CANNOT_TELL, MISSED, Gate

TEMPLATES = Path(__file__).parent / "templates"
GROUPS = {
    "predictive": ("预测性", "predictive"),
    "peers": ("与最简单的分数比较", "against the simplest peers"),
    "reliability": ("可靠性", "reliability"),
    "coverage": ("区间覆盖率", "coverage of intervals"),
    "stability": ("稳定性", "stability"),
    "spread": ("区分度", "spread"),
    "fairness": ("公平性", "fairness"),
    "sensitivity": ("敏感性", "sensitivity"),
    "simulation": ("与已知真实质量比较（仅仿真）", "against the known truth (simulation only)"),
    "change_control": ("变更控制", "change control"),
}
STATUSES = {
    "met": ("达到", "met"),
    "missed": ("未达到", "missed"),
    "cannot_tell": ("不足以定论", "cannot tell"),
    "not_measured": ("未测", "not measured"),
}


def write(validation: Validation, out: Path) -> list[Path]:
    """Write report.json, report.html and model-card.html below ``out``; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    document = finite(validation.document())
    context = _context(validation, document)
    files = {
        "report.json": json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        "report.html": _render("report.html", context),
        "model-card.html": _render("model-card.html", context),
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in files]


def write_outcomes(judged: Judged, out: Path) -> list[Path]:
    """Write outcomes.json and outcomes.html below ``out``; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    data = finite(outcomes.document(judged))
    context = {"about": data["about"], "by_grade": data["by_grade"], "gates": judged.gates, "statuses": STATUSES}
    files = {
        "outcomes.json": json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        "outcomes.html": _render("outcomes.html", context),
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in files]


def _render(name: str, context: dict[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.filters["detail"] = detail
    return environment.get_template(name).render(context)


def _context(validation: Validation, document: dict[str, Any]) -> dict[str, Any]:
    method = load(validation.about["method_version"]).method
    details = {gate.code: gate.details for gate in validation.gates}
    return {
        "about": document["about"],
        "groups": [
            (names, [gate for gate in validation.gates if gate.group == group]) for group, names in GROUPS.items()
        ],
        "missed": validation.of(MISSED),
        "unsure": validation.of(CANNOT_TELL),
        "statuses": STATUSES,
        "summary": summary(validation),
        "charts": charts.draw(document["figures"], details, method.scale),
        "gates": {gate.code: gate for gate in validation.gates},
        "method": method,
        "method_title": method.title,
        "counts": _counts(method, validation.about["indicators"]),
    }


def _counts(method: Method, states: dict[str, str]) -> dict[str, Any]:
    absent = {code: state for code, state in states.items() if state != "counted"}
    return {"all": len(method.indicators), "counted": len(states) - len(absent), "absent": absent}


def figure(number: float | None) -> str:
    """Return a figure with the decimals that it deserves; — for none."""
    if number is None or (isinstance(number, float) and not math.isfinite(number)):
        return "—"
    if float(number).is_integer() and abs(number) >= 1:
        return f"{number:.0f}"
    return f"{number:.1g}" if 0 < abs(number) < 0.001 else f"{number:.3f}"


def detail(gate: Gate) -> str:
    """Return a gate's further figures as one line of JSON, numbers shortened."""
    return json.dumps(_short(gate.details), ensure_ascii=False)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    return round(value, 3) if isinstance(value, float) and math.isfinite(value) else value if not _odd(value) else None


def _odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def finite(value: Any) -> Any:
    """Return JSON types without NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if _odd(value) else value
