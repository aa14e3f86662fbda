"""The pages in a real browser: from the region down to evidence, search, keyboard, axe, print, sign-in, download."""

import contextlib
import json
import os
import re
import shutil
import socket
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from region_pages import NIGHT

from property_credit.scorecards import (
    area_enterprises,
    months,
    notices,
    printing,
    public,
    readers,
    reading,
    render,
)
from property_credit.scorecards import service as pages_service

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
        "compare": region.folder / "compare.html",
        "history": street.with_suffix(".history.html"),
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
        page.wait_for_selector("#results a")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/enterprise/{enterprise.stem}.html")
        page.focus("#q")
        page.keyboard.type("街道")
        page.wait_for_selector("#results li")
        assert "街道" in page.locator("#results a").first.inner_text()
        page.fill("#q", "没有这样的名字")
        assert page.locator("#results").inner_text() == "没有找到"
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
    from property_credit.scorecards.errors import ScorecardError

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
        expect(page.locator("#results")).to_have_text("没有找到")
        page.goto(served + "/2026-10/compare.html?left=2026-10/150203")
        expect(page.locator("#compare-note")).to_contain_text("甲：昆都仑区")
        expect(page.locator("form.month option").first).to_have_text("2026-10")
        page.goto(served + "/index.html")
        page.click("text=2026年10月")
        assert page.url.endswith("/2026-10/area/150203.html") and page.troubles == []
        answer = page.goto(served + "/2026-10/area/150204.html")
        assert answer.status == 403 and "不在您的地区范围内" in page.content()
        page.goto(served + "/sign-out")
        page.click("button")
        page.wait_for_url("**/sign-in")
        assert page.goto(served + "/2026-10/area/150203.html").url.endswith("/sign-in")


QUESTIONS = {  # of a regulator, from the city's first screen: what is clicked, and what answers
    "what changed": ([], ".tile .big >> nth=0"),
    "why": ([], "#why + p"),
    "what is behind": ([], "#behind + ul li >> nth=0"),
    "whom to call": ([], '#call + ul a[href^="tel:"] >> nth=0'),
    "which targets are missed": (['.contents a[href="#kpis"]'], '[aria-labelledby="kpis"] tbody tr >> nth=0'),
    "which areas lack committees": (
        ['.contents a[href="#kpis"]', 'a[href$=".targets.html#owners_committee_ratio"]'],
        "#owners_committee_ratio",
    ),
    "whose complaint waits longest": (['a[href="#supervision"] >> nth=0'], "#escalations ~ table tbody code >> nth=0"),
    "which communities are hot": (['.contents a[href="#hot"]', "#hot ~ table tbody th a >> nth=0"], "details.ev[open]"),
    "why a firm lost points": (
        ['a[href$=".enterprises.html"] >> nth=0', "main tbody th a >> nth=0", '.contents a[href="#market"]'],
        '[aria-labelledby="market"] .points .icode >> nth=0',
    ),
    "what a figure means": ([".tile a.d >> nth=0"], "div:target dt"),
    "which district has most complaints": (
        ['.contents a[href="#complaints"]', "#by-complaints thead th:nth-child(2) .sort"],
        '#by-complaints tr:first-child [data-figure^="complaints.count/"]',
    ),
}


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_questions__of_a_regulator__answered_in_three_clicks_by_keyboard(browser, region, size):
    from playwright.sync_api import expect

    with tab(browser, size) as page:
        for question, (way, answer) in QUESTIONS.items():
            assert len(way) <= 3, question
            page.goto("about:blank")
            page.goto((region.folder / "area/150200.html").as_uri())
            for step in way:
                link = page.locator(step).first
                target = link.evaluate("(it) => it.href ?? ''")
                expect(link).to_be_visible()  # on a phone its section unfolds a moment after the jump
                link.focus()
                expect(link).to_be_focused()
                page.keyboard.press("Enter")
                if target:  # a jump within the page takes the focus away: it must be over before the next step
                    page.wait_for_url(target)
            page.locator(answer).first.wait_for(state="visible", timeout=5_000)
            if not way and size is DESK:
                box = page.locator(answer).first.bounding_box()
                assert box["y"] + box["height"] <= DESK["height"], f"{question}: below the first screen"
        assert page.troubles == []


