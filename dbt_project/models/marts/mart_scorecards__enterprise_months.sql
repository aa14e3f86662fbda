-- What an enterprise's page shows for each month it served.
with complaint_months as (

  select * from {{ ref('int_complaint_months__summed') }} where month_on >= {{ first_shown_month() }}

),

lines as (

  select *
  from {{ ref('fct_inspection_lines') }}
  where inspected_on >= {{ first_shown_month() }} or order_due_on >= {{ first_shown_month() }}

),

months as (

  select * from {{ ref('fct_community_months') }} where is_enterprise

),

exposures as (

  select
    uscc,
    month_on,
    count(distinct community_id) as community_count,
    sum(household_months) as household_months
  from months
  group by uscc, month_on

),

complaint_counts as (

  select
    manager_key as uscc,
    month_on,
    sum(countable_count) as countable_complaint_count,
    sum(countable_responded_count) as responded_on_time_count,
    sum(countable_handled_count) as handled_within_12h_count,
    sum(countable_resolved_count) as resolved_within_24h_count
  from complaint_months
  where countable_count > 0
  group by manager_key, month_on

),

inspection_counts as (

  select
    uscc,
    date_trunc('month', inspected_on::timestamp)::date as month_on,
    count(distinct inspection_id) as inspection_count,
    sum(checked_item_count) filter (where line_type_code = 'summary') as checked_item_count,
    sum(failed_item_count) filter (where line_type_code = 'summary') as failed_item_count
  from lines
  where inspected_on >= {{ first_shown_month() }}
  group by uscc, date_trunc('month', inspected_on::timestamp)::date

),

overdue_counts as (

  select
    uscc,
    date_trunc('month', order_due_on::timestamp)::date as month_on,
    count(*) filter (where is_overdue) as overdue_order_count
  from lines
  where line_type_code = 'finding' and order_due_on between {{ first_shown_month() }} and {{ business_date() }}
  group by uscc, date_trunc('month', order_due_on::timestamp)::date

)

select
  exposures.uscc,
  exposures.month_on as month,
  exposures.community_count,
  exposures.household_months,
  coalesce(complaint_counts.countable_complaint_count, 0)::bigint as countable_complaint_count,
  round(coalesce(complaint_counts.countable_complaint_count, 0) * 1000 / nullif(exposures.household_months, 0), 4)
    as complaints_per_1k_household_months,
  round(complaint_counts.responded_on_time_count / complaint_counts.countable_complaint_count::numeric, 4)
    as responded_on_time_ratio,
  round(complaint_counts.handled_within_12h_count / complaint_counts.countable_complaint_count::numeric, 4)
    as handled_within_12h_ratio,
  round(complaint_counts.resolved_within_24h_count / complaint_counts.countable_complaint_count::numeric, 4)
    as resolved_within_24h_ratio,
  coalesce(inspection_counts.inspection_count, 0)::bigint as inspection_count,
  coalesce(inspection_counts.checked_item_count, 0)::bigint as checked_item_count,
  coalesce(inspection_counts.failed_item_count, 0)::bigint as failed_item_count,
  round(inspection_counts.failed_item_count / nullif(inspection_counts.checked_item_count, 0)::numeric, 4)
    as failed_item_ratio,
  coalesce(overdue_counts.overdue_order_count, 0)::bigint as overdue_order_count
from exposures
left join complaint_counts
  on complaint_counts.uscc = exposures.uscc and complaint_counts.month_on = exposures.month_on
left join inspection_counts
  on inspection_counts.uscc = exposures.uscc and inspection_counts.month_on = exposures.month_on
left join overdue_counts
  on overdue_counts.uscc = exposures.uscc and overdue_counts.month_on = exposures.month_on
