"""Past months are shown as they were published then, whatever came after; notices; the public edition; roles."""

import hashlib
import shutil
from datetime import date

import psycopg
import pytest
from grade_rows import add_run, by_veto
from region_pages import NIGHT
from test_scorecards_pages import text_of

from publishing.publish import publish
from scorecards import area_figures, editions, notices, public, reading
from scorecards.build import build
from scorecards.errors import ScorecardError
from warehouse.connection import connect

LATER = date(2026, 11, 30)


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def later(region):
    """A month later: everybody's grade is another by a veto, under another method, and the marts are of that night."""
    before = digests(region.folder)
    with connect() as connection:
        grades = connection.execute("select uscc, enterprise_name, grade from publishing.current_grades").fetchall()
        turned = {"AA": "B", "A": "AA", "B": "A", None: None}
        rows = {
            uscc: {"enterprise_name": name, "status_code": "rated" if grade else "not_rated", "grade": None}
            | (by_veto(turned[grade]) if grade else {})  # which binds within the quarter
            for uscc, name, grade in grades
        }
    publish(add_run(LATER, rows, method="2026.2"), LATER)
    with connect("pc_dbt") as connection:
        connection.execute("update marts.mart_scorecards__areas set counted_on = %s", (LATER,))
        connection.execute("update marts.mart_scorecards__area_states set managed_count = managed_count + 1")
        connection.execute("delete from marts.mart_scorecards__evidence")
        connection.execute(
            "update marts.mart_scorecards__area_months set month = month + interval '1 month' "
            "where month >= '2025-10-01'"
        )
    return {"before": before, "report": build(LATER), "grades": {uscc: grade for uscc, _, grade in grades}}


def test_past_month__built_again_after_everything_changed__same_bytes(region, later):
    assert later["report"].folder.name == "2026-11"
    again = build(NIGHT)
    assert again.written_count == 0 and again.is_as_published
    shutil.rmtree(region.folder)
    anew = build(NIGHT)
    assert anew.pages_sha256 == region.report.pages_sha256
    assert digests(region.folder) == later["before"]


def test_past_month__asked_for_by_its_last_day__is_its_last_edition(region, later):
    assert build(date(2026, 10, 31)).edition_id == region.report.edition_id
    with pytest.raises(ScorecardError, match="nothing was published by 2026-10-30"):
        build(date(2026, 10, 30))


def test_moved_grades__are_counted_listed_and_explained(region, later):
    found = reading.read(later["report"].edition_id)
    values = area_figures.values_of(found, "150000")
    grades = later["grades"]
    assert values["grades.up"][0] == sum(grade in ("A", "B") for grade in grades.values())
    assert values["grades.down"][0] == sum(grade == "AA" for grade in grades.values())
    assert values["grades.AA"] == (sum(g == "A" for g in grades.values()), sum(g == "AA" for g in grades.values()))
    words = text_of((later["report"].folder / "area/150000.html").read_text(encoding="utf-8"))
    assert "▲ 升为" in words and "总分 78.50" in words


def test_enterprise_trend__two_months_and_a_new_method__are_drawn_and_marked(region, later):
    uscc = next(uscc for uscc, grade in later["grades"].items() if grade)
    html = (later["report"].folder / f"enterprise/{uscc}.html").read_text(encoding="utf-8")
    assert "自 2026-11 起采用方法 2026.2（此前 2026.1）" in text_of(html)
    with connect() as connection:
        scores = dict(
            connection.execute(
                "select to_char(business_date, 'YYYY-MM'), score::text from scoring.grades where uscc = %s", (uscc,)
            ).fetchall()
        )
    for month, score in scores.items():
        assert f'data-figure="enterprise.past_score/{uscc}@{month}" data-value="{score}"' in html
    assert 'stroke-dasharray="2,3"' in html


def test_edition__facts_written_and_read__are_the_same(region):
    with connect("pc_pages") as connection:
        edition = editions.load(connection, region.report.edition_id)
        content, kept = connection.execute(
            "select facts, facts_sha256 from scorecards.editions where edition_id = %s", (edition.edition_id,)
        ).fetchone()
    import zlib

    assert hashlib.sha256(zlib.decompress(content)).hexdigest() == kept
    with pytest.raises(LookupError, match="no edition"):
        with connect("pc_pages") as connection:
            editions.load(connection, "e0")


@pytest.mark.parametrize(
    "statement",
    [
        "update scorecards.editions set facts = ''",
        "delete from scorecards.editions",
        "update scorecards.builds set pages_sha256 = ''",
        "delete from scorecards.readers",
        "insert into publishing.publications default values",
        "update supervision.alerts set state_code = 'closed'",
    ],
)
def test_pages_role__what_was_published__cannot_be_rewritten(region, statement):
    with connect("pc_pages") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("role", ["pc_publishing", "pc_api", "pc_supervision", "pc_scoring", "pc_dbt"])
def test_other_roles__readers_and_editions__are_refused(region, role):
    with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from scorecards.readers")


