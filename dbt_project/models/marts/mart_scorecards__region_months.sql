-- What a region's page shows for each month: counts of districts, rolled up to city and autonomous region.
with complaints as (

  select * from {{ ref('fct_complaints') }}

),

lines as (

  select * from {{ ref('fct_inspection_lines') }}

),

months as (

  select * from {{ ref('fct_community_months') }}

),

ancestors as (

  select * from {{ ref('int_region_ancestors__expanded') }}

),

exposures as (

  select
    region_code,
    month_on,
    count(distinct community_id) as community_count,
    count(distinct community_id) filter (where uscc is not null) as managed_community_count,
    count(distinct community_id) filter (where is_enterprise) as enterprise_community_count,
    sum(household_months) as household_months
  from months
  group by region_code, month_on

),

complaint_counts as (

  select
    region_code,
    date_trunc('month', submitted_on::timestamp)::date as month_on,
    count(*) as complaint_count,
    count(*) filter (where is_countable) as countable_complaint_count,
    count(*) filter (where resolution_minutes <= {{ var('resolution_limit_hours') }} * 60) as resolved_within_24h_count
  from complaints
  where status_code <> 'withdrawn'
  group by region_code, date_trunc('month', submitted_on::timestamp)::date

),

inspection_counts as (

  select
    region_code,
    date_trunc('month', inspected_on::timestamp)::date as month_on,
    count(distinct inspection_id) as inspection_count,
    sum(checked_item_count) filter (where line_type_code = 'summary') as checked_item_count,
    sum(failed_item_count) filter (where line_type_code = 'summary') as failed_item_count
  from lines
  group by region_code, date_trunc('month', inspected_on::timestamp)::date

),

overdue_counts as (

  select
    region_code,
    date_trunc('month', order_due_on::timestamp)::date as month_on,
    count(*) filter (where is_overdue) as overdue_order_count,
    count(*) as due_order_count
  from lines
  where line_type_code = 'finding' and order_due_on <= {{ business_date() }}
  group by region_code, date_trunc('month', order_due_on::timestamp)::date

),

districts as (

  select
    exposures.region_code,
    exposures.month_on,
    exposures.community_count,
    exposures.managed_community_count,
    exposures.enterprise_community_count,
    exposures.household_months,
    complaint_counts.complaint_count,
    complaint_counts.countable_complaint_count,
    complaint_counts.resolved_within_24h_count,
    inspection_counts.inspection_count,
    inspection_counts.checked_item_count,
    inspection_counts.failed_item_count,
    overdue_counts.overdue_order_count,
    overdue_counts.due_order_count
  from exposures
  left join complaint_counts
    on complaint_counts.region_code = exposures.region_code and complaint_counts.month_on = exposures.month_on
  left join inspection_counts
    on inspection_counts.region_code = exposures.region_code and inspection_counts.month_on = exposures.month_on
  left join overdue_counts
    on overdue_counts.region_code = exposures.region_code and overdue_counts.month_on = exposures.month_on

),

rolled_up as (

  select
    ancestors.ancestor_region_code as region_code,
    districts.month_on,
    sum(districts.community_count)::bigint as community_count,
    sum(districts.managed_community_count)::bigint as managed_community_count,
    sum(districts.enterprise_community_count)::bigint as enterprise_community_count,
    sum(districts.household_months) as household_months,
    coalesce(sum(districts.complaint_count), 0)::bigint as complaint_count,
    coalesce(sum(districts.countable_complaint_count), 0)::bigint as countable_complaint_count,
    coalesce(sum(districts.resolved_within_24h_count), 0)::bigint as resolved_within_24h_count,
    coalesce(sum(districts.inspection_count), 0)::bigint as inspection_count,
    coalesce(sum(districts.checked_item_count), 0)::bigint as checked_item_count,
    coalesce(sum(districts.failed_item_count), 0)::bigint as failed_item_count,
    coalesce(sum(districts.overdue_order_count), 0)::bigint as overdue_order_count,
    coalesce(sum(districts.due_order_count), 0)::bigint as due_order_count
  from districts
  inner join ancestors
    on ancestors.region_code = districts.region_code
  group by ancestors.ancestor_region_code, districts.month_on

)

select
  region_code,
  month_on as month,
  community_count,
  managed_community_count,
  enterprise_community_count,
  household_months,
  complaint_count,
  countable_complaint_count,
  round(complaint_count * 1000 / nullif(household_months, 0), 4) as complaints_per_1k_household_months,
  resolved_within_24h_count,
  round(resolved_within_24h_count / nullif(complaint_count, 0)::numeric, 4) as resolved_within_24h_ratio,
  inspection_count,
  checked_item_count,
  failed_item_count,
  round(failed_item_count / nullif(checked_item_count, 0)::numeric, 4) as failed_item_ratio,
  overdue_order_count,
  due_order_count
from rolled_up
