{#- Sums that a night adds to. An event that an incremental build touches is taken out of the sums as the last build had it
    (`sign` -1) and added as it is tonight, 1; a full build adds all. Counts and amounts are exact, so nothing is lost by that. -#}
{% macro signed_events(events, touched, key, columns) -%}
  select
    {{ columns | join(', ') }},
    1 as sign
  from {{ events }}
  {%- if is_incremental() %}
  where ({{ key }}) in (select {{ key }} from {{ touched }})
  union all
  select
    {{ columns | join(', ') }},
    -1 as sign
  from {{ touched }}
  where was_built
  {%- endif %}
{%- endmacro %}

{#- The sums of `changes` by key, on top of what {{ this }} holds in an incremental build. Keys that nothing is left of are
    taken away by `without_empty_sums`. Made anew they lie in the order of `lie_by`, as later nights add them: a window
    reads its own pages and not the history's. -#}
{% macro summed_up(changes, key, sums, data_type='integer', lie_by=none) -%}
  select
    {%- for name in key %}
    {{ changes }}.{{ name }},
    {%- endfor %}
    {%- for name in sums %}
    (sum({{ changes }}.{{ name }}) {%- if is_incremental() %} + coalesce(min(before.{{ name }}), 0){% endif %})::{{ data_type }} as {{ name }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
  from {{ changes }}
  {%- if is_incremental() %}
  left join {{ this }} as before
    on {% for name in key %}before.{{ name }} = {{ changes }}.{{ name }}{% if not loop.last %} and {% endif %}{% endfor %}
  {%- endif %}
  group by {% for name in key %}{{ changes }}.{{ name }}{% if not loop.last %}, {% endif %}{% endfor %}
  {%- if lie_by and not is_incremental() %}
  order by {{ changes }}.{{ lie_by }}
  {%- endif %}
{%- endmacro %}

{#- Take away keys of which nothing is left; a partial index, made with the table, finds them without reading it. -#}
{% macro without_empty_sums(counts) -%}
  {%- set empty -%}
    {% for name in counts %}{{ name }} = 0{% if not loop.last %} and {% endif %}{% endfor %}
  {%- endset -%}
  {%- if is_incremental() -%}
  delete from {{ this }} where {{ empty }}
  {%- else -%}
  create index on {{ this }} ({{ counts[0] }}) where {{ empty }}
  {%- endif -%}
{%- endmacro %}
