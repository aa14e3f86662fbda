-- What open objections would take out of the counts if they were upheld: the same rows that the counts add up.
with objections as (

  select * from {{ ref('int_objections__open') }}

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

{% set targets = {'complaint': 'complaint', 'inspection': 'inspection', 'record': 'public_credit'} -%}
-- of a state only the worst record counts (P09, P11): without it the second worst does
{% set states = "('P09', 'P11')" -%}
record_events as (

  select
    events.*,
    {{ is_disputed('events', 'public_credit', ['events.evidence_id']) }} as is_disputed
  from {{ ref('int_record_events__measured') }} as events
  where events.indicator_code in {{ states }}

),

unioned as (

  {% for event, target in targets.items() -%}
  -- one event disputed twice is taken out once
  select distinct
    events.uscc,
    events.indicator_code,
    events.stratum_code,
    events.window_months,
    events.evidence_id,
    events.numerator,
    events.denominator
  from {{ ref('int_' ~ event ~ '_events__measured') }} as events
  inner join objections
    on objections.uscc = events.uscc
    and objections.target_type_code = '{{ target }}'
    and (objections.target_id = events.evidence_id
      {%- if target == 'inspection' %} or objections.target_id = split_part(events.evidence_id, '/', 1){% endif %})
  {%- if event == 'record' %}
  where events.indicator_code not in {{ states }}
  {%- elif event == 'complaint' %}
  -- said once more, as a list: these events are a view, which a join would work out for every complaint
  where events.evidence_id = any (array(select target_id from objections where target_type_code = 'complaint'))
  {%- endif %}
  union all
  {% endfor -%}
  select
    uscc,
    indicator_code,
    stratum_code,
    window_months,
    null as evidence_id,
    coalesce(max(adverse_weight) filter (where not is_disputed), 0) - max(adverse_weight) as numerator,
    0::numeric as denominator
  from record_events
  group by uscc, indicator_code, stratum_code, window_months
  having bool_or(is_disputed)

)

select
  unioned.uscc,
  unioned.indicator_code,
  unioned.stratum_code,
  unioned.window_months,
  sum(unioned.numerator) as numerator,
  sum(unioned.denominator) as denominator
from unioned
inner join enterprises
  on enterprises.uscc = unioned.uscc
group by unioned.uscc, unioned.indicator_code, unioned.stratum_code, unioned.window_months
