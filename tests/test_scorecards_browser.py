"""The pages in a real browser: from the region down to evidence, search, keyboard, axe, print, sign-in, download."""

import contextlib
import os
import socket
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from region_pages import NIGHT

from scorecards import notices, printing, public, readers
from scorecards import service as pages_service

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def browser():
    """Chromium without a screen; where there is none the tests are skipped, in `.ci/run` they fail."""
    path = printing.browser_path()
    if path is None:
        said = f"no Chromium: {printing.WHAT_TO_INSTALL}"
        if os.environ.get("BROWSER_REQUIRED") == "1":
            pytest.fail(said)
        pytest.skip(said)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=printing.launch_arguments())
        yield opened
        opened.close()


@contextlib.contextmanager
def tab(browser, size=DESK, *, offline=True):
    """A page that collects what went wrong and what it asked the network for."""
    context = browser.new_context(viewport=size, offline=offline, accept_downloads=True)
    page = context.new_page()
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("console", lambda message: page.troubles.append(message.text) if message.type == "error" else None)
    aborted = ("/area/150203.xlsx", "/area/150203.pdf")  # a download ends the navigation that asked for it
    page.on("requestfailed", lambda one: None if one.url.endswith(aborted) else page.troubles.append(one.url))
    yield page
    context.close()


@pytest.fixture(scope="module")
def served(region):
    """The sign-in service on a port of its own."""
    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(pages_service.application(), host="127.0.0.1", port=port, log_level="warning", access_log=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=20)


def sample_of(region):
    """Pages by kind; the first four are of one template."""
    street = next(path for path in sorted(region.folder.glob("area/*.html")) if len(path.stem) == 9)
    enterprise = next(iter(sorted(region.folder.glob("enterprise/*.html"))))
    return {
        "region": region.folder / "area/150000.html",
        "city": region.folder / "area/150200.html",
        "district": region.folder / "area/150203.html",
        "street": street,
        "index": region.folder / "index.html",
        "definitions": region.folder / "definitions.html",
        "directory": region.folder / "area/150200.enterprises.html",
        "enterprise": enterprise,
        "notice": notices.half_year_notice("2026H2", "150200"),
    }


def test_clicks__from_the_region_to_a_complaint__each_figure_leads_on(browser, region):
    with tab(browser) as page:
        page.goto((region.folder / "area/150000.html").as_uri())
        for level in ("150200", None, None):
            page.click('[data-figure^="complaints.count/"] >> nth=0')
            rows = page.locator('#by-complaints a[data-figure^="complaints.count/"]')
            values = [int(one) for one in rows.evaluate_all("all => all.map(one => one.dataset.value)")]
            rows.nth(values.index(max(values))).click()
            if level:
                assert page.url.endswith(f"{level}.html#complaints")
        page.click('.tile [data-figure^="complaints.count/"]')
        assert page.url.endswith("#communities")
        first = page.locator('a[data-figure^="community.complaints/"]').first
        count = int(first.get_attribute("data-value"))
        first.click()
        opened = page.locator("details.ev[open]")
        opened.first.wait_for()  # the page opens it once it has loaded
        assert opened.count() == 1
        complaints = opened.locator("li", has_text="诉求")
        assert complaints.count() == count and complaints.first.locator("code").inner_text().startswith(("MSB", "RX"))
        assert page.troubles == []


def test_definition__of_a_figure__is_one_click_away(browser, region):
    with tab(browser) as page:
        page.goto((region.folder / "area/150200.html").as_uri())
        page.click(".tile a.d >> nth=0")
        assert page.locator("div:target dt").inner_text().startswith("诉求量")


def test_search__enterprise_community_and_code__by_keyboard_alone(browser, region):
    enterprise = next(iter(sorted(region.folder.glob("enterprise/*.html"))))
    with tab(browser) as page:
        page.goto((region.folder / "area/150200.html").as_uri())
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "q":
                break
        page.keyboard.type(enterprise.stem[:12])
        page.wait_for_selector("#found a")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/enterprise/{enterprise.stem}.html")
        page.focus("#q")
        page.keyboard.type("街道")
        page.wait_for_selector("#found li")
        assert "街道" in page.locator("#found a").first.inner_text()
        page.fill("#q", "没有这样的名字")
        assert page.locator("#found").inner_text() == "没有找到"
        assert page.troubles == []


def test_first_tab__is_a_way_past_the_head(browser, region):
    with tab(browser) as page:
        page.goto((region.folder / "area/150200.html").as_uri())
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"


