-- B 19: an area's complaints of a month: volume, rate, on time, repeats; hot spots and floods among its communities.
with counted as (

  select * from {{ ref('int_complaint_months__counted') }}

),

exposed as (

  select * from {{ ref('int_community_months__exposed') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

areas as (

  select * from {{ ref('int_areas__listed') }}

),

watched as (

  select * from {{ ref('mart_supervision__community_complaint_months') }}

),

exposures as (

  select
    areas.level_code,
    areas.area_code,
    max(areas.area_name) as area_name,
    exposed.month_on,
    count(distinct exposed.community_id) as community_count,
    sum(exposed.household_months) as household_months
  from exposed
  inner join communities
    on communities.community_id = exposed.community_id
  inner join areas
    on areas.region_code = exposed.region_code
    and (areas.street_code is null or areas.street_code = communities.street_code)
  group by areas.level_code, areas.area_code, exposed.month_on

),

complained as (

  select
    areas.level_code,
    areas.area_code,
    counted.month_on,
    sum(counted.complaint_count)::bigint as complaint_count,
    sum(counted.countable_count)::bigint as countable_count,
    sum(counted.repeat_count)::bigint as repeat_count,
    sum(counted.response_due_count)::bigint as response_due_count,
    sum(counted.responded_in_time_count)::bigint as responded_in_time_count,
    sum(counted.handling_due_count)::bigint as handling_due_count,
    sum(counted.handled_in_time_count)::bigint as handled_in_time_count,
    sum(counted.resolution_due_count)::bigint as resolution_due_count,
    sum(counted.resolved_within_24h_count)::bigint as resolved_within_24h_count
  from counted
  inner join areas
    on areas.region_code = counted.region_code
    and (areas.street_code is null or areas.street_code = counted.street_code)
  group by areas.level_code, areas.area_code, counted.month_on

),

spotted as (

  select
    areas.level_code,
    areas.area_code,
    watched.month,
    count(*) filter (where watched.is_hotspot) as hotspot_count,
    count(*) filter (where watched.is_flooded) as flooded_count
  from watched
  inner join areas
    on areas.region_code = watched.region_code
    and (areas.street_code is null or areas.street_code = watched.street_code)
  group by areas.level_code, areas.area_code, watched.month

)

select
  exposures.level_code,
  exposures.area_code,
  exposures.area_name,
  exposures.month_on as month,
  exposures.community_count,
  round(exposures.household_months, 4) as household_months,
  coalesce(complained.complaint_count, 0) as complaint_count,
  coalesce(complained.countable_count, 0) as countable_count,
  coalesce(complained.repeat_count, 0) as repeat_count,
  coalesce(complained.response_due_count, 0) as response_due_count,
  coalesce(complained.responded_in_time_count, 0) as responded_in_time_count,
  coalesce(complained.handling_due_count, 0) as handling_due_count,
  coalesce(complained.handled_in_time_count, 0) as handled_in_time_count,
  coalesce(complained.resolution_due_count, 0) as resolution_due_count,
  coalesce(complained.resolved_within_24h_count, 0) as resolved_within_24h_count,
  round(coalesce(complained.complaint_count, 0) * 1000 / nullif(exposures.household_months, 0), 4)
    as complaints_per_1k_household_months,
  round(complained.repeat_count / nullif(complained.complaint_count, 0)::numeric, 4) as repeat_ratio,
  round(complained.responded_in_time_count / nullif(complained.response_due_count, 0)::numeric, 4)
    as responded_in_time_ratio,
  round(complained.handled_in_time_count / nullif(complained.handling_due_count, 0)::numeric, 4)
    as handled_in_time_ratio,
  round(complained.resolved_within_24h_count / nullif(complained.resolution_due_count, 0)::numeric, 4)
    as resolved_within_24h_ratio,
  spotted.hotspot_count,
  spotted.flooded_count
from exposures
left join complained
  on complained.level_code = exposures.level_code
  and complained.area_code = exposures.area_code
  and complained.month_on = exposures.month_on
left join spotted
  on spotted.level_code = exposures.level_code
  and spotted.area_code = exposures.area_code
  and spotted.month = exposures.month_on
