with entries as (

  select * from {{ ref('int_fund_entries__attributed') }}

)

select
  entry_id,
  account_no,
  account_type_code,
  community_id,
  region_code,
  uscc,
  booked_on,
  amount_cny,
  currency_code,
  purpose_code,
  voucher_no,
  vote_id,
  is_emergency
from entries
