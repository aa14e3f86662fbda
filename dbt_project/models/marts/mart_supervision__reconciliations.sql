{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['account_no'],
  pre_hook="{{ without_touched_accounts() }}",
  on_schema_change='fail',
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
-- Every account over its whole history: does it add up, and if not, from which day on.
with accounts as (

  select *
  from {{ ref('int_accounts__described') }}
  {%- if is_incremental() %}
  where account_no in {{ accounts_of(ref('int_fund_entries__touched')) }}
  {%- endif %}

),

days as not materialized (

  select * from {{ ref('int_account_days__reconciled') }}

),

sums as (

  select * from {{ ref('int_account_days__summed') }}

),

-- looked up by the key, account by account: an account's history is not read
bounds as (

  select
    accounts.account_no,
    (select min(days.booked_on) from days where days.account_no = accounts.account_no) as first_on,
    (select max(days.booked_on) from days where days.account_no = accounts.account_no) as last_on
  from accounts

),

first_bad as (

  select
    account_no,
    min(booked_on) as first_bad_on
  from days
  where is_broken
  group by account_no

)

select
  accounts.account_no,
  accounts.account_type_code,
  accounts.community_id,
  accounts.region_code,
  accounts.uscc,
  bounds.first_on,
  bounds.last_on,
  first_days.opening_amount::numeric(18, 2) as opening_amount,
  sums.in_amount::numeric(18, 2) as in_amount,
  sums.out_amount::numeric(18, 2) as out_amount,
  last_days.closing_amount::numeric(18, 2) as closing_amount,
  sums.difference_amount::numeric(18, 2) as difference_amount,
  coalesce(sums.broken_day_count, 0)::integer as broken_day_count,
  first_bad.first_bad_on,
  case
    when sums.account_no is null then 'unverifiable'
    when sums.broken_day_count > 0 then 'broken'
    else 'reconciled'
  end as status_code
from accounts
inner join bounds
  on bounds.account_no = accounts.account_no
left join sums
  on sums.account_no = accounts.account_no
left join days as first_days
  on first_days.account_no = bounds.account_no and first_days.booked_on = bounds.first_on
left join days as last_days
  on last_days.account_no = bounds.account_no and last_days.booked_on = bounds.last_on
left join first_bad
  on first_bad.account_no = accounts.account_no
