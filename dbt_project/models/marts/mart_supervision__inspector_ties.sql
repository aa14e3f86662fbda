with ties as (

  select * from {{ ref('stg_inspector_ties') }}

)

select
  inspector_code,
  uscc,
  relation_code,
  starts_on,
  ends_on
from ties
where coalesce(ends_on > {{ business_date() }}, true)
