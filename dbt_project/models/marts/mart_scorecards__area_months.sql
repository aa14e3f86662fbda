-- What an area's page shows for each month: counts of leaf areas, rolled up to everything above them.
with communities as (

  select
    community_id,
    coalesce(street_code, region_code) as leaf_area_code
  from {{ ref('dim_community') }}
  where region_code is not null

),

complaints as (

  select *
  from {{ ref('fct_complaints') }}
  where status_code <> 'withdrawn' and submitted_on >= {{ first_shown_month() }}

),

lines as not materialized (

  select * from {{ ref('fct_inspection_lines') }}

),

months as (

  select * from {{ ref('fct_community_months') }}

),

areas as (

  select * from {{ ref('int_areas__expanded') }}

),

exposures as (

  select
    communities.leaf_area_code,
    months.month_on,
    count(distinct months.community_id) as community_count,
    count(distinct months.community_id) filter (where months.uscc is not null) as managed_community_count,
    count(distinct months.community_id) filter (where months.is_enterprise) as enterprise_community_count,
    sum(months.household_months) as household_months
  from months
  inner join communities
    on communities.community_id = months.community_id
  group by communities.leaf_area_code, months.month_on

),

complaint_counts as (

  select
    coalesce(communities.leaf_area_code, complaints.region_code) as leaf_area_code,
    date_trunc('month', complaints.submitted_on::timestamp)::date as month_on,
    count(*) as complaint_count,
    count(*) filter (where complaints.is_countable) as countable_complaint_count,
    count(*) filter (where complaints.response_minutes <= {{ var('response_limit_hours') }} * 60)
      as responded_on_time_count,
    count(*) filter (where complaints.handling_minutes <= {{ var('handling_limit_hours') }} * 60)
      as handled_within_12h_count,
    count(*) filter (where complaints.resolution_minutes <= {{ var('resolution_limit_hours') }} * 60)
      as resolved_within_24h_count
  from complaints
  left join communities
    on communities.community_id = complaints.community_id
  where coalesce(communities.leaf_area_code, complaints.region_code) is not null
  group by
    coalesce(communities.leaf_area_code, complaints.region_code),
    date_trunc('month', complaints.submitted_on::timestamp)::date

),

inspection_counts as (

  select
    communities.leaf_area_code,
    date_trunc('month', lines.inspected_on::timestamp)::date as month_on,
    count(distinct lines.inspection_id) as inspection_count,
    coalesce(sum(lines.checked_item_count) filter (where lines.line_type_code = 'summary'), 0) as checked_item_count,
    coalesce(sum(lines.failed_item_count) filter (where lines.line_type_code = 'summary'), 0) as failed_item_count,
    count(*) filter (where lines.line_type_code = 'finding' and lines.severity_code = 'serious')
      as serious_finding_count
  from lines
  inner join communities
    on communities.community_id = lines.community_id
  where lines.inspected_on >= {{ first_shown_month() }}
  group by communities.leaf_area_code, date_trunc('month', lines.inspected_on::timestamp)::date

),

order_counts as (

  select
    communities.leaf_area_code,
    date_trunc('month', lines.order_due_on::timestamp)::date as month_on,
    count(*) as due_order_count,
    count(*) filter (where lines.is_overdue) as overdue_order_count
  from lines
  inner join communities
    on communities.community_id = lines.community_id
  where lines.line_type_code = 'finding'
    and lines.order_due_on >= {{ first_shown_month() }} and lines.order_due_on <= {{ business_date() }}
  group by communities.leaf_area_code, date_trunc('month', lines.order_due_on::timestamp)::date

),

leaf_months as (

  select leaf_area_code, month_on from exposures
  union
  select leaf_area_code, month_on from complaint_counts
  where month_on >= (select min(month_on) from months) and month_on <= {{ business_date() }}

),

rolled_up as (

  select
    areas.area_code,
    leaf_months.month_on as month,
    coalesce(sum(exposures.community_count), 0)::bigint as community_count,
    coalesce(sum(exposures.managed_community_count), 0)::bigint as managed_community_count,
    coalesce(sum(exposures.enterprise_community_count), 0)::bigint as enterprise_community_count,
    coalesce(sum(exposures.household_months), 0) as household_months,
    coalesce(sum(complaint_counts.complaint_count), 0)::bigint as complaint_count,
    coalesce(sum(complaint_counts.countable_complaint_count), 0)::bigint as countable_complaint_count,
    coalesce(sum(complaint_counts.responded_on_time_count), 0)::bigint as responded_on_time_count,
    coalesce(sum(complaint_counts.handled_within_12h_count), 0)::bigint as handled_within_12h_count,
    coalesce(sum(complaint_counts.resolved_within_24h_count), 0)::bigint as resolved_within_24h_count,
    coalesce(sum(inspection_counts.inspection_count), 0)::bigint as inspection_count,
    coalesce(sum(inspection_counts.checked_item_count), 0)::bigint as checked_item_count,
    coalesce(sum(inspection_counts.failed_item_count), 0)::bigint as failed_item_count,
    coalesce(sum(inspection_counts.serious_finding_count), 0)::bigint as serious_finding_count,
    coalesce(sum(order_counts.due_order_count), 0)::bigint as due_order_count,
    coalesce(sum(order_counts.overdue_order_count), 0)::bigint as overdue_order_count
  from leaf_months
  inner join areas
    on areas.leaf_area_code = leaf_months.leaf_area_code
  left join exposures
    on exposures.leaf_area_code = leaf_months.leaf_area_code and exposures.month_on = leaf_months.month_on
  left join complaint_counts
    on complaint_counts.leaf_area_code = leaf_months.leaf_area_code
    and complaint_counts.month_on = leaf_months.month_on
  left join inspection_counts
    on inspection_counts.leaf_area_code = leaf_months.leaf_area_code
    and inspection_counts.month_on = leaf_months.month_on
  left join order_counts
    on order_counts.leaf_area_code = leaf_months.leaf_area_code and order_counts.month_on = leaf_months.month_on
  group by areas.area_code, leaf_months.month_on

)

select
  area_code,
  month,
  community_count,
  managed_community_count,
  enterprise_community_count,
  household_months,
  complaint_count,
  countable_complaint_count,
  round(complaint_count * 1000 / nullif(household_months, 0), 4) as complaints_per_1k_household_months,
  round(responded_on_time_count / nullif(complaint_count, 0)::numeric, 4) as responded_on_time_ratio,
  round(handled_within_12h_count / nullif(complaint_count, 0)::numeric, 4) as handled_within_12h_ratio,
  resolved_within_24h_count,
  round(resolved_within_24h_count / nullif(complaint_count, 0)::numeric, 4) as resolved_within_24h_ratio,
  round(managed_community_count / nullif(community_count, 0)::numeric, 4) as managed_ratio,
  round(enterprise_community_count / nullif(community_count, 0)::numeric, 4) as professional_ratio,
  inspection_count,
  checked_item_count,
  failed_item_count,
  round(failed_item_count / nullif(checked_item_count, 0)::numeric, 4) as failed_item_ratio,
  serious_finding_count,
  due_order_count,
  overdue_order_count
from rolled_up
