{#- The last day whose knowledge counts: the business date, unless a past night is seen with what is known today. -#}
{% macro as_of() -%}
  {%- set given = var('as_of', none) -%}
  {%- if given %}cast('{{ given }}' as date){% else %}{{ business_date() }}{% endif -%}
{%- endmacro %}

{#- Whether a row of `feed` had arrived: by day, and to the instant where a replay says what a past build had read. -#}
{% macro was_known(feed, known_on='known_on', received_at='received_at') -%}
  {%- set until = var('known_until', none) -%}
  {{ known_on }} <= {{ as_of() }}
  {%- if until is not none %}
    and {% if until.get(feed) %}{{ received_at }} <= cast('{{ until[feed] }}' as timestamptz){% else %}false{% endif %}
  {%- endif -%}
{%- endmacro %}

{#- The last instant by which a row can have come: its arrival by the clock, or the end of the business date that it came
    for where the clock is of another day (a night after midnight, a backfill, a simulated night). -#}
{% macro arrived_by() -%}
  case
    when (coalesce(arrived_at, received_at) at time zone 'Asia/Shanghai')::date = coalesce(arrived_on, known_on)
      then coalesce(arrived_at, received_at)
    else (coalesce(arrived_on, known_on) + 1)::timestamp at time zone 'Asia/Shanghai'
  end
{%- endmacro %}

{#- The instant that a version stands for: when its source changed it; where the source says nothing, or a time later than
    the row's arrival, its arrival, or the beginning of the day it came for: many sources leave the time out until the
    first change, and that change must not look older than what it changed. -#}
{% macro ordered_at() -%}
  case
    when updated_at <= {{ arrived_by() }} then updated_at
    when (coalesce(arrived_at, received_at) at time zone 'Asia/Shanghai')::date = coalesce(arrived_on, known_on)
      then coalesce(arrived_at, received_at)
    else coalesce(arrived_on, known_on)::timestamp at time zone 'Asia/Shanghai'
  end
{%- endmacro %}

{#- Whether a version of `feed` stands: no other reading of its delivery and no withdrawal had ended it by then. -#}
{% macro is_standing(feed, version) -%}
  not exists (
    select 1 from {{ source('raw', 'withdrawn_rows') }} as withdrawn
    where withdrawn.feed = '{{ feed }}'
      and withdrawn.batch_id = {{ version }}.batch_id
      and withdrawn.row_number = {{ version }}.row_number
      and {{ was_known(feed, 'withdrawn.known_on', 'withdrawn.received_at') }}
  )
{%- endmacro %}

{#- Latest version per key as known at the business date: the source's order where it says one (rule `version_order`), then
    the night, instant and row it came in; a row that was loaded later than it came stands where it came, and of two
    readings of one row the later one counts. A late older state is kept and never current. An incremental build looks
    again at the keys of which a new batch brought a version. `feed`
    names the feed whose arrivals count when the relation is a view on it; `indexed`: further indexes. Numbers are the ones
    that their enterprises and communities have tonight; `follows`: the column of stg_enterprise_codes to take instead.
    `leaves`: a row that a full list has lost is left out, as the feed has no day of an end. -#}
{% macro latest_as_known(relation, key, columns, feed=none, indexed=[], follows=none, leaves=false) -%}
{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=key,
  indexes=[{'columns': ['batch_id']}] + indexed,
  post_hook='{{ primary_key() }}',
) }}
{%- set keys = [] -%}
{%- for column in key %}{% do keys.append(as_numbered(column, 'versions')) %}{% endfor %}
{%- if leaves %}
select {{ columns | join(', ') }}, known_on, batch_id
from (
{%- endif %}
select distinct on ({{ keys | join(', ') }})
  {%- for column in columns %}
  {%- set numbered = as_numbered(column, 'versions', follows) %}
  {{ numbered }}{% if numbered != column %} as {{ column }}{% endif %},
  {%- endfor %}
  known_on,
  {%- if leaves %}
  absence_code,
  {%- endif %}
  batch_id
from {{ relation }} as versions
{{- numbered_joins(columns, 'versions') }}
where {{ was_known(feed or relation.identifier) }}
  and {{ is_standing(feed or relation.identifier, 'versions') }}
{%- if is_incremental() %}
  {%- set feed = feed or relation.identifier %}
  and ({{ keys | join(', ') }}) in (
    select {{ keys | join(', ') }}
    from {{ relation }} as versions
    {{- numbered_joins(columns, 'versions') }}
    where {{ is_in_new_batch(feed) }}
  )
{%- endif %}
order by
  {%- for column in keys %}
  {{ column }},
  {%- endfor %}
  {%- for column in key if as_numbered(column, 'versions') != column %}
  (versions.{{ column }} = {{ as_numbered(column, 'versions') }}) desc,  -- the register's row of the number it has tonight
  {%- endfor %}
  {%- if feed is none or feed == relation.identifier %}
  (absence_code is not null) desc,  -- a key that a full list has lost, until it comes again
  {%- endif %}
  {%- if rule('version_order') == 'source' %}
  {{ ordered_at() }} desc,
  {%- endif %}
  coalesce(arrived_on, known_on) desc,
  coalesce(arrived_at, received_at) desc,
  row_number desc,
  received_at desc,
  batch_id desc
{%- if leaves %}
) as latest
where absence_code is null
{%- endif %}
{%- endmacro %}

{#- Whether a batch was known to this build: by day, and to the instant where a replay says what a past build had read.
    `prefix` names the relation, with its dot. -#}
{% macro was_known_batch(prefix='') -%}
  ({{ prefix }}business_date <= {{ as_of() }}
  {%- set until = var('known_until', none) %}
  {%- if until is not none %}
  and ({% for feed, instant in until.items() -%}
    {{ prefix }}feed = '{{ feed }}' and {{ prefix }}received_at <= cast('{{ instant }}' as timestamptz) or {% endfor %}false)
  {%- endif -%}
  )
{%- endmacro %}
