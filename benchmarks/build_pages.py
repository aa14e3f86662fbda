"""How long all pages of a whole region take, against writing the same bytes to the same number of files.

A region of 12 cities, 103 districts, some thousand streets, 6,000 enterprises with 29 indicators and 24 months each,
20,000 communities with the month's complaints is made in the database; then the site is built from nothing, built again
(nothing is new), made anew (the same bytes), its heaviest pages are opened in a browser, and its bytes are written by
themselves as the floor. The aims: at most 60 s on two cores, a page at most 300 kB and open within a second.

    python -m benchmarks.build_pages --enterprises 6000 --communities 20000 --out benchmarks/results/build_pages.json
"""

# ruff: noqa: E501  a statement is read column by column, not line by line

import argparse
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from benchmarks.open_pages import open_pages

ROOT = Path(__file__).resolve().parent.parent
NIGHT = date(2026, 10, 31)
MARTS = """
create table marts.mart_scorecards__areas as
with cities as (
  select '15' || lpad(city::text, 2, '0') || '00' as code, '盟市' || city as name from generate_series(1, 12) as city
), districts as (
  select left(cities.code, 4) || lpad(number::text, 2, '0') as code, '旗县区' || number as name, cities.code as parent
  from cities cross join generate_series(1, 9) as number
), streets as (
  select districts.code || lpad(number::text, 3, '0') as code, '街道' || number as name, districts.code as parent
  from districts cross join generate_series(1, 10) as number
)
select '150000' as area_code, '内蒙古自治区' as area_name, null::text as parent_area_code, 'region' as level_code,
  %(night)s::date as counted_on
union all select code, name, '150000', 'city', %(night)s from cities
union all select code, name, parent, 'district', %(night)s from districts
union all select code, name, parent, 'street', %(night)s from streets;
create table marts.leaves as select row_number() over (order by area_code) - 1 as n, area_code
  from marts.mart_scorecards__areas where level_code = 'street';
create table marts.above as
  select leaves.area_code as leaf, above.area_code from marts.leaves cross join lateral (
    values (leaves.area_code), (left(leaves.area_code, 6)), (left(leaves.area_code, 4) || '00'), ('150000')
  ) as above (area_code)
  union all select '151209', area_code from (values ('151209'), ('151200'), ('150000')) as above (area_code);
create table marts.uscc as
  select n, '91' || lpad((150200 + n %% 80)::text, 6, '0') || 'MA' || lpad(n::text, 7, '0') || 'X' as uscc
  from generate_series(0, %(enterprises)s - 1) as n;
create table marts.mart_scorecards__communities as
  select 'C' || lpad(c::text, 6, '0') as community_id, '小区' || c as community_name,
    case when c %% 100 = 0 then '151209' else left(leaves.area_code, 6) end as region_code,
    case when c %% 100 = 0 then '151209' else leaves.area_code end as leaf_area_code,  -- a district that names no street
    case when c %% 5 = 0 then 'old' else 'commercial' end as community_type_code, '商品房小区' as community_type_zh,
    300 + c %% 900 as household_count, uscc.uscc as current_uscc, '物业服务有限公司' || uscc.n as manager_name,
    true as is_enterprise, (1 + c %% 3)::bigint as complaint_count, (c %% 4)::bigint as complaint_count_before,
    (c %% 4)::bigint as complaint_count_before_to_day, (c %% 5)::bigint as complaint_count_year_before_to_day,
    (20 + c %% 30)::bigint as year_complaint_count, (1 + c %% 3)::bigint as resolution_due_count,
    (c %% 4)::bigint as resolution_due_count_before_to_day, (c %% 2)::bigint as resolved_within_24h_count_before_to_day,
    (array['commercial', 'old', 'affordable'])[1 + c %% 3] || '|' || (array['lt10', '10_20', '20_30', 'ge30'])[1 + c %% 4]
      || '|' || (array['lift', 'no_lift'])[1 + c %% 2] as stratum_code, (300 + c %% 900)::numeric as household_months,
    (12 * (300 + c %% 900))::numeric as year_household_months, c %% 3 > 0 as is_enrolled, c %% 4 > 0 as has_committee,
    (c %% 2)::bigint as resolved_within_24h_count, round((1 + c %% 3) * 1000.0 / (300 + c %% 900), 4)
      as complaints_per_1k_household_months, (c %% 2)::bigint as inspection_count, (c %% 2)::bigint as finding_count,
    (c %% 17 / 16)::bigint as open_overdue_order_count, true as is_disclosed, null::date as taken_over_on
  from generate_series(0, %(communities)s - 1) as c
  join marts.leaves on leaves.n = c %% (select count(*) from marts.leaves) join marts.uscc on uscc.n = c %% %(enterprises)s;
create table marts.mart_supervision__community_complaint_months as
  select community_id, %(night)s::date - 30 as month, 9::bigint as window_complaint_count, 3.21::numeric
    as window_expected_count, 7.65::numeric as upper_998_count, right(community_id, 2) = '00' as is_hotspot, false as is_flooded
  from marts.mart_scorecards__communities;
create table marts.mart_scorecards__area_enterprises as
  select above.area_code, current_uscc as uscc, count(*)::bigint as community_count
  from marts.mart_scorecards__communities join marts.above on leaf = leaf_area_code group by 1, 2;
create table marts.mart_scorecards__evidence as
  select community_id, 'complaint' as kind_code, 'MSB' || community_id || n as evidence_id, current_uscc as uscc,
    %(night)s::date - n as event_on, 'heating' as summary_code, 'property' as responsible_party_code,
    (n * 11.5)::numeric as resolution_hours, n < 2 as is_in_time, null::date as due_on
  from marts.mart_scorecards__communities cross join lateral generate_series(1, complaint_count::int) as n
  union all select community_id, 'finding', 'JC' || community_id || '/F01', current_uscc, %(night)s::date - 3, 'minor', null,
    null, true, %(night)s::date + 20 from marts.mart_scorecards__communities where finding_count > 0;
create table marts.mart_scorecards__area_states as
  select area_code, count(*)::bigint as community_count, sum(household_count)::bigint as household_count,
    count(*)::bigint as managed_count, 1.0::numeric as managed_ratio, count(*)::bigint as enterprise_managed_count,
    0.9::numeric as professional_ratio, (count(*) / 5)::bigint as old_count, (count(*) / 6)::bigint as old_managed_count,
    0.8::numeric as old_managed_ratio, count(*)::bigint as disclosed_count, 0.97::numeric as disclosed_ratio,
    1::bigint as takeover_count, 0::bigint as takeover_month_count, sum(open_overdue_order_count)::bigint
      as open_overdue_order_count, -0.05::numeric as complaint_volume_change
  from marts.mart_scorecards__communities join marts.above on leaf = leaf_area_code group by 1;
create table marts.mart_scorecards__area_months as
  select area_code, (date '2024-11-01' + m * interval '1 month')::date as month, community_count, household_count::numeric
    as household_months, (community_count * 2 + m %% 7)::bigint as complaint_count, community_count as
    countable_complaint_count, round((2 + m %% 7)::numeric / 3, 4) as complaints_per_1k_household_months,
    0.91::numeric as responded_on_time_ratio, 0.88::numeric as handled_within_12h_ratio, 0.76::numeric as
    resolved_within_24h_ratio, community_count as resolved_within_24h_count, community_count as resolution_due_count, managed_ratio, professional_ratio,
    community_count as inspection_count, community_count * 20 as checked_item_count, community_count as failed_item_count,
    0.05::numeric as failed_item_ratio, 0::bigint as serious_finding_count, 3::bigint as due_order_count, 1::bigint as
    overdue_order_count from marts.mart_scorecards__area_states cross join generate_series(0, 23) as m;
create table marts.mart_scorecards__area_complaints as
  select area_code, month, 'category' as dimension_code, code as value_code, 7::bigint as complaint_count
  from marts.mart_scorecards__area_months cross join unnest(array['heating','lift','parking','fees','cleaning','noise'])
    as code where month >= date '2026-09-01'
  union all select area_code, month, 'responsible_party', code, 9 from marts.mart_scorecards__area_months cross join
    unnest(array['property','utility','owner']) as code where month >= date '2026-09-01';
create table marts.mart_scoring__enterprises as
  select uscc, '150202' as region_code, 24::numeric as service_months, 12000::numeric as household_months,
    3::bigint as project_count from marts.uscc;
create table marts.mart_scorecards__enterprise_months as
  select uscc, (date '2024-11-01' + m * interval '1 month')::date as month, round((1 + (n + m) %% 7)::numeric / 2, 4)
    as complaints_per_1k_household_months, 0.8::numeric as resolved_within_24h_ratio
  from marts.uscc cross join generate_series(0, 23) as m;
create table marts.mart_scorecards__kpis (kpi_code text, target_year int, region_code text, kpi_zh text, unit_code text,
  direction_code text, target_value numeric, target_text text, source_clause text, actual_value numeric);
insert into marts.mart_scorecards__kpis values
  ('management_coverage', 2028, '150000', '住宅小区物业管理全覆盖', 'ratio', 'above', 1, '年底全覆盖', 'A 三(三)', 0.93),
  ('professional_coverage', 2026, '150200', '专业化物业覆盖率', 'ratio', 'above', 0.82, '82%%', 'B 一', 0.86);
create table marts.mart_supervision__kpi_actuals as
  select area_code as region_code, 'management_coverage' as kpi_code, 0.93::numeric as actual_value, false as is_missing
  from marts.mart_scorecards__areas where level_code <> 'street';
create table marts.mart_scoring__feeds as
  select 'complaints' as feed, '诉求' as title_zh, true as is_available, %(night)s::date as latest_known_on,
    %(night)s::date as latest_event_on, false as is_stale, 0 as age_days, true as is_scored;
create table marts.mart_scorecards__contacts as
  select area_code as holder_code, post_code, '0471-0' || lpad(right(area_code, 6), 6, '0') as telephone
    from marts.mart_scorecards__areas cross join unnest(array['property_section', 'duty_desk']) as post_code
  union all select uscc, 'enterprise_desk', '0471-0' || lpad(n::text, 6, '0') from marts.uscc;
create table marts.mart_scorecards__events as
  select (array['contract_began', 'inspected', 'inspected', 'credit_record'])[n] as kind_code, community_id || '-' || n as subject_id,
    %(night)s::date - 40 * n as event_on, current_uscc as uscc, community_id, n::bigint as finding_count,
    0::bigint as serious_count, 'general' as tier_code
  from marts.mart_scorecards__communities cross join generate_series(1, 4) as n;
create table marts.mart_scorecards__silences (area_code text, feed text, region_code text, from_on date, until_on date,
  reason_code text, region_name text, title_zh text);
create table marts.mart_scorecards__indicator_evidence as
  select uscc, code as indicator_code, (
    select jsonb_agg(jsonb_build_array('MSB' || n || code || i, '2026-10-01', 'C' || lpad(n::text, 6, '0'), 30))
    from generate_series(1, 15) as i) as evidence
  from marts.uscc cross join unnest(array['M01', 'M03', 'P02']) as code;
create table marts.mart_scorecards__codes (list_code text, code text, label_zh text);
create table marts.mart_supervision__alert_candidates (alert_id text, decide_within_days int);
create table marts.mart_supervision__tenders (tender_id text, community_id text, region_code text, stage_code text, method_code text,
  announced_on date, opened_on date, awarded_on date, uscc text, approved_on date, bids jsonb);
create table marts.mart_scorecards__contract_terms (area_code text, service_level text, registered_count int);
create table marts.mart_scorecards__dispute_levels (area_code text, level_code text);
create table marts.mart_scorecards__fee_collections (area_code text);
insert into marts.mart_scorecards__codes values ('category', 'heating', '供热'), ('responsible_party', 'property', '物业服务企业');
"""
SCORES = """
insert into scoring.grades (run_id, method_version, input_sha256, business_date, uscc, enterprise_name, grade, status_code,
    score, public_pct, market_pct, bonus_points, certainty_ratio, is_key_supervision, grade_before_caps, caps, lift)
  select 'bench', '2026.1', 'x', %(night)s, uscc, '物业服务有限公司' || n, (array['AA','A','A','B'])[1 + n %% 4], 'rated',
    60 + n %% 39, 70 + n %% 29, 60 + n %% 33, 0, null, n %% 50 = 0, 'A',
    case when n %% 9 = 0 then '[{"code":"C1","until":"2027-01-01","reason_zh":"一般失信记录未满最短公示期","evidence_ids":["XY1"],
      "decisions":[]}]'::jsonb else '[]' end,
    '{"lost":[{"points":"2.6","indicator_code":"M04"},{"points":"2.1","indicator_code":"P01"}],"records":[],"next":null}'
  from marts.uscc;
insert into scoring.indicator_points (run_id, method_version, input_sha256, uscc, indicator_code, is_available, numerator,
    denominator, indicator_value, interval_low, interval_high, points, max_points, evidence_ids, reason_zh, reason_en)
  select 'bench', '2026.1', 'x', uscc, code, true, 10 + n %% 40, 12 + n %% 30, 1.05, 0.8, 1.4,
    round(((max_points::numeric) * (40 + (n + place) %% 60) / 100)::numeric, 2), max_points::numeric,
    (select jsonb_agg('MSB2026' || n || code || e) from generate_series(1, 1 + (n + place)::int %% 12) as e),
    '加权不合格项 82／检查项 437，收缩后 17.2%%，得 ' || place || ' 分', 'points'
  from marts.uscc cross join (select key as code, value ->> 'max_points' as max_points, ordinality as place from
    scoring.methods, jsonb_each(document -> 'indicators') with ordinality where method_version = '2026.1') as indicators
  where max_points is not null;
"""


