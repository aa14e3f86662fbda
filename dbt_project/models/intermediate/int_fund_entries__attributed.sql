{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['entry_id'],
  indexes=[
    {'columns': ['community_id', 'booked_on']},
    {'columns': ['booked_on']},
    {'columns': ['account_no', 'booked_on']},
    {'columns': ['purpose_code', 'booked_on']},
  ],
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
with entries as (

  select *
  from {{ ref('stg_funds') }}
  {%- if is_incremental() %}
  where entry_id in (select entry_id from {{ ref('int_fund_entries__touched') }})
  {%- endif %}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

)

select
  entries.entry_id,
  entries.account_no,
  entries.account_type_code,
  entries.community_id,
  communities.region_code,
  coalesce(entries.uscc, spells.uscc) as uscc,
  entries.booked_on,
  entries.amount as amount_cny,
  entries.currency_code,
  entries.purpose_code,
  entries.voucher_no,
  entries.vote_id,
  entries.is_emergency,
  entries.emergency_id
from entries
left join communities
  on communities.community_id = entries.community_id
left join spells
  on spells.community_id = entries.community_id and entries.booked_on between spells.starts_on and spells.ends_on
