-- Everything that an indicator of an enterprise lost points for, or a bonus was given for, for its page: id, day, place, and how long a complaint
-- took where that is what was missed. The grade's own evidence is the heaviest twenty of it.
{% set events = [
  'complaint', 'inspection', 'record', 'fund', 'disclosure', 'register', 'lift', 'rating', 'conformity', 'takeover',
  'alert',
] -%}
with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

complaints as (

  select * from {{ ref('fct_complaints') }}

),

lines as (

  select * from {{ ref('fct_inspection_lines') }}

),

adverse as (

  {% for event in events -%}
  select
    uscc,
    indicator_code,
    evidence_id,
    evidence_feed,
    event_on,
    max(adverse_weight) as weight
  from {{ ref('int_' ~ event ~ '_events__measured') }}
  where adverse_weight > 0 or indicator_code in ('G01', 'G02') and numerator > 0
  group by uscc, indicator_code, evidence_id, evidence_feed, event_on
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
),

placed as (

  select
    adverse.*,
    coalesce(complaints.community_id, lines.community_id) as community_id,
    round(
      case adverse.indicator_code
        when 'M01' then complaints.response_minutes
        when 'M02' then complaints.handling_minutes
        when 'M03' then complaints.score_resolution_minutes
      end / 60, 1
    ) as hours
  from adverse
  left join complaints
    on adverse.evidence_feed = 'complaints' and complaints.complaint_id = adverse.evidence_id
  left join lines
    on adverse.evidence_feed = 'inspections' and lines.inspection_id || '/' || lines.line_code = adverse.evidence_id

)

select
  placed.uscc,
  placed.indicator_code,
  count(*) as evidence_count,
  jsonb_agg(
    jsonb_build_array(placed.evidence_id, placed.event_on, placed.community_id, placed.hours)
    order by placed.weight desc, placed.event_on desc, placed.evidence_id
  ) as evidence
from placed
inner join enterprises
  on enterprises.uscc = placed.uscc
group by placed.uscc, placed.indicator_code
