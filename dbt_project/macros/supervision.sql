{#- A limit of supervision as it is valid on the business date (seed supervision_thresholds). -#}
{% macro threshold(code) -%}
  (select limits.value from {{ ref('supervision_thresholds') }} as limits
    where limits.threshold_code = '{{ code }}' and limits.valid_from <= {{ business_date() }}
    order by limits.valid_from desc limit 1)
{%- endmacro %}

{#- Whether something that happened is recent enough to raise a new alert. -#}
{% macro is_raisable(event_on) -%}
  ({{ event_on }} > ({{ business_date() }} - {{ threshold('alert_window_months') }}::integer * interval '1 month')::date)
{%- endmacro %}

{#- Evidence of an alert from one feed: {"feed": ..., "ids": [...]}, ids in order. -#}
{% macro evidence(feed, id) -%}
  jsonb_build_object('feed', '{{ feed }}', 'ids', jsonb_agg(distinct {{ id }} order by {{ id }}))
{%- endmacro %}
