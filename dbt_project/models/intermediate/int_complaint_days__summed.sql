{%- set key = ['uscc', 'stratum_code', 'protection_weight', 'region_code', 'day_on'] %}
{%- set clocks = [
  ('response', 'response_minutes'),
  ('handling', 'handling_minutes'),
  ('resolution', 'score_resolution_minutes'),
] %}
{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=key,
  indexes=[{'columns': ['day_on']}],
  post_hook=['{{ primary_key() }}', "{{ without_empty_sums(['submitted_count', 'closed_count']) }}"],
) }}
-- depends_on: {{ ref('int_complaints__touched') }}
-- Countable complaints by the day they came and by the day they were closed. Only what does not change with the night is
-- kept here: a clock that has stopped, not one that runs; windows and decay are laid over the days when they are read.
with complaints as (

  {{ signed_events(ref('int_complaints__attributed'), ref('int_complaints__touched'), 'complaint_id', [
    'uscc', 'stratum_code', 'protection_weight', 'region_code', 'channel_code', 'submitted_on', 'closed_on', 'response_minutes',
    'handling_minutes', 'score_resolution_minutes', 'callback_result_code', 'is_repeated', 'is_countable',
  ]) }}

),

changes as (

  select
    uscc,
    stratum_code,
    protection_weight,
    coalesce(region_code, '') as region_code,
    submitted_on as day_on,
    sign as submitted_count,
    {%- for name, minutes in clocks %}
    sign * ({{ minutes }} is not null)::integer as {{ name }}_stopped_count,
    sign * coalesce({{ minutes }} <= {{ limit_minutes(name, 'channel_code') }}, false)::integer as {{ name }}_in_time_count,
    {%- endfor %}
    sign * coalesce(callback_result_code = 'satisfied', false)::integer as satisfied_count,
    sign * coalesce(callback_result_code = 'unsatisfied', false)::integer as unsatisfied_count,
    0 as closed_count,
    0 as repeated_count
  from complaints
  where is_countable and protection_weight > 0
  union all
  select
    uscc,
    stratum_code,
    protection_weight,
    coalesce(region_code, '') as region_code,
    closed_on as day_on,
    0 as submitted_count,
    {%- for name, minutes in clocks %}
    0 as {{ name }}_stopped_count,
    0 as {{ name }}_in_time_count,
    {%- endfor %}
    0 as satisfied_count,
    0 as unsatisfied_count,
    sign as closed_count,
    sign * is_repeated::integer as repeated_count
  from complaints
  where is_countable and protection_weight > 0 and closed_on is not null

)

{{ summed_up('changes', key, [
  'submitted_count', 'response_stopped_count', 'response_in_time_count', 'handling_stopped_count',
  'handling_in_time_count', 'resolution_stopped_count', 'resolution_in_time_count', 'satisfied_count',
  'unsatisfied_count', 'closed_count', 'repeated_count',
], lie_by='day_on') }}
