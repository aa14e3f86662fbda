-- Every policy target for every region: its actual value tonight, the definition it was counted by, and the target that
-- the documents set there for this year or, where there is none, the next one they name.
with definitions as (

  select distinct on (kpi_code) *
  from {{ ref('kpi_definitions') }}
  order by kpi_code asc, {{ in_force_first('valid_from') }}, definition_version desc

),

regions as (

  select * from {{ ref('regions') }}

),

counted as (

  select * from {{ ref('mart_supervision__kpi_counts') }}

),

targets as (

  select distinct on (kpi_code, region_code) *
  from {{ ref('kpi_targets') }}
  where target_year >= extract(year from {{ business_date() }})
  order by kpi_code asc, region_code asc, target_year asc

)

select
  definitions.kpi_code,
  regions.region_code,
  definitions.definition_version,
  definitions.kpi_zh,
  definitions.kpi_en,
  definitions.unit_code,
  definitions.direction_code,
  definitions.numerator_zh,
  definitions.denominator_zh,
  definitions.definition_zh,
  counted.numerator,
  counted.denominator,
  counted.base_value,
  counted.current_value,
  counted.actual_value,
  coalesce(counted.is_missing, false) as is_missing,
  targets.target_year,
  targets.target_value,
  targets.target_text,
  targets.source_clause
from definitions
cross join regions
left join counted
  on counted.kpi_code = definitions.kpi_code and counted.region_code = regions.region_code
left join targets
  on targets.kpi_code = definitions.kpi_code and targets.region_code = regions.region_code