def test_public_edition__every_byte__holds_grades_status_and_kpis_only(region, tmp_path):
    """Searches all of it for what regulators alone may see; the same search finds it in the regulators' pages."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "theirs.html").write_text("kept", encoding="utf-8")
    (tmp_path / "public" / "grades-9.html").write_text("of a longer edition", encoding="utf-8")
    folder, count = public.build_public(NIGHT, tmp_path / "public")
    assert (folder / "theirs.html").read_text("utf-8") == "kept"
    (folder / "theirs.html").unlink()
    assert count == len(list(folder.iterdir())) == 3
    everything = b"".join(path.read_bytes() for path in sorted(folder.iterdir())).decode("utf-8-sig")
    with connect() as connection:

        def column(statement):
            return {str(value) for (value,) in connection.execute(statement) if value is not None}

        grades = connection.execute("select uscc, enterprise_name, grade from publishing.current_grades").fetchall()
        secrets = {
            "community id": column("select community_id from marts.dim_community"),
            "community name": column("select community_name from marts.dim_community"),
            "street": column("select street_name from marts.dim_community"),
            "complaint": column("select complaint_id from marts.fct_complaints"),
            "inspection": column("select inspection_id from marts.fct_inspection_lines"),
            "evidence": column("select jsonb_array_elements_text(evidence_ids) from scoring.indicator_points")
            - {uscc for uscc, _, _ in grades},  # a register entry is its enterprise's
            "score": column("select score::text from scoring.grades where score > 10"),
            "alert": column("select alert_id from supervision.alerts"),
            "person": column("select reporter_name from raw.complaints"),
        }
    words = [
        "重点监管",
        "诉求",
        "得分",
        "总分",
        "否决",
        "封顶",
        "预警",
        "证据",
        "异议处理",
        "V2",
        "C1",
        "data-figure",
        "热点",
    ]
    for kind, values in secrets.items():
        assert values and [value for value in values if value in everything] == [], kind
    assert [word for word in words if word in everything.replace("物业类投诉量", "")] == []
    for uscc, name, grade in grades:
        assert uscc in everything and name in everything and (grade is None or grade in everything)
    assert "AA级以上企业" in everything and "暂不评级" in everything
    internal = "".join(path.read_text(encoding="utf-8") for path in region.pages())
    assert all(any(value in internal for value in values) for kind, values in secrets.items() if kind != "person")
    assert all(word in internal for word in ("重点监管", "诉求", "总分", "预警", "证据"))


def test_half_year_notice__areas_below__lagging_first_with_sources(region, later):
    path = notices.half_year_notice("2026H2", "150200")
    html = path.read_text(encoding="utf-8")
    words = text_of(html)
    assert "2026年下半年物业服务工作通报" in words and "最落后的在前" in words and "数据来源与口径" in words
    assert "期间未满" in words and "2026年7月至2026年11月" in words and "与2026年1月至2026年5月相比" in words
    import re

    points = [float(one) for one in re.findall(r'/area/\d+\.html">[^<]+</a></th><td class="n">([\d.]+)</td>', html)]
    assert len(points) > 2 and points == sorted(points, reverse=True)
    again = notices.half_year_notice("2026H2", "150200").read_text(encoding="utf-8")
    assert again == html


def test_mid_term_review__since_the_policy__compares_with_the_year_before(region):
    words = text_of(notices.mid_term_review(date(2026, 10, 31), "150000").read_text(encoding="utf-8"))
    assert "物业服务工作中期评估（截至2026年10月）" in words and "与2025年1月至2025年10月相比" in words


@pytest.mark.parametrize(
    ("half", "code", "said"),
    [
        ("2026-2", "150200", "looks like 2026H2"),
        ("2024H1", "150200", "no month from 2024-01"),
        ("2026H2", "150299", "no area 150299"),
    ],
)
def test_half_year_notice__bad_input__says_what_to_do(region, half, code, said):
    with pytest.raises(ScorecardError, match=said):
        notices.half_year_notice(half, code)


def test_print_step__a_month_that_is_not_over_or_no_browser__prints_nothing_and_says_why(region, monkeypatch):
    from cli import steps

    def said():
        with connect() as connection:
            return connection.execute(
                "select status, message from ops.stage_runs where step = 'print_pages' "
                "order by finished_at desc limit 1"
            ).fetchone()

    steps.print_pages(date(2026, 10, 30))
    assert said() == ("nothing new", "the month is not over")
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    steps.print_pages(NIGHT)
    assert said()[0] == "nothing new" and "apt-get install chromium" in said()[1]


def test_commands__readers_and_pages__work_as_a_person_uses_them(region):
    import json

    from typer.testing import CliRunner

    from cli.main import app

    def run(*words):
        return CliRunner().invoke(app, words)

    added = run("readers", "add", "命令行", "--area", "150203")
    assert added.exit_code == 0 and "shown once" in added.output
    rows = {row["reader_name"]: row for row in json.loads(run("readers", "list", "--format", "json").output)}
    assert rows["命令行"]["area_code"] == "150203" and "password_hash" not in rows["命令行"]
    assert run("readers", "password", "命令行").exit_code == 0
    assert run("readers", "remove", "命令行").exit_code == 0
    unknown = run("readers", "add", "谁", "--area", "999999")
    assert unknown.exit_code == 2
    built = run("pages", "build", "--month", "2026-10")
    assert built.exit_code == 0 and region.report.edition_id in built.output.replace("\n", "")
    assert run("pages", "build", "--month", "2026-13").exit_code == 2
    assert run("pages", "pdf", "--month", "2020-01").exit_code == 2
    assert run("pages", "notice").exit_code == 2
