with objections as (

  select * from {{ ref('int_objections__open') }}

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

)

select
  objections.uscc,
  objections.objection_id,
  objections.target_type_code,
  objections.target_id,
  objections.filed_on
from objections
inner join enterprises
  on enterprises.uscc = objections.uscc
