-- M01-M05 and M07 over their windows, out of the days; a clock that still runs is looked at complaint by complaint, and so
-- is what nobody confirmed or refuted, where the method counts that.
{%- set clocks = [
  ('M01', 'response', 'response_minutes'),
  ('M02', 'handling', 'handling_minutes'),
  ('M03', 'resolution', 'score_resolution_minutes'),
] %}
with days as (

  select *
  from {{ ref('int_complaint_days__summed') }}
  where {{ in_window('day_on', longest_window(['M01', 'M02', 'M03', 'M04', 'M04_LONG', 'M05', 'M07'])) }}
    and {{ is_district_heard('complaints', 'region_code') }}

),

-- decay is worked out once a day and protection, not once a complaint
weights as (

  select
    days.day_on,
    days.protection_weight,
    round({{ complaint_decay(months_between('days.day_on', business_date())) }} * days.protection_weight, 6)
      as decayed_weight
  from days
  group by days.day_on, days.protection_weight

),

running as (

  select
    uscc,
    stratum_code,
    protection_weight,
    channel_code,
    submitted_on,
    response_minutes,
    handling_minutes,
    score_resolution_minutes,
    paused_minutes,
    round({{ minutes_between('submitted_at', end_of_counted('complaints')) }}, 2) as elapsed_minutes
  from {{ ref('int_complaints__attributed') }}
  where is_countable and protection_weight > 0
    and {{ in_window('submitted_on', longest_window(['M01', 'M02', 'M03'])) }}
    and {{ is_district_heard('complaints', 'region_code') }}
    and (response_minutes is null or handling_minutes is null or score_resolution_minutes is null)

),

without_finding as (

  select * from {{ ref('int_complaint_findings__awaited') }}

),


parts as (

  {% for code, clock, minutes in clocks -%}
  select
    uscc,
    '{{ code }}' as indicator_code,
    stratum_code,
    {{ window_months(code) }} as window_months,
    sum({{ clock }}_in_time_count * protection_weight) as numerator,
    sum({{ clock }}_stopped_count * protection_weight) as denominator
  from days
  where {{ in_window('day_on', window_months(code)) }} and {{ clock }}_stopped_count > 0
  group by uscc, stratum_code
  union all
  select
    uscc,
    '{{ code }}' as indicator_code,
    stratum_code,
    {{ window_months(code) }} as window_months,
    0 as numerator,
    sum(protection_weight) as denominator
  from running
  where {{ in_window('submitted_on', window_months(code)) }} and {{ minutes }} is null
    and elapsed_minutes {% if code == 'M03' %}- paused_minutes {% endif %}>= {{ limit_minutes(clock, 'channel_code') }}
  group by uscc, stratum_code
  union all
  {% endfor -%}

  select
    uscc,
    indicator_code,
    stratum_code,
    window_months,
    sum(numerator) as numerator,
    sum(denominator) as denominator
  from without_finding
  group by uscc, indicator_code, stratum_code, window_months
  union all

  {% for key in ['M04', 'M04_LONG'] -%}
  select
    days.uscc,
    'M04' as indicator_code,
    days.stratum_code,
    {{ window_months(key) }} as window_months,
    sum(days.submitted_count * weights.decayed_weight) as numerator,
    0 as denominator
  from days
  inner join weights
    on weights.day_on = days.day_on and weights.protection_weight = days.protection_weight
  where {{ in_window('days.day_on', window_months(key)) }} and days.submitted_count > 0
  group by days.uscc, days.stratum_code
  union all
  {% endfor -%}

  -- closed at least `repeat_within_days` ago: before that nobody knows yet whether it comes back
  select
    uscc,
    'M05' as indicator_code,
    stratum_code,
    {{ window_months('M05') }} as window_months,
    sum(repeated_count * protection_weight) as numerator,
    sum(closed_count * protection_weight) as denominator
  from days
  where {{ in_window('day_on', window_months('M05')) }}
    and day_on <= {{ counted_until('complaints') }} - {{ var('repeat_within_days') }}
    and closed_count > 0
  group by uscc, stratum_code
  union all
  select
    uscc,
    'M07' as indicator_code,
    stratum_code,
    {{ window_months('M07') }} as window_months,
    sum(satisfied_count * protection_weight) as numerator,
    sum((satisfied_count + unsatisfied_count) * protection_weight) as denominator
  from days
  where {{ in_window('day_on', window_months('M07')) }} and satisfied_count + unsatisfied_count > 0
  group by uscc, stratum_code

)

select
  uscc,
  indicator_code,
  stratum_code,
  window_months,
  round(sum(numerator), 6) as numerator,
  round(sum(denominator), 6) as denominator
from parts
group by uscc, indicator_code, stratum_code, window_months
