-- Enterprises that are not graded any more, and why. Empty before edition 3.
with departures as (

  select * from {{ ref('int_enterprises__departed') }}

)

select
  uscc,
  departure_code,
  since_on,
  is_assumed
from departures
