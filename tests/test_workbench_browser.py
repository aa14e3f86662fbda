"""The workbench in a real browser: an enterprise objects, officers decide, the night corrects the grade."""

import contextlib
import os
import socket
import threading
import time
from datetime import date

import pyotp
import pytest
from region_pages import database_of
from workbench_world import PASSWORD, owner_sees, record_of, world_of

from property_credit.scorecards import printing
from property_credit.warehouse import serving
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}
NEXT = date(2026, 11, 1)
FIRST_VIEW_BYTES = 200_000
BYTES = """['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
  .reduce((sum, one) => sum + one.decodedBodySize, 0)"""


@pytest.fixture(scope="module")
def browser():
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


@pytest.fixture(scope="module")
def world(graded_region, tmp_path_factory):
    home = tmp_path_factory.mktemp("workbench")
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        for name in ("attachments", "archive", "receipts", "landing", "pages"):
            patch.setenv(f"{name.upper()}_DIR", str(home / name))
        get_settings.cache_clear()
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def served(world):
    """The workbench on a port of its own, listening as it does in service."""
    import uvicorn

    from property_credit.workbench.service import MOST_BODY_BYTES

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = serving.guarded(world.app, most_body_bytes=MOST_BODY_BYTES)
    server = uvicorn.Server(serving.config(app, host="127.0.0.1", port=port))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=20)


