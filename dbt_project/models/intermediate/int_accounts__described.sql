{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['account_no'],
  pre_hook="{{ without_touched_accounts() }}",
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
-- What an account is for and whose it is: its usual kind of money, its communities, the firm that answers for it last.
with entries as not materialized (

  select * from {{ ref('int_fund_entries__attributed') }}

),

uses as (

  select *
  from {{ ref('int_account_uses__summed') }}
  {%- if is_incremental() %}
  where account_no in {{ accounts_of(ref('int_fund_entries__touched')) }}
  {%- endif %}

),

types as (

  select
    account_no,
    account_type_code,
    sum(entry_count) as entry_count
  from uses
  group by account_no, account_type_code

),

usual_types as (

  select distinct on (account_no)
    account_no,
    account_type_code
  from types
  order by account_no, entry_count desc, account_type_code

),

counted as (

  select
    account_no,
    count(distinct account_type_code) as type_count,
    count(distinct nullif(community_key, 'none')) as community_count,
    count(distinct nullif(community_key, 'none'))
      filter (where account_type_code in ('maintenance_fund', 'common_revenue')) as owners_community_count,
    min(nullif(community_key, 'none')) as community_id,
    bool_or(account_type_code in ('maintenance_fund', 'common_revenue')) as is_owners_money,
    bool_or(account_type_code = 'common_revenue') as is_for_common_revenue
  from uses
  group by account_no

),

-- looked up by the index, account by account: an account's history is not read
last_days as (

  select
    account_no,
    (select max(entries.booked_on) from entries where entries.account_no = usual_types.account_no) as booked_on
  from usual_types

),

latest as (

  select distinct on (entries.account_no)
    entries.account_no,
    entries.region_code,
    entries.uscc
  from last_days
  inner join entries
    on entries.account_no = last_days.account_no and entries.booked_on = last_days.booked_on
  order by entries.account_no, entries.uscc is null, entries.entry_id desc

)

select
  counted.account_no,
  usual_types.account_type_code,
  counted.type_count,
  counted.owners_community_count,
  case when counted.community_count = 1 then counted.community_id end as community_id,
  latest.region_code,
  latest.uscc,
  counted.is_owners_money,
  counted.is_for_common_revenue
from counted
inner join usual_types
  on usual_types.account_no = counted.account_no
inner join latest
  on latest.account_no = counted.account_no
