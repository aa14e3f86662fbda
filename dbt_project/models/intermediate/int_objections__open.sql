-- Objections that were filed and not yet decided on the business date.
with objections as (

  select * from {{ ref('stg_objections') }}

)

select
  objection_id,
  uscc,
  target_type_code,
  target_id,
  filed_on
from objections
where filed_on <= {{ business_date() }}
  and (outcome_code = 'pending' or decided_on > {{ business_date() }})
