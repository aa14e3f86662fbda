-- What an account is for and whose it is: its usual kind of money, its communities, the firm that answers for it last.
with entries as (

  select * from {{ ref('int_fund_entries__attributed') }} where account_no is not null

),

latest as (

  select distinct on (account_no)
    account_no,
    region_code,
    uscc
  from entries
  order by account_no, booked_on desc, uscc is null, entry_id desc

),

counted as (

  select
    account_no,
    mode() within group (order by account_type_code) as account_type_code,
    count(distinct account_type_code) as type_count,
    count(distinct community_id) as community_count,
    count(distinct community_id) filter (where account_type_code in ('maintenance_fund', 'common_revenue'))
      as owners_community_count,
    min(community_id) as community_id,
    bool_or(account_type_code in ('maintenance_fund', 'common_revenue')) as is_owners_money
  from entries
  group by account_no

)

select
  counted.account_no,
  counted.account_type_code,
  counted.type_count,
  counted.owners_community_count,
  case when counted.community_count = 1 then counted.community_id end as community_id,
  latest.region_code,
  latest.uscc,
  counted.is_owners_money
from counted
inner join latest
  on latest.account_no = counted.account_no
