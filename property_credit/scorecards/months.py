"""Which months and notices there are, beside the months' folders: their index, and the menu that every page shows.

Outside the sites themselves, so that a new month leaves those before it as they were, byte for byte.
"""

import json
import os
import re
from pathlib import Path

from property_credit.scorecards.render import environment

MONTH = re.compile(r"\d{4}-\d{2}")


def built(pages: Path, area_code: str | None = None) -> list[str]:
    """Return the months below ``pages`` that are built, the first first; ``area_code``: those that have its page."""
    file = "access.json" if area_code is None else f"area/{area_code}.html"
    return sorted(path.name for path in pages.glob("????-??") if MONTH.fullmatch(path.name) and (path / file).exists())


def menu(months: list[str]) -> bytes:
    """Return the script that gives a page's menu its months."""
    return f"window.pageMonths={json.dumps(months)};\n".encode()


def notices(pages: Path, area_code: str | None = None) -> list[tuple[str, str]]:
    """Return the notices that were written on request, the newest first: what they are, and their address."""
    files = sorted((pages / "notices").glob(f"*/{area_code or '*'}.html"), reverse=True)
    return [(f"{path.parent.name} · {path.stem}", f"notices/{path.parent.name}/{path.name}") for path in files]


def index(pages: Path, *, area_code: str | None = None, style: str) -> str:
    """Return the index of months and notices; for a reader of ``area_code`` it leads to that area's pages."""
    page = "index.html" if area_code is None else f"area/{area_code}.html"
    listed = [(month, f"{month}/{page}") for month in reversed(built(pages, area_code))]
    return (
        environment()
        .get_template("months.html.j2")
        .render(months=listed, notices=notices(pages, area_code), style=style)
    )


def write(pages: Path) -> None:
    """Write the index and the menu of the months below ``pages``."""
    months = built(pages)
    if not months:
        return
    for name, content in (
        ("months.js", menu(months)),
        ("index.html", index(pages, style=f"{months[-1]}/assets/site.css").encode()),
    ):
        partial = pages / (name + ".partial")
        partial.write_bytes(content)
        os.replace(partial, pages / name)
