-- The register of exits (A 二(五)): who left, how, and what was handed over when.
with exits as (

  select * from {{ ref('int_exits__resolved') }}

)

select
  contract_id,
  community_id,
  region_code,
  uscc,
  starts_on,
  ends_on,
  ended_on,
  end_reason_code,
  notice_given_on,
  notice_days,
  required_notice_days,
  is_notice_in_time,
  street_informed_on,
  is_street_informed,
  handover_id,
  handover_due_on,
  handover_completed_on,
  are_documents_complete,
  are_facilities_complete,
  are_accounts_complete,
  is_street_present,
  is_orderly_handover,
  successor_uscc,
  successor_starts_on,
  unmanaged_days
from exits
