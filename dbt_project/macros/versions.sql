{#- The last day whose knowledge counts: the business date, unless a past night is seen with what is known today. -#}
{% macro as_of() -%}
  {%- set given = var('as_of', none) -%}
  {%- if given %}cast('{{ given }}' as date){% else %}{{ business_date() }}{% endif -%}
{%- endmacro %}

{#- Whether a row of `feed` had arrived: by day, and to the instant where a replay says what a past build had read. -#}
{% macro was_known(feed, known_on='known_on') -%}
  {%- set until = var('known_until', none) -%}
  {{ known_on }} <= {{ as_of() }}
  {%- if until is not none %}
    and {% if until.get(feed) %}received_at <= cast('{{ until[feed] }}' as timestamptz){% else %}false{% endif %}
  {%- endif -%}
{%- endmacro %}

{#- Latest version per key as known at the business date: known_on, then arrival, then batch, then row decide. An
    incremental build looks again at the keys of which a new batch brought a version. `feed`
    names the feed whose arrivals count when the relation is a view on it; `indexed`: further indexes. -#}
{% macro latest_as_known(relation, key, columns, feed=none, indexed=[]) -%}
{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=key,
  indexes=[{'columns': ['batch_id']}] + indexed,
  post_hook='{{ primary_key() }}',
) }}
select distinct on ({{ key | join(', ') }})
  {%- for column in columns %}
  {{ column }},
  {%- endfor %}
  known_on,
  batch_id
from {{ relation }}
where {{ was_known(feed or relation.identifier) }}
{%- if is_incremental() %}
  {%- set feed = feed or relation.identifier %}
  and ({{ key | join(', ') }}) in (
    select {{ key | join(', ') }}
    from {{ relation }}
    where {{ is_in_new_batch(feed) }}
  )
{%- endif %}
order by
  {%- for column in key %}
  {{ column }},
  {%- endfor %}
  known_on desc,
  received_at desc,
  batch_id desc,
  row_number desc
{%- endmacro %}
