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
-- depends_on: {{ ref('stg_complaints') }}
{%- if is_incremental() %}
with changed as (

  select distinct complaint_id from {{ source('raw', 'complaints') }} where {{ is_in_new_batch('complaints') }}

),

-- a month of a community is counted again when any version of a changed complaint has ever lain in it
months as (

  select distinct
    versions.community_id,
    date_trunc('month', versions.submitted_at at time zone 'Asia/Shanghai')::date as month_on
  from changed
  inner join {{ source('raw', 'complaints') }} as versions
    on versions.complaint_id = changed.complaint_id
  where versions.community_id is not null
    and versions.submitted_at >= {{ monitored_from() }}::timestamp at time zone 'Asia/Shanghai'

),

counted as (

  select *
  from raw.complaint_reporter_counts(
    {{ as_of() }},
    array(
      select complaints.complaint_id
      from months
      inner join {{ ref('stg_complaints') }} as complaints
        on complaints.community_id = months.community_id
        and complaints.submitted_at >= months.month_on::timestamp at time zone 'Asia/Shanghai'
        and complaints.submitted_at < (months.month_on + interval '1 month') at time zone 'Asia/Shanghai'
    )
  )

)

select
  months.community_id,
  months.month_on,
  coalesce(counted.complaint_count, 0) as complaint_count,
  coalesce(counted.reporter_count, 0) as reporter_count,
  coalesce(counted.largest_reporter_count, 0) as largest_reporter_count
from months
left join counted
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
