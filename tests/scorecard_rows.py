"""A small region for the tests of the pages: marts as the warehouse builds them, a graded and published night."""

import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import yaml
from grade_rows import add_run, uscc
from psycopg.types.json import Jsonb

from publishing.publish import publish
from warehouse.connection import connect
from warehouse.settings import PROJECT_ROOT

NIGHT = date(2026, 10, 31)
DISTRICTS = {"150203": "昆都仑区", "150204": "青山区", "150207": "九原区"}
INDICATORS = yaml.safe_load((PROJECT_ROOT / "scoring/methods/2026.1.yml").read_text(encoding="utf-8"))["indicators"]

MARTS = """
create table marts.dim_region (region_code text, region_name text, parent_region_code text, level_code text);
create table marts.mart_scoring__enterprises (uscc text, enterprise_name text, service_months numeric,
  household_months numeric, project_count bigint, region_code text);
create table marts.mart_scoring__caps (uscc text, cap_code text, evidence_id text, starts_on date, ends_on date,
  basis text, authority_name text, decision_no text);
create table marts.mart_scoring__feeds (feed text, title_zh text, is_available boolean, latest_known_on date,
  latest_event_on date, is_stale boolean);
create table marts.mart_scorecards__region_months (region_code text, month date, complaint_count bigint,
  household_months numeric, complaints_per_1k_household_months numeric, resolved_within_24h_ratio numeric,
  inspection_count bigint, failed_item_ratio numeric, community_count bigint, managed_community_count bigint,
  overdue_order_count bigint);
create table marts.mart_scorecards__enterprise_months (uscc text, month date, countable_complaint_count bigint,
  household_months numeric, complaints_per_1k_household_months numeric, resolved_within_24h_ratio numeric);
create table marts.mart_scorecards__kpis (kpi_code text, target_year int, region_code text, kpi_zh text,
  unit_code text, direction_code text, target_value numeric, target_text text, source_clause text,
  actual_value numeric);
"""


def months() -> list[date]:
    """Return the first days of the 24 months to the night's."""
    return [date(2024 + (10 + index) // 12, (10 + index) % 12 + 1, 1) for index in range(24)]


def add_marts(enterprise_count: int) -> None:
    """Create and fill the marts that pages read, with ``enterprise_count`` enterprises over three districts."""
    chance = random.Random(7)
    with connect("pc_dbt") as connection, connection.cursor() as cursor:
        cursor.execute(MARTS)
        cursor.executemany(
            "insert into marts.dim_region values (%s, %s, %s, %s)",
            [
                ("150000", "内蒙古自治区", None, "region"),
                ("150200", "包头市", "150000", "city"),
                *((code, name, "150200", "district") for code, name in DISTRICTS.items()),
            ],
        )
        cursor.executemany(
            "insert into marts.mart_scoring__enterprises values (%s, %s, %s, %s, %s, %s)",
            [
                (uscc(n), name(n), 24, 12_000 + 900 * n, 3 + n % 9, sorted(DISTRICTS)[n % 3])
                for n in range(enterprise_count)
            ],
        )
        cursor.executemany(
            "insert into marts.mart_scorecards__region_months values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    code,
                    month,
                    400 * size + 40 * (index % 7),
                    90_000 * size,
                    Decimal("4.4") + index % 7,
                    "0.8123",
                    40,
                    "0.071",
                    210 * size,
                    180 * size,
                    12,
                )
                for code, size in (("150000", 3), ("150200", 3), *((code, 1) for code in DISTRICTS))
                for index, month in enumerate(months())
            ],
        )
        cursor.executemany(
            "insert into marts.mart_scorecards__enterprise_months values (%s, %s, %s, %s, %s, %s)",
            [
                (uscc(n), month, 12, 1000 + n, round(chance.uniform(1, 9), 2), round(chance.uniform(0.5, 0.99), 4))
                for n in range(enterprise_count)
                for month in months()
            ],
        )
        cursor.executemany(
            "insert into marts.mart_scoring__feeds values (%s, %s, %s, %s, %s, %s)",
            [
                ("complaints", "诉求", True, NIGHT, NIGHT, False),
                ("inspections", "双随机检查", True, NIGHT - timedelta(days=46), NIGHT - timedelta(days=50), True),
                ("surveys", "第三方满意度", False, None, None, True),
            ],
        )
        cursor.executemany(
            "insert into marts.mart_scorecards__kpis values (%s, 2026, '150200', %s, %s, 'above', %s, %s, %s, %s)",
            [
                ("aa_enterprises", "AA级以上企业", "count", 12, "12家", "B 一", None),
                ("professional_coverage", "专业化物业覆盖率", "ratio", "0.82", "82%", "B 一", "0.86"),
                ("committee_party_members", "业委会党员比例", "ratio", "0.5", "不低于50%", "B 7", None),
            ],
        )
        cursor.execute(
            "insert into marts.mart_scoring__caps values (%s, 'V2', 'PC-1', '2026-03-01', '2027-03-01', "
            "'《物业管理条例》第六十条', '包头市住房和城乡建设局', '包住建罚〔2026〕7号')",
            (uscc(2),),
        )


