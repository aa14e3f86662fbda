-- Complaints of the property enterprise's that nobody confirmed or refuted and whose limit in M01-M03 has run out: pending, or
-- deemed confirmed once nobody said otherwise in time. None where the method does not say so.
with events as (

  select * from {{ ref('int_complaint_events__measured') }}

)

select
  evidence_id as complaint_id,
  indicator_code,
  uscc,
  stratum_code,
  window_months,
  finding_code,
  numerator,
  denominator
from events
where {% if counts_without_finding() %}finding_code <> 'confirmed' and indicator_code in ('M01', 'M02', 'M03'){% else %}false{% endif %}
