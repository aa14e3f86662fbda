{#- How few people a month's complaints come from. Identities never leave raw: its functions hand out counts alone. -#}
{%- set until = var('known_until', none) -%}
{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['community_id', 'month_on'],
  post_hook=[
    '{{ primary_key() }}',
    "{{ without_empty_sums(['complaint_count']) }}",
    'delete from {{ this }} where month_on < {{ monitored_from() }}',
  ],
) }}
-- depends_on: {{ source('raw', 'complaints') }}
-- depends_on: {{ ref('stg_complaint_months__touched') }}
{%- if is_incremental() %}
with months as (

  select * from {{ ref('stg_complaint_months__touched') }}

),

{%- else %}
with
{%- endif %}

counted as (

  select * from raw.complaint_reporter_counts(
    {{ as_of() }},
    {%- if is_incremental() %}
    array(select unnest(complaint_ids) from months),
    {%- else %}
    {% if until is none %}null{% else %}cast('{{ until.get('complaints') or '-infinity' }}' as timestamptz){% endif %},
    {{ monitored_from() }},
    {%- endif %}
    '{{ rule("version_order") }}'
  )

),

-- who wrote under the old number and under the new one may be the same person: counted at most twice
numbered as (

  select
    {{ as_numbered('community_id', 'counted') }} as community_id,
    counted.month_on,
    sum(counted.complaint_count)::bigint as complaint_count,
    sum(counted.reporter_count)::bigint as reporter_count,
    max(counted.largest_reporter_count)::bigint as largest_reporter_count
  from counted
  {{- numbered_joins(['community_id'], 'counted') }}
  group by 1, 2

)

{%- if is_incremental() %}

select
  months.community_id,
  months.month_on,
  coalesce(numbered.complaint_count, 0) as complaint_count,
  coalesce(numbered.reporter_count, 0) as reporter_count,
  coalesce(numbered.largest_reporter_count, 0) as largest_reporter_count
from months
left join numbered
  on numbered.community_id = months.community_id and numbered.month_on = months.month_on
{%- else %}

select
  community_id,
  month_on,
  complaint_count,
  reporter_count,
  largest_reporter_count
from numbered
{%- endif %}
