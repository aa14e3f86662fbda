-- depends_on: {{ ref('int_fund_entries__attributed') }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
-- depends_on: {{ ref('supervision_thresholds') }}
-- Payments that are examined otherwise than in the last build, or may be: touched themselves; taken back or matched by an
-- entry that is; paid from the same account in the days before one of these, which may have brought the money back or be
-- the next part of a split payment. Empty in a full build.
{%- if is_increment() %}
with entries as not materialized (

  select * from {{ ref('int_fund_entries__attributed') }}

),

touched as (

  select * from {{ ref('int_fund_entries__touched') }}

),

-- as they are and as they were
images as (

  select entry_id, account_no, community_id, booked_on, purpose_code, voucher_no from touched where was_built
  union
  select
    entries.entry_id,
    entries.account_no,
    entries.community_id,
    entries.booked_on,
    entries.purpose_code,
    entries.voucher_no
  from touched
  inner join entries
    on entries.entry_id = touched.entry_id

),

moved as (

  select entry_id, account_no, booked_on from images
  union
  select entries.entry_id, entries.account_no, entries.booked_on
  from images
  inner join entries
    on entries.account_no = images.account_no and entries.voucher_no = images.voucher_no
  where images.purpose_code = 'reversal'
  union
  select entries.entry_id, entries.account_no, entries.booked_on
  from images
  inner join entries
    on entries.community_id = images.community_id
    and entries.booked_on between images.booked_on - {{ threshold('own_transfer_within_days') }}::integer
      and images.booked_on + {{ threshold('own_transfer_within_days') }}::integer
  where images.purpose_code = 'transfer' and entries.purpose_code = 'transfer'

)

select entry_id from moved
union
select entries.entry_id
from moved
inner join entries
  on entries.account_no = moved.account_no
  and entries.booked_on between moved.booked_on
      - greatest({{ threshold('round_trip_within_days') }}, {{ threshold('split_within_days') }})::integer
    and moved.booked_on
where entries.amount_cny < 0
union
select entry_id
from entries
where {{ is_threshold_changed([
  'own_transfer_within_days', 'round_trip_fee_ratio', 'round_trip_within_days', 'split_payments_from',
  'split_within_days', 'vote_free_amount_cny',
]) }}
{%- else %}
select entry_id from {{ ref('int_fund_entries__attributed') }} where false
{%- endif %}
