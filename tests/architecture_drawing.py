"""The drawing of docs/architecture.md, made from the imports: ``python tests/architecture_drawing.py`` writes it."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "architecture.md"
TOP = ("dags", "scoring", "simulation")
WRITES = {
    "ingestion": "raw, quarantine",
    "scoring": "scoring",
    "supervision": "supervision",
    "publishing": "publishing",
    "scorecards": "scorecards",
    "entities": "entities",
    "workbench": "workbench",
}


def rooms(project: Path = PROJECT) -> dict[str, Path]:
    """Return the rooms of the house by name: packages of property_credit and what stands beside it."""
    inside = {path.parent.name: path.parent for path in (project / "property_credit").glob("*/__init__.py")}
    return inside | {name: project / name for name in TOP}


def edges(project: Path = PROJECT) -> set[tuple[str, str]]:
    """Return (room, room it imports) for every import in the code, also those inside functions."""
    known = rooms(project)
    imported = set()
    for room, folder in known.items():
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.ImportFrom | ast.Import):
                    continue
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
                if isinstance(node, ast.ImportFrom) and node.module == "property_credit":
                    names = [f"property_credit.{each.name}" for each in node.names]
                for name in names:
                    target = name.removeprefix("property_credit.").split(".")[0]
                    if target in known and target != room:
                        imported.add((room, target))
    return imported


def drawing(project: Path = PROJECT) -> str:
    """Return the Mermaid flow chart: who imports whom, and who writes which schema. All import warehouse."""
    lines = ["flowchart TD"]
    for room in sorted(rooms(project)):
        label = f"{room}<br/>writes {WRITES[room]}" if room in WRITES else room
        lines.append(f'  {room}["{label}"]')
    lines += [f"  {room} --> {target}" for room, target in sorted(edges(project)) if target != "warehouse"]
    lines.append('  dbt_project["dbt_project<br/>writes staging, intermediate, marts"]')
    lines.append("  warehouse -. runs .-> dbt_project")
    return "\n".join(lines) + "\n"


def page_with(drawn: str, text: str) -> str:
    """Return the page's ``text`` with its drawing replaced by ``drawn``."""
    return re.sub(r"(```mermaid\n).*?(```)", lambda match: match.group(1) + drawn + match.group(2), text, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(page_with(drawing(), PAGE.read_text("utf-8")), "utf-8")
