"""The month's pages over a small region: what they show, what they never show, and that they are the same each time."""

import hashlib
import re
import shutil
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import scorecard_rows
from grade_rows import add_run, uscc
from scorecard_rows import NIGHT

from publishing.publish import publish
from scorecards import labels
from scorecards.build import build
from scorecards.charts import Series, trend
from scorecards.errors import ScorecardError
from scorecards.regions import tree
from warehouse.connection import connect
from warehouse.settings import get_settings

ENTERPRISES = 10


@pytest.fixture
def pages(warehouse_database):
    scorecard_rows.add_marts(ENTERPRISES)
    scorecard_rows.publish_night(ENTERPRISES)
    folder = get_settings().data_dir / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder / "2026-10"
    shutil.rmtree(folder, ignore_errors=True)


class Links(HTMLParser):
    """Collects links, anything that would be fetched, and checks that tags nest."""

    VOID = {"meta", "br", "link", "img", "input", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.fetched, self.ids, self._open = [], [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a":
            self.links.append(found["href"])
        if tag in ("script", "link", "img", "iframe", "object", "embed") or "src" in found:
            self.fetched.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def text_of(path: Path) -> str:
    """Return a page's words without tags, spaces collapsed."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", path.read_text(encoding="utf-8"), flags=re.S))


def test_build__a_night__one_page_for_the_index_each_district_and_each_enterprise(pages):
    written = build(NIGHT)
    assert written[0] == pages / "index.html"
    assert [path.name for path in written[1:4]] == ["150203.html", "150204.html", "150207.html"]
    assert {path.stem for path in written[4:]} == {uscc(n) for n in range(ENTERPRISES)}
    assert all(path.stat().st_size < 300_000 for path in written)


def test_build__every_page__fetches_nothing_and_every_link_is_there(pages):
    for path in build(NIGHT):
        parsed = Links(path.read_text(encoding="utf-8"))
        assert parsed.fetched == []
        assert len(parsed.ids) == len(set(parsed.ids))
        assert all((path.parent / link).resolve().exists() for link in parsed.links)
        outside = set(re.findall(r"(?:https?:)?//[^\s\"'<]+", path.read_text(encoding="utf-8")))
        assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_build__twice_and_from_nothing__same_bytes_and_untouched_files(pages):
    def digests():
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in build(NIGHT)}

    first = digests()
    stamps = {path: path.stat().st_mtime_ns for path in first}
    assert digests() == first
    assert {path: path.stat().st_mtime_ns for path in first} == stamps
    shutil.rmtree(pages.parent)
    assert digests() == first


def test_enterprise_page__graded__shows_grade_validity_points_reasons_and_evidence(pages):
    build(NIGHT)
    words = text_of(pages / f"enterprise/{uscc(0)}.html")
    for expected in (
        "自 2026-11-01 起有效",
        "方法 2026.1",
        "91.25",
        "P02 双随机检查不合格率",
        "加权不合格 1 项，检查 9 项，收缩后 0.010",
        "evidence-P02-2",
        "每千户月有责诉求",
        "等级沿革",
    ):
        assert expected in words
    assert re.search(r"M09 \S+ 未计分", words)
    assert re.search(r"合规 [\d.]+ / 20 ", words)


def test_enterprise_page__veto_status_and_reasons__stand_with_their_basis(pages):
    build(NIGHT)
    veto = text_of(pages / f"enterprise/{uscc(2)}.html")
    assert "挪用维修资金：等级限为 B" in veto and "《物业管理条例》第六十条" in veto and "包住建罚〔2026〕7号" in veto
    unrated = text_of(pages / f"enterprise/{uscc(3)}.html")
    assert "24个月内没有检查记录" in unrated and "试算，不据以授予等级" in unrated
    assert "严重失信" in text_of(pages / f"enterprise/{uscc(4)}.html")


def test_pages__name_with_markup__is_text_everywhere(pages):
    for path in build(NIGHT):
        assert "<script" not in path.read_text(encoding="utf-8")
    assert "测试&lt;script&gt;alert(1)&lt;/script&gt;&amp;物业" in (pages / "index.html").read_text(encoding="utf-8")


def test_pages__stale_and_missing_feeds__say_so_with_their_age(pages):
    for path in build(NIGHT):
        words = text_of(path)
        assert "数据陈旧 STALE 双随机检查（已 46 天未更新）、第三方满意度（未接入）" in words
        assert "▲ 数据陈旧 STALE · 46 天" in words


def test_index__shares_changes_and_targets__are_what_was_published(pages):
    build(NIGHT)
    words = text_of(pages / "index.html")
    assert "10 家企业" in words
    with connect() as connection:
        counts = connection.execute("select grade, count(*) from publishing.current_grades group by 1").fetchall()
    for grade, count in counts:
        if grade:
            assert f"{count} {grade} {count * 10}%" in words
    assert re.search(r"本月等级变动 \S+ A → AA 2026-11-01 起", words)
    assert re.search(r"AA级以上企业 2 2026：12家 ▲ 未达到 包头市三年行动方案 一", words)
    assert "业委会党员比例 — 2026：不低于50% ○ 暂无数据" in words


def test_build__grades_held_back_by_a_gate__page_says_how_old_they_are(pages):
    build(NIGHT)
    build(NIGHT + timedelta(days=2))
    assert "等级为 2 天前所发布" in text_of(pages.parent / "2026-11/index.html")
    assert "天前所发布" not in text_of(pages / "index.html")


def test_build__past_date__shows_what_was_published_then(pages):
    later = NIGHT + timedelta(days=10)
    publish(add_run(later, {uscc(n): {"grade": "B"} for n in range(ENTERPRISES)}), later)
    build(NIGHT)
    assert "AA" in text_of(pages / f"enterprise/{uscc(0)}.html")
    build(later)
    words = text_of(pages.parent / f"2026-11/enterprise/{uscc(0)}.html")
    assert "2026-11-11" in words and "暂不评级的原因" not in words


def test_build__enterprise_no_longer_shown__its_page_goes(pages):
    stray = pages / "enterprise/gone.html"
    stray.parent.mkdir(parents=True)
    stray.write_text("old")
    build(NIGHT)
    assert not stray.exists()


def test_build__nothing_published__says_what_to_do(warehouse_database):
    with pytest.raises(ScorecardError, match="nothing was published by 2026-10-31"):
        build(NIGHT)


def test_build__marts_missing__says_which(warehouse_database):
    publish(add_run(NIGHT, {uscc(0): {}}), NIGHT)
    with pytest.raises(ScorecardError, match=r"marts\.mart_scoring__caps.*build the warehouse first"):
        build(NIGHT)


def test_trend__gaps_ratio_and_nothing__are_drawn_or_left_out(tmp_path):
    months = [f"2026-{month:02d}" for month in range(1, 7)]
    drawn = trend(months, [Series("甲", [0.5, None, 0.7, 0.9, None, 0.8])], folder=tmp_path, is_ratio=True)
    assert drawn.startswith("<svg aria-hidden") and "100%" in drawn and "role=" not in drawn
    assert len(list(tmp_path.glob("*.svg"))) == 1
    assert trend(months, [Series("甲", [None] * 6)], folder=tmp_path) == ""


def test_tree__city_and_several_cities__root_is_the_lowest_that_holds_all():
    regions = {
        "150000": {"region_name": "内蒙古自治区", "parent_region_code": None},
        "150100": {"region_name": "呼和浩特市", "parent_region_code": "150000"},
        "150102": {"region_name": "新城区", "parent_region_code": "150100"},
        "150200": {"region_name": "包头市", "parent_region_code": "150000"},
        "150203": {"region_name": "昆都仑区", "parent_region_code": "150200"},
        "150204": {"region_name": "青山区", "parent_region_code": "150200"},
    }
    city = tree(regions, {"150203", "150204", "150200", "150000"})
    assert (city.root, city.all()) == ("150200", ["150200", "150203", "150204"])
    assert tree(regions, {"150203"}).root == "150203"
    whole = tree(regions, {"150203", "150102"})
    assert whole.path("150203") == ["150000", "150200", "150203"]
    assert whole.below("150100") == {"150100", "150102"}
    with pytest.raises(ScorecardError, match="does not know 999999"):
        tree(regions, {"999999"})
    with pytest.raises(ScorecardError, match="no region has any data"):
        tree(regions, set())


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
