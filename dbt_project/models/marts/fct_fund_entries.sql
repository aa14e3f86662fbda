{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['entry_id'],
  indexes=[{'columns': ['booked_on']}, {'columns': ['community_id', 'booked_on']}],
  on_schema_change='fail',
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
with entries as (

  select *
  from {{ ref('int_fund_entries__attributed') }}
  {%- if is_incremental() %}
  where entry_id in (select entry_id from {{ ref('int_fund_entries__touched') }})
  {%- endif %}

)

select
  entry_id,
  account_no,
  account_type_code,
  community_id,
  region_code,
  uscc,
  booked_on,
  amount_cny,
  currency_code,
  purpose_code,
  voucher_no,
  vote_id,
  is_emergency
from entries
