{#- First month that is monitored community by community: the business date's and the twelve before it. -#}
{% macro monitored_from() -%}
  (date_trunc('month', {{ business_date() }}::timestamp) - interval '12 months')::date
{%- endmacro %}
