-- depends_on: {{ ref('int_complaints__touched') }}
-- depends_on: {{ ref('int_inspections__touched') }}
-- What the next build compares its upheld objections with: what one of them overturned counts differently then.
with objections as (

  select * from {{ ref('int_objections__upheld') }}

)

select
  target_type_code,
  target_id
from objections
