{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['account_no'],
  post_hook=[
    '{{ primary_key() }}',
    'delete from {{ this }} where not is_for_common_revenue and not is_for_anything_else',
  ],
) }}
-- depends_on: {{ ref('int_fund_entries__touched') }}
-- What an account has ever been used for. An incremental build looks again at the accounts that an entry came to or left.
with entries as (

  select * from {{ ref('int_fund_entries__attributed') }}

),

accounts as (
  {% if is_incremental() %}
  select account_no_before as account_no from {{ ref('int_fund_entries__touched') }} where account_no_before is not null
  union
  select entries.account_no
  from entries
  inner join {{ ref('int_fund_entries__touched') }} as touched
    on touched.entry_id = entries.entry_id
  where entries.account_no is not null
  {% else %}
  select distinct account_no from entries where account_no is not null
  {% endif %}
)

select
  accounts.account_no,
  coalesce(bool_or(entries.account_type_code = 'common_revenue'), false) as is_for_common_revenue,
  coalesce(bool_or(entries.account_type_code <> 'common_revenue'), false) as is_for_anything_else
from accounts
left join entries
  on entries.account_no = accounts.account_no
group by accounts.account_no