def test_phone__every_kind_of_page__folds_to_eight_thousand_pixels_and_its_targets_can_be_touched(browser, region):
    """What stands in a sentence may be smaller (WCAG 2.2, 2.5.8); what stands alone is 24 px high and wide."""
    small = """() => [...document.querySelectorAll("main :is(a, button, summary, select, input)")].filter((one) => {
        const box = one.getBoundingClientRect();
        const alone = !one.closest("p, li, figcaption, h1, h2, h3, small, dd, .crumbs");
        return box.width && alone && (box.height < 23.5 || box.width < 23.5);
    }).map((one) => one.outerHTML.slice(0, 120))"""
    with tab(browser, PHONE) as page:
        for kind, path in sample_of(region).items():
            page.goto(path.as_uri())
            if kind not in ("definitions", "directory"):
                assert page.evaluate("document.documentElement.scrollHeight") <= 8_000, kind
            assert page.evaluate(small) == [], kind
            page.evaluate("for (const one of document.querySelectorAll('details.part')) one.open = true")
            assert page.evaluate(small) == [], kind
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{kind}: {wide} px too wide once unfolded"


def test_table__sorted_filtered_and_taken_away__holds_what_is_shown_without_a_network(browser, region, tmp_path):
    with tab(browser) as page:
        page.goto((region.folder / "area/150200.enterprises.html").as_uri())
        rows = page.locator("main tbody tr")
        count = rows.count()
        page.select_option("main .tools select >> nth=0", "AA")
        shown = page.locator("main tbody tr:visible")
        assert 0 < shown.count() < count
        page.focus("thead th:nth-child(4) .sort")
        page.keyboard.press("Enter")
        scores = shown.locator('[data-figure^="enterprise.score/"]').evaluate_all(
            "all => all.map(one => +one.dataset.value)"
        )
        assert scores == sorted(scores, reverse=True) and page.get_attribute("thead th:nth-child(4)", "aria-sort")
        with page.expect_download() as waited:
            page.click("main .tools >> text=CSV")
        waited.value.save_as(tmp_path / "table.csv")
        lines = (tmp_path / "table.csv").read_text("utf-8-sig").splitlines()
        assert len(lines) == 1 + shown.count() and all(",AA," in line for line in lines[1:])
        with page.expect_download() as waited:
            page.click("main .tools >> text=JSON")
        waited.value.save_as(tmp_path / "table.json")
        said = json.loads((tmp_path / "table.json").read_text("utf-8"))
        assert said["edition"] == region.report.edition_id and said["rows"] == shown.count()
        score = next(one for one in said["figures"] if one["code"] == "enterprise.score")
        assert "每项得分只舍入一次" in score["definition"] and score["source"] == "scoring.grades.score"
        page.goto((region.folder / "area/150200.html").as_uri())
        with page.expect_download() as waited:
            page.click("figure .tools >> text=CSV >> nth=0")
        waited.value.save_as(tmp_path / "chart.csv")
        assert "complaints.count,150200@2026-10," in (tmp_path / "chart.csv").read_text("utf-8-sig")
        assert page.troubles == []


