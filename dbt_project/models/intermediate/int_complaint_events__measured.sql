{{ config(materialized='view') }}
-- What each countable complaint adds to M01-M05 and M07. A clock that has neither stopped nor run out is not counted yet.
{%- set carried = 'uscc, complaint_id, stratum_code, category_code, protection_weight' %}
with complaints as not materialized (

  select
    *,
    {{ months_between('submitted_on', business_date()) }} as age_months,
    round({{ minutes_between('submitted_at', end_of_business_date()) }}, 2) as elapsed_minutes
  from {{ ref('int_complaints__attributed') }}
  where is_countable and protection_weight > 0

),

measured as (

  {% for code, clock, limit in [
    ('M01', 'response_minutes', 'response_limit_hours'),
    ('M02', 'handling_minutes', 'handling_limit_hours'),
    ('M03', 'score_resolution_minutes', 'resolution_limit_hours'),
  ] -%}
  select
    {{ carried }},
    '{{ code }}' as indicator_code,
    {{ window_months(code) }} as window_months,
    submitted_on as event_on,
    coalesce({{ clock }} <= {{ var(limit) }} * 60, false)::integer as passed,
    1 as counted,
    1 - coalesce({{ clock }} <= {{ var(limit) }} * 60, false)::integer as adverse
  from complaints
  where {{ in_window('submitted_on', window_months(code)) }}
    and ({{ clock }} is not null
      or elapsed_minutes {% if code == 'M03' %}- paused_minutes {% endif %}>= {{ var(limit) }} * 60)

  union all

  {% endfor -%}

  {% for key in ['M04', 'M04_LONG'] -%}
  select
    {{ carried }},
    'M04' as indicator_code,
    {{ window_months(key) }} as window_months,
    submitted_on as event_on,
    {{ complaint_decay('age_months') }} as passed,
    0 as counted,
    {{ complaint_decay('age_months') }} as adverse
  from complaints
  where {{ in_window('submitted_on', window_months(key)) }}

  union all

  {% endfor -%}

  -- closed at least `repeat_within_days` ago: before that nobody knows yet whether it comes back
  select
    {{ carried }},
    'M05' as indicator_code,
    {{ window_months('M05') }} as window_months,
    closed_on as event_on,
    is_repeated::integer as passed,
    1 as counted,
    is_repeated::integer as adverse
  from complaints
  where {{ in_window('closed_on', window_months('M05')) }}
    and closed_on <= {{ business_date() }} - {{ var('repeat_within_days') }}

  union all

  select
    {{ carried }},
    'M07' as indicator_code,
    {{ window_months('M07') }} as window_months,
    submitted_on as event_on,
    (callback_result_code = 'satisfied')::integer as passed,
    1 as counted,
    (callback_result_code = 'unsatisfied')::integer as adverse
  from complaints
  where {{ in_window('submitted_on', window_months('M07')) }}
    and callback_result_code in ('satisfied', 'unsatisfied')

)

select
  uscc,
  indicator_code,
  window_months,
  complaint_id as evidence_id,
  stratum_code,
  'complaints' as evidence_feed,
  event_on,
  round(passed * protection_weight, 6) as numerator,
  round(counted * protection_weight, 6) as denominator,
  round(adverse * protection_weight, 6) as adverse_weight,
  category_code as summary_code
from measured
