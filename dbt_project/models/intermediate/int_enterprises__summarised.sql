-- What decides whether an enterprise can be rated, and how large it is (size is only ever a denominator).
with enterprises as (

  select * from {{ ref('stg_enterprises') }} where organisation_type_code = 'enterprise'

),

communities as (

  select * from {{ ref('stg_communities') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

exposures as (

  select * from {{ ref('int_exposures__counted') }}

),

lines as (

  select * from {{ ref('int_inspection_lines__attributed') }}

),

surveys as (

  select * from {{ ref('int_surveys__attributed') }}

),

service as (

  select
    uscc,
    count(distinct community_id) filter (where ends_on >= {{ business_date() }}) as project_count,
    count(distinct community_id) filter (where ends_on > {{ months_ago(window_months('P01')) }})
      as recent_project_count
  from spells
  group by uscc

),

-- days on which an enterprise had any community, as stretches without a gap
stretches as (

  select
    uscc,
    unnest(range_agg(daterange(starts_on, ends_on + 1))) as days
  from spells
  group by uscc

),

served as (

  select
    uscc,
    sum({{ months_between('lower(days)', 'upper(days)') }}) as service_months
  from stretches
  group by uscc

),

households as (

  select
    uscc,
    sum(household_months) as household_months,
    sum(protected_household_months) as protected_household_months
  from exposures
  where slot_number < 12
  group by uscc

),

regions as (

  select distinct on (exposures.uscc)
    exposures.uscc,
    communities.region_code
  from exposures
  inner join communities
    on communities.community_id = exposures.community_id
  where exposures.slot_number < 12
  group by exposures.uscc, communities.region_code
  order by exposures.uscc, sum(exposures.household_months) desc, communities.region_code

),

inspections as (

  select
    uscc,
    count(distinct inspection_id) as inspection_count
  from lines
  where {{ in_window('inspected_on', var('inspection_window_months'), counted_until('inspections')) }}
  group by uscc

),

responses as (

  select
    uscc,
    sum(response_count) as survey_response_count
  from surveys
  where {{ in_window('surveyed_on', window_months('M06'), counted_until('surveys')) }}
  group by uscc

)

select
  enterprises.uscc,
  enterprises.enterprise_name,
  coalesce(round(served.service_months::numeric, 4), 0) as service_months,
  coalesce(households.household_months, 0) as household_months,
  coalesce(round(households.protected_household_months / nullif(households.household_months, 0), 6), 0)
    as protected_household_months_ratio,
  coalesce(inspections.inspection_count, 0)::integer as inspection_count,
  coalesce(responses.survey_response_count, 0)::integer as survey_response_count,
  coalesce(service.project_count, 0)::integer as project_count,
  coalesce(service.recent_project_count, 0)::integer as recent_project_count,
  regions.region_code
from enterprises
left join service
  on service.uscc = enterprises.uscc
left join served
  on served.uscc = enterprises.uscc
left join households
  on households.uscc = enterprises.uscc
left join inspections
  on inspections.uscc = enterprises.uscc
left join responses
  on responses.uscc = enterprises.uscc
left join regions
  on regions.uscc = enterprises.uscc
