-- depends_on: {{ ref('int_fund_entries__touched') }}
-- depends_on: {{ ref('stg_funds') }}
-- Days of accounts that differ from those of the last build, or may: an entry of the day is touched, or one of the
-- day before it, whose closing is this one's opening. All days of an account that can be checked since, or no longer can
-- (an entry prints no balance). Empty in a full build.
{%- if is_increment() %}
with entries as not materialized (

  select * from {{ ref('stg_funds') }} where account_no is not null

),

touched as (

  select * from {{ ref('int_fund_entries__touched') }}

),

before as not materialized (

  select * from {{ as_last_built('int_account_days__reconciled') }}

),

changed as (

  select new_account_no as account_no, new_booked_on as booked_on from touched where new_account_no is not null
  union
  select account_no, booked_on from touched where account_no is not null

),

lacking as (

  select distinct entries.account_no
  from touched
  inner join entries
    on entries.entry_id = touched.entry_id
  where entries.balance is null

),

accounts as (

  select
    changed.account_no,
    exists (select 1 from before where before.account_no = changed.account_no) as was_checked,
    bool_or(lacking.account_no is not null) as is_lacking
  from changed
  left join lacking
    on lacking.account_no = changed.account_no
  group by changed.account_no

),

-- one that was checked had a balance on every entry; only of the others all entries are asked
judged as (

  select
    account_no,
    was_checked,
    case
      when is_lacking then false
      when was_checked then true
      else not exists (
        select 1 from entries where entries.account_no = accounts.account_no and entries.balance is null
      )
    end as is_checked
  from accounts

),

days as (

  select changed.account_no, changed.booked_on
  from changed
  inner join judged
    on judged.account_no = changed.account_no
  where judged.is_checked
  union
  select
    changed.account_no,
    (
      select min(entries.booked_on) from entries
      where entries.account_no = changed.account_no and entries.booked_on > changed.booked_on
    ) as booked_on
  from changed
  inner join judged
    on judged.account_no = changed.account_no
  where judged.is_checked
  union
  select entries.account_no, entries.booked_on
  from judged
  inner join entries
    on entries.account_no = judged.account_no
  where judged.is_checked and not judged.was_checked
  union
  select before.account_no, before.booked_on
  from judged
  inner join before
    on before.account_no = judged.account_no
  where not judged.is_checked

)

select
  days.account_no,
  days.booked_on,
  judged.is_checked,
  -- as the last build had it
  before.account_no is not null as was_built,
  before.in_amount,
  before.out_amount,
  before.difference_amount,
  before.is_broken
from days
inner join judged
  on judged.account_no = days.account_no
left join before
  on before.account_no = days.account_no and before.booked_on = days.booked_on
where days.booked_on is not null
{%- else %}
select
  account_no,
  booked_on,
  true as is_checked,
  false as was_built,
  amount as in_amount,
  amount as out_amount,
  amount as difference_amount,
  false as is_broken
from {{ ref('stg_funds') }}
where false
{%- endif %}