def prepare(enterprises: int, communities: int) -> None:
    """Make the region: marts as dbt leaves them, a run of grades and points, and its publication."""
    import yaml
    from psycopg import ClientCursor
    from psycopg.types.json import Jsonb

    from property_credit.publishing.publish import publish
    from property_credit.warehouse.business_date import end_of
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import migrate

    migrate()
    numbers = {"night": NIGHT, "enterprises": enterprises, "communities": communities}
    with connect() as owner:  # as in a registered build
        owner.execute("grant usage, create on schema marts to pc_dbt")
    with connect("pc_dbt") as connection:
        for statement in MARTS.split(";\n"):
            if statement.strip():
                ClientCursor(connection).execute(statement, numbers)  # DDL takes no parameters from a server
        connection.execute("grant select on all tables in schema marts to pc_scoring")
    with connect() as owner:  # what was made by hand counts as built
        owner.execute(
            "select ops.end_build(ops.begin_build(%s, 'full', 'by hand', 'x', 'x', 'x'), 'done', '{}', 0, '[]')",
            (NIGHT,),
        )
    document = yaml.safe_load((ROOT / "scoring/methods/2026.1.yml").read_text(encoding="utf-8"))
    with connect("pc_scoring") as connection:
        connection.execute("insert into scoring.methods values ('2026.1', 'x', %s, %s)", (Jsonb(document), NIGHT))
        connection.execute("insert into scoring.fits values ('fit', '2026.1', %s, 'x', '{}')", (NIGHT,))
        connection.execute(
            "insert into scoring.runs values ('bench', %s, '2026.1', 'fit', 'x', %s, %s)",
            (NIGHT, enterprises, end_of(NIGHT)),
        )
        for statement in SCORES.split(";\n"):
            if statement.strip():
                ClientCursor(connection).execute(statement, numbers)  # DDL takes no parameters from a server
    publish("bench", NIGHT)


