with days as (

  select * from {{ ref('int_account_days__reconciled') }}

)

select
  account_no,
  booked_on,
  opening_amount::numeric(18, 2) as opening_amount,
  in_amount::numeric(18, 2) as in_amount,
  out_amount::numeric(18, 2) as out_amount,
  closing_amount::numeric(18, 2) as closing_amount,
  difference_amount::numeric(18, 2) as difference_amount,
  entry_count::integer as entry_count,
  is_broken
from days
