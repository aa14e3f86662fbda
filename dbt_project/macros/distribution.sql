{#- Spread a finished table over the machines of a Citus cluster, as its `distributed_by` in dbt_project.yml says: a
    column (rows of one value lie together, tables of one column's kind lie together) or `reference` (a copy on every
    machine). Nothing off Citus, nothing for a table without `distributed_by`, nothing for one that is spread already. -#}
{% macro distribute() -%}
  {%- set by = model.config.get('meta', {}).get('distributed_by') -%}
  {%- if var('distributed', none) == 'citus' and by and by != 'local' -%}
    select
    {%- if by == 'reference' %} create_reference_table('{{ this }}')
    {%- else %} create_distributed_table('{{ this }}', '{{ by }}', colocate_with => 'default')
    {%- endif %}
    where not exists (select from pg_dist_partition where logicalrelid = '{{ this }}'::regclass)
  {%- endif -%}
{%- endmacro %}
