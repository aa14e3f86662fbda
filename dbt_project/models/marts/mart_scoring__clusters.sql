{{ config(materialized='view') }}
-- How far what happens in one visit, community, month or assessment goes together: sums over such clusters, from which a fit
-- learns by how much less they say than as many independent events would. A view: only a fit reads it.
with inspections as (

  select
    *,
    split_part(evidence_id, '/', 1) as inspection_id
  from {{ ref('int_inspection_events__measured') }}

),

complaints as (

  select * from {{ ref('int_complaint_events__measured') }}

),

exposures as (

  select * from {{ ref('int_exposures__counted') }}

),

events as (

  {% for kind, id in [('visit', 'inspection_id'), ('community', 'community_id')] -%}
  select
    uscc,
    indicator_code,
    window_months,
    stratum_code,
    '{{ kind }}' as cluster_kind,
    {{ id }} as cluster_id,
    numerator,
    denominator
  from inspections
  where {{ id }} is not null
  union all
  {% endfor -%}
  {% for kind, id in [('community', 'community_id'), ('month', "to_char(event_on, 'YYYY-MM')")] -%}
  select
    uscc,
    indicator_code,
    window_months,
    stratum_code,
    '{{ kind }}' as cluster_kind,
    {{ id }} as cluster_id,
    numerator,
    denominator
  from complaints
  {%- if kind == 'month' %}
  where indicator_code <> 'M04'
  {%- endif %}
  union all
  {% endfor -%}
  {% for key in ['M04', 'M04_LONG'] -%}
  select
    uscc,
    'M04' as indicator_code,
    {{ window_months(key) }} as window_months,
    stratum_code,
    'community' as cluster_kind,
    community_id as cluster_id,
    0 as numerator,
    round(weighted_household_months * {{ heard_share('complaints') }} * {{ complaint_decay('slot_number + 0.5') }}, 6) as denominator
  from exposures
  where slot_number < {{ window_months(key) }} and {{ is_community_heard('complaints', 'community_id') }}
  union all
  {% endfor -%}
  {% for events, code in [('int_conformity_events__measured', 'M10'), ('int_register_events__measured', 'M06')] -%}
  select
    uscc,
    indicator_code,
    window_months,
    stratum_code,
    'assessment' as cluster_kind,
    evidence_id as cluster_id,
    numerator,
    denominator
  from {{ ref(events) }}
  where indicator_code = '{{ code }}'
  {%- if not loop.last %}
  union all
  {% endif -%}
  {% endfor %}

),

clusters as (

  select
    uscc,
    indicator_code,
    window_months,
    stratum_code,
    cluster_kind,
    cluster_id,
    sum(numerator) as numerator,
    sum(denominator) as denominator
  from events
  group by uscc, indicator_code, window_months, stratum_code, cluster_kind, cluster_id

)

select
  uscc,
  indicator_code,
  window_months,
  stratum_code,
  cluster_kind,
  count(*) as cluster_count,
  sum(numerator) as numerator,
  sum(denominator) as denominator,
  sum(numerator * numerator) as numerator_square_sum,
  sum(numerator * denominator) as product_sum,
  sum(denominator * denominator) as denominator_square_sum
from clusters
where denominator > 0
group by uscc, indicator_code, window_months, stratum_code, cluster_kind
