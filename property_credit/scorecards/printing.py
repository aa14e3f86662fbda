"""Pages as PDF: the browser that prints them is Chromium, driven by Playwright; nothing is fetched.

Chromium sets the page as it stands (print style, page numbers from @page, tags for screen readers) and is the one
program here that no wheel brings: where it is missing that is said, with what to install.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from property_credit.scorecards.errors import ScorecardError
from property_credit.warehouse.settings import PROJECT_ROOT, get_settings

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--allow-file-access-from-files",
)
START_SECONDS, PAGE_SECONDS = 60, 30  # more than a slow machine needs
WHAT_TO_INSTALL = (
    "printing needs Chromium and a Chinese font: on Debian or Ubuntu `apt-get install chromium fonts-noto-cjk`, "
    "or set CHROMIUM to the path of a Chrome or Chromium"
)


def browser_path() -> str | None:
    """Return the Chromium to print with: what CHROMIUM names, else the first one found; None when there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def launch_arguments() -> list[str]:
    """Return the browser's arguments: as root, and where CHROMIUM_NO_SANDBOX says so, its sandbox cannot work."""
    is_without = os.geteuid() == 0 or os.environ.get("CHROMIUM_NO_SANDBOX")
    return [*ARGUMENTS, *(["--no-sandbox"] if is_without else [])]


def print_pages(pages: Sequence[Path]) -> list[Path]:
    """Print HTML files beside themselves as .pdf in a process of its own; return the PDFs.

    Raises ScorecardError when there is no browser, with what to install, or when it cannot print a page.
    """
    if not pages:
        return []
    path = browser_path()
    if path is None:
        raise ScorecardError(WHAT_TO_INSTALL)
    command = [
        sys.executable,
        "-m",
        "property_credit.scorecards.printing",
        path,
        *(str(page.resolve()) for page in pages),
    ]
    limit = START_SECONDS + PAGE_SECONDS * len(pages)
    try:
        subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True, timeout=limit)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip() or "no reason given").splitlines()[-1]
        raise ScorecardError(f"the browser {path} cannot print: {reason}") from error
    except subprocess.TimeoutExpired as error:
        raise ScorecardError(f"the browser {path} did not print {len(pages)} pages in {limit} s") from error
    return [page.with_suffix(".pdf") for page in pages]


def _print(browser: str, pages: Sequence[Path]) -> None:
    """Print with Playwright, which cannot run where another event loop runs: Airflow's, a test's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=launch_arguments())
        tab = opened.new_context(offline=True).new_page()
        for page in pages:
            tab.goto(page.as_uri(), wait_until="load")
            tab.emulate_media(media="print")
            tab.evaluate("document.querySelectorAll('details.ev, details.part').forEach((one) => { one.open = true; })")
            partial = page.with_suffix(".pdf.partial")
            tab.pdf(path=partial, prefer_css_page_size=True, print_background=True, tagged=True, outline=True)
            os.replace(partial, page.with_suffix(".pdf"))
        opened.close()


def print_areas(month: str, *, only_missing: bool = False) -> list[Path]:
    """Print every area of a month down to the districts; ScorecardError when the month is not built."""
    folder = _month_folder(month)
    pages = sorted(path for path in folder.glob("area/*.html") if path.stem.isdigit() and len(path.stem) == 6)
    return print_pages([page for page in pages if not (only_missing and page.with_suffix(".pdf").exists())])


def print_subjects(month: str, subjects: Sequence[str]) -> list[Path]:
    """Print the pages of areas and enterprises by code; ScorecardError names one that has no page."""
    folder = _month_folder(month)
    pages = []
    for subject in subjects:
        kinds = (folder / kind / f"{subject}.html" for kind in ("area", "enterprise"))
        page = next((path for path in kinds if path.exists()), None)
        if page is None:
            raise ScorecardError(f"{month} has no page of {subject}: give an area's code or a credit code")
        pages.append(page)
    return print_pages(pages)


def _month_folder(month: str) -> Path:
    pages = get_settings().pages_dir
    assert pages
    if not (pages / month / "index.html").exists():
        raise ScorecardError(f"the pages of {month} are not built: run `property-credit pages build --month {month}`")
    return pages / month


if __name__ == "__main__":
    _print(sys.argv[1], [Path(name) for name in sys.argv[2:]])
