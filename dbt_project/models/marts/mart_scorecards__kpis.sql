-- The targets of the two policy documents with what the warehouse can count of them tonight; grades are not known here.
with targets as (

  select * from {{ ref('kpi_targets') }}

),

actuals as (

  select * from {{ ref('mart_supervision__kpi_counts') }}

)

select
  targets.kpi_code,
  targets.target_year,
  targets.region_code,
  targets.kpi_zh,
  targets.kpi_en,
  targets.unit_code,
  targets.direction_code,
  targets.target_value,
  targets.target_text,
  targets.source_clause,
  actuals.actual_value,
  case when actuals.actual_value is not null then {{ business_date() }} end as actual_on,
  case
    when actuals.actual_value is null or targets.target_value is null then null
    when targets.direction_code = 'above' then actuals.actual_value >= targets.target_value
    else actuals.actual_value <= targets.target_value
  end as is_met
from targets
left join actuals
  on actuals.kpi_code = targets.kpi_code and actuals.region_code = targets.region_code
