-- Every payment out of the owners' money, and whether it was one: not when the bank took it back (红冲), nor when the
-- other side is booked on another account of the same owners.
with entries as (

  select *
  from {{ ref('int_fund_entries__attributed') }}
  where account_type_code in ('maintenance_fund', 'common_revenue')

),

parties as (

  select * from {{ ref('stg_fund_counterparties') }}

),

reversals as (

  select distinct
    account_no,
    voucher_no,
    amount_cny
  from entries
  where purpose_code = 'reversal'

),

own_transfers as (

  select distinct outgoing.entry_id
  from entries as outgoing
  inner join entries as incoming
    on incoming.community_id = outgoing.community_id
    and incoming.account_type_code = outgoing.account_type_code
    and incoming.amount_cny = -outgoing.amount_cny
    and incoming.account_no <> outgoing.account_no
    and abs(incoming.booked_on - outgoing.booked_on) <= {{ threshold('own_transfer_within_days') }}
  where outgoing.amount_cny < 0 and outgoing.purpose_code = 'transfer' and incoming.purpose_code = 'transfer'

)

select
  entries.entry_id,
  entries.account_no,
  entries.account_type_code,
  entries.community_id,
  entries.region_code,
  entries.uscc,
  entries.booked_on,
  -entries.amount_cny as paid_cny,
  entries.purpose_code,
  entries.vote_id,
  entries.emergency_id,
  coalesce(entries.is_emergency, false) or coalesce(entries.purpose_code = 'emergency_repair', false)
    or entries.emergency_id is not null as is_emergency,
  parties.party_key
from entries
left join parties
  on parties.entry_id = entries.entry_id
left join reversals
  on reversals.account_no = entries.account_no
  and reversals.voucher_no = entries.voucher_no
  and reversals.amount_cny = -entries.amount_cny
left join own_transfers
  on own_transfers.entry_id = entries.entry_id
where entries.amount_cny < 0
  and entries.currency_code = 'CNY'
  and coalesce(entries.purpose_code, 'other') not in ('reversal', 'opening', 'interest')
  and reversals.account_no is null
  and own_transfers.entry_id is null
