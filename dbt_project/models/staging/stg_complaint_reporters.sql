{#- How few people a month's complaints come from. Persons stay in raw: its function hands out counts alone. -#}
{%- set until = var('known_until', none) -%}
-- depends_on: {{ source('raw', 'complaints') }}
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