def test_axe__every_kind_of_page__no_violation_and_no_sideways_scrolling(browser, region, tmp_path):
    """Axe sees each kind once as a desk shows it, and what a phone lays out anew; every page is narrow enough."""
    from axe_playwright_python.sync_playwright import Axe

    axe, wrong = Axe(), []
    edition, _ = public.build_public(NIGHT, tmp_path / "public")
    pages = sample_of(region) | {"public": edition / "index.html"}
    for size, unlike in ((DESK, pages.keys() - {"region", "district"}), (PHONE, {"city", "street", "enterprise"})):
        with tab(browser, size) as page:
            for kind, path in pages.items():
                page.goto(path.as_uri())
                for violation in axe.run(page).response["violations"] if kind in unlike else ():
                    where = violation["nodes"][0]["target"]
                    wrong.append(f"{kind}: {violation['id']} x{len(violation['nodes'])} {where}")
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    wrong.append(f"{kind}: {wide} px too wide")
            assert page.troubles == []
    assert wrong == []


def test_axe__a_page_spoilt_on_purpose__is_found(browser, region):
    from axe_playwright_python.sync_playwright import Axe

    with tab(browser) as page:
        page.goto((region.folder / "area/150200.html").as_uri())
        page.evaluate("document.querySelector('label[for=q]').remove()")
        page.evaluate("document.querySelector('.sub').style.color = '#ddd'")
        assert {one["id"] for one in Axe().run(page).response["violations"]} >= {"label", "color-contrast"}


def test_print__region_page__numbered_pages_in_chinese_with_its_fonts(browser, region):
    from pypdf import PdfReader

    page = region.folder / "area/150203.html"
    (printed,) = printing.print_pages([page])
    reader = PdfReader(printed)
    count = len(reader.pages)
    texts = [one.extract_text() for one in reader.pages]
    assert count > 1 and all(f"{number} / {count}" in text for number, text in enumerate(texts, 1))
    assert "昆都仑区" in texts[0] and "本" in texts[0]
    sizes = {(round(float(one.mediabox.width)), round(float(one.mediabox.height))) for one in reader.pages}
    assert sizes == {(595, 842)} or sizes == {(596, 842)}, "A4"
    fonts = [font.get_object() for one in reader.pages for font in (one["/Resources"].get("/Font") or {}).values()]
    descendants = [one.get_object() for font in fonts for one in font.get("/DescendantFonts", [])]
    descriptors = [one["/FontDescriptor"].get_object() for one in descendants]
    assert descriptors and all({"/FontFile2", "/FontFile3"} & set(one) for one in descriptors)
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"], "tagged for screen readers"
    printed.unlink()


def test_print__no_browser__says_what_to_install(region, monkeypatch):
    from scorecards.errors import ScorecardError

    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(ScorecardError, match="apt-get install chromium fonts-noto-cjk"):
        printing.print_pages([region.folder / "index.html"])


def test_sign_in__district_reader__sees_its_pages_downloads_excel_and_nothing_beside(browser, region, served, tmp_path):
    from axe_playwright_python.sync_playwright import Axe
    from openpyxl import load_workbook
    from playwright.sync_api import expect

    password = readers.add("浏览器", "150203")
    with tab(browser, offline=False) as page:
        page.goto(served + "/2026-10/area/150203.html")
        assert page.url.endswith("/sign-in")
        assert Axe().run(page).response["violations"] == []
        page.fill("#name", "浏览器")
        page.fill("#password", password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/2026-10/area/150203.html")
        shown = page.locator('.tile [data-figure="complaints.rate/150203"]').get_attribute("data-value")
        with page.expect_download() as waited:
            page.click(".downloads >> text=Excel")
        waited.value.save_as(tmp_path / "scorecard.xlsx")
        book = load_workbook(tmp_path / "scorecard.xlsx")
        values = {row[0].value: row[2].value for row in book["指标"].iter_rows(min_row=2)}
        assert Decimal(str(values["complaints.rate"])) == Decimal(shown)
        with page.expect_download() as waited:
            page.click(".downloads >> text=PDF")
        assert Path(waited.value.path()).read_bytes()[:5] == b"%PDF-"
        page.fill("#q", "青山区")
        expect(page.locator("#found")).to_have_text("没有找到")
        assert page.troubles == []
        answer = page.goto(served + "/2026-10/area/150204.html")
        assert answer.status == 403 and "不在您的地区范围内" in page.content()
        page.goto(served + "/sign-out")
        page.click("button")
        page.wait_for_url("**/sign-in")
        assert page.goto(served + "/2026-10/area/150203.html").url.endswith("/sign-in")
