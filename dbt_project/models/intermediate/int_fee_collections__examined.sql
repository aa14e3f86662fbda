-- What owners owed and paid by community and quarter, and how what is in arrears was pursued.
with quarters as (

  select
    *,
    (period_start_on + interval '3 months')::date - 1 as period_end_on
  from {{ ref('stg_fee_collections') }}

)

select
  community_id,
  uscc,
  period_start_on,
  period_end_on,
  receivable_amount,
  received_amount,
  greatest(receivable_amount - received_amount, 0) as arrears_amount,
  household_count,
  owing_household_count,
  reminded_count,
  mediated_count,
  arbitrated_count,
  sued_count,
  unpaid_service_amount,
  unpaid_quality_amount,
  unpaid_vacant_amount,
  unpaid_hardship_amount,
  unpaid_other_amount,
  round(received_amount / nullif(receivable_amount, 0), 6) as collected_ratio,
  coalesce(arbitrated_count, 0) + coalesce(sued_count, 0) > reminded_count as is_unreminded,
  owing_household_count > 0 and reminded_count = 0 and coalesce(mediated_count, 0) = 0
    and coalesce(arbitrated_count, 0) = 0 and coalesce(sued_count, 0) = 0 as is_unpursued
from quarters
where period_end_on < {{ business_date() }}
