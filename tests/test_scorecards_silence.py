"""What nobody reported is never a figure: a silent feed, one silent district, a month in progress."""

import re
from dataclasses import replace
from datetime import date

import pytest
from own_warehouse import copied_database, register_build, use_warehouse
from region_pages import NIGHT, database_of, make_graded
from scorecard_figures import FIGURE, differences
from test_scorecards_pages import text_of

from property_credit.scorecards import area_figures, reading, render
from property_credit.scorecards.build import build
from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.figures import catalogue
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.transformation import build as transform

pytestmark = pytest.mark.slow
SILENT = "150203"
MODELS = [
    "int_feed_days__counted", "int_feed_profiles__judged", "int_feed_silences__detected", "int_feed_districts__covered",
    "mart_scorecards__silences", "mart_scorecards__area_months", "mart_scorecards__area_states",
    "mart_scorecards__communities", "mart_scorecards__area_complaints", "mart_scorecards__enterprise_months",
    "mart_supervision__kpi_counts", "mart_supervision__kpi_actuals", "mart_scorecards__kpis", "int_disputes__resolved",
    "mart_scorecards__dispute_levels",
]  # fmt: skip
FEW = {"complaints.count", "complaints.within_24h", "complaints.by_category", "inspections.count", "chance.month"}
NEEDS_COMPLAINTS = {code for code, entry in catalogue().items() if "complaints" in entry.needs}


@pytest.fixture
def planted(graded_region, monkeypatch, tmp_path):
    """The graded region in a database of its own; gives how to plant a change and build the pages of the night."""

    def change(statement, *parameters, night=NIGHT, is_built=True):
        from scoring.method import load, warehouse_variables

        with connect() as connection:
            connection.execute(statement, parameters)
        transform(night, select=MODELS, variables=warehouse_variables(load().method), tests=False)
        register_build(night)
        return build(night) if is_built else None

    with database_of(graded_region):
        monkeypatch.setenv("PAGES_DIR", str(tmp_path))
        get_settings.cache_clear()
        yield change


def shown(report, path):
    """Return the figures of a page as (code, subject), and its words."""
    html = (report.folder / path).read_text(encoding="utf-8")
    return {(code, subject) for code, subject, _ in FIGURE.findall(html)}, text_of(html), html


def test_silent_feed__no_complaints_for_a_month__every_figure_of_it_is_a_dash_with_the_reason(planted):
    """A month nobody reported read 诉求量 0 ▼ in green, 0.00 ● 低 in ten districts, and a target that was met."""
    report = planted(
        "update ops.batches set business_date = business_date - case feed when 'complaints' then 30 else 60 end "
        "where feed in ('complaints', 'disputes')"
    )
    for path in ("area/150000.html", "area/150200.html", f"area/{SILENT}.html"):
        figures, words, html = shown(report, path)
        of_the_month = {code for code, subject in figures if "@" not in subject and not subject.endswith("2025")}
        assert of_the_month & NEEDS_COMPLAINTS == set()
        assert "投诉诉求自 2026-10-02 起未报送" in words and "■ 数据不全" in words
        assert "矛盾纠纷调处自 2026-09-02 起未报送；停报之后到期的不计。" in words
        assert "本月没有诉求" not in words and "● 低" not in words and "没有未办结的督办" not in words
    _, words, html = shown(report, "area/150200.html")
    line = re.search(r"<tr><th scope=\"row\">[^\n]*物业类投诉量较2025年变化.*?</tr>", html, re.S)[0]
    assert "数据缺报，不作判断" in line and "已达到" not in line and "kpi.actual" not in line
    with connect() as connection:
        known = connection.execute(
            "select count(complaint_count) from marts.mart_scorecards__area_months where month = '2026-10-01'"
        ).fetchone()
        kept = connection.execute(
            "select bool_and(is_missing and actual_value is null) from marts.mart_supervision__kpi_actuals "
            "where kpi_code like 'complaint%%' and region_code in ('150000', '150200')"
        ).fetchone()
    assert known == (0,) and kept == (True,)
    rows = (report.folder / "area/150200.csv").read_text("utf-8-sig").splitlines()
    line = next(row for row in rows if ",complaints.count," in row)
    assert line.startswith("150200,包头市,complaints.count,诉求量,,") and "投诉诉求自 2026-10-02 起未报送" in line
    assert differences(report.folder.rglob("*.html"), NIGHT, only=FEW.__contains__) == []


def test_silent_district__one_of_ten__is_named_and_only_figures_that_need_it_are_dashes(planted):
    report = planted(
        "delete from intermediate.int_complaints__attributed where region_code = %s and submitted_on > '2026-10-08'",
        SILENT,
    )
    facts = reading.read(report.edition_id)
    for code, is_known in (("150000", False), ("150200", False), (SILENT, False), ("150202", True), ("150204", True)):
        assert (area_figures.values_of(facts, code)["complaints.count"][0] is not None) == is_known, code
        assert ("complaints.count" in area_figures.reasons_of(facts, code)) != is_known
    _, words, html = shown(report, "area/150200.html")
    assert re.search(r"昆都仑区投诉诉求自 2026-10-0\d 起报送中没有数据", words)
    table = html[html.index('id="by-complaints"') :]
    assert f'data-figure="complaints.count/{SILENT}"' not in table and 'data-figure="complaints.count/150202"' in table
    figures, _, _ = shown(report, "area/150200.html")
    assert ("inspections.count", "150200") in figures and ("coverage.managed", "150200") in figures
    assert differences(report.folder.rglob("*.html"), NIGHT, only=FEW.__contains__) == []


