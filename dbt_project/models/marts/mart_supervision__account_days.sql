{{ config(
  materialized='incremental',
  incremental_strategy='append',
  unique_key=['account_no', 'booked_on'],
  pre_hook="{{ without_touched('int_account_days__touched') }}",
  on_schema_change='fail',
) }}
-- depends_on: {{ ref('int_account_days__touched') }}
with days as (

  select *
  from {{ ref('int_account_days__reconciled') }}
  {%- if is_incremental() %}
  where (account_no, booked_on) in (select account_no, booked_on from {{ ref('int_account_days__touched') }})
  {%- endif %}

)

select
  account_no,
  booked_on,
  opening_amount::numeric(18, 2) as opening_amount,
  in_amount::numeric(18, 2) as in_amount,
  out_amount::numeric(18, 2) as out_amount,
  closing_amount::numeric(18, 2) as closing_amount,
  difference_amount::numeric(18, 2) as difference_amount,
  entry_count::integer as entry_count,
  is_broken
from days
