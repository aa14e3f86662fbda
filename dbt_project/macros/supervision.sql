{#- The order in which the version in force on `day` comes first: the newest valid by then. On a day before the first
    version that one counts: nights of any past date can be built, judged by the oldest limit that is known. -#}
{% macro in_force_first(valid_from, day=none) -%}
  {%- set day = day or business_date() -%}
  {{ valid_from }} > {{ day }}, abs({{ valid_from }} - {{ day }})
{%- endmacro %}

{#- Whether a city (by a region code in it) has ever reported that register: see int_feed_cities__reported. -#}
{% macro is_reported(register_code, region_code) -%}
  exists (
    select 1 from {{ ref('int_feed_cities__reported') }} as registers
    where registers.register_code = '{{ register_code }}' and registers.city_code = left({{ region_code }}, 4)
  )
{%- endmacro %}

{#- A limit of supervision as it is valid on the business date (seed supervision_thresholds). -#}
{% macro threshold(code) -%}
  (select limits.value from {{ ref('supervision_thresholds') }} as limits
    where limits.threshold_code = '{{ code }}'
    order by {{ in_force_first('limits.valid_from') }} limit 1)
{%- endmacro %}

{#- Whether one of `codes` is another limit than it was on the night of the last build. -#}
{% macro is_threshold_changed(codes) -%}
  exists (
    select 1 from {{ ref('supervision_thresholds') }} as limits
    where limits.threshold_code in ('{{ codes | join("', '") }}')
      and limits.valid_from > {{ previous_business_date() }} and limits.valid_from <= {{ business_date() }}
      and exists (  -- the first version counted before it as well
        select 1 from {{ ref('supervision_thresholds') }} as earlier
        where earlier.threshold_code = limits.threshold_code and earlier.valid_from < limits.valid_from
      )
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

{#- Beside each row of the from clause one row for each of `kinds`: (kind, when the row calls for an alert of it, and, where
    kinds begin on days of their own, the first day). Arrays, because a Citus coordinator refuses LATERAL. -#}
{% macro with_kinds(kinds) -%}
  cross join unnest(
    array[{% for kind in kinds %}'{{ kind[0] }}'{{ ", " if not loop.last }}{% endfor %}],
    array[{% for kind in kinds %}
      {{ kind[1] }}{{ "," if not loop.last }}{% endfor %}
    ]{% if kinds[0] | length > 2 %},
    array[{% for kind in kinds %}{{ kind[2] }}{{ ", " if not loop.last }}{% endfor %}]{% endif %}
  ) as kinds (kind_code, is_met{{ ", first_on" if kinds[0] | length > 2 }})
{%- endmacro %}
