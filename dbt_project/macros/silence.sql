{#- What an indicator reads of a feed that has stopped, where the grading method says so (`counting.ends_at_complete_day`): its
    window ends at the feed's last complete day, and a district that is silent beyond the feed's max_age is left out. Each of
    them reads as 2026.1 does where the method says nothing. The models are named outside the conditions: dbt learns from there
    what is built first. -#}

{#- The last day of a feed that indicators look at, as a scalar. A feed that is silent everywhere is not available to
    anybody; it still ends where it stopped, so that a fit learns nothing from days that nobody reported. -#}
{% macro counted_until(feed) -%}
  {%- set covered = ref('int_feed_districts__covered') -%}
  {%- if var('counting').ends_at_complete_day -%}
  (select coalesce(max(complete_until) filter (where not is_silent), max(complete_until), {{ business_date() }})
    from {{ covered }} where feed = '{{ feed }}')
  {%- else -%}
  {{ business_date() }}
  {%- endif -%}
{%- endmacro %}

{#- The first instant after the last day of a feed that indicators look at, Asia/Shanghai. -#}
{% macro end_of_counted(feed) -%}
  (({{ counted_until(feed) }} + 1)::timestamp at time zone 'Asia/Shanghai')
{%- endmacro %}

{#- Whether a district is one that the feed still reports; true where it is silent everywhere (nobody is scored on it). -#}
{% macro is_district_heard(feed, region_code) -%}
  {%- set covered = ref('int_feed_districts__covered') -%}
  {%- if var('counting').ends_at_complete_day -%}
  coalesce({{ region_code }} not in (select region_code from {{ covered }}
    where feed = '{{ feed }}' and is_silent and not is_silent_everywhere), true)
  {%- else -%}
  true
  {%- endif -%}
{%- endmacro %}

{#- The same of a community's district. -#}
{% macro is_community_heard(feed, community_id) -%}
  {%- set communities, covered = ref('stg_communities'), ref('int_feed_districts__covered') -%}
  {%- if var('counting').ends_at_complete_day -%}
  coalesce({{ community_id }} not in (
    select communities.community_id
    from {{ communities }} as communities
    inner join {{ covered }} as covered
      on covered.region_code = communities.region_code
    where covered.feed = '{{ feed }}' and covered.is_silent and not covered.is_silent_everywhere), true)
  {%- else -%}
  true
  {%- endif -%}
{%- endmacro %}

{#- The share of a slot of exposure (int_exposures__counted) whose days the feed reports. -#}
{% macro heard_share(feed) -%}
  {%- set until = counted_until(feed) -%}
  {%- if var('counting').ends_at_complete_day -%}
  (greatest(least(slot_ends_on, {{ until }}) - slot_starts_on + 1, 0)::numeric
    / (slot_ends_on - slot_starts_on + 1))
  {%- else -%}
  1
  {%- endif -%}
{%- endmacro %}

{#- Whether an order is overdue, as of the last day that its feed reports. -#}
{% macro is_overdue_as_counted() -%}
  {%- set until = counted_until('inspections') -%}
  {%- if var('counting').ends_at_complete_day -%}
  coalesce(least(rectified_on, {{ until }}), {{ until }}) > order_due_on
  {%- else -%}
  is_overdue
  {%- endif -%}
{%- endmacro %}
