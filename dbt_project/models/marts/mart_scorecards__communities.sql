-- Every community as a street's page lists it: who manages it tonight, and its month beside the one before. What a silent
-- feed leaves out is null.
with communities as (

  select * from {{ ref('dim_community') }} where region_code is not null

),

enterprises as (

  select * from {{ ref('dim_enterprise') }}

),

silences as (

  select
    region_code,
    bool_or(feed = 'complaints' and until_on >= date_trunc('month', {{ business_date() }}::timestamp)) as is_complaints,
    bool_or(
      feed = 'complaints'
      and coalesce(from_on < date_trunc('month', {{ business_date() }}::timestamp), true)
      and until_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '1 month'
    ) as is_complaints_before,
    bool_or(
      feed = 'complaints'
      and coalesce(from_on < date_trunc('month', {{ business_date() }}::timestamp) - interval '11 months', true)
      and until_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '12 months'
    ) as is_complaints_year_before,
    bool_or(
      feed = 'complaints'
      and until_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '11 months'
    ) as is_complaints_year,
    bool_or(feed = 'inspections' and until_on >= date_trunc('month', {{ business_date() }}::timestamp)) as is_inspections,
    bool_or(feed = 'inspections' and until_on = {{ business_date() }}) as is_inspections_now
  from {{ ref('int_feed_silences__detected') }}
  group by region_code

),

exposures as (

  select
    community_id,
    sum(household_months) filter (where month_on = date_trunc('month', {{ business_date() }}::timestamp)::date)
      as household_months,
    sum(household_months) as year_household_months,
    (array_agg(stratum_code order by month_on desc, stratum_code desc))[1] as stratum_code
  from {{ ref('fct_community_months') }}
  where month_on between date_trunc('month', {{ business_date() }}::timestamp) - interval '11 months'
    and {{ business_date() }}
  group by community_id

),

dated as (

  select
    community_id,
    submitted_on,
    submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '1 month'
      and submitted_on < date_trunc('month', {{ business_date() }}::timestamp) as is_month_before,
    extract(day from submitted_on) <= {{ day_reached('complaints') }} as is_to_day,
    {{ is_limit_due('resolution_limit_hours', cut_off=cut_off_of('complaints')) }} as is_due,
    {{ is_within_limit('resolution_minutes', 'resolution_limit_hours', cut_off=cut_off_of('complaints')) }} as is_in_time
  from {{ ref('fct_complaints') }}
  where {{ is_own_matter() }}
    and submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '12 months'
    and submitted_on <= {{ business_date() }}

),

complaints as (

  select
    community_id,
    count(*) filter (where submitted_on >= date_trunc('month', {{ business_date() }}::timestamp)) as complaint_count,
    count(*) filter (
      where submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) and is_due
    ) as resolution_due_count,
    count(*) filter (
      where submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) and is_in_time
    ) as resolved_within_24h_count,
    count(*) filter (where is_month_before) as complaint_count_before,
    -- of the same days as those of a month in progress
    count(*) filter (where is_month_before and is_to_day) as complaint_count_before_to_day,
    count(*) filter (where is_month_before and is_to_day and is_due) as resolution_due_count_before_to_day,
    count(*) filter (where is_month_before and is_to_day and is_in_time) as resolved_within_24h_count_before_to_day,
    count(*) filter (
      where submitted_on < date_trunc('month', {{ business_date() }}::timestamp) - interval '11 months' and is_to_day
    ) as complaint_count_year_before_to_day,
    count(*) filter (
      where submitted_on >= date_trunc('month', {{ business_date() }}::timestamp) - interval '11 months'
    ) as year_complaint_count
  from dated
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

enrolled as (

  select community_id
  from {{ ref('stg_mashangban_enrolments') }}
  where enrolled_on <= {{ business_date() }} and coalesce(withdrawn_on > {{ business_date() }}, true)

),

committees as (

  select distinct community_id
  from {{ ref('stg_owners_committees') }}
  where formed_on <= {{ business_date() }} and coalesce(dissolved_on > {{ business_date() }}, true)

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
  {%- for table, name, lacks in [
    ('complaints', 'complaint_count', 'is_complaints'),
    ('complaints', 'complaint_count_before', 'is_complaints_before'),
    ('complaints', 'complaint_count_before_to_day', 'is_complaints_before'),
    ('complaints', 'complaint_count_year_before_to_day', 'is_complaints_year_before'),
    ('complaints', 'year_complaint_count', 'is_complaints_year'),
    ('complaints', 'resolution_due_count', 'is_complaints'),
    ('complaints', 'resolution_due_count_before_to_day', 'is_complaints_before'),
    ('complaints', 'resolved_within_24h_count_before_to_day', 'is_complaints_before'),
    ('complaints', 'resolved_within_24h_count', 'is_complaints'),
    ('lines', 'inspection_count', 'is_inspections'),
    ('lines', 'finding_count', 'is_inspections'),
    ('lines', 'open_overdue_order_count', 'is_inspections_now'),
  ] %}
  case when not coalesce(silences.{{ lacks }}, false) then coalesce({{ table }}.{{ name }}, 0)::bigint end as {{ name }},
  {%- endfor %}
  exposures.stratum_code,
  exposures.household_months,
  exposures.year_household_months,
  case
    when not coalesce(silences.is_complaints, false)
      then round(coalesce(complaints.complaint_count, 0) * 1000 / nullif(exposures.household_months, 0), 4)
  end as complaints_per_1k_household_months,
  disclosed.community_id is not null as is_disclosed,
  enrolled.community_id is not null as is_enrolled,
  committees.community_id is not null as has_committee,
  takeovers.taken_over_on
from communities
left join enterprises
  on enterprises.uscc = communities.current_uscc
left join silences
  on silences.region_code = communities.region_code
left join exposures
  on exposures.community_id = communities.community_id
left join complaints
  on complaints.community_id = communities.community_id
left join lines
  on lines.community_id = communities.community_id
left join disclosed
  on disclosed.community_id = communities.community_id and disclosed.uscc = communities.current_uscc
left join enrolled
  on enrolled.community_id = communities.community_id
left join committees
  on committees.community_id = communities.community_id
left join takeovers
  on takeovers.community_id = communities.community_id and takeovers.uscc = communities.current_uscc
