"""Policy targets: kept on a month's last night as computed then, corrected by new versions, by frozen definitions."""

import json
from datetime import date

import psycopg
import pytest
from grade_rows import add_run, uscc
from own_warehouse import builder
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.publishing.publish import publish
from property_credit.supervision.draw_outcomes import compare_draws
from property_credit.supervision.errors import SupervisionError
from property_credit.supervision.kpis import record_kpis
from property_credit.warehouse.connection import connect

NIGHT, MONTH = date(2026, 10, 31), date(2026, 10, 1)
MARTS = """
create table marts.dim_region (region_code text, region_name text, parent_region_code text, level_code text);
insert into marts.dim_region values ('150000', '内蒙古', null, 'region'), ('150200', '包头市', '150000', 'city'),
  ('150203', '昆都仑区', '150200', 'district'), ('150204', '青山区', '150200', 'district'),
  ('150100', '呼和浩特市', '150000', 'city'), ('150300', '乌海市', '150000', 'city');
create table marts.mart_scoring__enterprises (uscc text, region_code text);
create table marts.mart_supervision__kpi_actuals (kpi_code text, region_code text, definition_version integer,
  kpi_zh text, kpi_en text, unit_code text, direction_code text, numerator_zh text, denominator_zh text,
  definition_zh text, numerator numeric, denominator numeric, base_value numeric, current_value numeric,
  actual_value numeric, target_year integer, target_value numeric, target_text text, source_clause text,
  is_missing boolean not null default false);
"""


@pytest.fixture
def region(warehouse_database):
    """Three regions with a coverage and a complaint target, and the AA target of the city."""
    with builder() as connection:
        connection.execute(MARTS)
        for code in ("150000", "150200", "150203", "150204", "150100"):
            for row in (
                ("coverage", code, "above", 90, 100, None, None, 0.9, 0.95 if code == "150000" else None),
                ("complaints", code, "below", -30, 100, 100, 70, -0.3, -0.3 if code == "150000" else None),
                ("aa_enterprises", code, "above", None, None, None, None, None, 2 if code == "150200" else None),
            ):
                name, where, direction, top, bottom, base, current, actual, target = row
                connection.execute(
                    "insert into marts.mart_supervision__kpi_actuals values (%s, %s, 1, 'zh', 'en', 'ratio', %s,"
                    " '分子', '分母', '定义', %s, %s, %s, %s, %s, 2026, %s, %s, 'A')",
                    (name, where, direction, top, bottom, base, current, actual, target, target and "目标"),
                )
    return warehouse_database


def kept(kpi="coverage"):
    with connect("pc_pages") as connection:
        return connection.execute(
            "select region_code, version_no, actual_value::float, is_met from supervision.kpi_months "
            "where kpi_code = %s and month = %s order by region_code, version_no",
            (kpi, MONTH),
        ).fetchall()


def test_month__on_its_last_night__is_kept_for_every_region_and_judged_where_there_is_a_target(region):
    assert not record_kpis(date(2026, 10, 30)).is_month_end and kept() == []
    record_kpis(NIGHT)
    codes = ("150000", "150100", "150200", "150203", "150204")
    assert kept() == [(code, 1, 0.9, False if code == "150000" else None) for code in codes]
    assert kept("complaints")[0] == ("150000", 1, -0.3, True)
    with connect("pc_pages") as connection:
        shown = connection.execute(
            "select base_value::float, current_value::float from supervision.kpi_months where kpi_code = 'complaints'"
        ).fetchone()
    assert shown == (100, 70)  # the base of 2025 stands beside


def test_month__a_feed_it_needs_is_silent__is_not_kept(region):
    """A month with no complaints delivered read as a target that was met, and was kept for good."""
    with builder() as connection:
        connection.execute(
            "update marts.mart_supervision__kpi_actuals set is_missing = true, numerator = null, actual_value = null "
            "where kpi_code = 'complaints'"
        )
    record_kpis(NIGHT)
    assert kept("complaints") == [] and len(kept()) == 5


def test_month__its_last_night_again__keeps_nothing_new_and_a_correction_is_a_new_version(region):
    record_kpis(NIGHT)
    assert record_kpis(NIGHT).recorded == 0
    with builder() as connection:
        connection.execute(
            "update marts.mart_supervision__kpi_actuals set numerator = 96, actual_value = 0.96"
            " where kpi_code = 'coverage' and region_code = '150000'"
        )
    assert record_kpis(NIGHT).corrected == 1
    assert kept()[:2] == [("150000", 1, 0.9, False), ("150000", 2, 0.96, True)]
    with connect("pc_pages") as connection:
        assert connection.execute(
            "select version_no from supervision.current_kpi_months where kpi_code = 'coverage' order by region_code"
        ).fetchone() == (2,)


