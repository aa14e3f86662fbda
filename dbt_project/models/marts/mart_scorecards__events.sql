-- What happened to enterprises and communities in the months that pages show, for their timelines: contracts, inspections
-- that found something, credit records that may still be shown. Grades, alerts and objections are kept elsewhere.
with contracts as (

  select * from {{ ref('stg_contracts') }}

),

lines as (

  select * from {{ ref('fct_inspection_lines') }}
  where line_type_code = 'finding' and not coalesce(is_objection_upheld, false)

),

records as (

  select * from {{ ref('mart_scoring__records') }}

),

unioned as (

  select
    uscc,
    community_id,
    starts_on as event_on,
    case when is_takeover then 'taken_over' else 'contract_began' end as kind_code,
    contract_id as subject_id,
    null::bigint as finding_count,
    null::bigint as serious_count,
    null as tier_code
  from contracts
  union all
  select
    uscc,
    community_id,
    ended_on as event_on,
    'contract_ended' as kind_code,
    contract_id as subject_id,
    null::bigint as finding_count,
    null::bigint as serious_count,
    null as tier_code
  from contracts
  where ended_on is not null
  union all
  select
    max(uscc) as uscc,
    max(community_id) as community_id,
    max(inspected_on) as event_on,
    'inspected' as kind_code,
    inspection_id as subject_id,
    count(*) as finding_count,
    count(*) filter (where severity_code = 'serious') as serious_count,
    null as tier_code
  from lines
  group by inspection_id
  union all
  select
    uscc,
    null as community_id,
    shown_on as event_on,
    'credit_record' as kind_code,
    record_id as subject_id,
    null::bigint as finding_count,
    null::bigint as serious_count,
    tier_code
  from records
  where coalesce(shown_until >= {{ business_date() }}, true)

)

select
  kind_code,
  subject_id,
  event_on,
  uscc,
  community_id,
  finding_count,
  serious_count,
  tier_code
from unioned
where event_on >= {{ first_shown_month() }} and event_on <= {{ business_date() }}
