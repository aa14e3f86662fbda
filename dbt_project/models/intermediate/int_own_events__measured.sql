-- What a method counts by its own file alone (`measure` of an indicator): made from that file, without a model of its own.
-- depends_on: {{ ref('int_spells__resolved') }}
-- depends_on: {{ ref('stg_enterprises') }}
-- depends_on: {{ feed_relation('enterprises').relation }}
{% set measures = var('measures', {}) -%}
{% for code, measure in measures.items() if execute -%}
select * from {{ measured_rows(code, measure) }} as rows_{{ loop.index }}
union all
{% endfor -%}
select
  null::text as uscc,
  null::text as indicator_code,
  null::integer as window_months,
  null::text as evidence_id,
  null::text as stratum_code,
  null::text as evidence_feed,
  null::date as event_on,
  null::numeric as numerator,
  null::numeric as denominator,
  null::numeric as adverse_weight,
  null::text as summary_code,
  null::text as community_id
where false
