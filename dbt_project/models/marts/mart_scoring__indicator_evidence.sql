with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

{% set events = [
  'complaint', 'inspection', 'record', 'fund', 'disclosure', 'register', 'lift', 'rating', 'conformity', 'takeover',
  'alert', 'own',
] -%}
adverse as (

  {% for event in events -%}
  -- an event may stand in two windows of one indicator: it is one piece of evidence
  select
    uscc,
    indicator_code,
    evidence_id,
    evidence_feed,
    event_on,
    max(adverse_weight) as weight,
    summary_code,
    {{ "finding_code" if event == "complaint" else "null" }} as finding_code
  from {{ ref('int_' ~ event ~ '_events__measured') }}
  where adverse_weight > 0 or indicator_code in ('G01', 'G02') and numerator > 0
  group by uscc, indicator_code, evidence_id, evidence_feed, event_on, summary_code
    {%- if event == "complaint" %}, finding_code{% endif %}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
),

ranked as (

  select
    adverse.*,
    row_number() over (
      partition by adverse.uscc, adverse.indicator_code
      order by adverse.weight desc, adverse.event_on desc, adverse.evidence_id
    ) as evidence_rank
  from adverse

)

select
  ranked.uscc,
  ranked.indicator_code,
  ranked.evidence_id,
  ranked.evidence_feed,
  ranked.event_on,
  ranked.weight,
  ranked.summary_code,
  ranked.finding_code
from ranked
inner join enterprises
  on enterprises.uscc = ranked.uscc
where ranked.evidence_rank <= 20