@contextlib.contextmanager
def person(browser, world, served, name, size=DESK, *, scripts=False):
    """A page of somebody who signed in by the form; without scripts unless asked: everything works without them."""
    context = browser.new_context(viewport=size, java_script_enabled=scripts)
    page = context.new_page()
    with connect("pc_workbench") as connection:
        connection.execute("update workbench.accounts set totp_last_step = 0 where account_name = %s", (name,))
    page.goto(served + "/")
    assert page.url.endswith("/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.fill("#code", pyotp.TOTP(world.secrets[name]).now())
    page.click("button")
    yield page
    context.close()


def object_to(page, served, kind, target, proof):
    """File an objection from the enterprise's own page and return its number."""
    page.goto(served + "/my")
    link = page.locator(f'a[href="/objections/new?target={kind}&id={target}"]').first
    if not link.is_visible():  # evidence stands below its indicator, folded
        page.locator("details.ev", has=link).first.locator("summary").click()
    link.click()
    page.fill("#reason", "该事项责任方不是我司，详见附件。")
    page.set_input_files("#files", proof)
    page.click("text=提交异议 >> nth=-1")
    assert "/objections/YY" in page.url, page.locator("[role=alert]").all_inner_texts()
    return page.url.rsplit("/", 1)[1]


def decided(browser, world, served, number, outcome="异议成立"):
    """Mark, forward and decide as three officers' forms do it; return what the decider was shown of the effect."""
    district = world.district
    with person(browser, world, served, "旗县甲") as page:
        page.click(f"text={number}")
        page.click("text=标注受理")
        page.fill("#original", f"{district}-03")
        page.select_option("#to", "旗县乙")
        page.click("button:has-text('转办')")
        assert "待决定" in page.locator(".sub").inner_text()
    with person(browser, world, served, "旗县乙") as page:
        page.click(f"text={number}")
        shown = page.locator("#effect ~ table").inner_text()
        page.select_option("#template", "upheld_responsibility")
        page.click("button:has-text('套用')")
        assert "责任方" in page.input_value("#reply")
        page.check(f"label:has-text('{outcome}') >> input")
        page.check("text=我与该企业无利害关系")
        page.click("button:has-text('作出决定')")
        assert outcome in page.locator(".sub").inner_text()
    return shown


@pytest.fixture
def proof(tmp_path):
    path = tmp_path / "证明.pdf"
    path.write_bytes(b"%PDF-1.4\n%%EOF\n")
    return str(path)


def test_objection__from_the_enterprise_to_the_decision__without_a_script(browser, world, served, proof):
    kind, target = record_of(world.uscc)
    with person(browser, world, served, "企业甲", PHONE) as page:
        number = object_to(page, served, kind, target, proof)
        assert "待标注" in page.locator(".sub").inner_text()
    decided(browser, world, served, number)
    with person(browser, world, served, "企业甲", PHONE) as page:
        page.goto(f"{served}/objections/{number}")
        assert "异议成立" in page.content() and "旗县" not in page.locator(".history").inner_text()
        page.click("text=退出")
        page.goto(f"{served}/objections/{number}")
        assert page.url.endswith("/sign-in")


def test_pages__of_every_role__no_violation_no_sideways_scrolling_and_light_on_a_phone(browser, world, served):
    from axe_playwright_python.sync_playwright import Axe
    from workbench_world import make_case

    kind, target = record_of(world.uscc)
    cases = [make_case(world, state, target=(kind, target)) for state in ("filed", "marked", "forwarded", "review")]
    filed, marked, forwarded, review = (f"/objections/{number}" for number in cases)
    wrong = []
    views = {
        "企业甲": ["/my", "/case-files", "/notices", filed, f"/objections/new?target={kind}&id={target}"],
        "旗县甲": [
            "/cases",
            marked,
            review,
            "/alerts?state=all",
            "/board",
            "/clocks",
            "/case-files",
            "/notices",
            "/matches",
        ],
        "旗县乙": [forwarded],
        "管理员": ["/accounts", "/acts"],
    }
    for name, paths in views.items():
        with person(browser, world, served, name, PHONE, scripts=True) as page:
            for path in paths:
                page.goto(served + path)
                size = page.evaluate(BYTES)
                if size > FIRST_VIEW_BYTES:
                    wrong.append(f"{path}: {size} bytes")
                for violation in Axe().run(page).response["violations"]:
                    wrong.append(f"{path}: {violation['id']} {violation['nodes'][0]['target']}")
                if (wide := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
                    wrong.append(f"{path}: {wide} px too wide")
    assert wrong == []


@pytest.mark.long
def test_upheld__in_the_browser__the_night_corrects_the_grade_page_and_api_show_it(browser, world, served, proof):
    from fastapi.testclient import TestClient

    from property_credit.cli.workbench_commands import _effect
    from property_credit.night import grading_tasks, publishing_tasks
    from property_credit.night.ingestion_tasks import ingest
    from property_credit.night.warehouse_tasks import build_models
    from property_credit.publishing import api, api_keys
    from property_credit.scorecards.build import build

    chosen = None
    with connect("pc_workbench") as connection:
        records = connection.execute(
            "select distinct uscc, record_id from marts.mart_scoring__records "
            "join publishing.grade_history using (uscc)"
        ).fetchall()
        for uscc, record in records:
            effect = _effect(connection, uscc, [("public_credit", record)])
            if effect.now.score != effect.then.score and (chosen is None or effect.now.grade != effect.then.grade):
                chosen = (uscc, record, effect)
    uscc, record, effect = chosen
    world.account("企业丙", "enterprise", uscc=uscc)
    home = owner_sees("select region_code from marts.mart_scoring__enterprises where uscc = %s", uscc)[0][0]
    for name in ("旗县甲", "旗县乙"):
        with connect() as owner:
            owner.execute("update workbench.accounts set area_code = %s where account_name = %s", (home, name))
    with person(browser, world, served, "企业丙") as page:
        number = object_to(page, served, "public_credit", record, proof)
    shown = decided(browser, world, served, number)
    assert f"{effect.then.score:.2f}" in shown
    ingest("objections", NEXT)
    build_models(NEXT)
    grading_tasks.check_score_inputs(NEXT)
    grading_tasks.grade_enterprises(NEXT)
    publishing_tasks.publish_grades(NEXT)
    with person(browser, world, served, "企业丙") as page:
        page.goto(served + "/my")
        assert record not in page.locator("section:has(#records)").inner_text(), "it is neither shown nor used"
    before, after = owner_sees(
        "select runs.business_date, grades.score, grades.grade from scoring.grades "
        "join scoring.runs using (run_id) where uscc = %s and not is_shadow and runs.as_of is null order by 1",
        uscc,
    )
    assert after[0] == NEXT and abs(after[1] - effect.then.score) < abs(after[1] - before[1]), "one day older, no more"
    version = owner_sees(
        "select grade, is_correction, valid_from from publishing.grade_history where uscc = %s order by version_no",
        uscc,
    )[-1]
    if effect.now.grade != effect.then.grade:
        assert version[0] == effect.then.grade and version[1]
    report = build(NEXT)
    page = (report.folder / f"enterprise/{uscc}.html").read_text("utf-8")
    assert f"{after[1]:.2f}" in page or f"{after[1]:.1f}" in page
    key = api_keys.issue(scope="tendering", name="浏览器测试", rate_per_minute=1_000).text
    with TestClient(api.served, base_url="http://localhost", headers={"Authorization": f"Bearer {key}"}) as client:
        body = client.get(f"/v1/grades/{uscc}").json()
    assert body["grade"]["grade"] == version[0]
