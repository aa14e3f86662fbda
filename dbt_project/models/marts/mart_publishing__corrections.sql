-- Decisions that correct what was published: objections that were upheld, records that were repaired or revoked.
-- known_on is the night that read the version that says so; publishing corrects once for each.
with enterprises as (

  select * from {{ ref('dim_enterprise') }} where is_enterprise

),

objections as (

  select * from {{ ref('stg_objections') }}

),

records as (

  select * from {{ ref('stg_public_credit') }}

),

upheld as (

  select distinct on (target_type_code, target_id)
    uscc,
    'objection_upheld' as kind_code,
    target_type_code,
    target_id,
    decided_on,
    known_on
  from objections
  where outcome_code = 'upheld' and decided_on <= {{ business_date() }}
  order by target_type_code, target_id, decided_on, known_on, objection_id

),

unioned as (

  select * from upheld
  union all
  select
    uscc,
    'repair' as kind_code,
    'public_credit' as target_type_code,
    record_id as target_id,
    repaired_on as decided_on,
    known_on
  from records
  where repaired_on <= {{ business_date() }}
  union all
  select
    uscc,
    'revocation' as kind_code,
    'public_credit' as target_type_code,
    record_id as target_id,
    revoked_on as decided_on,
    known_on
  from records
  where revoked_on <= {{ business_date() }}

)

select
  unioned.uscc,
  unioned.kind_code,
  unioned.target_type_code,
  unioned.target_id,
  unioned.decided_on,
  -- a repair that was announced ahead takes effect on its day
  greatest(unioned.known_on, unioned.decided_on) as known_on
from unioned
inner join enterprises
  on enterprises.uscc = unioned.uscc
