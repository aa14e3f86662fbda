{%- set key = ['account_no', 'account_type_code', 'community_key', 'is_advertising_or_parking'] %}
{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=key,
  post_hook=['{{ primary_key() }}', "{{ without_empty_sums(['entry_count']) }}"],
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
with entries as (

  {{ signed_events(ref('int_fund_entries__attributed'), ref('int_fund_entries__touched'), 'entry_id', [
    'account_no', 'account_type_code', 'community_id', 'purpose_code',
  ]) }}

),

changes as (

  select
    account_no,
    account_type_code,
    coalesce(community_id, 'none') as community_key,
    coalesce(purpose_code in ('advertising_income', 'parking_income'), false) as is_advertising_or_parking,
    sign as entry_count
  from entries
  where account_no is not null

)

{{ summed_up('changes', key, ['entry_count']) }}
