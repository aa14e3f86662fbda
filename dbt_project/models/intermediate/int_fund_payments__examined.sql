{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['entry_id'],
  indexes=[{'columns': ['party_key']}, {'columns': ['account_no', 'booked_on']}],
  pre_hook="{{ without_touched('int_fund_payments__touched') }}",
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_fund_payments__touched') }}
-- Every payment out of the owners' money, and whether it was one: not when the bank took it back (红冲), nor when the
-- other side is booked on another account of the same owners.
with entries as not materialized (

  select *
  from {{ ref('int_fund_entries__attributed') }}
  where account_type_code in ('maintenance_fund', 'common_revenue')

),

parties as (

  select * from {{ ref('stg_fund_counterparties') }}

),

looked_at as (

  select *
  from entries
  where amount_cny < 0
    {%- if is_incremental() %}
    and entry_id in (select entry_id from {{ ref('int_fund_payments__touched') }})
    {%- endif %}

),

reversals as (

  select distinct
    looked_at.entry_id
  from looked_at
  inner join entries
    on entries.account_no = looked_at.account_no
    and entries.voucher_no = looked_at.voucher_no
    and entries.amount_cny = -looked_at.amount_cny
  where entries.purpose_code = 'reversal'

),

own_transfers as (

  select distinct outgoing.entry_id
  from looked_at as outgoing
  inner join entries as incoming
    on incoming.community_id = outgoing.community_id
    and incoming.account_type_code = outgoing.account_type_code
    and incoming.amount_cny = -outgoing.amount_cny
    and incoming.account_no <> outgoing.account_no
    and incoming.booked_on between outgoing.booked_on - {{ threshold('own_transfer_within_days') }}::integer
      and outgoing.booked_on + {{ threshold('own_transfer_within_days') }}::integer
  where outgoing.purpose_code = 'transfer' and incoming.purpose_code = 'transfer'

)

select
  looked_at.entry_id,
  looked_at.account_no,
  looked_at.account_type_code,
  looked_at.community_id,
  looked_at.region_code,
  looked_at.uscc,
  looked_at.booked_on,
  -looked_at.amount_cny as paid_cny,
  looked_at.purpose_code,
  looked_at.vote_id,
  looked_at.emergency_id,
  coalesce(looked_at.is_emergency, false) or coalesce(looked_at.purpose_code = 'emergency_repair', false)
    or looked_at.emergency_id is not null as is_emergency,
  parties.party_key
from looked_at
left join parties
  on parties.entry_id = looked_at.entry_id
left join reversals
  on reversals.entry_id = looked_at.entry_id
left join own_transfers
  on own_transfers.entry_id = looked_at.entry_id
where looked_at.currency_code = 'CNY'
  and coalesce(looked_at.purpose_code, 'other') not in ('reversal', 'opening', 'interest')
  and reversals.entry_id is null
  and own_transfers.entry_id is null
