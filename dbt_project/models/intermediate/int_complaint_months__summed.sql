{%- set key = ['manager_key', 'region_key', 'month_on'] %}
{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=key,
  indexes=[{'columns': ['month_on']}],
  post_hook=['{{ primary_key() }}', "{{ without_empty_sums(['complaint_count']) }}"],
) }}
-- depends_on: {{ ref('int_complaints__touched') }}
-- Complaints by calendar month, manager and division, for the pages; withdrawn ones are left out.
with complaints as (

  {{ signed_events(ref('int_complaints__attributed'), ref('int_complaints__touched'), 'complaint_id', [
    'uscc', 'region_code', 'status_code', 'submitted_on', 'response_minutes', 'handling_minutes', 'resolution_minutes',
    'score_resolution_minutes', 'is_countable', 'not_counted_code',
  ]) }}

),

changes as (

  select
    coalesce(uscc, 'none') as manager_key,
    coalesce(region_code, 'none') as region_key,
    date_trunc('month', submitted_on::timestamp)::date as month_on,
    sign as complaint_count,
    sign * coalesce(resolution_minutes <= {{ var('resolution_limit_hours') }} * 60, false)::integer
      as resolved_within_24h_count,
    sign * is_countable::integer as countable_count,
    sign * (is_countable and coalesce(response_minutes <= {{ var('response_limit_hours') }} * 60, false))::integer
      as countable_responded_count,
    sign * (is_countable and coalesce(handling_minutes <= {{ var('handling_limit_hours') }} * 60, false))::integer
      as countable_handled_count,
    sign * (
      is_countable and coalesce(score_resolution_minutes <= {{ var('resolution_limit_hours') }} * 60, false)
    )::integer as countable_resolved_count
  from complaints
  where {{ is_own_matter() }}

)

{{ summed_up('changes', key, [
  'complaint_count', 'resolved_within_24h_count', 'countable_count', 'countable_responded_count',
  'countable_handled_count', 'countable_resolved_count',
], lie_by='month_on') }}