def run(folder: Path, *, enterprises: int, communities: int) -> dict[str, object]:
    """Prepare a warehouse in ``folder``, build, build again, write the floor; return seconds and ratios."""
    os.environ["DATA_DIR"] = str(folder)
    os.environ.pop("WAREHOUSE_URL", None)
    from property_credit.scorecards.build import build
    from property_credit.warehouse import embedded

    try:
        prepare(enterprises, communities)
        started, cpu_before = time.perf_counter(), _cpu_seconds()
        report = build(NIGHT)
        seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - cpu_before
        started = time.perf_counter()
        again = build(NIGHT)
        again_seconds = time.perf_counter() - started
        anew = build(NIGHT, is_anew=True)
        opened = open_pages(report.folder)
        files = {
            path.relative_to(report.folder): path.read_bytes() for path in report.folder.rglob("*") if path.is_file()
        }
        floor = min(_write_floor(folder / "floor", files) for _ in range(3))
    finally:
        embedded.stop(folder)
    pages = [len(content) for path, content in files.items() if path.suffix == ".html"]
    return {
        "name": "build_pages",
        "what": f"all pages of {enterprises:,} enterprises and {communities:,} communities, against writing their bytes "
        "(1: as fast as the disk; the aim is 60 s on two cores)",
        "floor": "the same files with the same bytes written by one process",
        "ratio": round(seconds / floor, 2),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "seconds_again": round(again_seconds, 1),
        "floor_seconds": round(floor, 2),
        "is_same_again": again.is_as_published and anew.is_as_published and anew.written_count == 0,
        "opened": opened,
        "pages": len(pages),
        "files": len(files),
        "megabytes": round(sum(map(len, files.values())) / 1e6, 1),
        "largest_page_kb": round(max(pages) / 1000),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
    }


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _write_floor(folder: Path, files: dict[Path, bytes]) -> float:
    for path in {path.parent for path in files}:
        (folder / path).mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    for path, content in files.items():
        (folder / path).write_bytes(content)
    seconds = time.perf_counter() - started
    shutil.rmtree(folder)
    return seconds


def main() -> None:
    """Run the benchmark; exit 1 when it took longer than --at-most seconds or a page is too heavy or slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enterprises", type=int, default=6_000)
    parser.add_argument("--communities", type=int, default=20_000)
    parser.add_argument("--at-most", type=float, default=60.0, help="seconds")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="property-credit-bench-") as folder:
        Path(folder).chmod(0o755)
        result = run(Path(folder), enterprises=arguments.enterprises, communities=arguments.communities)
    print(json.dumps(result, ensure_ascii=False, indent=2))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    seconds, heaviest, opened = result["seconds"], result["largest_page_kb"], result["opened"] or {}
    assert isinstance(seconds, float) and isinstance(heaviest, int) and isinstance(opened, dict)
    is_light = heaviest <= 300 and all(one["seconds"] <= 1 for one in opened.values())
    sys.exit(0 if seconds <= arguments.at_most and is_light and result["is_same_again"] else 1)


if __name__ == "__main__":
    main()
