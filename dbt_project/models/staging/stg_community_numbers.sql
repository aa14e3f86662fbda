-- Community numbers that are no longer their community's own, as the register of entities has them tonight.
{%- if rule('identity') == 'as_registered' %}
with owned as (

  {{ owned_numbers('community_id') }}

),

current_numbers as (

  {{ numbers_tonight('owned') }}

)

select
  owned.value as community_id,
  current_numbers.value as current_community_id,
  owned.entity_id
from owned
inner join current_numbers
  on current_numbers.entity_id = owned.entity_id
where owned.value <> current_numbers.value
{%- else %}
select
  null::text as community_id,
  null::text as current_community_id,
  null::bigint as entity_id
where false
{%- endif %}
