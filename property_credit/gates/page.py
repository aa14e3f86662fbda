"""The offline page of a gate's results: one file, no address of another machine in it, Chinese with English beside.

Owns the pages below DATA_DIR/gates/<business date>/ and their index.
"""

from datetime import date
from pathlib import Path

from property_credit.gates.outcomes import GateReport
from property_credit.warehouse.settings import get_settings


def folder(business_date: date) -> Path:
    """Return the folder of the night's gate pages."""
    return get_settings().data_dir / "gates" / business_date.isoformat()


def write(report: GateReport) -> Path:
    """Write the page of ``report`` and return its path; the same report gives the same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    target = folder(report.business_date) / f"{_safe(report.suite)}.{_safe(report.subject)}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(environment.get_template("page.html.j2").render(report=report), encoding="utf-8")
    partial.replace(target)
    return target


def _safe(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in text)
