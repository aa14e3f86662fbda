"""Past months are shown as they were published then, whatever came after; notices; the public edition; roles."""

import csv
import hashlib
import io
import json
import re
import shutil
from datetime import date
from decimal import Decimal

import psycopg
import pytest
from grade_rows import add_run, by_veto
from own_warehouse import builder, register_build
from region_pages import NIGHT
from test_scorecards_pages import text_of

from property_credit.publishing.publish import publish
from property_credit.scorecards import access, area_figures, editions, notices, public, reading, targets, timelines
from property_credit.scorecards.build import build
from property_credit.scorecards.errors import ScorecardError
from property_credit.warehouse.connection import connect

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
    with builder() as connection:
        connection.execute("update marts.mart_scorecards__areas set counted_on = %s", (LATER,))
        connection.execute("update marts.mart_scorecards__area_states set managed_count = managed_count + 1")
        connection.execute("delete from marts.mart_scorecards__evidence")
        # by way of another century: one month on, it would meet the row of the next
        for years, since in ((100, date(2025, 10, 1)), (-100, date(2100, 1, 1))):
            connection.execute(
                "update marts.mart_scorecards__area_months "
                "set month = month + make_interval(years => %s, months => %s) where month >= %s",
                (years, int(years > 0), since),
            )
    register_build(LATER)
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
    facts = reading.read(later["report"].edition_id)
    values = area_figures.values_of(facts, "150000")
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
    assert count == len(list(folder.iterdir())) and count > 8
    everything = b"".join(path.read_bytes() for path in sorted(folder.iterdir())).decode("utf-8-sig")
    with connect() as connection:

        def column(statement):
            return {str(value) for (value,) in connection.execute(statement) if value is not None}

        grades = connection.execute("select uscc, enterprise_name, grade from publishing.current_grades").fetchall()
        secrets = {
            "community id": column("select community_id from marts.dim_community"),
            "street": column("select street_name from marts.dim_community"),
            "complaint": column("select complaint_id from marts.fct_complaints"),
            "inspection": column("select inspection_id from marts.fct_inspection_lines"),
            "evidence": column("select jsonb_array_elements_text(evidence_ids) from scoring.indicator_points")
            - {uscc for uscc, _, _ in grades},  # a register entry is its enterprise's
            "score": column("select score::text from scoring.grades where score > 10"),
            "alert": column("select alert_id from supervision.alerts"),
            "person": column("select reporter_name from raw.complaints"),
        }
        names = column("select community_name from marts.dim_community") | column(
            "select enterprise_name from marts.dim_enterprise"
        )
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
    unnamed = everything
    for name in sorted(names, key=len, reverse=True):  # of a 街坊 or a 居委会, which names its street and is public
        unnamed = unnamed.replace(name, "")
    for kind, values in secrets.items():
        assert values and [value for value in values if value in unnamed] == [], kind
    assert [word for word in words if word in everything.replace("物业类投诉量", "")] == []
    with connect() as connection:
        managed = connection.execute(  # as published that night; the fixture ``later`` publishes again
            "select community_name, history.enterprise_name, grade from marts.dim_community "
            "join publishing.grade_history as history on uscc = current_uscc where grade is not null "
            "and publication_id = (select min(publication_id) from publishing.publications)"
        ).fetchall()
    rows = {tuple(row) for row in csv.reader((folder / "communities.csv").read_text("utf-8-sig").splitlines())}
    assert managed and {(name, firm, grade) for name, firm, grade in managed} <= {
        (name, firm, grade) for name, _, firm, _, grade in rows
    }
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
    assert "期间未满" in words and "2026年7月至2026年11月" in words and "与2025年7月至2025年11月相比" in words
    points = [
        float(one) for one in re.findall(r'/area/\d+\.html">[^<]+</a></th><td class="n"[^>]*>([\d.]+)</td>', html)
    ]
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
    def said():
        with connect() as connection:
            return connection.execute(
                "select status, message from ops.task_runs where task = 'print_pages' order by finished_at desc limit 1"
            ).fetchone()

    from property_credit.night import pages_tasks

    pages_tasks.print_pages(date(2026, 10, 30))
    assert said() == ("nothing new", "the month is not over")
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    pages_tasks.print_pages(NIGHT)
    assert said()[0] == "nothing new" and "apt-get install chromium" in said()[1]


def test_commands__readers_and_pages__work_as_a_person_uses_them(region):
    from typer.testing import CliRunner

    from property_credit.cli.main import app

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


