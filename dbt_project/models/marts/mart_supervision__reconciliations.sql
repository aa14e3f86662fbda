-- Every account over its whole history: does it add up, and if not, from which day on.
with accounts as (

  select * from {{ ref('int_accounts__described') }}

),

days as (

  select * from {{ ref('int_account_days__reconciled') }}

),

summed as (

  select
    account_no,
    (array_agg(opening_amount order by booked_on))[1] as opening_amount,
    sum(in_amount) as in_amount,
    sum(out_amount) as out_amount,
    (array_agg(closing_amount order by booked_on desc))[1] as closing_amount,
    sum(difference_amount) as difference_amount,
    count(*) filter (where is_broken) as broken_day_count,
    min(booked_on) filter (where is_broken) as first_bad_on,
    min(booked_on) as first_on,
    max(booked_on) as last_on
  from days
  group by account_no

)

select
  accounts.account_no,
  accounts.account_type_code,
  accounts.community_id,
  accounts.region_code,
  accounts.uscc,
  summed.first_on,
  summed.last_on,
  summed.opening_amount::numeric(18, 2) as opening_amount,
  summed.in_amount::numeric(18, 2) as in_amount,
  summed.out_amount::numeric(18, 2) as out_amount,
  summed.closing_amount::numeric(18, 2) as closing_amount,
  summed.difference_amount::numeric(18, 2) as difference_amount,
  coalesce(summed.broken_day_count, 0)::integer as broken_day_count,
  summed.first_bad_on,
  case
    when summed.account_no is null then 'unverifiable'
    when summed.broken_day_count > 0 then 'broken'
    else 'reconciled'
  end as status_code
from accounts
left join summed
  on summed.account_no = accounts.account_no