def test_command__prints_a_kept_month_and_says_when_there_is_none(region):
    record_kpis(NIGHT)
    runner = CliRunner()
    listed = runner.invoke(app, ["targets", "--month", "2026-10", "--region", "150000", "--format", "json"])
    rows = {row["kpi_code"]: row for row in json.loads(listed.output)}
    assert rows["complaints"]["is_met"] is True and rows["complaints"]["version_no"] == 1
    assert runner.invoke(app, ["targets", "--month", "2026-09"]).exit_code == 2


def test_definition__changed_under_a_used_version__is_refused_until_it_has_the_next(region):
    record_kpis(NIGHT)
    with builder() as connection:
        connection.execute(
            "update marts.mart_supervision__kpi_actuals set denominator_zh = '别的' where kpi_code = 'coverage'"
        )
    with pytest.raises(SupervisionError, match="coverage version 1 was used and is frozen"):
        record_kpis(NIGHT)
    with builder() as connection:
        connection.execute(
            "update marts.mart_supervision__kpi_actuals set definition_version = 2 where kpi_code = 'coverage'"
        )
    record_kpis(NIGHT)
    with connect("pc_pages") as connection:
        assert connection.execute(
            "select definition_version from supervision.kpi_months where kpi_code = 'coverage'"
            " and region_code = '150000' order by version_no"
        ).fetchall() == [(1,), (2,)]


def test_aa_enterprises__as_published_by_the_night__are_counted_where_they_serve_and_above(region):
    with connect("pc_scoring") as connection:
        grades = Jsonb({"grades": [{"code": "AAA"}, {"code": "AA"}, {"code": "A"}, {"code": "B"}]})
        connection.execute("insert into scoring.methods values ('2026.1', 'x', %s, %s)", (grades, NIGHT))
    with builder() as connection:
        for number, code in enumerate(("150203", "150203", "150204", "150100")):
            connection.execute("insert into marts.mart_scoring__enterprises values (%s, %s)", (uscc(number), code))
    given = {uscc(0): {"grade": "AA"}, uscc(1): {"grade": "A"}, uscc(2): {"grade": "AAA"}, uscc(3): {"grade": "AA"}}
    publish(add_run(NIGHT, given), NIGHT)
    publish(add_run(date(2026, 11, 1), {**given, uscc(1): {"grade": "AA"}}), date(2026, 11, 1))  # not known in October
    record_kpis(NIGHT)
    assert kept("aa_enterprises") == [
        ("150000", 1, 3, None),
        ("150100", 1, 1, None),
        ("150200", 1, 2, True),
        ("150203", 1, 1, None),
        ("150204", 1, 1, None),
    ]


def test_aa_enterprises__before_anything_is_published__are_unknown_and_not_none(region):
    record_kpis(NIGHT)
    assert kept("aa_enterprises") == [("150200", 1, None, None)]


def test_outcomes__of_a_draw__are_compared_with_what_was_inspected(region):
    with builder() as connection:
        connection.execute(
            """
            create table marts.dim_community (community_id text, region_code text);
            insert into marts.dim_community values ('C1', '150203'), ('C2', '150203'), ('C3', '150203');
            create table marts.fct_inspection_lines (community_id text, authority_code text, inspection_type_code text,
              inspected_on date);
            insert into marts.fct_inspection_lines values ('C1', 'housing', 'random', '2026-10-20'),
              ('C1', 'housing', 'random', '2026-10-21'), ('C2', 'housing', 'targeted', '2026-10-20'),
              ('C2', 'fire', 'random', '2026-11-02')
            """
        )
    with connect("pc_supervision") as connection:
        connection.execute(
            "insert into supervision.draws (draw_id, month, version_no, business_date, list_id, frame_sha256,"
            " draw_sha256, seed, seed_basis, counts, accounts, deferred, recorded_at)"
            " values ('d', %s, 1, %s, 'l', 'f', 'd', 's', '{}',"
            """ '{}', '[]', '[{"community_id": "C3", "authority_code": "housing", "since": "2026-10"}]', now())""",
            (MONTH, date(2026, 9, 25)),
        )
        for name, authorities in (("C1", ["housing"]), ("C2", ["fire", "housing"])):
            checks = Jsonb([{"authority_code": code, "inspectors": [], "short_count": 2} for code in authorities])
            connection.execute(
                "insert into supervision.draw_visits values ('d', %s, '150203', %s, 'A', %s)", (name, uscc(0), checks)
            )
    assert compare_draws(NIGHT) == 2 and compare_draws(NIGHT) == 0
    with connect("pc_pages") as connection:
        assert connection.execute(
            "select authority_code, drawn_count, carried_out_count, put_off_count from supervision.draw_outcomes"
            " order by 1"
        ).fetchall() == [("fire", 1, 1, 0), ("housing", 2, 1, 1)]


def test_roles__nobody_rewrites_a_month(region):
    record_kpis(NIGHT)
    for role in ("pc_supervision", "pc_pages", "pc_scoring"):
        with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update supervision.kpi_months set actual_value = 1")
