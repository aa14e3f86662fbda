-- P10: lifts whose last inspection was passed and still valid at the end of each month, under whoever managed then. The
-- mean of the months is the ratio of the sums, each month scaled to the same weight. Safety always counts: no
-- protection. Before the first inspection that an office has sent nothing is known of a lift.
{%- set first_month_ends_on = '(' ~ counted_until('lifts') ~ ' - ' ~ (window_months('P10') | int - 1) ~ " * interval '1 month')::date" %}
with last_inspected as (

  select
    lift_id,
    max(inspected_on) as inspected_on
  from {{ ref('stg_lifts') }}
  where inspected_on <= {{ first_month_ends_on }} and in_use_from <= {{ first_month_ends_on }}
  group by lift_id

),

earlier_inspections as (

  select lifts.*
  from last_inspected
  inner join {{ ref('stg_lifts') }} as lifts
    on lifts.lift_id = last_inspected.lift_id and lifts.inspected_on = last_inspected.inspected_on

),

-- of what was inspected before the first month only the newest line can still say something
inspections as (

  select * from earlier_inspections
  union all
  select * from {{ ref('stg_lifts') }} where inspected_on > {{ first_month_ends_on }} or in_use_from > {{ first_month_ends_on }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }} where is_enterprise

),

months as (

  select ({{ counted_until('lifts') }} - slot_number * interval '1 month')::date as month_ends_on
  from generate_series(0, {{ window_months('P10') }} - 1) as series (slot_number)

),

-- an office corrects a lift's other facts on its newest line
newest as (

  select distinct on (months.month_ends_on, inspections.lift_id)
    months.month_ends_on,
    inspections.lift_id,
    inspections.community_id,
    inspections.out_of_use_on,
    inspections.result_code,
    inspections.result_code = 'passed' and inspections.valid_until >= months.month_ends_on as is_in_date
  from inspections
  inner join months
    on inspections.inspected_on <= months.month_ends_on and inspections.in_use_from <= months.month_ends_on
  order by months.month_ends_on, inspections.lift_id, inspections.inspected_on desc

),

attributed as (

  select
    spells.uscc,
    newest.lift_id,
    newest.month_ends_on,
    newest.is_in_date,
    newest.result_code
  from newest
  inner join spells
    on spells.community_id = newest.community_id
    and newest.month_ends_on between spells.starts_on and spells.ends_on
  where coalesce(newest.out_of_use_on > newest.month_ends_on, true)
    and {{ is_community_heard('lifts', 'newest.community_id') }}

),

month_totals as (

  select
    uscc,
    month_ends_on,
    count(*) as lift_count
  from attributed
  group by uscc, month_ends_on

),

firm_totals as (

  select
    uscc,
    avg(lift_count) as mean_lift_count,
    count(*) as month_count
  from month_totals
  group by uscc

),

weighed as (

  select
    attributed.uscc,
    attributed.lift_id,
    attributed.month_ends_on,
    attributed.is_in_date,
    attributed.result_code,
    firm_totals.mean_lift_count / month_totals.lift_count / firm_totals.month_count as weight
  from attributed
  inner join month_totals
    on month_totals.uscc = attributed.uscc and month_totals.month_ends_on = attributed.month_ends_on
  inner join firm_totals
    on firm_totals.uscc = attributed.uscc

)

select
  uscc,
  'P10' as indicator_code,
  {{ window_months('P10') }} as window_months,
  lift_id as evidence_id,
  'all' as stratum_code,
  'lifts' as evidence_feed,
  coalesce(max(month_ends_on) filter (where not is_in_date), max(month_ends_on)) as event_on,
  round(coalesce(sum(weight) filter (where is_in_date), 0), 6) as numerator,
  round(sum(weight), 6) as denominator,
  round(coalesce(sum(weight) filter (where not is_in_date), 0), 6) as adverse_weight,
  case
    when bool_and(is_in_date) then 'in_date'
    when bool_or(result_code = 'failed') then 'failed'
    else 'lapsed'
  end as summary_code
from weighed
group by uscc, lift_id
