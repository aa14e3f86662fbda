"""The month's pages over a small real region: every number is the warehouse's, and nothing else is there."""

import csv
import hashlib
import io
import re
import sys
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

import pytest
import scorecard_figures
from region_pages import NIGHT
from scorecard_figures import FIGURE

from property_credit.scorecards import build as build_of
from property_credit.scorecards import chance, charts, figures, labels, public, reading, render
from property_credit.scorecards.areas import tree
from property_credit.scorecards.build import build
from property_credit.scorecards.downloads import csv_bytes, safe
from property_credit.scorecards.errors import ScorecardError
from property_credit.warehouse.connection import connect


class Links(HTMLParser):
    """Collects links, ids and anything that would be fetched, and checks that tags nest."""

    VOID = {"meta", "br", "link", "img", "input", "hr"}

    def __init__(self, text):
        super().__init__()
        self.links, self.fetched, self.ids, self._open = [], [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "a":
            self.links.append(named["href"])
        if "src" in named or tag in ("link", "iframe", "object", "embed"):
            self.fetched.append(named.get("src") or named.get("href"))
        if "id" in named:
            self.ids.append(named["id"])
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def text_of(html):
    """Return a page's words without tags, spaces collapsed."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_site__a_night__a_page_for_every_area_and_every_published_enterprise(region):
    with connect() as connection:
        areas = {code for (code,) in connection.execute("select area_code from marts.mart_scorecards__area_states")}
        uscc = {code for (code,) in connection.execute("select uscc from publishing.current_grades")}
    levels = Counter(len(code) for code in areas)
    assert levels[9] > 0, "streets"
    assert {path.stem for path in region.folder.glob("area/*.html") if "." not in path.stem} == areas
    assert {path.stem for path in region.folder.glob("enterprise/*.html")} == uscc
    assert all(path.stat().st_size <= 300_000 for path in region.pages())


def test_every_figure__on_every_page__is_what_the_warehouse_says(region):
    """Walks all pages: each number is computed again by a statement of its own, none is left out."""
    shown = Counter(code for path in region.pages() for code, _, _ in FIGURE.findall(path.read_text(encoding="utf-8")))
    catalogue = set(figures.catalogue())
    assert set(shown) <= catalogue
    assert catalogue - set(shown) == set(scorecard_figures.UNSEEN), "a figure that no page shows"
    wrong = scorecard_figures.differences(region.pages(), NIGHT)
    assert not wrong, "\n".join(wrong[:400]) + f"\n{len(wrong)}"
    assert sum(shown.values()) > 5_000


def test_every_link__leads_somewhere__and_nothing_is_fetched_from_elsewhere(region):
    parsed = {path: Links(path.read_text(encoding="utf-8")) for path in region.pages()}
    on_demand = {".pdf", ".xlsx"}
    for path, page in parsed.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            if link == "/sign-out" or re.fullmatch(r"tel:[\d-]+", link):  # hidden unless it is served; a desk
                continue
            address, _, anchor = link.partition("#")
            address = address.partition("?")[0]
            target = (path.parent / address).resolve() if address else path
            if target.suffix in on_demand and path.stem in target.name:
                continue
            assert target.exists(), f"{path.name}: {link}"
            if anchor and target.suffix == ".html":
                assert anchor in parsed[target].ids, f"{path.name}: {link}"
        assert all((path.parent / one).resolve().exists() for one in page.fetched)
        assert "http://" not in path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")


def test_definitions__every_figure__is_one_click_away(region):
    defined = Links(region.text("definitions.html")).ids
    assert set(figures.catalogue()) <= set(defined)
    linked = set(re.findall(r'definitions\.html#([^"]+)"', "".join(path.read_text() for path in region.pages())))
    assert linked <= set(defined) and len(linked) > 50


def test_drill_down__from_the_autonomous_region__reaches_a_complaint_id(region):
    page, way = "area/150000.html", []
    while len(way) < 6:
        html = region.text(page)
        ids = re.findall(r'<li id="ev-((?:MSB|RX)\w+)"', html)
        if ids:
            break
        table = html[html.index('id="by-complaints"') :]
        rows = re.findall(r'href="(\d+)\.html#complaints" data-figure="complaints\.count/\1" data-value="(\d+)"', table)
        most = max(rows, key=lambda row: int(row[1]))[0]
        way.append(most)
        page = f"area/{most}.html"
    assert [len(code) for code in way] == [6, 6, 9]
    with connect() as connection:
        row = connection.execute(
            "select street_code from marts.fct_complaints join marts.dim_community using (community_id) "
            "where complaint_id = %s",
            (ids[0],),
        ).fetchone()
    assert row == (way[-1],)


def test_pages__persons_and_what_they_wrote__are_nowhere(region):
    with connect() as connection:
        texts = [
            one
            for row in connection.execute(
                "select distinct reporter_name, reporter_phone, title, content from raw.complaints limit 4000"
            )
            for one in row
            if one and len(one) > 3
        ]
        texts = set(texts) - {word for (word,) in connection.execute("select label_zh from staging.codes")}
    assert len(texts) > 100 and not any("<" in one or "\n" in one for one in texts)
    site = [
        path.read_text(encoding="utf-8") for path in region.folder.rglob("*") if path.suffix in (".html", ".csv", ".js")
    ]
    said = "\n".join({piece for text in site for piece in re.split("[<\n]", text)})  # each once: most is on all pages
    assert said.count("月报") > 0 and [one for one in texts if one in said] == []


def test_build__again__nothing_is_made_and_no_file_touched(region, monkeypatch):
    monkeypatch.setattr(render, "environment", lambda: pytest.fail("a page was made"))
    stamps = {path: path.stat().st_mtime_ns for path in region.folder.rglob("*") if path.is_file()}
    again = build(NIGHT)
    assert (again.pages_sha256, again.edition_id) == (region.report.pages_sha256, region.report.edition_id)
    assert again.written_count == 0 and again.is_as_published
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_build__files_spoilt_or_gone__are_made_again_and_no_other(region):
    page, table = region.folder / "area/150203.html", region.folder / "area/150203.csv"
    page.write_text("spoilt")
    table.unlink()
    (region.folder / "area/left-over.html").write_text("of another night")
    stamps = {path: path.stat().st_mtime_ns for path in region.folder.rglob("*") if path not in (page, table)}
    again = build(NIGHT)
    assert (again.written_count, again.pages_sha256) == (2, region.report.pages_sha256) and again.is_as_published
    left = {path: path.stat().st_mtime_ns for path in region.folder.rglob("*") if path not in (page, table)}
    stamps.pop(region.folder / "area/left-over.html")
    assert {path: at for path, at in left.items() if path.is_file()} == {
        path: at for path, at in stamps.items() if path.is_file()
    }


def test_build__on_two_processes__same_bytes_as_on_one(region, tmp_path, monkeypatch):
    monkeypatch.setattr(build_of, "SPLIT_FROM", 1)
    halves = build_of.build_edition(region.report.edition_id, tmp_path, is_anew=True)
    assert (halves.pages_sha256, halves.file_count) == (region.report.pages_sha256, region.report.file_count)
    assert halves.written_count == halves.file_count and halves.is_as_published


def test_build__a_worker_that_fails__fails_the_build(region, tmp_path, monkeypatch):
    monkeypatch.setattr(build_of, "SPLIT_FROM", 1)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ScorecardError, match="a worker of the build failed"):
        build_of.build_edition(region.report.edition_id, tmp_path, is_anew=True)


def test_hot_spots__beyond_the_funnel__are_counted_listed_and_on_the_list_of_duties(region):
    with connect() as connection:
        hot = connection.execute(
            "select community_id, window_complaint_count from marts.mart_supervision__community_complaint_months "
            "where is_hotspot and month = '2026-10-01' order by window_expected_count - window_complaint_count limit 1"
        ).fetchone()
    html = region.text("area/150200.html")
    first = html[html.index('id="hot"') :]
    assert re.search(r'data-figure="community\.window/([^"]+)" data-value="(\d+)"', first).groups() == (
        hot[0],
        str(hot[1]),
    )
    assert "走访诉求热点小区" in html[: html.index("</section>")], "on the first screen"


def test_hot_spots__an_edition_from_before_they_were_judged__says_so(region):
    facts = reading.read(region.report.edition_id)
    tables = {name: rows for name, rows in facts.edition.tables.items() if name != "hot_spots"}
    older = replace(facts, edition=replace(facts.edition, tables=tables), remembered={})
    html = dict(render.area_files(older, "150200"))["area/150200.html"].decode()
    assert "本版本的数据早于热点判定" in html and "走访诉求热点小区" not in html and "community.limit/" not in html


def test_enterprise_page__grade_that_waits_for_the_list__is_previewed_beside_the_published_one(region):
    facts = reading.read(region.report.edition_id)
    uscc = next(code for code, rows in facts.versions.items() if rows[-1]["grade"] == "A")
    page = dict(render.enterprise_files(facts, uscc, None))[f"enterprise/{uscc}.html"].decode()
    assert "下期名单预告" not in page
    waiting = {**facts.scores, uscc: {**facts.scores[uscc], "grade": "B"}}
    page = dict(render.enterprise_files(replace(facts, scores=waiting, remembered={}), uscc, None))
    words = text_of(page[f"enterprise/{uscc}.html"].decode())
    assert "下期名单预告：B" in words and "自 2027-01-01 起随季度名单生效" in words and "2026-12-18 起" in words
    assert words.index("A 信用等级") < words.index("下期名单预告")


def test_enterprise__published_under_another_name__is_found_and_shown_by_both(region):
    facts = reading.read(region.report.edition_id)
    uscc, name = next((code, rows[-1]["enterprise_name"]) for code, rows in facts.versions.items())
    assert "曾用名" not in region.text(f"enterprise/{uscc}.html")
    versions = [facts.versions[uscc][-1] | {"enterprise_name": other} for other in ("旧名物业", name, "旧名物业", name)]
    facts = replace(facts, versions={**facts.versions, uscc: versions}, remembered={})
    page = dict(render.enterprise_files(facts, uscc, None))[f"enterprise/{uscc}.html"].decode()
    assert text_of(page).count("曾用名 旧名物业") == 1
    area = next(code for code, listed in facts.area_enterprises.items() if uscc in listed)
    assert (
        f'["旧名物业","{uscc}","企业（曾用名）","enterprise/{uscc}.html"]' in render.search_index(facts, area).decode()
    )
    files = dict(public.public_files(public.public_facts(facts)))
    assert "曾用名 旧名物业" in files["index.html"].decode() and "旧名物业" in files["grades.csv"].decode("utf-8-sig")


def test_enterprise_page__graded__shows_points_evidence_spread_and_what_lifts(region):
    with connect() as connection:
        uscc, score = connection.execute(
            "select uscc, score from scoring.grades where status_code = 'rated' and caps <> '[]' "
            "and lift is not null order by uscc limit 1"
        ).fetchone()
    html = region.text(f"enterprise/{uscc}.html")
    words = text_of(html)
    for expected in (
        "公共信用",
        "市场信用",
        "合规",
        "资金",
        "响应",
        "如何提升",
        "失分最多",
        "等级沿革",
        "最早可修复",
        "实际诉求与预期诉求",
        "否决与封顶",
    ):
        assert expected in words
    assert f'data-figure="enterprise.score/{uscc}" data-value="{score}"' in html
    assert re.search(r"证据 \d+ 条", words)


def test_street_page__its_communities__are_all_there_with_their_evidence(region):
    with connect() as connection:
        street, count = connection.execute(
            "select street_code, count(*) from marts.dim_community group by 1 order by 2 desc limit 1"
        ).fetchone()
        complaints = {
            one
            for (one,) in connection.execute(
                "select complaint_id from marts.fct_complaints join marts.dim_community using (community_id) "
                "where street_code = %s and submitted_on >= '2026-10-01' and status_code <> 'withdrawn'",
                (street,),
            )
        }
    html = region.text(f"area/{street}.html")
    assert len(set(re.findall(r'id="c-([^"]+)"', html))) == count
    rows = list(
        csv.DictReader(io.StringIO((region.folder / f"area/{street}.evidence.csv").read_bytes().decode("utf-8-sig")))
    )
    assert {row["证据编号"] for row in rows if row["种类"] == "诉求"} == complaints


def test_kpis__lights__differ_in_shape_and_words(region):
    html = region.text("area/150200.html")
    lights = set(re.findall(r'class="light (\w+)"><i aria-hidden="true">(.)</i> ([^<]+)<', html))
    assert len({shape for _, shape, _ in lights}) == len({kind for kind, _, _ in lights}) >= 2
    assert "12家" in html and "包头市三年行动方案 一" in html


def test_map__city_and_autonomous_region__every_place_once_even_without_data(region):
    with connect() as connection:
        places = {
            name for (name,) in connection.execute("select region_name from marts.dim_region where level_code = 'city'")
        }
    html = region.text("area/150000.html")
    tiles = re.findall(r'<li class="(\w+)" style="grid-column:(\d+);grid-row:(\d+)">(?:<a [^>]+>|<span>)([^<]+)<', html)
    assert {tile[3] for tile in tiles} == places and len(places) == 12
    assert len({tile[1:3] for tile in tiles}) == 12, "two tiles in one place"
    assert ("silent" in {tile[0] for tile in tiles}) and "无数据" in html


def test_build__nothing_published__says_what_to_do(warehouse_database):
    with pytest.raises(ScorecardError, match="nothing was published by 2026-10-31"):
        build(NIGHT)


def test_build__a_month_that_was_never_built__says_what_to_do(region):
    with pytest.raises(ScorecardError, match="no pages were ever built for 2026-12, and the marts hold 2026-10-31"):
        build(date(2026, 12, 31))


def test_figures__not_in_the_catalogue__cannot_be_shown():
    with pytest.raises(ScorecardError, match=r"no figure 'made\.up'"):
        figures.shown("made.up", "150200", 1)


def test_shown__markup_in_a_subject__stays_text():
    html = figures.shown("complaints.count", '"><script>', 3, "#x")
    assert "<script>" not in html


def test_change__better_and_worse__are_told_in_words_and_arrow():
    assert "▼ 较上月降 2" in figures.change("complaints.count", 3, 5) and "good" in figures.change(
        "complaints.count", 3, 5
    )
    assert "bad" in figures.change("complaints.within_24h", Decimal("0.7"), Decimal("0.8"))
    assert "10.0 个百分点" in figures.change("complaints.within_24h", Decimal("0.7"), Decimal("0.8"))
    assert "与上月持平" in figures.change("complaints.rate", Decimal("2.611"), Decimal("2.612"))
    assert "上月无数据" in figures.change("complaints.rate", Decimal("2.6"), None)


def test_chance__one_case_solved_in_time_against_three_of_six__is_no_difference():
    """It read 超出偶然波动: the error of a month in which everything was solved was taken for nothing."""
    columns = ("resolved_within_24h_count", "resolution_due_count")
    columns += tuple(f"{name}_before_to_day" for name in columns)

    def change(*rows):
        return chance.share_change([dict(zip(columns, map(Decimal, row), strict=True)) for row in rows])

    one_each = [(0, 0, solved, 1) for solved in (1, 1, 1, 0, 0, 0)]
    assert chance.kind_of(change((1, 1, 0, 0), *one_each)) == "none"
    assert chance.kind_of(change(*[(9, 10, 5, 10)] * 6)) == "more"
    assert change((1, 1, 0, 0)) is None


def test_trend__month_in_progress__is_hollow_and_no_fall():
    months, line = ["2026-09", "2026-10", "2026-11"], [charts.Series("甲", [60, 62, 3])]
    whole, still_open = (charts.trend(months, line, is_open=one) for one in (False, True))
    assert 'fill="#fff"' in still_open and 'fill="#fff"' not in whole
    solid, dashed = re.findall(r'<path d="(M[^"]+)" stroke="[^"]+" stroke-width="2.2"( stroke-dasharray)?', still_open)
    assert (solid[0].count("L"), dashed[0].count("L"), solid[1], bool(dashed[1])) == (1, 1, "", True)


def test_trend__line__lies_where_vega_would_have_drawn_it():
    import vl_convert

    months = [f"2025-{month:02d}" for month in range(1, 13)]
    values = [3, 4, 5, 2, 6, 1, 2, 3, 4, 5, 6, 6.1]
    top = charts.round_top(max(values))
    spec = charts.trend_spec(months, top, is_ratio=False)
    rows = [{"month": month, "value": value} for month, value in zip(months, values, strict=True)]
    drawn = vl_convert.vegalite_to_svg(spec | {"datasets": {"points": rows}})
    theirs = [float(one) for one in re.findall(r"[\d.]+", re.findall(r' d="(M[^"]+L[^"]+)"', drawn)[-1])]
    ours = [float(one) for one in re.findall(r"[\d.]+", charts.line_path(values, top))]
    assert theirs == pytest.approx(ours, abs=0.06)
    whole = charts.trend(months, [charts.Series("甲", values)], marks=["2025-06"])
    assert whole.startswith("<svg aria-hidden") and "role=" not in whole and whole.count("stroke-dasharray") == 1
    assert charts.trend(months, [charts.Series("甲", [None] * 12)]) == ""


def test_line_path__a_month_without_a_value__breaks_the_line():
    assert charts.line_path([1.0, None, 2.0], 2.0).count("M") == 2


def test_csv__formulas_and_names__stay_text_in_excel():
    content = csv_bytes(("名称", "数"), [("=1+1", Decimal("-3.5")), ("@cmd", None), ("正常，有逗号", 2)])
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows == [["名称", "数"], ["'=1+1", "-3.5"], ["'@cmd", ""], ["正常，有逗号", "2"]]
    assert safe("\t=x") == "'\t=x"


def test_workbook__read_back__typed_cells_frozen_head_no_formula(region):
    from openpyxl import load_workbook

    book = load_workbook(region.folder / "area/150203.xlsx")
    assert book.sheetnames == [
        "指标",
        "目标",
        "分地区",
        "排名",
        "企业",
        "预警",
        "督办",
        "待办",
        "热点小区",
        "小区",
        "证据",
    ]
    figures_of = {row[0].value: row[2].value for row in book["指标"].iter_rows(min_row=2)}
    shown = dict(
        re.findall(r'data-figure="([a-z._0-9]+)/150203" data-value="([^"]+)"', region.text("area/150203.html"))
    )
    assert Decimal(str(figures_of["complaints.rate"])) == Decimal(shown["complaints.rate"])
    assert figures_of["complaints.count"] == int(shown["complaints.count"])
    evidence = book["证据"]
    assert evidence.freeze_panes == "C2" and evidence["A1"].font.bold
    assert type(evidence["F2"].value).__name__ == "datetime" and evidence["F2"].number_format == "yyyy-mm-dd"
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def test_workbook__text_like_a_formula__stays_text():
    from openpyxl import load_workbook

    from property_credit.scorecards.workbooks import Workbook

    book = Workbook()
    book.sheet("甲", [("名称", 10)], [["=HYPERLINK(1)"], ["+1"], ["@x"]])
    read = load_workbook(io.BytesIO(book.content(NIGHT)))["甲"]
    assert [cell.data_type for cell in read["A"]] == ["s"] * 4 and read["A2"].value == "=HYPERLINK(1)"


def test_tree__unknown_area_and_none__say_so():
    areas = [
        {"area_code": "150000", "area_name": "内蒙古自治区", "parent_area_code": None, "level_code": "region"},
        {"area_code": "150200", "area_name": "包头市", "parent_area_code": "150000", "level_code": "city"},
        {"area_code": "150300", "area_name": "乌海市", "parent_area_code": "150000", "level_code": "city"},
        {"area_code": "150203", "area_name": "昆都仑区", "parent_area_code": "150200", "level_code": "district"},
    ]
    hierarchy = tree(areas, {"150203"})
    assert (hierarchy.root, hierarchy.all(), hierarchy.silent["150000"]) == (
        "150000",
        ["150000", "150200", "150203"],
        ["150300"],
    )
    assert hierarchy.below("150200") == {"150200", "150203"} and hierarchy.path("150203") == [
        "150000",
        "150200",
        "150203",
    ]
    with pytest.raises(ScorecardError, match="no area is called 999999"):
        tree(areas, {"999999"})
    with pytest.raises(ScorecardError, match="no area has any data"):
        tree(areas, set())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (labels.fixed(None), "—"),
        (labels.fixed("0.125"), "0.13"),
        (labels.fixed(1234567, 0), "1,234,567"),
        (labels.trimmed("10.00"), "10"),
        (labels.trimmed("100", 0), "100"),
        (labels.percent("0.8125"), "81.3%"),
        (labels.day(date(2026, 1, 2)), "2026-01-02"),
        (labels.month_zh("2026-01"), "2026年1月"),
        (labels.clause("A 四(二)"), "内政办发〔2026〕18号 四(二)"),
    ],
)
def test_labels__numbers_and_dates__are_written_one_way(written, expected):
    assert written == expected


def test_site__all_files__are_the_hash_that_the_build_noted(region):
    digest = hashlib.sha256()
    for path in sorted(
        path.relative_to(region.folder).as_posix() for path in region.folder.rglob("*") if path.is_file()
    ):
        digest.update(f"{path} {hashlib.sha256((region.folder / path).read_bytes()).hexdigest()}\n".encode())
    assert digest.hexdigest() == region.report.pages_sha256


def test_cap__that_nobody_rectifies__says_what_ends_it(region):
    """A sample of too few answers read 至整改完成: an enterprise cannot put that right."""
    pages = "".join(path.read_text("utf-8") for path in (region.folder / "enterprise").glob("*.html"))
    shown = re.findall(r'<span class="code">(\w\d)</span> <b>[^<]*</b> <span class="quiet">([^<]*)</span>', pages)
    assert {words for code, words in shown if code == "C4"} == {"至样本补足"}
