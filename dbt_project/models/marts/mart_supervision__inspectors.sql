-- Who may be drawn after tonight; whether somebody is still there in the month of a draw is the draw's question.
with inspectors as (

  select * from {{ ref('stg_inspectors') }}

)

select
  inspector_code,
  region_code,
  authority_code,
  active_from,
  active_until
from inspectors
where coalesce(active_until > {{ business_date() }}, true)
