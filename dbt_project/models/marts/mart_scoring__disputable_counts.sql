{{ config(materialized='view') }}
-- What each single case adds to the counts: asked for one enterprise at a time, to see what a decision on an objection
-- would change before it is made. A view: nothing is kept that nobody asks for.
with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

{% set targets = {'complaint': 'complaint', 'inspection': 'inspection', 'record': 'public_credit'} -%}
unioned as (

  {% for event, target in targets.items() -%}
  select
    uscc,
    '{{ target }}' as target_type_code,
    evidence_id as target_id,
    indicator_code,
    stratum_code,
    window_months,
    numerator,
    denominator,
    adverse_weight
  from {{ ref('int_' ~ event ~ '_events__measured') }}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}

)

select
  unioned.uscc,
  unioned.target_type_code,
  unioned.target_id,
  unioned.indicator_code,
  unioned.stratum_code,
  unioned.window_months,
  unioned.numerator::numeric as numerator,
  unioned.denominator::numeric as denominator,
  unioned.adverse_weight::numeric as adverse_weight
from unioned
inner join enterprises
  on enterprises.uscc = unioned.uscc