@pytest.mark.long
@pytest.mark.parametrize("lacks", ["a feed", "an office", "a part of the night"])
def test_every_figure__of_a_month_that_lacks_something__is_what_the_warehouse_says_or_a_dash(planted, lacks):
    """The whole walk; the tests beside it walk a few figures of the same months."""
    statement, parameters = {
        "a feed": ("update ops.batches set business_date = business_date - 30 where feed = 'inspections'", ()),
        "an office": (
            "delete from intermediate.int_complaints__attributed "
            "where region_code = %s and submitted_on > '2026-10-08'",
            (SILENT,),
        ),
        "a part of the night": (
            "select ops.record_task(%s, 'supervise_region', 'raise_alerts', 'failed', 'x', 1, null, null)",
            (NIGHT,),
        ),
    }[lacks]
    report = planted(statement, *parameters)
    silent = SILENT if lacks == "an office" else ""
    wrong = differences(report.folder.rglob("*.html"), NIGHT, silent=silent)
    assert not wrong, "\n".join(wrong[:100]) + f"\n{len(wrong)}"


@pytest.mark.long
def test_every_figure__of_a_month_in_progress__is_what_the_warehouse_says_of_the_same_days(
    migrated_template, tmp_path, monkeypatch
):
    """A region whose night is the tenth, from its files on: every figure of every kind of page."""
    night = date(2026, 10, 10)
    with copied_database(migrated_template) as name:
        make_graded(name, tmp_path / "region", night)
        use_warehouse(monkeypatch, name)
        monkeypatch.setenv("PAGES_DIR", str(tmp_path / "pages"))
        get_settings.cache_clear()
        report = build(night)
        wrong = differences(report.folder.rglob("*.html"), night)
    assert not wrong, "\n".join(wrong[:100]) + f"\n{len(wrong)}"
    html = (report.folder / "area/150200.html").read_text(encoding="utf-8")
    assert 'data-figure="complaints.count/150200@2026-09~10"' in html and "较上年同期" in html


def test_month_in_progress__is_compared_with_the_same_days_of_the_month_before(planted):
    night = date(2026, 10, 10)
    planted("update ops.batches set business_date = %s", night, night=night, is_built=False)
    with connect() as connection:
        shown_now, shown_before = (
            connection.execute(
                f"select complaint_count{end} from marts.mart_scorecards__area_months "
                "where area_code = '150200' and month = %s",
                (month,),
            ).fetchone()[0]
            for end, month in (("", "2026-10-01"), ("_to_day", "2026-09-01"))
        )
        counted = connection.execute(
            "select count(*) filter (where submitted_on between '2026-10-01' and '2026-10-10'), "
            "count(*) filter (where submitted_on between '2026-09-01' and '2026-09-10'), "
            "count(*) filter (where submitted_on between '2026-09-01' and '2026-09-30') "
            "from marts.fct_complaints where status_code <> 'withdrawn' and left(region_code, 4) = '1502'"
        ).fetchone()
    assert (shown_now, shown_before) == counted[:2] and 0 < counted[1] < counted[2]


def test_month_in_progress__its_page__says_that_it_is_compared_with_the_same_days(region):
    facts = reading.read(region.report.edition_id)
    edition = replace(facts.edition, business_date=date(2026, 10, 10))
    html = dict(render.area_files(replace(facts, edition=edition, remembered={}), "150200"))[
        "area/150200.html"
    ].decode()
    words = text_of(html)
    assert "与相同日数相比" in words and "较上月升" not in words and "较上月降" not in words
    assert re.search("较上月同期(升|降)", words)


def test_failed_night__marts_half_made__the_last_sound_edition_stands(planted):
    sound = build(NIGHT)
    torn = (
        "insert into ops.builds (business_date, mode, reason, status, code_hash, variable_hash, started_at) "
        "select '2026-11-01', mode, reason, 'failed', code_hash, variable_hash, started_at from ops.builds limit 1"
    )
    with connect() as connection:
        connection.execute(torn)
        connection.execute("update marts.mart_scorecards__area_months set complaint_count = 0")
    again = build(NIGHT)
    assert (again.edition_id, again.pages_sha256) == (sound.edition_id, sound.pages_sha256)
    with pytest.raises(ScorecardError, match="the build of 2026-11-01 failed"):
        build(date(2026, 11, 1))


def test_failed_night__what_stood_still__is_said_once_in_words_on_every_kind_of_page(planted):
    _, before, _ = shown(build(NIGHT), "area/150200.html")
    assert "没有完成" not in before.partition("本月要办")[0] or "预警、时限未更新" not in before
    with connect() as connection:
        for stage, step in (("supervise_region", "raise_alerts"), ("publish_grades", "check_grades")):
            connection.execute(
                "select ops.record_task(%s, %s, %s, 'failed', 'ERROR: relation of a person', 1, null, null)",
                (NIGHT, stage, step),
            )
    report = build(NIGHT)
    enterprise = next(report.folder.glob("enterprise/*.html")).relative_to(report.folder).as_posix()
    for path in ("area/150200.html", enterprise, "area/150200.notice.html", "index.html"):
        _, words, _ = shown(report, path)
        assert words.count("资金与退出预警、时限未更新") == words.count("等级未发布或未送达") == 1, path
        assert "relation of a person" not in words
