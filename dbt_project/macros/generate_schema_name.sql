{#- Schemas are the layers of the house: exactly staging, intermediate, marts, and beside them an engineer's own
    (<schema of the profile>_staging …) for every target but the platform's. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- set prefix = '' if target.name == 'warehouse' else env_var('PC_DBT_PREFIX', target.schema ~ '_') -%}
  {{ prefix ~ (custom_schema_name or 'marts') | trim }}
{%- endmacro %}
