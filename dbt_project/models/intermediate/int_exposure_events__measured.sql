-- Denominators that no single event carries: household-months of M04 and P07, contract-years of M08, projects of P01,
-- draw-downs of P04, and the one full state of P09, P11 and M14 that records take away from.
with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

exposures as (

  select * from {{ ref('int_exposures__counted') }}

),

entries as (

  select * from {{ ref('int_fund_entries__attributed') }}

),

draw_downs as (

  select
    uscc,
    count(*) as draw_down_count
  from entries
  where account_type_code = 'maintenance_fund'
    and purpose_code in ('repair', 'emergency_repair')
    and amount_cny < 0
    and {{ in_window('booked_on', window_months('P04')) }}
  group by uscc

),

{% if var('counting').penalty_projects == 'of_the_month' -%}
projects_of_months as (

  select
    uscc,
    slot_number,
    sum(household_months) * sum(household_months) / nullif(sum(household_months * household_months), 0) as project_count
  from exposures
  group by uscc, slot_number

),

monthly_projects as (

  select
    uscc,
    avg(project_count) as project_count
  from projects_of_months
  where slot_number < {{ window_months('P01') }}
  group by uscc

),

{% endif -%}
measured as (

  {% for key in ['M04', 'M04_LONG'] -%}
  select
    uscc,
    'M04' as indicator_code,
    stratum_code,
    {{ window_months(key) }} as window_months,
    0::numeric as numerator,
    sum(round(weighted_household_months * {{ heard_share('complaints') }} * {{ complaint_decay('slot_number + 0.5') }}, 6))
      as denominator
  from exposures
  where slot_number < {{ window_months(key) }} and {{ is_community_heard('complaints', 'community_id') }}
  group by uscc, stratum_code
  union all
  {% endfor -%}
  select
    uscc,
    'P07' as indicator_code,
    'all' as stratum_code,
    {{ window_months('P07') }} as window_months,
    0::numeric as numerator,
    sum(household_months) / 12 as denominator
  from exposures
  where slot_number < {{ window_months('P07') }}
  group by uscc
  union all
  select
    uscc,
    'M08' as indicator_code,
    stratum_code,
    {{ window_months('M08') }} as window_months,
    0::numeric as numerator,
    sum(weighted_service_days * {{ heard_share('contracts') }}) / 365.25 as denominator
  from exposures
  where slot_number < {{ window_months('M08') }} and {{ is_community_heard('contracts', 'community_id') }}
  group by uscc, stratum_code
  union all
  select
    enterprises.uscc,
    'P01' as indicator_code,
    'all' as stratum_code,
    {{ window_months('P01') }} as window_months,
    0::numeric as numerator,
    {% if var('counting').penalty_projects == 'of_the_month' -%}
    -- over the months of service, as many projects as the month's households are spread over
    coalesce(monthly_projects.project_count, 0) as denominator
  from enterprises
  left join monthly_projects
    on monthly_projects.uscc = enterprises.uscc
    {%- else -%}
    recent_project_count::numeric as denominator
  from enterprises
    {%- endif %}
  union all
  select
    enterprises.uscc,
    'P04' as indicator_code,
    'all' as stratum_code,
    {{ window_months('P04') }} as window_months,
    0::numeric as numerator,
    coalesce(draw_downs.draw_down_count, 0)::numeric as denominator
  from enterprises
  left join draw_downs
    on draw_downs.uscc = enterprises.uscc
  {%- for code, state in [
    ('P09', 1), ('P11', 1), ('M14', 0), ('G02', 0)
  ] %}
  union all
  select
    uscc,
    '{{ code }}' as indicator_code,
    'all' as stratum_code,
    {{ 0 if code == 'P11' else window_months(code) }} as window_months,
    {{ state }}::numeric as numerator,
    1::numeric as denominator
  from enterprises
  {%- endfor %}
  union all
  -- whoever took nothing over has nothing to be rewarded for; that is known, not missing
  select
    uscc,
    'G01' as indicator_code,
    'all' as stratum_code,
    {{ window_months('G01') }} as window_months,
    0::numeric as numerator,
    0::numeric as denominator
  from enterprises

)

select
  uscc,
  indicator_code,
  stratum_code,
  window_months,
  round(numerator, 6) as numerator,
  round(denominator, 6) as denominator
from measured
