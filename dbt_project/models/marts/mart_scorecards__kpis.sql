-- The targets of the two policy documents with what the warehouse can count of them tonight; grades are not known here.
with targets as (

  select * from {{ ref('kpi_targets') }}

),

ancestors as (

  select * from {{ ref('int_region_ancestors__expanded') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

enterprises as (

  select * from {{ ref('dim_enterprise') }}

),

region_months as (

  select * from {{ ref('mart_scorecards__region_months') }}

),

personnel as (

  select * from {{ ref('stg_personnel') }}

),

disclosures as (

  select * from {{ ref('stg_disclosures') }}

),

lifts as (

  select distinct
    lift_id,
    community_id,
    origin_code
  from {{ ref('stg_lifts') }}
  where in_use_from >= date '2026-01-01' and in_use_from <= {{ business_date() }}
    and coalesce(out_of_use_on > {{ business_date() }}, true)

),

lift_feed as (

  select is_available from {{ ref('mart_scoring__feeds') }} where feed = 'lifts'

),

scored_enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

managed as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(communities.current_uscc) as managed_count,
    count(*) filter (where enterprises.is_enterprise) as enterprise_managed_count,
    count(*) filter (where communities.community_type_code = 'old') as old_count,
    count(communities.current_uscc) filter (where communities.community_type_code = 'old') as old_managed_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  left join enterprises
    on enterprises.uscc = communities.current_uscc
  group by ancestors.ancestor_region_code

),

disclosed as (

  select distinct
    community_id,
    uscc
  from disclosures
  where is_verified and {{ in_window('published_on', 12) }}

),

disclosure_coverage as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as community_count,
    count(disclosed.community_id) as disclosed_count
  from communities
  inner join enterprises
    on enterprises.uscc = communities.current_uscc and enterprises.is_enterprise
  inner join ancestors
    on ancestors.region_code = communities.region_code
  left join disclosed
    on disclosed.community_id = communities.community_id and disclosed.uscc = communities.current_uscc
  group by ancestors.ancestor_region_code

),

trained as (

  select
    ancestors.ancestor_region_code as region_code,
    count(*) as staff_count,
    count(*) filter (where personnel.pre_job_trained_on <= personnel.hired_on) as pre_job_count,
    count(*) filter (where {{ in_window('personnel.continuing_trained_on', 12) }}) as continuing_count
  from personnel
  inner join scored_enterprises
    on scored_enterprises.uscc = personnel.uscc
  inner join ancestors
    on ancestors.region_code = scored_enterprises.region_code
  where personnel.hired_on <= {{ business_date() }} and coalesce(personnel.left_on > {{ business_date() }}, true)
  group by ancestors.ancestor_region_code

),

-- the same months of the year before: a year that is not over is not compared with a whole one
volumes as (

  select
    region_code,
    sum(complaint_count) filter (where extract(year from month) = extract(year from {{ business_date() }})) as this_year,
    sum(complaint_count) filter (
      where extract(year from month) = 2025 and extract(month from month) <= extract(month from {{ business_date() }})
    ) as base_year,
    count(*) filter (
      where extract(year from month) = 2025 and extract(month from month) <= extract(month from {{ business_date() }})
    ) as base_months
  from region_months
  group by region_code

),

-- 2026-28 together, as the target is; none at all where the lifts' office has sent nothing yet
lift_works as (

  select
    ancestors.ancestor_region_code as region_code,
    count(distinct lifts.lift_id) filter (where lifts.origin_code = 'renewed') as renewed_count,
    count(distinct lifts.lift_id) filter (where lifts.origin_code = 'added') as added_count
  from communities
  inner join ancestors
    on ancestors.region_code = communities.region_code
  cross join lift_feed
  left join lifts
    on lifts.community_id = communities.community_id
  where lift_feed.is_available
  group by ancestors.ancestor_region_code

),

actuals as (

  select region_code, 'management_coverage' as kpi_code, managed_count::numeric / nullif(community_count, 0) as actual
  from managed
  union all
  select region_code, 'professional_coverage', enterprise_managed_count::numeric / nullif(community_count, 0)
  from managed
  union all
  select region_code, 'old_community_takeover', old_managed_count::numeric / nullif(old_count, 0)
  from managed
  union all
  select region_code, 'disclosure_coverage', disclosed_count::numeric / nullif(community_count, 0)
  from disclosure_coverage
  union all
  select region_code, 'pre_job_training_ratio', pre_job_count::numeric / nullif(staff_count, 0)
  from trained
  union all
  select region_code, 'continuing_training_ratio', continuing_count::numeric / nullif(staff_count, 0)
  from trained
  union all
  select region_code, 'lift_renewals', renewed_count::numeric
  from lift_works
  union all
  select region_code, 'lift_additions', added_count::numeric
  from lift_works
  union all
  select region_code, 'complaint_volume_change', this_year / nullif(base_year, 0) - 1
  from volumes
  where base_months = extract(month from {{ business_date() }})

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
  round(actuals.actual, 4) as actual_value,
  case when actuals.actual is not null then {{ business_date() }} end as actual_on,
  case
    when actuals.actual is null or targets.target_value is null then null
    when targets.direction_code = 'above' then actuals.actual >= targets.target_value
    else actuals.actual <= targets.target_value
  end as is_met
from targets
left join actuals
  on actuals.kpi_code = targets.kpi_code and actuals.region_code = targets.region_code
