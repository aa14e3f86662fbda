{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['entry_id'],
  pre_hook="{{ without_touched('int_fund_payments__touched') }}",
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_fund_payments__touched') }}
-- Payments that others of the days after make conspicuous: split below a limit, or come back.
with payments as not materialized (

  select * from {{ ref('int_fund_payments__examined') }}

),

looked_at as (

  select *
  from payments
  where party_key is not null
    {%- if is_incremental() %}
    and entry_id in (select entry_id from {{ ref('int_fund_payments__touched') }})
    {%- endif %}

),

entries as (

  select *
  from {{ ref('int_fund_entries__attributed') }}
  where amount_cny > 0
    and currency_code = 'CNY'
    and coalesce(purpose_code, 'other') not in ('reversal', 'opening', 'interest')

),

parties as (

  select * from {{ ref('stg_fund_counterparties') }}

),

-- enough payments to one counterparty that no vote covers, each below the limit and together not
split as (

  select starts.entry_id
  from looked_at as starts
  inner join payments as followers
    on followers.account_no = starts.account_no
    and followers.community_id = starts.community_id
    and followers.party_key = starts.party_key
    and followers.booked_on between starts.booked_on and starts.booked_on + {{ threshold('split_within_days') }}::integer
  where {{ is_small_payment('starts') }} and {{ is_small_payment('followers') }}
  group by starts.entry_id
  having count(*) >= {{ threshold('split_payments_from') }}
    and sum(followers.paid_cny) >= {{ threshold('vote_free_amount_cny') }}

),

-- the first entry that brings the money back, all of it but a fee
returned as (

  select distinct on (payments.entry_id)
    payments.entry_id,
    entries.entry_id as back_entry_id,
    entries.booked_on as back_on
  from looked_at as payments
  inner join entries
    on entries.account_no = payments.account_no
    and entries.booked_on between payments.booked_on
      and payments.booked_on + {{ threshold('round_trip_within_days') }}::integer
    and entries.amount_cny <= payments.paid_cny
    and entries.amount_cny >= payments.paid_cny * (1 - {{ threshold('round_trip_fee_ratio') }})
  inner join parties
    on parties.entry_id = entries.entry_id and parties.party_key = payments.party_key
  order by payments.entry_id, entries.booked_on, entries.entry_id

)

select
  coalesce(split.entry_id, returned.entry_id) as entry_id,
  split.entry_id is not null as is_split,
  returned.back_entry_id,
  returned.back_on
from split
full outer join returned
  on returned.entry_id = split.entry_id
