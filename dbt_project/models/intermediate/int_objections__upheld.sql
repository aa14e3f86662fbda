with objections as (

  select * from {{ ref('stg_objections') }}

)

select
  target_type_code,
  target_id,
  min(decided_on) as upheld_on
from objections
where outcome_code = 'upheld' and decided_on <= {{ business_date() }}
group by target_type_code, target_id
