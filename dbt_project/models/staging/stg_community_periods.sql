{%- set columns = [
  'region_code', 'street_code', 'street_name', 'community_type_code', 'built_year', 'household_count', 'has_lift',
] -%}
-- What each community was on which days: a change holds from its day, a correction on all days of what it corrects.
-- depends_on: {{ ref('stg_communities') }}
{%- if rule('changes') == 'from_their_day' %}
-- One that went into another, or into several, ends the day before.
with {{ periods(source('raw', 'communities'), 'community_id', columns) }},

owned as (

  {{ owned_numbers('community_id') }}

),

ends as (

  select
    {{ as_numbered('community_id', 'owned_rows') }} as community_id,
    min(links.valid_from) - 1 as last_on
  from {{ source('entities', 'links') }} as links
  inner join {{ standing_decisions() }} as made
    on made.decision_id = links.decision_id
  inner join (select value as community_id, entity_id from owned) as owned_rows
    on owned_rows.entity_id = links.entity_id
  {{- numbered_joins(['community_id'], 'owned_rows') }}
  where links.link_code = 'successor'
  group by 1

)

select
  bounded.community_id,
  {%- for column in columns %}
  bounded.{{ column }},
  {%- endfor %}
  coalesce(bounded.valid_from, '-infinity'::date) as valid_from,
  coalesce(least(bounded.valid_to, ends.last_on), 'infinity'::date) as valid_to,
  bounded.is_assumed
from bounded
left join ends
  on ends.community_id = bounded.community_id
where coalesce(least(bounded.valid_to, ends.last_on) >= bounded.valid_from, true)
{%- else %}
select
  community_id,
  {%- for column in columns %}
  {{ column }},
  {%- endfor %}
  '-infinity'::date as valid_from,
  'infinity'::date as valid_to,
  false as is_assumed
from {{ ref('stg_communities') }}
{%- endif %}
