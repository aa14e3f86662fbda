-- What stands beside a grade tonight: objections that are being decided, protection after a certified take-over, and
-- 未按规定参评 (V7).
with enterprises as (

  select * from {{ ref('dim_enterprise') }} where is_enterprise

),

objections as (

  select * from {{ ref('stg_objections') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

protected as (

  select
    uscc,
    community_id,
    min(protected_from) as starts_on
  from spells
  where ends_on >= {{ business_date() }} and protection_weight < 1
  group by uscc, community_id

),

unioned as (

  select
    uscc,
    'objection_open' as kind_code,
    objection_id as notice_id,
    filed_on as starts_on,
    null::date as ends_on
  from objections
  where filed_on <= {{ business_date() }}
    and (outcome_code = 'pending' or decided_on > {{ business_date() }})
  union all
  select
    uscc,
    'takeover_protection' as kind_code,
    community_id as notice_id,
    starts_on,
    (starts_on + interval '{{ var('protection')[-1].until_month }} months')::date - 1 as ends_on
  from protected
  union all
  select
    uscc,
    'evaluation_refused' as kind_code,
    evidence_id as notice_id,
    starts_on,
    ends_on
  from {{ ref('mart_scoring__caps') }}
  where cap_code = 'V7'

)

select
  unioned.uscc,
  unioned.kind_code,
  unioned.notice_id,
  unioned.starts_on,
  unioned.ends_on
from unioned
inner join enterprises
  on enterprises.uscc = unioned.uscc
