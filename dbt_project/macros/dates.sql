{#- The night being computed, as a date literal: the only date any model knows. A platform's build is told which; in
    schemas of one's own it is the night that the marts hold, where none is given. -#}
{% macro business_date() -%}
  {%- set given = var('business_date', none) or standing_night() -%}
  {%- if execute and given is none -%}
    {{ exceptions.raise_compiler_error("variable business_date is missing: pass --vars '{business_date: yyyy-mm-dd}'") }}
  {%- endif -%}
  cast('{{ given or "1970-01-01" }}' as date)
{%- endmacro %}

{#- The night that the marts hold; none in the platform's own builds and before the first. -#}
{% macro standing_night() -%}
  {%- if execute and target.name != 'warehouse' -%}
    {%- set nights = run_query("select business_date from ops.builds where status = 'done' order by build_id desc limit 1") -%}
    {{ return(nights.rows[0][0] if nights.rows else none) }}
  {%- endif -%}
  {{ return(none) }}
{%- endmacro %}

{#- The first instant after the business date, Asia/Shanghai: clocks that still run are read there. -#}
{% macro end_of_business_date() -%}
  (({{ business_date() }} + 1)::timestamp at time zone 'Asia/Shanghai')
{%- endmacro %}

{#- Calendar date in Asia/Shanghai of an instant. -#}
{% macro local_date(instant) -%}
  ({{ instant }} at time zone 'Asia/Shanghai')::date
{%- endmacro %}

{#- Minutes between two instants; null when one is missing. -#}
{% macro minutes_between(earlier, later) -%}
  (extract(epoch from {{ later }} - {{ earlier }}) / 60.0)
{%- endmacro %}

{#- Months between two dates: whole calendar months, then days / 31, so that a calendar anniversary is a whole number. -#}
{% macro months_between(earlier, later) -%}
  (extract(year from age(({{ later }})::timestamp, ({{ earlier }})::timestamp)) * 12
    + extract(month from age(({{ later }})::timestamp, ({{ earlier }})::timestamp))
    + extract(day from age(({{ later }})::timestamp, ({{ earlier }})::timestamp)) / 31.0)
{%- endmacro %}

{#- The date N months before the business date, or before the window's own end: an event on it is just outside the window. -#}
{% macro months_ago(months, until=none) -%}
  ({{ until or business_date() }} - interval '{{ months }} months')::date
{%- endmacro %}

{#- A window: event_date > business_date - N months and event_date <= business_date; `until` ends it on another day. -#}
{% macro in_window(event_on, months, until=none) -%}
  ({{ event_on }} > {{ months_ago(months, until) }} and {{ event_on }} <= {{ until or business_date() }})
{%- endmacro %}

{#- Months an indicator looks back, from the grading method's variables. -#}
{% macro window_months(indicator_code) -%}
  {%- set windows = var('windows') -%}
  {%- if indicator_code not in windows -%}
    {{ exceptions.raise_compiler_error("variable windows has no entry for indicator " ~ indicator_code) }}
  {%- endif -%}
  {{ windows[indicator_code] | int }}
{%- endmacro %}

{#- The longest of several indicators' windows, in months. -#}
{% macro longest_window(indicator_codes) -%}
  {%- set longest = namespace(months=0) -%}
  {%- for code in indicator_codes -%}
    {%- set longest.months = [longest.months, window_months(code) | int] | max -%}
  {%- endfor -%}
  {{ longest.months }}
{%- endmacro %}

{#- The first of the 24 calendar months that community months and the pages' months go back. -#}
{% macro first_shown_month() -%}
  (date_trunc('month', {{ business_date() }}::timestamp) - interval '23 months')::date
{%- endmacro %}
