{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['complaint_id'],
  indexes=[{'columns': ['submitted_on']}, {'columns': ['community_id', 'submitted_on']}],
  on_schema_change='fail',
) }}
-- depends_on: {{ ref('int_complaints__touched') }}
with complaints as (

  select *
  from {{ ref('int_complaints__attributed') }}
  {%- if is_incremental() %}
  where complaint_id in (select complaint_id from {{ ref('int_complaints__touched') }})
  {%- endif %}

)

select
  complaint_id,
  community_id,
  region_code,
  uscc,
  channel_code,
  category_code,
  responsible_party_code,
  status_code,
  submitted_on,
  submitted_at,
  responded_at,
  handled_at,
  resolved_at,
  closed_at,
  paused_minutes,
  response_minutes,
  handling_minutes,
  resolution_minutes,
  score_resolution_minutes,
  is_confirmed,
  is_repeated,
  is_objection_upheld,
  is_countable,
  not_counted_code,
  callback_result_code,
  repeat_of_id,
  stratum_code,
  protection_weight
from complaints
