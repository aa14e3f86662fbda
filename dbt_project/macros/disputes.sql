{#- Whether an open objection of the row's enterprise disputes it: target_ids are the ids an objection may name it by. -#}
{% macro is_disputed(rows, target_type_code, target_ids) -%}
  exists (
    select 1
    from {{ ref('int_objections__open') }} as disputes
    where disputes.uscc = {{ rows }}.uscc
      and disputes.target_type_code = '{{ target_type_code }}'
      and disputes.target_id in ({{ target_ids | join(', ') }})
  )
{%- endmacro %}
