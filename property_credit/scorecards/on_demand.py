"""What is made when somebody asks for it: a page as PDF, an enterprise's workbook. It is kept beside its page."""

import os
import re
import threading
from pathlib import Path

from property_credit.scorecards import reading
from property_credit.scorecards.enterprise import enterprise_page
from property_credit.scorecards.printing import print_pages
from property_credit.scorecards.workbooks import enterprise_workbook

_EDITION = re.compile(r'<meta name="generator" content="property-credit edition (e[0-9a-f]{16})">')
_ONE_AT_A_TIME = threading.Lock()  # a browser and an edition in memory: one of each is enough for this machine


def made(folder: Path, file: str) -> bool:
    """Make ``file`` of the site in ``folder`` if it is one that is made on demand; return whether it is there now.

    Raises ScorecardError when it cannot be made, with what to do.
    """
    path = folder / file
    page = path.with_suffix(".html")
    if not page.exists():
        return False
    with _ONE_AT_A_TIME:
        if path.suffix == ".pdf":
            print_pages([page])
        elif path.suffix == ".xlsx" and file.startswith("enterprise/"):
            _write(path, workbook_of(page))
    return path.exists()


def workbook_of(page: Path) -> bytes:
    """Return the workbook of an enterprise's page, from the edition that the page was made of."""
    edition = _EDITION.search(page.read_text(encoding="utf-8"))
    if not edition:
        raise LookupError(f"{page} does not say which edition it is of")
    facts = reading.read(edition[1], [page.stem])
    return enterprise_workbook(facts, page.stem, enterprise_page(facts, page.stem, funnel=None))


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
