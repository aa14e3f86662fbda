{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['account_no', 'booked_on'],
  indexes=[{'columns': ['is_broken']}],
  pre_hook="{{ without_touched('int_account_days__touched') }}",
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_account_days__touched') }}
-- Every account, day by day, to the fen: what it opened with + what moved = what it closed with. Within a day the order
-- of entries does not matter: where one entry starts is where another ended, so that one balance is left over as the
-- day's closing. More than one left over, or a closing that the day's opening and movements do not give, is a break.
with entries as not materialized (

  select
    entry_id,
    account_no,
    booked_on,
    amount,
    balance
  from {{ ref('stg_funds') }}
  where account_no is not null

),
{% if is_incremental() %}
touched as (

  select account_no, booked_on from {{ ref('int_account_days__touched') }} where is_checked

),

-- with the day before each, which says what it opened with
looked_at as (

  select account_no, booked_on from touched
  union
  select
    account_no,
    (
      select max(entries.booked_on) from entries
      where entries.account_no = touched.account_no and entries.booked_on < touched.booked_on
    ) as booked_on
  from touched

),

verifiable as (

  select entries.*
  from looked_at
  inner join entries
    on entries.account_no = looked_at.account_no and entries.booked_on = looked_at.booked_on

),
{% else %}
-- an account with an entry that prints no balance cannot be checked
unverifiable as (

  select distinct account_no from entries where balance is null

),

verifiable as (

  select entries.*
  from entries
  left join unverifiable
    on unverifiable.account_no = entries.account_no
  where unverifiable.account_no is null

),
{% endif %}
moved as (

  select
    account_no,
    booked_on,
    sum(amount) as movement_amount,
    coalesce(sum(amount) filter (where amount > 0), 0) as in_amount,
    coalesce(-sum(amount) filter (where amount < 0), 0) as out_amount,
    count(*) as entry_count,
    min(balance) as least_balance
  from verifiable
  group by account_no, booked_on

),

-- the days on which there is an order to find; on most an account has one entry, whose balance is the closing
mingled as (

  select verifiable.*
  from moved
  inner join verifiable
    on verifiable.account_no = moved.account_no and verifiable.booked_on = moved.booked_on
  where moved.entry_count > 1

),

sides as (

  select account_no, booked_on, balance as level_amount, 1 as side from mingled
  union all
  select account_no, booked_on, balance - amount as level_amount, -1 as side from mingled

),

levels as (

  select
    account_no,
    booked_on,
    level_amount,
    sum(side) as left_over
  from sides
  group by account_no, booked_on, level_amount
  having sum(side) <> 0

),

ends as (

  select
    account_no,
    booked_on,
    sum(left_over) filter (where left_over > 0) as end_count,
    min(level_amount) filter (where left_over > 0) as closing_amount,
    min(level_amount) filter (where left_over < 0) as opening_amount
  from levels
  group by account_no, booked_on

),

-- a bank's serial number decides only where the balances leave it open
last_entries as (

  select distinct on (account_no, booked_on)
    account_no,
    booked_on,
    balance
  from mingled
  order by account_no, booked_on, length(entry_id) desc, entry_id desc

),

closed as (

  select
    moved.account_no,
    moved.booked_on,
    moved.movement_amount,
    moved.in_amount,
    moved.out_amount,
    moved.entry_count,
    case when ends.end_count = 1 then ends.closing_amount else coalesce(last_entries.balance, moved.least_balance) end
      as closing_amount,
    case
      when ends.end_count = 1 then ends.opening_amount
      else coalesce(last_entries.balance, moved.least_balance) - moved.movement_amount
    end as stated_opening_amount,
    coalesce(ends.end_count, 1) > 1 as is_torn
  from moved
  left join last_entries
    on last_entries.account_no = moved.account_no and last_entries.booked_on = moved.booked_on
  left join ends
    on ends.account_no = moved.account_no and ends.booked_on = moved.booked_on

),

chained as (

  select
    closed.*,
    coalesce(
      lag(closed.closing_amount) over (partition by closed.account_no order by closed.booked_on),
      closed.stated_opening_amount
    ) as opening_amount
  from closed

)

select
  account_no,
  booked_on,
  opening_amount,
  in_amount,
  out_amount,
  closing_amount,
  opening_amount + movement_amount - closing_amount as difference_amount,
  entry_count,
  is_torn or opening_amount + movement_amount <> closing_amount as is_broken
from chained
{%- if is_incremental() %}
where (account_no, booked_on) in (select account_no, booked_on from touched)
{%- endif %}
