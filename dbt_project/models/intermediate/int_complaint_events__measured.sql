{{ config(materialized='view') }}
-- What each countable complaint adds to M01-M05 and M07. A clock that has neither stopped nor run out is not counted yet.
-- finding_code: confirmed; deemed (nobody said otherwise in time) or pending (no finding yet), which count in M01-M03 alone,
-- only where the method says so, and only as limits that ran out: what nobody looked at earns nothing, or it could be bought.
{%- set carried = 'uscc, complaint_id, community_id, stratum_code, category_code, protection_weight, finding_code' %}
with complaints as not materialized (

  select
    *,
    {{ months_between('submitted_on', business_date()) }} as age_months,
    round({{ minutes_between('submitted_at', end_of_counted('complaints')) }}, 2) as elapsed_minutes,
    {% if counts_without_finding() -%}
    case
      when is_countable then 'confirmed'
      when {{ is_deemed_confirmed('attributed') }} then 'deemed'
      else 'pending'
    end as finding_code
    {%- else -%}
    'confirmed' as finding_code
    {%- endif %}
  from {{ ref('int_complaints__attributed') }} as attributed
  where protection_weight > 0 and {{ is_district_heard('complaints', 'attributed.region_code') }}
    {%- if counts_without_finding() %}
    -- the property enterprise's, and nothing else speaks against it
    and (is_countable or not_counted_code = 'not_confirmed' and is_without_finding)
    {%- else %}
    and is_countable
    {%- endif %}

),

measured as (

  {% for code, clock, limit in [
    ('M01', 'response_minutes', 'response'),
    ('M02', 'handling_minutes', 'handling'),
    ('M03', 'score_resolution_minutes', 'resolution'),
  ] -%}
  {%- set allowed = limit_minutes(limit, 'channel_code') %}
  select
    {{ carried }},
    '{{ code }}' as indicator_code,
    {{ window_months(code) }} as window_months,
    submitted_on as event_on,
    coalesce({{ clock }} <= {{ allowed }}, false)::integer as passed,
    1 as counted,
    1 - coalesce({{ clock }} <= {{ allowed }}, false)::integer as adverse
  from complaints
  where {{ in_window('submitted_on', window_months(code)) }}
    and ({{ clock }} is not null
      or elapsed_minutes {% if code == 'M03' %}- paused_minutes {% endif %}>= {{ allowed }})
    {%- if counts_without_finding() %}
    and (finding_code = 'confirmed' or not coalesce({{ clock }} <= {{ allowed }}, false))
    {%- endif %}

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
  where {{ in_window('submitted_on', window_months(key)) }} and finding_code = 'confirmed'

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
    and closed_on <= {{ counted_until('complaints') }} - {{ var('repeat_within_days') }}
    and finding_code = 'confirmed'

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
    and finding_code = 'confirmed'

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
  category_code as summary_code,
  community_id,
  finding_code
from measured
