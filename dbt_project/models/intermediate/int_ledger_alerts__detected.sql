{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['alert_id'],
  pre_hook="{{ without_touched_accounts() }}",
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
-- Accounts that do not add up, and owners' money that is not kept apart. An account's alerts say nothing new before one
-- of its entries does.
with days as (

  select * from {{ ref('int_account_days__reconciled') }} where is_broken

),

accounts as (

  select *
  from {{ ref('int_accounts__described') }}
  {%- if is_incremental() %}
  where account_no in {{ accounts_of(ref('int_fund_entries__touched')) }}
  {%- endif %}

),

uses as (

  select * from {{ ref('int_account_uses__summed') }}

),

entries as not materialized (

  select * from {{ ref('int_fund_entries__attributed') }}

),

first_bad as (

  select distinct on (days.account_no)
    days.account_no,
    days.booked_on,
    days.difference_amount
  from accounts
  inner join days
    on days.account_no = accounts.account_no
  order by days.account_no, days.booked_on

),

breaks as (

  select
    'reconciliation_break/' || first_bad.account_no || '/' || first_bad.booked_on as alert_id,
    'reconciliation_break' as kind_code,
    accounts.uscc,
    accounts.community_id,
    accounts.region_code,
    first_bad.account_no,
    first_bad.booked_on as first_on,
    abs(first_bad.difference_amount) as amount_cny,
    jsonb_build_array({{ evidence('funds', 'entries.entry_id') }}) as evidence,
    first_bad.booked_on as last_on
  from first_bad
  inner join accounts
    on accounts.account_no = first_bad.account_no
  inner join entries
    on entries.account_no = first_bad.account_no and entries.booked_on = first_bad.booked_on
  group by
    first_bad.account_no, first_bad.booked_on, first_bad.difference_amount, accounts.uscc, accounts.community_id,
    accounts.region_code

),

-- common revenue on a firm's own account; owners' money of two kinds, or of two communities, on one account
mixed_uses as (

  select uses.*
  from uses
  inner join accounts
    on accounts.account_no = uses.account_no
  where uses.community_key <> 'none' and (
    uses.account_type_code in ('operating', 'other') and uses.is_advertising_or_parking
    or uses.account_type_code in ('maintenance_fund', 'common_revenue') and accounts.owners_community_count > 1
    or accounts.is_owners_money and accounts.type_count > 1
    and uses.account_type_code <> accounts.account_type_code
  )

),

mixed_entries as (

  select entries.*
  from mixed_uses
  inner join entries
    on entries.account_no = mixed_uses.account_no
    and entries.account_type_code = mixed_uses.account_type_code
    and entries.community_id = mixed_uses.community_key
    and coalesce(entries.purpose_code in ('advertising_income', 'parking_income'), false)
      = mixed_uses.is_advertising_or_parking

),

mixed as (

  select
    'accounts_mixed/' || community_id || '/' || account_no as alert_id,
    'accounts_mixed' as kind_code,
    (array_agg(uscc order by booked_on desc) filter (where uscc is not null))[1] as uscc,
    community_id,
    min(region_code) as region_code,
    account_no,
    min(booked_on) as first_on,
    sum(abs(amount_cny)) as amount_cny,
    jsonb_build_array({{ evidence('funds', 'entry_id') }}) as evidence,
    max(booked_on) as last_on
  from mixed_entries
  group by community_id, account_no

)

select * from breaks
union all
select * from mixed