def test_notices_of_the_month__every_area_with_areas_below__are_linked_and_open_to_its_readers(region):
    scopes = access.scopes_of(region.folder)
    for code in ("150000", "150200"):
        for name in ("notice", "review"):
            path = f"area/{code}.{name}.html"
            assert f'href="{code}.{name}.html"' in region.text(f"area/{code}.html")
            assert access.verdict(scopes, code, path) == (access.OPEN, path)
    assert access.verdict(scopes, "150203", "area/150200.notice.html")[0] == access.OUTSIDE
    assert access.NOTICE.fullmatch("2026-10-review/150200.html")


def test_notice__one_area_below__is_not_behind_itself(region):
    """The autonomous region had one city with data, which was named as lagging."""
    words = text_of(region.text("area/150000.notice.html"))
    assert "不作排名" in words and "进展落后，" not in words


def test_notice__order_and_differences__are_those_of_the_page_in_percentage_points(region):
    html, page = region.text("area/150200.notice.html"), region.text("area/150200.html")
    order = re.findall(r'<td data-label="次序">\d+</td><th scope="row"><a href="(\d+)\.html">', html)
    lagging = page[page.index('id="lagging"') :]
    assert order == re.findall(r'<tr><th scope="row"><a href="(\d{6})\.html">', lagging[: lagging.index("</table>")])
    assert len(order) > 2 and re.search(r"-?[\d.]+ 个百分点<small> 第", html)


def test_todo__every_open_matter__once_ordered_by_severity_amount_and_age_and_in_a_file(region):
    with connect() as connection:
        open_complaints, amounts = connection.execute(
            "select (select count(distinct complaint_id) from supervision.escalations where closed_at is null), "
            "(select array_agg(alert_id order by array_position(array['serious', 'general', 'minor'], severity_code), "
            "coalesce(amount_cny, 0) desc, coalesce(first_on, first_seen_on), alert_id) "
            "from supervision.alerts where state_code <> 'closed')"
        ).fetchone()
    for code in ("150000", "150200"):
        rows = list(csv.DictReader(io.StringIO((region.folder / f"area/{code}.todo.csv").read_text("utf-8-sig"))))
        late = [row["编号"] for row in rows if row["事项"] == "超时诉求"]
        assert len(late) == len(set(late)) == open_complaints > 0
        assert [row["编号"] for row in rows if row["事项"] == "预警"] == amounts
        assert f'data-figure="escalations.open/{code}" data-value="{open_complaints}"' in region.text(
            f"area/{code}.html"
        )
    shown = re.findall(r"<small><code>([^<]+)</code></small></th>", region.text("area/150200.html"))
    assert shown[:5] == amounts[:5]


def test_targets__below_the_area_they_are_set_for__judge_nobody_and_lead_to_what_is_lacking(region):
    """A street was 未达到 on the city's 12 AA enterprises, a city on the region's 500 lifts."""
    for code, own in (("150200", 6), ("150203", 0)):
        html = region.text(f"area/{code}.html")
        table = html[html.index('id="kpis"') : html.index('id="calls"')]
        rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", table, re.S)
        judged = [row for row in rows if re.search(r'class="light (met|near|behind)"', row)]
        assert all("目标</small>" not in row for row in judged) and (len(judged) >= own if own else not judged)
        assert "◇</i> 本地区贡献" in table and "尚缺" in table
    with connect() as connection:
        lacking = {
            one
            for (one,) in connection.execute(
                "select community_id from marts.dim_community where community_id not in (select community_id "
                "from staging.stg_owners_committees where formed_on <= %(night)s "
                "and coalesce(dissolved_on > %(night)s, true))",
                {"night": NIGHT},
            )
        }
    rows = csv.DictReader(io.StringIO((region.folder / "area/150200.targets.csv").read_text("utf-8-sig")))
    assert {row["小区编号"] for row in rows if row["目标代码"] == "owners_committee_ratio"} == lacking != set()
    below = {
        one
        for path in region.folder.glob("area/?????????.targets.html")
        for one in re.findall(r"<code>([^<]+)</code>", path.read_text("utf-8").split('id="owners_committee_ratio"')[1])
    }
    assert below >= lacking


