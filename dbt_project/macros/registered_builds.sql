{#- On the start of every run: tables of the platform are written by its registered builds alone, which show the token of
    `ops.begin_build`. The database refuses dbt's role there as well; this says what to do instead. -#}
{% macro refuse_unregistered() -%}
  {%- if execute and flags.WHICH in ['run', 'build', 'seed', 'snapshot', 'clone', 'retry'] -%}
    {%- set ours = ['staging', 'intermediate', 'marts'] -%}
    {%- set written = namespace(name=none) -%}
    {%- for unique_id in selected_resources -%}
      {%- set node = graph.nodes.get(unique_id) -%}
      {%- if node and node.resource_type in ['model', 'seed', 'snapshot'] and node.schema in ours -%}
        {%- set written.name = node.schema ~ '.' ~ node.name -%}
      {%- endif -%}
    {%- endfor -%}
    {%- if written.name -%}
      {%- set token = var('build_token', '') | replace("'", "''") -%}
      {%- set is_registered = run_query("select ops.is_running_build('" ~ token ~ "')").rows[0][0] -%}
      {%- if not is_registered -%}
        {{ exceptions.raise_compiler_error(
          written.name ~ " belongs to the platform: only its own builds write there (`property-credit nightly`,"
          ~ " `property-credit warehouse rebuild`). To build beside it: `property-credit dbt ...`, or --target dev"
        ) }}
      {%- endif -%}
    {%- endif -%}
  {%- endif -%}
{%- endmacro %}
