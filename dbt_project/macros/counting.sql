{#- What the grading method says of reading events (its `warehouse.counting`); each entry's default is what 2026.1 does. -#}

{#- Whether P02 counts a line of `lines`: every kind of inspection, or only those of which a firm cannot choose how many it
    gets. A line whose kind nobody gave is of none of them. -#}
{% macro is_comparable_inspection(lines) -%}
  {%- set kinds = var('counting').comparable_inspections -%}
  {%- if kinds -%}
  coalesce((
    {%- for kind in kinds %}
    {{ lines }}.inspection_type_code = '{{ kind.inspection_type_code }}'
      {%- if kind.get('authority_code') %} and {{ lines }}.authority_code = '{{ kind.authority_code }}'{% endif %}
      {%- if not loop.last %} or{% endif %}
    {%- endfor %}
  ), false)
  {%- else -%}
  true
  {%- endif -%}
{%- endmacro %}

{#- Minutes that a complaint of a channel has for a clock (response, handling, resolution): the channel's own limit where
    the method gives one, else the general limit. -#}
{% macro limit_minutes(clock, channel_column) -%}
  {%- set general = var(clock ~ '_limit_hours') * 60 -%}
  {%- set channels = var('counting').channel_limits -%}
  {%- if channels -%}
  (case {{ channel_column }}
    {%- for channel, limits in channels.items() %} when '{{ channel }}' then {{ (limits[clock ~ '_hours'] * 60) | int }}{% endfor %} else {{ general | int }} end)
  {%- else -%}
  {{ general }}
  {%- endif -%}
{%- endmacro %}

{#- Whether limits of complaints without a finding count in M01-M03 from the day they run out. -#}
{% macro counts_without_finding() -%}
  {{ return(var('counting').deemed_confirmed_after_days is not none) }}
{%- endmacro %}

{#- Whether a complaint of the property enterprise's, that nobody confirmed or refuted, is deemed confirmed tonight. -#}
{% macro is_deemed_confirmed(complaints) -%}
  ({{ complaints }}.submitted_on + {{ var('counting').deemed_confirmed_after_days }} <= {{ counted_until('complaints') }})
{%- endmacro %}

{#- Whether an act is past the longest time its tier is shown (8.4), where the method says that it then weighs nothing.
    States (a listing, a judgment, a refusal) last as long as they last. -#}
{% macro is_past_use(records) -%}
  {%- if var('counting').ends_with_display -%}
  coalesce({{ records }}.shown_until < {{ business_date() }}, false)
  {%- else -%}
  false
  {%- endif -%}
{%- endmacro %}

{#- Whether a listing says everything without which it names nobody (V1). -#}
{% macro is_listing_complete() -%}
  {%- for column in var('counting').listing_requires %}{{ column }} is not null{% if not loop.last %} and {% endif %}{% endfor -%}
{%- endmacro %}
