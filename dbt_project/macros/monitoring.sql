{#- First month that is monitored community by community: the business date's and the twelve before it. -#}
{% macro monitored_from() -%}
  (date_trunc('month', {{ business_date() }}::timestamp) - interval '12 months')::date
{%- endmacro %}

{#- Whether a complaint's clock has stopped or run out at the end of the business date: it can be counted. -#}
{% macro is_due(clock, limit) -%}
  ({{ clock }} is not null or elapsed_minutes > {{ var(limit) }} * 60)
{%- endmacro %}