def name(number: int) -> str:
    """Return a synthetic enterprise name; number 1 tries to break out of the page."""
    return "测试<script>alert(1)</script>&物业" if number == 1 else f"包头测试物业服务有限公司{number:03d}"


def grade_of(number: int) -> dict:
    """Return the fields of one enterprise's grade: every grade and status occurs."""
    kind = number % 5
    fields = {"enterprise_name": name(number), "score": Decimal("91.25") - number % 30}
    if kind == 0:
        return {**fields, "grade": "AA", "public_pct": Decimal("93.1"), "market_pct": Decimal("88.4")}
    if kind == 2:
        cap = {"code": "V2", "effect": "B", "reason_zh": "挪用维修资金：等级限为 B", "reason_en": "misuse of funds: B"}
        return {**fields, "grade": "B", "caps": Jsonb([{**cap, "evidence_ids": ["PC-1"], "until": "2027-03-01"}])}
    if kind == 3:
        reason = {"code": "INSPECTIONS", "reason_zh": "24个月内没有检查记录", "reason_en": "no inspection in 24 months"}
        return {**fields, "grade": None, "status_code": "not_rated", "not_rated_reasons": Jsonb([reason])}
    if number == 4:
        return {**fields, "grade": None, "status_code": "serious_dishonesty"}
    return {**fields, "is_key_supervision": kind == 4}


def add_points(run_id: str, enterprise_count: int) -> None:
    """Store points of every indicator of the method for each enterprise."""
    with connect("pc_scoring") as connection:
        with connection.cursor().copy(
            "copy scoring.indicator_points (run_id, method_version, input_sha256, uscc, indicator_code, is_available, "
            "points, max_points, evidence_ids, reason_zh, reason_en) from stdin"
        ) as copy:
            for number in range(enterprise_count):
                for index, (code, given) in enumerate(INDICATORS.items()):
                    most = Decimal(str(given["max_points"]))
                    share = Decimal((number * 7 + index * 3) % 11) / 10
                    ids = [f"evidence-{code}-{n}" for n in range((index * 3) % 25)]
                    reason = f"加权不合格 {index} 项，检查 {index * 9} 项，收缩后 {index / 100:.3f}"
                    row = (
                        run_id,
                        "2026.1",
                        "input",
                        uscc(number),
                        code,
                        code != "M09",
                        round(most * min(share, 1), 2),
                        most,
                    )
                    copy.write_row((*row, Jsonb(ids), reason, "reason"))


def publish_night(enterprise_count: int) -> None:
    """Publish two nights, a month apart, so that one grade has changed."""
    before = NIGHT - timedelta(days=31)
    grades = {uscc(n): grade_of(n) for n in range(enterprise_count)}
    with connect() as connection:
        document = yaml.safe_load(Path(PROJECT_ROOT / "scoring/methods/2026.1.yml").read_text(encoding="utf-8"))
        connection.execute("insert into scoring.methods values ('2026.1', 'x', %s, %s)", (Jsonb(document), before))
    run_id = add_run(before, {**grades, uscc(0): {**grades[uscc(0)], "grade": "A"}})
    publish(run_id, before)
    run_id = add_run(NIGHT, grades)
    add_points(run_id, enterprise_count)
    publish(run_id, NIGHT)
