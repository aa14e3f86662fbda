{#- Decisions of the register of entities that stand tonight, as a subquery: known by then and not undone by then. -#}
{% macro standing_decisions() -%}
  (
    select
      made.decision_id,
      made.act_code
    from {{ source('entities', 'decisions') }} as made
    where made.act_code <> 'undo'
      and {{ was_known('entities', 'made.known_on', 'made.recorded_at') }}
      and not exists (
        select 1 from {{ source('entities', 'decisions') }} as undone
        where undone.undoes_decision_id = made.decision_id
          and {{ was_known('entities', 'undone.known_on', 'undone.recorded_at') }}
      )
  )
{%- endmacro %}

{#- Each number of a scheme with the entity it stands for tonight: the newest decision says. -#}
{% macro owned_numbers(scheme) -%}
  select distinct on (identifiers.value)
    identifiers.value,
    identifiers.entity_id,
    identifiers.valid_from,
    identifiers.valid_to,
    identifiers.is_assumed,
    identifiers.identifier_id
  from {{ source('entities', 'identifiers') }} as identifiers
  inner join {{ standing_decisions() }} as made
    on made.decision_id = identifiers.decision_id
  where identifiers.scheme_code = '{{ scheme }}'
  order by identifiers.value, identifiers.identifier_id desc
{%- endmacro %}

{#- The number that each entity has tonight, of `owned` (owned_numbers): the one that began last. -#}
{% macro numbers_tonight(owned) -%}
  select distinct on (entity_id)
    entity_id,
    value
  from {{ owned }}
  where coalesce(valid_from <= {{ business_date() }}, true)
  order by entity_id, valid_from desc nulls last, identifier_id desc
{%- endmacro %}

{#- Columns of a feed's row that number an enterprise or a community, and the model that says which number it has tonight. -#}
{% macro renumbered_columns() -%}
  {{ return({
    'uscc': ['stg_enterprise_codes', 'codes', 'current_uscc'],
    'community_id': ['stg_community_numbers', 'numbers', 'current_community_id'],
  }) }}
{%- endmacro %}

{#- A column of a row as tonight has it: a number that is no longer the entity's becomes the one that is. -#}
{% macro as_numbered(column, versions, follows=none) -%}
  {%- set renumbered = renumbered_columns() -%}
  {%- if rule('identity') == 'as_registered' and column in renumbered -%}
    coalesce({{ renumbered[column][1] }}.{{ follows if follows and column == 'uscc' else renumbered[column][2] }}, {{ versions }}.{{ column }})
  {%- else -%}
    {{ column }}
  {%- endif -%}
{%- endmacro %}

{#- The joins that `as_numbered` reads, for those of `columns` that are numbers. -#}
{% macro numbered_joins(columns, versions) -%}
  {%- if rule('identity') == 'as_registered' -%}
  {%- for column, model in renumbered_columns().items() if column in columns %}
left join (
  select
    {{ column }} as numbered_{{ column }},
    {{ model[2] }}
    {%- if column == 'uscc' %},
    heir_uscc
    {%- endif %}
  from {{ ref(model[0]) }}
) as {{ model[1] }}
  on {{ model[1] }}.numbered_{{ column }} = {{ versions }}.{{ column }}
  {%- endfor %}
  {%- endif -%}
{%- endmacro %}

{#- Since when what a register says has been so: one row per key and period, from all versions as known tonight.
    A version that changes one of `columns` begins a period on the day it states (`effective_on`), else on the day
    `begins_on` gives, else on its arrival (is_assumed); a correction takes the place of what it corrects, with all its days.
    What was known later holds from its day on, whatever was said of later days before. Days before the first period are
    the first period's: its valid_from is null, and the valid_to of the last one is. -#}
{% macro periods(relation, key, columns, begins_on='null::date') -%}
ordered as (

  select
    {{ as_numbered(key, 'versions') }} as {{ key }},
    {%- for column in columns %}
    {{ as_numbered(column, 'versions') }} as {{ column }},
    {%- endfor %}
    versions.effective_on,
    coalesce(versions.change_code, 'change') = 'correction' as is_correction,
    coalesce(versions.arrived_on, versions.known_on) as came_on,
    row_number() over (
      partition by {{ as_numbered(key, 'versions') }}
      order by {{ ordered_at() }}, coalesce(arrived_on, known_on), coalesce(arrived_at, received_at), row_number,
        received_at, batch_id
    ) as place
  from {{ relation }} as versions
  {{- numbered_joins([key] + columns, 'versions') }}
  where {{ was_known(relation.identifier) }}
    and {{ is_standing(relation.identifier, 'versions') }}
    and versions.absence_code is null

),

compared as (

  select
    *,
    lag(place) over by_key is null as is_first,
    {%- for column in columns %}
    lag({{ column }}) over by_key as previous_{{ column }},
    {%- endfor %}
    lag(place) over by_key as previous_place
  from ordered
  window by_key as (partition by {{ key }} order by place)

),

changed as (

  select
    *,
    case when not is_first then coalesce(effective_on, {{ begins_on }}, came_on) end as begins_on,
    not is_first and coalesce(effective_on, {{ begins_on }}) is null as is_assumed,
    count(*) filter (where is_first or not is_correction) over (partition by {{ key }} order by place) as period_number
  from compared
  where is_first
    {%- for column in columns %}
    or {{ column }} is distinct from previous_{{ column }}
    {%- endfor %}

),

corrected as (

  select distinct on ({{ key }}, period_number)
    {{ key }},
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    period_number,
    first_value(begins_on) over (partition by {{ key }}, period_number order by place) as valid_from,
    first_value(is_assumed) over (partition by {{ key }}, period_number order by place) as is_assumed
  from changed
  order by {{ key }}, period_number, place desc

),

bounded as (

  select
    *,
    min(valid_from) over (
      partition by {{ key }} order by period_number rows between 1 following and unbounded following
    ) - 1 as valid_to
  from corrected

)
{%- endmacro %}

{#- Whether a period of `periods` (its alias) holds on a day. -#}
{% macro holds_on(periods, day) -%}
  coalesce({{ periods }}.valid_from <= {{ day }}, true) and coalesce({{ periods }}.valid_to >= {{ day }}, true)
{%- endmacro %}

{#- Successors of successors, of a relation of (entity_id, other_entity_id, valid_from, is_assumed): CTEs that end in `chains`.
    Five steps at most; a row each. The day of a chain is that of its last step to come. -#}
{% macro chains_of(successors) -%}
  {%- for step in range(1, 6) %}
chain_{{ step }} as (

  {% if step == 1 -%}
  select
    entity_id,
    other_entity_id as heir_entity_id,
    valid_from,
    is_assumed
  from {{ successors }}
  {%- else -%}
  select
    shorter.entity_id,
    {{ successors }}.other_entity_id as heir_entity_id,
    greatest(shorter.valid_from, {{ successors }}.valid_from) as valid_from,
    shorter.is_assumed or {{ successors }}.is_assumed as is_assumed
  from chain_{{ step - 1 }} as shorter
  inner join {{ successors }}
    on {{ successors }}.entity_id = shorter.heir_entity_id
  {%- endif %}

),
  {% endfor %}
chains as (
  {% for step in range(1, 6) %}
  select
    *,
    {{ step }} as step_count
  from chain_{{ step }}
  {%- if not loop.last %}
  union all
  {%- endif %}
  {%- endfor %}

)
{%- endmacro %}

{#- From when an entity's current number stands in for that of one that went into it, a row for each further one: `number`,
    `successor_<number>`, effective_on, is_assumed. Only registered successors count: `register` is the feed in raw whose key
    `number` is. No row where `applies` is false, which the edition decides. -#}
{% macro successions(number, register, applies) -%}
  {%- if applies %}
with owned as (

  {{ owned_numbers(number) }}

),

current_numbers as (

  {{ numbers_tonight('owned') }}

),

registered as (

  select distinct owned.entity_id
  from owned
  inner join {{ source('raw', register) }} as {{ register }}
    on {{ register }}.{{ number }} = owned.value
  where {{ was_known(register, register ~ '.known_on', register ~ '.received_at') }}

),

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
    and links.other_entity_id in (select entity_id from registered)
  order by links.entity_id, links.link_id desc

),

{{ chains_of('successors') }}

select distinct on (current_numbers.value, chains.valid_from)
  current_numbers.value as {{ number }},
  successor_numbers.value as successor_{{ number }},
  chains.valid_from as effective_on,
  chains.is_assumed
from chains
inner join current_numbers
  on current_numbers.entity_id = chains.entity_id
inner join current_numbers as successor_numbers
  on successor_numbers.entity_id = chains.heir_entity_id
where successor_numbers.value <> current_numbers.value
order by current_numbers.value, chains.valid_from, chains.step_count desc
  {%- else %}
select
  null::text as {{ number }},
  null::text as successor_{{ number }},
  null::date as effective_on,
  null::boolean as is_assumed
where false
  {%- endif %}
{%- endmacro %}
