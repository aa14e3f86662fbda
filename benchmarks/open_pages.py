"""How long a browser takes to open the heaviest pages of a built site, against a page with one word.

Used by ``benchmarks.build_pages`` on its region. Chromium opens the files from disk in a fresh context each time, so
that nothing is cached; a time is navigation timing's loadEventEnd, the median of ``ROUNDS``.
"""

from pathlib import Path
from statistics import median
from typing import Any

ROUNDS = 5
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def heaviest(folder: Path) -> dict[str, Path]:
    """Return the heaviest page of each kind: region, city, district, street, directory, enterprise."""
    pages: dict[str, Path] = {}
    for path in folder.rglob("*.html"):
        kind = _kind(path)
        if kind and (kind not in pages or path.stat().st_size > pages[kind].stat().st_size):
            pages[kind] = path
    return pages


def _kind(path: Path) -> str | None:
    if path.parent.name != "area":
        return path.parent.name if path.parent.name == "enterprise" else None
    code = path.stem
    if "." in code:
        return "directory"
    return {9: "street"}.get(len(code)) or (
        "region" if code.endswith("0000") else "city" if code.endswith("00") else "district"
    )


def open_pages(folder: Path) -> dict[str, dict[str, Any]] | None:
    """Return kilobytes, seconds and ratio by kind of page; None where there is no browser."""
    from property_credit.scorecards import printing

    browser_path = printing.browser_path()
    if browser_path is None:
        return None
    from playwright.sync_api import Browser, sync_playwright

    def seconds(browser: Browser, address: str) -> float:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address, wait_until="load")
        page.wait_for_function(f"{LOADED} > 0")
        taken = page.evaluate(LOADED) / 1000
        context.close()
        return float(taken)

    blank = folder.parent / "blank.html"
    blank.write_text("<!doctype html><title>-</title>-", encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=printing.launch_arguments())
        floor = median(seconds(browser, blank.as_uri()) for _ in range(ROUNDS + 1))
        timings = {
            kind: (path, median(seconds(browser, path.as_uri()) for _ in range(ROUNDS)))
            for kind, path in sorted(heaviest(folder).items())
        }
        browser.close()
    return {
        kind: {
            "page": path.name,
            "kb": round(path.stat().st_size / 1000),
            "seconds": round(taken, 3),
            "ratio": round(taken / floor, 1),
        }
        for kind, (path, taken) in timings.items()
    }
