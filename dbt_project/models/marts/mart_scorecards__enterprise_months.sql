-- What an enterprise's page shows for each month it served.
{% set clocks = [
  ('responded_on_time', 'response_minutes', 'response_limit_hours'),
  ('handled_within_12h', 'handling_minutes', 'handling_limit_hours'),
  ('resolved_within_24h', 'score_resolution_minutes', 'resolution_limit_hours'),
] -%}
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

-- months of which something is not known in a district that the enterprise served then
missing as (

  select
    months.uscc,
    months.month_on,
    bool_or(silences.feed = 'complaints') as is_complaints,
    bool_or(silences.feed = 'inspections') as is_inspections
  from (select distinct uscc, month_on, region_code from months) as months
  inner join {{ ref('int_feed_silences__detected') }} as silences
    on silences.region_code = months.region_code
    and silences.feed in ('complaints', 'inspections')
    and silences.until_on >= months.month_on
    and coalesce(silences.from_on < months.month_on + interval '1 month', true)
  group by months.uscc, months.month_on

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

-- what is not counted yet: complaints of the last days whose limit has not run out, solved or not
running as (

  select
    uscc,
    date_trunc('month', submitted_on::timestamp)::date as month_on,
    {%- for name, clock, limit in clocks %}
    count(*) filter (where not {{ is_limit_due(limit) }}) as {{ name }}_running_count,
    count(*) filter (where not {{ is_limit_due(limit) }} and {{ clock }} <= {{ var(limit) }} * 60)
      as {{ name }}_early_count{{ "," if not loop.last }}
    {%- endfor %}
  from {{ ref('fct_complaints') }}
  where is_countable
    and submitted_on >= {{ business_date() }} - 2
    and submitted_on <= {{ business_date() }}
  group by uscc, date_trunc('month', submitted_on::timestamp)::date

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
  case when missing.is_complaints then null else coalesce(complaint_counts.countable_complaint_count, 0)::bigint end
    as countable_complaint_count,
  case
    when missing.is_complaints then null
    else round(coalesce(complaint_counts.countable_complaint_count, 0) * 1000 / nullif(exposures.household_months, 0), 4)
  end as complaints_per_1k_household_months,
  {%- for name, _, _ in clocks %}
  case
    when missing.is_complaints then null
    else round(
      (complaint_counts.{{ name }}_count - coalesce(running.{{ name }}_early_count, 0))
      / nullif(complaint_counts.countable_complaint_count - coalesce(running.{{ name }}_running_count, 0), 0)::numeric, 4
    )
  end as {{ name }}_ratio,
  {%- endfor %}
  {%- for name in ['inspection_count', 'checked_item_count', 'failed_item_count'] %}
  case when missing.is_inspections then null else coalesce(inspection_counts.{{ name }}, 0)::bigint end as {{ name }},
  {%- endfor %}
  case
    when missing.is_inspections then null
    else round(inspection_counts.failed_item_count / nullif(inspection_counts.checked_item_count, 0)::numeric, 4)
  end as failed_item_ratio,
  case when missing.is_inspections then null else coalesce(overdue_counts.overdue_order_count, 0)::bigint end
    as overdue_order_count
from exposures
left join missing
  on missing.uscc = exposures.uscc and missing.month_on = exposures.month_on
left join complaint_counts
  on complaint_counts.uscc = exposures.uscc and complaint_counts.month_on = exposures.month_on
left join running
  on running.uscc = exposures.uscc and running.month_on = exposures.month_on
left join inspection_counts
  on inspection_counts.uscc = exposures.uscc and inspection_counts.month_on = exposures.month_on
left join overdue_counts
  on overdue_counts.uscc = exposures.uscc and overdue_counts.month_on = exposures.month_on
