{#- Whether a complaint counts for a limit of so many hours: submitted + limit <= cut-off, solved or not. One that was
    solved early waits for its limit like one that was not, or the newest day would look better or worse than it is.
    `cut_off` is an instant; the end of the business date where none is given. -#}
{% macro is_limit_due(limit, submitted_at='submitted_at', cut_off=none) -%}
  ({{ submitted_at }} + {{ var(limit) }} * interval '1 hour' <= {{ cut_off or end_of_business_date() }})
{%- endmacro %}

{#- Whether a complaint that counts for a limit was in time: its clock, in minutes, stopped within the limit. -#}
{% macro is_within_limit(clock, limit, submitted_at='submitted_at', cut_off=none) -%}
  ({{ is_limit_due(limit, submitted_at, cut_off) }} and coalesce({{ clock }} <= {{ var(limit) }} * 60, false))
{%- endmacro %}

{#- The last day that a feed is complete for, as a scalar: the business date, or an earlier day where the newest delivery
    is older but within its max_age. Where the feed is silent everywhere, the business date: its figures are null anyway. -#}
{% macro complete_until(feed) -%}
  (select coalesce(max(complete_until) filter (where not is_silent), {{ business_date() }})
    from {{ ref('int_feed_districts__covered') }} where feed = '{{ feed }}')
{%- endmacro %}

{#- The instant after the last complete day of a feed, Asia/Shanghai: limits are counted up to there. -#}
{% macro cut_off_of(feed) -%}
  (({{ complete_until(feed) }} + 1)::timestamp at time zone 'Asia/Shanghai')
{%- endmacro %}

{#- The day of the month up to which the newest month is complete for a feed; 31 once the month is over. -#}
{% macro day_reached(feed) -%}
  (select case
      when extract(month from reached.day_on + 1) = extract(month from reached.day_on) then extract(day from reached.day_on)
      else 31
    end
    from (select {{ complete_until(feed) }} as day_on) as reached)
{%- endmacro %}