@pytest.mark.parametrize(
    ("row", "night", "due"),
    [
        ({"target_value": 12, "previous_value": 10}, date(2026, 7, 2), "11.00"),  # the 183rd day of 365
        ({"target_value": 12, "previous_value": 10}, date(2026, 12, 31), "12.00"),
        ({"target_value": 1500, "previous_value": None, "kpi_code": "lift_renewals", "target_year": 2028},
         date(2026, 12, 31), "499.54"),
        ({"target_value": 1, "previous_value": 1, "kpi_code": "committee_training_ratio"}, date(2026, 7, 2), "0.50"),
        ({"target_value": Decimal("0.82"), "previous_value": Decimal("0.80"), "unit_code": "ratio"}, date(2026, 11, 2),
         "0.816"),  # not 0.8168, which is shown as the same 81.7 % as an actual 0.8167
        ({"target_value": 1, "previous_value": None}, date(2026, 10, 31), None),  # the documents name no way there
        ({"target_value": None, "previous_value": 10}, date(2026, 10, 31), None),
    ],
)  # fmt: skip
def test_target__by_now__is_on_the_straight_way_to_the_end_of_its_year(row, night, due):
    known = {"kpi_code": "aa_enterprises", "target_year": 2026, "direction_code": "above", "unit_code": "count"} | row
    expected = targets.by_now(known, night)
    assert (None if expected is None else f"{expected:.{3 if known['unit_code'] == 'ratio' else 2}f}") == due
    if due:
        assert targets.kpi_state(expected, known, expected)["text"] in ("符合时序进度", "已达到")
        assert targets.kpi_state(expected - 1, known, expected)["text"] == "落后于时序进度"


def test_target__of_a_later_year_without_a_way_there__is_not_missed_yet():
    row = {"target_value": 1, "target_year": 2027, "direction_code": "above", "unit_code": "ratio"}
    assert targets.kpi_state(Decimal("0.5"), row, None, date(2026, 10, 31))["text"] == "2027年到期"
    assert targets.kpi_state(Decimal("0.5"), row, None, date(2027, 10, 31))["text"] == "未达到"
    assert targets.kpi_state(Decimal(1), row, None, date(2026, 10, 31))["text"] == "已达到"


def test_evidence__of_every_indicator__all_of_it_stands_in_the_file_and_each_id_leads_somewhere(region):
    """Lists were cut at twenty without a word."""
    events = " union all ".join(
        f"select uscc, indicator_code, evidence_id from intermediate.int_{name}_events__measured "
        "where adverse_weight > 0 or indicator_code in ('G01', 'G02') and numerator > 0"
        for name in ("complaint", "inspection", "record", "fund", "disclosure", "register", "lift", "rating",
                     "conformity", "takeover", "alert")
    )  # fmt: skip
    with connect() as connection:
        known = set(connection.execute(f"select distinct * from ({events}) as events"))
        graded = {uscc for (uscc,) in connection.execute("select uscc from publishing.current_grades")}
    seen, most = set(), 0
    for path in region.folder.glob("enterprise/*.evidence.csv"):
        uscc = path.name.split(".")[0]
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
        seen |= {(uscc, row["指标"], row["证据编号"]) for row in rows}
        html = region.text(f"enterprise/{uscc}.html")
        for code in {row["指标"] for row in rows}:
            mine = [row for row in rows if row["指标"] == code]
            most = max(most, len(mine))
            block = html[html.index(f'<tr id="{code}"') :].split("</tr>")[0]
            assert f"证据 {len(mine)} 条" in block
            assert len(re.findall(r'<li><a href="[^"]+"><code>', block)) == min(len(mine), 60)
    assert seen == {row for row in known if row[0] in graded} and most > 20


def test_search__of_numbers__finds_complaints_records_and_contracts_of_the_readers_area_alone(region):
    ids = dict(json.loads(region.text("ids.js").removeprefix("window.idIndex=").rstrip(";\n")))
    with connect() as connection:
        complaint, street = connection.execute(
            "select complaint_id, street_code from marts.fct_complaints join marts.dim_community using (community_id) "
            "where submitted_on >= '2026-10-01' and status_code <> 'withdrawn' limit 1"
        ).fetchone()
        record = connection.execute(
            "select record_id from marts.mart_scoring__records join publishing.current_grades using (uscc) limit 1"
        ).fetchone()
        contract = connection.execute(
            "select evidence_id from marts.mart_scoring__indicator_evidence where evidence_feed = 'contracts' limit 1"
        ).fetchone()
    assert ids[complaint].startswith(f"area/{street}.html#c-") and record[0] in ids and contract[0] in ids
    for href in set(ids.values()):
        path, _, anchor = href.partition("#")
        assert f'id="{anchor}"' in region.text(path), href
    scopes = access.scopes_of(region.folder)
    assert access.verdict(scopes, "150203", "ids.js") == (access.OPEN, "area/150203.ids.js")
    assert access.verdict(scopes, "150203", "area/150204.ids.js")[0] == access.UNKNOWN
    own = dict(json.loads(region.text("area/150203.ids.js").removeprefix("window.idIndex=").rstrip(";\n")))
    assert not {href for href in own.values() if href.startswith("area/") and not href.startswith("area/150203")}


