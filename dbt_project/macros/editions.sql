{#- What rule `name` says in the edition that the night is built with: the newest of its editions up to that one. -#}
{% macro rule(name) -%}
  {%- set says = namespace(edition=0, value=none) -%}
  {%- for edition, value in var('rules')[name].items() -%}
    {%- if says.edition < edition | int <= var('edition') | int -%}
      {%- set says.edition = edition | int -%}
      {%- set says.value = value -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if says.value is none -%}
    {{ exceptions.raise_compiler_error("rule " ~ name ~ " says nothing in edition " ~ var('edition')) }}
  {%- endif -%}
  {{ return(says.value) }}
{%- endmacro %}
