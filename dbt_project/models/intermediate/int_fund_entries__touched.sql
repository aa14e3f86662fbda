-- depends_on: {{ ref('int_attributions__touched') }}
-- depends_on: {{ ref('stg_funds') }}
-- Ledger entries that differ from those of the last build, or may: a new version, or another attribution of their
-- day. Empty in a full build.
{%- if is_increment() %}
with changed as (

  select * from {{ ref('stg_funds') }} where batch_id in {{ new_batches('funds') }}

),

before as not materialized (

  select * from {{ as_last_built('int_fund_entries__attributed') }}

),

attributions as (

  select * from {{ ref('int_attributions__touched') }}

),

keys as (

  select entry_id from changed
  union
  select before.entry_id
  from before
  inner join attributions
    on attributions.community_id = before.community_id
    and before.booked_on between attributions.from_on and attributions.until_on
  union
  select entry_id from before where booked_on > {{ previous_business_date() }}

)

select
  entries.entry_id,
  -- where it lies now
  entries.account_no as new_account_no,
  entries.booked_on as new_booked_on,
  -- as the last build had it
  before.entry_id is not null as was_built,
  before.account_no,
  before.account_type_code,
  before.community_id,
  before.booked_on,
  before.purpose_code,
  before.voucher_no
from keys
inner join {{ ref('stg_funds') }} as entries
  on entries.entry_id = keys.entry_id
left join before
  on before.entry_id = keys.entry_id
{%- else %}
select
  entry_id,
  account_no as new_account_no,
  booked_on as new_booked_on,
  false as was_built,
  account_no,
  account_type_code,
  community_id,
  booked_on,
  purpose_code,
  voucher_no
from {{ ref('stg_funds') }}
where false
{%- endif %}