def test_table__of_several_pages__is_sorted_filtered_and_taken_away_whole(browser, region, tmp_path, monkeypatch):
    """A directory of more rows than a page: what is asked of it is asked of all rows, without a network."""
    monkeypatch.setattr(area_enterprises, "DIRECTORY_PAGE", 3)
    site = tmp_path / region.folder.name
    shutil.copytree(region.folder / "assets", site / "assets")
    shutil.copy(region.folder / "figures.js", site)
    shutil.copy(region.folder.parent / "months.js", tmp_path)
    (site / "area").mkdir()
    for path, content in render.area_files(reading.read(region.report.edition_id), "150200"):
        (site / path).write_bytes(content)
    whole = (region.folder / "area/150200.enterprises.html").read_text("utf-8")
    scores = re.findall(r'data-figure="enterprise.score/(\w+)" data-value="([\d.]+)"', whole)
    grades = re.findall(r'<span class="badge [^"]*">([^<]+)</span>', whole)
    assert len(scores) > 6 and set(grades) > {"A"}
    with tab(browser) as page:
        page.goto((site / "area/150200.enterprises-2.html").as_uri())
        rows = page.locator("main tbody tr")
        assert rows.count() == 3
        page.focus("thead th:nth-child(4) .sort")
        page.keyboard.press("Enter")
        page.wait_for_function(f"document.querySelectorAll('main tbody tr').length === {len(grades)}")
        best, least = (
            page.locator('[data-figure^="enterprise.score/"]').nth(at).get_attribute("data-value")
            for at in (0, len(scores) - 1)
        )
        assert (best, least) == (max(scores, key=by_score)[1], min(scores, key=by_score)[1])
        assert not page.locator(".pager").is_visible()
        page.select_option("main .tools select >> nth=0", "A")
        assert page.locator("main tbody tr .badge").all_inner_texts() == ["A"] * grades.count("A")
        with page.expect_download() as waited:
            page.click("main .tools >> text=CSV")
        waited.value.save_as(tmp_path / "table.csv")
        assert len((tmp_path / "table.csv").read_text("utf-8-sig").splitlines()) == 1 + grades.count("A")
        page.goto((site / "area/150200.enterprises.html").as_uri())
        with page.expect_download() as waited:  # nothing asked for yet: still all of it
            page.click("main .tools >> text=CSV")
        waited.value.save_as(tmp_path / "table.csv")
        assert len((tmp_path / "table.csv").read_text("utf-8-sig").splitlines()) == 1 + len(grades)
        page.fill("main .tools input", scores[-1][0])
        page.wait_for_function("document.querySelectorAll('main tbody tr').length === 1")
        assert page.troubles == []


def by_score(pair):
    """Order of (code, score)."""
    return Decimal(pair[1])


def test_compare__a_district_and_the_city__side_by_side_with_their_difference(browser, region):
    with tab(browser) as page:
        page.goto((region.folder / "area/150203.html").as_uri())
        page.click(".downloads >> text=比较")
        page.select_option("[name=right-area]", "150200")
        page.wait_for_function("document.querySelector('#compare-note').textContent.includes('乙：包头市')")
        row = page.locator("#compare-table tbody tr", has_text="每千户月诉求量").first
        one, other = (
            Decimal(page.evaluate(f"areaFigures['2026-10/{code}'].values['complaints.rate'].value"))
            for code in ("150203", "150200")
        )
        cells = row.locator("td").all_inner_texts()
        assert cells[:2] == [f"{one:.2f}", f"{other:.2f}"]
        word = "▲ 多" if other > one else "▼ 少"
        assert cells[2].startswith(word) and f"{abs(other - one):.2f}" in cells[2]
        assert page.troubles == []


def test_months__the_menu__leads_to_the_same_page_of_another_month(browser, region):
    other = region.folder.parent / "2026-09"
    shutil.copytree(region.folder, other)
    try:
        months.write(region.folder.parent)
        with tab(browser) as page:
            page.goto((region.folder / "area/150203.html").as_uri())
            page.select_option("#month", "2026-09")
            page.wait_for_url("**/2026-09/area/150203.html")
            page.select_option("#month", "")
            page.wait_for_url("**/index.html")
            assert page.locator('[aria-labelledby="months"] li a').all_inner_texts() == ["2026年10月", "2026年9月"]
            assert page.troubles == []
    finally:
        shutil.rmtree(other)
        months.write(region.folder.parent)


def test_public__a_resident__looks_up_a_community_and_reads_what_the_grade_means(browser, region, tmp_path):
    folder, _ = public.build_public(NIGHT, tmp_path / "public")
    name, district, manager, _, grade = (folder / "communities.csv").read_text("utf-8-sig").splitlines()[1].split(",")
    for size in (DESK, PHONE):
        with tab(browser, size) as page:
            page.goto((folder / "index.html").as_uri())
            page.fill("#q", name)
            answer = page.locator(".answer li").first
            answer.wait_for()
            said = answer.inner_text()
            assert (
                name in said and district in said and (manager or "目前没有") in said and (grade or "没有等级") in said
            )
            assert "不是一时偶然" in page.locator("#meaning + dl").inner_text()
            assert "提出异议" in page.locator("#object + ol").inner_text()
            page.fill("#q", "没有这样的小区")
            assert "按旗县区查找" in page.locator(".answer").inner_text()
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            page.click("text=昆都仑区")
            assert page.locator("tbody tr").count() > 0 and page.troubles == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
