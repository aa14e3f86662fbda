-- Credit codes as the register of entities has them tonight: the code an enterprise has now, and who has its records.
-- Records of an enterprise that merged or was succeeded are the successor's (民法典 67), once that one is in its register.
{%- if rule('identity') == 'as_registered' %}
with owned as (

  {{ owned_numbers('uscc') }}

),

current_codes as (

  {{ numbers_tonight('owned') }}

),

registered as (

  select distinct owned.entity_id
  from owned
  inner join {{ source('raw', 'enterprises') }} as enterprises
    on enterprises.uscc = owned.value
  where {{ was_known('enterprises', 'enterprises.known_on', 'enterprises.received_at') }}

),

-- a split names all and asks a person: only what was decided follows
successors as (

  select distinct on (links.entity_id)
    links.entity_id,
    links.other_entity_id,
    links.valid_from,
    links.is_assumed
  from {{ source('entities', 'links') }} as links
  inner join {{ standing_decisions() }} as made
    on made.decision_id = links.decision_id
  where links.link_code = 'successor' and made.act_code = 'merge' and links.valid_from <= {{ business_date() }}
  order by links.entity_id, links.link_id desc

),

{{ chains_of('successors') }},

heirs as (

  select distinct on (chains.entity_id)
    chains.entity_id,
    current_codes.value as heir_uscc
  from chains
  inner join current_codes
    on current_codes.entity_id = chains.heir_entity_id
  where chains.heir_entity_id in (select entity_id from registered)
  order by chains.entity_id, chains.step_count desc

)

select
  owned.value as uscc,
  current_codes.value as current_uscc,
  coalesce(heirs.heir_uscc, current_codes.value) as heir_uscc,
  owned.entity_id,
  case when owned.value = current_codes.value then owned.valid_to end as deregistered_on
from owned
inner join current_codes
  on current_codes.entity_id = owned.entity_id
left join heirs
  on heirs.entity_id = owned.entity_id
where owned.value <> current_codes.value or heirs.heir_uscc <> current_codes.value or owned.valid_to is not null
{%- else %}
select
  null::text as uscc,
  null::text as current_uscc,
  null::text as heir_uscc,
  null::bigint as entity_id,
  null::date as deregistered_on
where false
{%- endif %}
