{#- By what the model at hand is spread; none off Citus, for a view, and for a table that stays on the coordinator (`local`,
    or nothing said). -#}
{% macro spread_by() -%}
  {%- set by = model.config.get('meta', {}).get('distributed_by') -%}
  {%- set is_spread = var('distributed', none) == 'citus' and by != 'local' and config.get('materialized') != 'view' -%}
  {{ return(by if is_spread else none) }}
{%- endmacro %}

{#- Spread a finished table over the machines of a Citus cluster, as its `distributed_by` in dbt_project.yml says: a
    column (rows of one value lie together, tables of one column's kind lie together) or `reference` (a copy on every
    machine). Nothing for one that is spread already. -#}
{% macro distribute() -%}
  {%- set by = spread_by() -%}
  {%- if by -%}
    select
    {%- if by == 'reference' %} create_reference_table('{{ this }}')
    {%- else %} create_distributed_table('{{ this }}', '{{ by }}', colocate_with => 'default')
    {%- endif %}
    where not exists (select from pg_dist_partition where logicalrelid = '{{ this }}'::regclass)
  {%- endif -%}
{%- endmacro %}

{#- Take a spread table away before it is made anew, in a transaction of its own: Citus refuses to rename one in the
    transaction that has read others. Nothing off Citus, where the old table stands until the new one takes its name. -#}
{% macro make_room() -%}
  {%- if execute and spread_by() and config.get('materialized') == 'table' -%}
    {%- set standing = load_cached_relation(this) -%}
    {%- if standing is not none -%}{%- do adapter.drop_relation(standing) -%}{%- endif -%}
  {%- endif -%}
{%- endmacro %}

{#- dbt's delete+insert without `distinct`: with it Citus does not delete from a reference table by a temporary one. -#}
{% macro postgres__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- set key = ([unique_key] if unique_key is string else unique_key) | join(', ') -%}
  {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  delete from {{ target }} where ({{ key }}) in (select {{ key }} from {{ source }});

  insert into {{ target }} ({{ columns }})
  select {{ columns }} from {{ source }}
{%- endmacro %}
