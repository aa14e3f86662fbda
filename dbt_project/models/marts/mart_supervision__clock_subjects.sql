-- Everything a clock of §8 runs for, as known tonight. The day it is due is counted where working days are known
-- (supervision); a kind of clock and its limit are the row of clock_limits in force when it started.
with objections as (

  select
    *,
    -- one that was withdrawn without a date ended when the office said so
    coalesce(first_decided_on, case when outcome_code = 'withdrawn' then known_on end) as ended_on
  from {{ ref('stg_objections') }}
  where filed_on <= {{ business_date() }}

),

records as (

  select * from {{ ref('stg_public_credit') }}

),

weighted as (

  select * from {{ ref('int_credit_records__weighted') }} where record_type_code <> 'commendation'

),

upheld as (

  select * from {{ ref('int_objections__upheld') }} where target_type_code = 'public_credit'

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

limits as (

  select * from {{ ref('clock_limits') }}

),

whole_region as (

  select region_code from {{ ref('regions') }} where level_code = 'region'

),

objection_clocks as (

  select
    'mark' as clock_kind_code,
    'any' as case_code,
    objection_id,
    uscc,
    filed_on as started_on,
    coalesce(marked_on, ended_on) as done_on,
    is_decided_by_original_officer
  from objections
  union all
  select
    'forward',
    'any',
    objection_id,
    uscc,
    filed_on,
    coalesce(forwarded_on, ended_on),
    is_decided_by_original_officer
  from objections
  union all
  select
    'decide',
    source_class_code,
    objection_id,
    uscc,
    filed_on,
    ended_on,
    is_decided_by_original_officer
  from objections
  union all
  select
    'review',
    'any',
    objection_id,
    uscc,
    review_filed_on,
    review_decided_on,
    is_decided_by_original_officer
  from objections
  where review_filed_on <= {{ business_date() }}
  union all
  select
    'freeze',
    'any',
    objection_id,
    uscc,
    filed_on,
    ended_on,
    is_decided_by_original_officer
  from objections

),

subjects as (

  select
    clock_kind_code,
    case_code,
    'objection' as subject_type_code,
    objection_id as subject_id,
    uscc,
    started_on,
    case when done_on <= {{ business_date() }} then done_on end as done_on,
    is_decided_by_original_officer
  from objection_clocks
  union all
  select
    'earliest_repair',
    weighted.tier_code,
    'public_credit',
    weighted.record_id,
    weighted.uscc,
    greatest(coalesce(weighted.shown_from, weighted.decided_on), weighted.decided_on),
    case
      when weighted.is_ended
        or least(records.repaired_on, records.revoked_on, upheld.upheld_on, weighted.shown_until + 1) <= {{ business_date() }}
        then least(
          records.repaired_on, records.revoked_on, upheld.upheld_on, weighted.shown_until + 1,
          case when weighted.is_ended then records.ended_on end
        )
    end,
    false
  from weighted
  inner join records
    on records.record_id = weighted.record_id
  left join upheld
    on upheld.target_id = weighted.record_id
  where records.is_final and weighted.decided_on <= {{ business_date() }}
  union all
  select
    'preview',
    'any',
    'quarter',
    to_char(date_trunc('quarter', {{ business_date() }}::timestamp) + interval '3 months', 'YYYY"-Q"Q'),
    null,
    (date_trunc('quarter', {{ business_date() }}::timestamp) + interval '3 months')::date,
    null,
    false

),

limited as (

  select distinct on (subjects.clock_kind_code, subjects.subject_id)
    subjects.clock_kind_code,
    subjects.subject_type_code,
    subjects.subject_id,
    subjects.case_code,
    subjects.uscc,
    subjects.started_on,
    subjects.done_on,
    subjects.is_decided_by_original_officer,
    limits.limit_count,
    limits.unit_code,
    limits.is_duty,
    limits.label_zh,
    limits.label_en,
    limits.source_clause
  from subjects
  inner join limits
    on
      limits.clock_kind_code = subjects.clock_kind_code
      and limits.case_code = subjects.case_code
      -- what was filed before the first row had the limit of that row
      and limits.valid_from <= greatest(subjects.started_on, date '2026-01-01')
  order by subjects.clock_kind_code, subjects.subject_id, limits.valid_from desc

)

select
  limited.clock_kind_code || '/' || limited.subject_id as clock_id,
  limited.clock_kind_code,
  limited.subject_type_code,
  limited.subject_id,
  limited.case_code,
  limited.uscc,
  coalesce(enterprises.region_code, whole_region.region_code) as region_code,
  case
    when enterprises.region_code is null then 'region'
    when limited.clock_kind_code = 'earliest_repair' then 'district'
    else 'city'
  end as level_code,
  limited.started_on,
  limited.limit_count,
  limited.unit_code,
  limited.is_duty,
  limited.done_on,
  limited.label_zh,
  limited.label_en,
  limited.source_clause,
  limited.is_decided_by_original_officer
from limited
cross join whole_region
left join enterprises
  on enterprises.uscc = limited.uscc
