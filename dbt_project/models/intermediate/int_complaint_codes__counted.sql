-- Complaints of the last two years, counted by street and month for each code of three lists. First by all three at once:
-- that is a fraction of the rows, which are then added up three times.
with placed as (

  select * from {{ ref('int_complaints__placed') }}

),

combined as (

  select
    region_code,
    street_code,
    month_on,
    responsible_party_code,
    category_code,
    channel_code,
    count(*) as complaint_count,
    count(*) filter (where is_repeat) as repeat_count,
    count(*) filter (where is_resolution_due) as resolution_due_count,
    count(*) filter (where is_resolved_in_time) as resolved_within_24h_count
  from placed
  group by region_code, street_code, month_on, responsible_party_code, category_code, channel_code

)

{% for list_code in ['responsible_party', 'category', 'channel'] -%}
select
  region_code,
  coalesce(street_code, 'none') as street_key,
  month_on,
  '{{ list_code }}' as list_code,
  {{ list_code }}_code as code,
  sum(complaint_count)::bigint as complaint_count,
  sum(repeat_count)::bigint as repeat_count,
  sum(resolution_due_count)::bigint as resolution_due_count,
  sum(resolved_within_24h_count)::bigint as resolved_within_24h_count
from combined
group by region_code, street_code, month_on, {{ list_code }}_code
{% if not loop.last %}union all{% endif %}
{% endfor %}
