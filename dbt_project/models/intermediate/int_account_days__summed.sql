{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['account_no'],
  post_hook=['{{ primary_key() }}', "{{ without_empty_sums(['day_count']) }}"],
) }}
-- depends_on: {{ ref('int_account_days__touched') }}
with days as (

  {{ signed_events(ref('int_account_days__reconciled'), ref('int_account_days__touched'), 'account_no, booked_on', [
    'account_no', 'in_amount', 'out_amount', 'difference_amount', 'is_broken',
  ]) }}

),

changes as (

  select
    account_no,
    sign as day_count,
    sign * is_broken::integer as broken_day_count,
    sign * in_amount as in_amount,
    sign * out_amount as out_amount,
    sign * difference_amount as difference_amount
  from days

)

{{ summed_up(
  'changes',
  ['account_no'],
  ['day_count', 'broken_day_count', 'in_amount', 'out_amount', 'difference_amount'],
  data_type='numeric',
) }}
