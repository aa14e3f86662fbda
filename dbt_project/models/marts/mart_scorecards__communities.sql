-- Every community as a street's page lists it: who manages it tonight, and its month beside the one before.
with communities as (

  select * from {{ ref('dim_community') }} where region_code is not null

),

enterprises as (

  select * from {{ ref('dim_enterprise') }}

),

exposures as (

  select
    community_id,
    sum(household_months) as household_months
  from {{ ref('fct_community_months') }}
  where month_on = date_trunc('month', {{ business_date() }}::timestamp)::date
  group by community_id

),

complaints as (

  select
    community_id,
    count(*) filter (where submitted_on >= date_trunc('month', {{ business_date() }}::timestamp)) as complaint_count,
    count(*) filter (
      where submitted_on >= date_trunc('month', {{ business_date() }}::timestamp)
        and resolution_minutes <= {{ var('resolution_limit_hours') }} * 60
    ) as resolved_within_24h_count,
    count(*) filter (where submitted_on < date_trunc('month', {{ business_date() }}::timestamp))
      as complaint_count_before
  from {{ ref('fct_complaints') }}
  where status_code <> 'withdrawn'
    and submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '1 month'
    and submitted_on <= {{ business_date() }}
  group by community_id

),

lines as (

  select
    community_id,
    count(distinct inspection_id) filter (
      where inspected_on >= date_trunc('month', {{ business_date() }}::timestamp)
        and inspected_on <= {{ business_date() }}
    ) as inspection_count,
    count(*) filter (
      where line_type_code = 'finding' and inspected_on >= date_trunc('month', {{ business_date() }}::timestamp)
        and inspected_on <= {{ business_date() }}
    ) as finding_count,
    -- not yet put right tonight, whichever month it was due in
    count(*) filter (
      where line_type_code = 'finding' and order_due_on <= {{ business_date() }} and rectified_on is null
    ) as open_overdue_order_count
  from {{ ref('fct_inspection_lines') }}
  where inspected_on >= date_trunc('month', {{ business_date() }}::timestamp)
    or line_type_code = 'finding' and rectified_on is null
  group by community_id

),

disclosed as (

  select distinct
    community_id,
    uscc
  from {{ ref('stg_disclosures') }}
  where is_verified and {{ in_window('published_on', 12) }}

),

takeovers as (

  select
    community_id,
    uscc,
    max(starts_on) as taken_over_on
  from {{ ref('stg_contracts') }}
  where is_takeover and starts_on <= {{ business_date() }}
  group by community_id, uscc

)

select
  communities.community_id,
  communities.community_name,
  communities.region_code,
  coalesce(communities.street_code, communities.region_code) as leaf_area_code,
  communities.community_type_code,
  communities.community_type_zh,
  communities.household_count,
  communities.current_uscc,
  enterprises.enterprise_name as manager_name,
  coalesce(enterprises.is_enterprise, false) as is_enterprise,
  coalesce(complaints.complaint_count, 0)::bigint as complaint_count,
  coalesce(complaints.complaint_count_before, 0)::bigint as complaint_count_before,
  coalesce(complaints.resolved_within_24h_count, 0)::bigint as resolved_within_24h_count,
  round(coalesce(complaints.complaint_count, 0) * 1000 / nullif(exposures.household_months, 0), 4)
    as complaints_per_1k_household_months,
  coalesce(lines.inspection_count, 0)::bigint as inspection_count,
  coalesce(lines.finding_count, 0)::bigint as finding_count,
  coalesce(lines.open_overdue_order_count, 0)::bigint as open_overdue_order_count,
  disclosed.community_id is not null as is_disclosed,
  takeovers.taken_over_on
from communities
left join enterprises
  on enterprises.uscc = communities.current_uscc
left join exposures
  on exposures.community_id = communities.community_id
left join complaints
  on complaints.community_id = communities.community_id
left join lines
  on lines.community_id = communities.community_id
left join disclosed
  on disclosed.community_id = communities.community_id and disclosed.uscc = communities.current_uscc
left join takeovers
  on takeovers.community_id = communities.community_id and takeovers.uscc = communities.current_uscc
