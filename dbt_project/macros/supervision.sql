{#- A limit of supervision as it is valid on the business date (seed supervision_thresholds). -#}
{% macro threshold(code) -%}
  (select limits.value from {{ ref('supervision_thresholds') }} as limits
    where limits.threshold_code = '{{ code }}' and limits.valid_from <= {{ business_date() }}
    order by limits.valid_from desc limit 1)
{%- endmacro %}

{#- Whether one of `codes` is another limit than it was on the night of the last build. -#}
{% macro is_threshold_changed(codes) -%}
  exists (
    select 1 from {{ ref('supervision_thresholds') }}
    where threshold_code in ('{{ codes | join("', '") }}')
      and valid_from > {{ previous_business_date() }} and valid_from <= {{ business_date() }}
  )
{%- endmacro %}

{#- Whether a payment is one of those that split payments are made of: below the limit and covered by no vote. -#}
{% macro is_small_payment(payments) -%}
  ({{ payments }}.account_type_code = 'maintenance_fund'
    and {{ payments }}.vote_id is null
    and not {{ payments }}.is_emergency
    and {{ payments }}.paid_cny < {{ threshold('vote_free_amount_cny') }})
{%- endmacro %}

{#- Whether something that happened is recent enough to raise a new alert. -#}
{% macro is_raisable(event_on) -%}
  ({{ event_on }} > ({{ business_date() }} - {{ threshold('alert_window_months') }}::integer * interval '1 month')::date)
{%- endmacro %}

{#- Evidence of an alert from one feed: {"feed": ..., "ids": [...]}, ids in order. -#}
{% macro evidence(feed, id) -%}
  jsonb_build_object('feed', '{{ feed }}', 'ids', jsonb_agg(distinct {{ id }} order by {{ id }}))
{%- endmacro %}