def test_months__each_that_is_built__stands_in_the_menu_and_the_index_and_leaves_the_others_as_they_were(region, later):
    assert (region.folder.parent / "months.js").read_text("utf-8") == 'window.pageMonths=["2026-10", "2026-11"];\n'
    index = (region.folder.parent / "index.html").read_text("utf-8")
    assert index.index('href="2026-11/index.html"') < index.index('href="2026-10/index.html"')
    assert digests(region.folder) == later["before"], "a new month changed one before it"


def test_timeline__of_an_enterprise_and_a_community__holds_what_the_warehouse_knows_newest_first(region):
    with connect() as connection:
        uscc, community = connection.execute(
            "select uscc, community_id from marts.fct_inspection_lines where line_type_code = 'finding' "
            "and inspected_on > '2026-01-01' and uscc in (select uscc from publishing.current_grades) "
            "order by 1, 2 limit 1"
        ).fetchone()
        for column, subject in (("uscc", uscc), ("community_id", community)):
            expected = connection.execute(
                f"""
                select starts_on, case when is_takeover then '承接接管' else '合同生效' end, contract_id
                from staging.stg_contracts where {column} = %(subject)s and starts_on between '2024-11-01' and %(night)s
                union all select ended_on, '合同终止', contract_id from staging.stg_contracts
                where {column} = %(subject)s and ended_on between '2024-11-01' and %(night)s
                union all select distinct inspected_on, '检查发现', inspection_id from marts.fct_inspection_lines
                where {column} = %(subject)s and line_type_code = 'finding' and not coalesce(is_objection_upheld, false)
                  and inspected_on between '2024-11-01' and %(night)s
                union all select coalesce(first_on, first_seen_on), '预警', alert_id from supervision.alerts
                where {column} = %(subject)s and first_seen_on <= %(night)s
                """,
                {"subject": subject, "night": NIGHT},
            ).fetchall()
            facts = reading.read(region.report.edition_id, [])
            events = timelines.of(facts, subject)
            told = [(one["on"], one["kind"], one["id"]) for one in events]
            kinds = {kind for _, kind, _ in expected}
            assert sorted(one for one in told if one[1] in kinds) == sorted(
                (str(day), kind, name) for day, kind, name in expected
            )
            assert [one["on"] for one in events] == sorted((one["on"] for one in events), reverse=True)
    page = region.text(f"enterprise/{uscc}.html")
    rows = list(csv.DictReader(io.StringIO((region.folder / f"enterprise/{uscc}.history.csv").read_text("utf-8-sig"))))
    assert "等级" in {row["事项"] for row in rows} and page.count("<time>") == min(len(rows), timelines.AN_ENTERPRISE)
    leaf = facts.community[community]["leaf_area_code"]
    assert f'id="c-{community}"' in region.text(f"area/{leaf}.history.html")


def test_timeline__a_credit_record_past_its_display__is_not_told(region):
    with connect() as connection:
        shown = {
            record
            for (record,) in connection.execute(
                "select record_id from marts.mart_scoring__records where coalesce(shown_until >= %s, true)", (NIGHT,)
            )
        }
    facts = reading.read(region.report.edition_id, [])
    told = {row["subject_id"] for row in facts.rows("events") if row["kind_code"] == "credit_record"}
    assert told and told <= shown


def test_contacts__desks_of_offices_and_firms__are_for_regulators_alone_and_no_ones_own_number(region, tmp_path):
    with connect() as connection:
        desks = connection.execute("select area_code, uscc, telephone from staging.stg_contacts").fetchall()
        refused = connection.execute(
            "select count(*) from quarantine.rejected_rows "
            "where feed = 'contacts' and reason_code = 'TELEPHONE_OF_A_PERSON'"
        ).fetchone()
    assert refused[0] > 0
    numbers = {telephone for *_, telephone in desks}
    city = next(telephone for area, _, telephone in desks if area == "150200")
    assert city in region.text("area/150200.html") and f"tel:{city}" in region.text("area/150200.html")
    uscc, firm = next((code, telephone) for _, code, telephone in desks if code)
    assert firm in region.text(f"enterprise/{uscc}.html")
    with connect() as connection:
        silent = connection.execute(
            "select uscc from publishing.current_grades where uscc not in "
            "(select uscc from staging.stg_contacts where uscc is not null) limit 1"
        ).fetchone()
    assert "未报送值班电话" in region.text(f"enterprise/{silent[0]}.html")
    folder, _ = public.build_public(NIGHT, tmp_path / "public")
    everything = "".join(path.read_text("utf-8-sig") for path in folder.iterdir())
    assert not [number for number in numbers if number in everything]
