{#- How few people a month's complaints come from. Persons stay in raw: its functions hand out counts alone. -#}
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

)

select
  months.community_id,
  months.month_on,
  coalesce(counted.complaint_count, 0) as complaint_count,
  coalesce(counted.reporter_count, 0) as reporter_count,
  coalesce(counted.largest_reporter_count, 0) as largest_reporter_count
from months
left join raw.complaint_reporter_counts({{ as_of() }}, array(select unnest(complaint_ids) from months)) as counted
  on counted.community_id = months.community_id and counted.month_on = months.month_on
{%- else %}
select
  community_id,
  month_on,
  complaint_count,
  reporter_count,
  largest_reporter_count
from raw.complaint_reporter_counts(
  {{ as_of() }},
  {% if until is none %}null{% else %}cast('{{ until.get('complaints') or '-infinity' }}' as timestamptz){% endif %},
  {{ monitored_from() }}
)
{%- endif %}
