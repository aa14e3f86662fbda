"""The policy targets of a month, kept as they were computed then, with the definition they were computed by.

Owns the history (``supervision.kpi_months``, append-only) and that a used definition never changes. The warehouse
counts (``mart_supervision__kpi_actuals``); enterprises at AA are counted here, from what is published.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from psycopg import Connection

from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.connection import connect

KPI_LOCK = 20261031
# enterprises at AA or better as published by the night, each at the district most of its households are in and above it
COUNT_AA = """
with newest as (
  select publication_id, method_version from publishing.publications where business_date <= %(night)s
  order by publication_id desc limit 1
), good as (
  select grades.code
  from newest
  join scoring.methods on methods.method_version = newest.method_version
  cross join lateral jsonb_array_elements(methods.document -> 'grades') with ordinality as listed (grade, place)
  cross join lateral (select listed.grade ->> 'code' as code, listed.place) as grades
  where grades.place <= (
    select min(other.place) from jsonb_array_elements(methods.document -> 'grades') with ordinality
      as other (grade, place) where other.grade ->> 'code' = 'AA')
), standing as (
  select distinct on (history.uscc) history.uscc, history.grade
  from publishing.grade_history as history
  join newest on history.publication_id <= newest.publication_id
  order by history.uscc, history.version_no desc
), placed as (
  select enterprises.uscc, enterprises.region_code, standing.grade in (select code from good) as is_good
  from marts.mart_scoring__enterprises as enterprises
  left join standing on standing.uscc = enterprises.uscc
)
select regions.region_code, count(*) filter (where placed.is_good)
from marts.dim_region as regions
join marts.dim_region as below
  on regions.region_code in (below.region_code, below.parent_region_code)
  or regions.region_code = (
    select parent.parent_region_code from marts.dim_region as parent
    where parent.region_code = below.parent_region_code)
join placed on placed.region_code = below.region_code  -- no enterprise known there: no count, not 0
where exists (select from newest)
group by regions.region_code
"""
TONIGHT = """
create temporary table tonight on commit drop as
select actuals.kpi_code, actuals.region_code, actuals.definition_version, actuals.numerator, actuals.denominator,
  actuals.base_value, actuals.current_value, actuals.actual_value, actuals.target_year, actuals.target_value,
  actuals.target_text, actuals.direction_code, actuals.is_missing
from marts.mart_supervision__kpi_actuals as actuals
"""
DEFINITIONS = """
insert into supervision.kpi_definitions (kpi_code, definition_version, content, first_used_on)
select distinct kpi_code, definition_version, jsonb_build_object('kpi_zh', kpi_zh, 'kpi_en', kpi_en,
  'unit_code', unit_code, 'direction_code', direction_code, 'numerator_zh', numerator_zh,
  'denominator_zh', denominator_zh, 'definition_zh', definition_zh), %(night)s::date
from marts.mart_supervision__kpi_actuals
on conflict (kpi_code, definition_version) do nothing
"""
CHANGED_DEFINITIONS = """
select distinct actuals.kpi_code, actuals.definition_version
from marts.mart_supervision__kpi_actuals as actuals
join supervision.kpi_definitions as used
  on used.kpi_code = actuals.kpi_code and used.definition_version = actuals.definition_version
where used.content is distinct from jsonb_build_object('kpi_zh', actuals.kpi_zh, 'kpi_en', actuals.kpi_en,
  'unit_code', actuals.unit_code, 'direction_code', actuals.direction_code, 'numerator_zh', actuals.numerator_zh,
  'denominator_zh', actuals.denominator_zh, 'definition_zh', actuals.definition_zh)
order by 1, 2
"""
RECORD = """
with judged as (
  select tonight.*, case
      when actual_value is null or target_value is null then null
      when direction_code = 'above' then actual_value >= target_value
      else actual_value <= target_value
    end as is_met
  from tonight
  where not is_missing and (actual_value is not null or target_text is not null)
)
insert into supervision.kpi_months (kpi_code, region_code, month, version_no, definition_version, business_date,
  numerator, denominator, base_value, current_value, actual_value, target_year, target_value, target_text, is_met,
  recorded_at)
select judged.kpi_code, judged.region_code, %(month)s, coalesce(newest.version_no, 0) + 1, judged.definition_version,
  %(night)s, judged.numerator, judged.denominator, judged.base_value, judged.current_value, judged.actual_value,
  judged.target_year, judged.target_value, judged.target_text, judged.is_met, now()
from judged
left join supervision.current_kpi_months as newest
  on newest.kpi_code = judged.kpi_code and newest.region_code = judged.region_code and newest.month = %(month)s
where newest.kpi_code is null
  or (newest.definition_version, newest.numerator, newest.denominator, newest.base_value, newest.current_value,
      newest.actual_value, newest.target_year, newest.target_value, newest.target_text, newest.is_met)
    is distinct from (judged.definition_version, judged.numerator, judged.denominator, judged.base_value,
      judged.current_value, judged.actual_value, judged.target_year, judged.target_value, judged.target_text,
      judged.is_met)
"""


@dataclass(frozen=True)
class TargetsReport:
    """What was recorded. ``is_month_end`` False: a month is recorded on its last night, so nothing was."""

    month: date
    is_month_end: bool
    recorded: int = 0
    corrected: int = 0


def record_kpis(night: date) -> TargetsReport:
    """Keep the targets of the month that ends with ``night``; any other night keeps nothing.

    A month's last night run again gives no new rows, or new versions where what is known has changed. The marts must
    hold ``night``. Raises SupervisionError when a definition that was used has another text now.
    """
    month = night.replace(day=1)
    if (night + timedelta(days=1)).month == night.month:
        return TargetsReport(month, is_month_end=False)
    with connect("pc_supervision") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (KPI_LOCK,))
        connection.execute(DEFINITIONS, {"night": night})
        changed = connection.execute(CHANGED_DEFINITIONS).fetchall()
        if changed:
            names = ", ".join(f"{code} version {version}" for code, version in changed)
            raise SupervisionError(
                f"the definition of {names} was used and is frozen: give the new one the next version and a valid_from "
                "in dbt_project/seeds/kpi_definitions.csv"
            )
        before = _rows_of(connection, month)
        connection.execute(TONIGHT)
        _count_aa(connection, night)
        recorded = connection.execute(RECORD, {"night": night, "month": month}).rowcount
        return TargetsReport(month, True, recorded, recorded if before else 0)


def _rows_of(connection: Connection, month: date) -> bool:
    row = connection.execute("select exists (select from supervision.kpi_months where month = %s)", (month,)).fetchone()
    return bool(row and row[0])


def _count_aa(connection: Connection, night: date) -> None:
    counts = connection.execute(COUNT_AA, {"night": night}).fetchall()
    with connection.cursor() as cursor:
        cursor.executemany(
            "update tonight set numerator = %s, actual_value = %s where kpi_code = 'aa_enterprises' "
            "and region_code = %s",
            [(count, count, region) for region, count in counts],
        )
