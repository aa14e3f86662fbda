-- What contracts, surveys, staff, mediations and the register of enterprises add to P12, P13, M06, M08, M13 and M15.
with enterprises as (

  select * from {{ ref('stg_enterprises') }} where organisation_type_code = 'enterprise'

),

contracts as (

  select * from {{ ref('stg_contracts') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }} where is_enterprise

),

surveys as (

  select * from {{ ref('int_surveys__attributed') }}

),

personnel as (

  select * from {{ ref('stg_personnel') }}

),

mediations as (

  select * from {{ ref('stg_mediations') }}

),

-- The report of a year is due by 30 June of the next (企业信息公示暂行条例 第八条), the first one in the year after the
-- enterprise was founded. A register that has no date of anybody's report sends none: it says nothing about reports.
annual_reports as (

  select
    uscc,
    annual_report_filed_on as filed_on,
    due_on,
    bool_or(annual_report_filed_on is not null) over ()
      and coalesce(established_on < date_trunc('year', due_on::timestamp)::date, true) as is_due
  from enterprises
  cross join (
    select (date_trunc('year', {{ counted_until('enterprises') }} - interval '6 months') + interval '6 months')::date - 1 as due_on
  ) as latest

),

-- the register's state: off the abnormal list for at least twelve months, and the annual report filed in time. A report
-- filed in the half-year after its day was late; one of the next spring is taken for the next year's.
register_states as (

  select
    enterprises.uscc,
    'P12' as indicator_code,
    {{ window_months('P12') }} as window_months,
    enterprises.uscc as evidence_id,
    'all' as stratum_code,
    'enterprises' as evidence_feed,
    coalesce(enterprises.listed_on, {{ business_date() }}) as event_on,
    case
      when enterprises.listing_status_code = 'listed' then 0
      when reports.is_due and coalesce(reports.filed_on < date_trunc('year', reports.due_on::timestamp)::date, true) then 0
      when enterprises.listing_status_code = 'cured'
        and {{ in_window('enterprises.delisted_on', window_months('P12')) }} then 0.5
      when reports.is_due and reports.filed_on > reports.due_on
        and reports.filed_on < date_trunc('year', reports.due_on::timestamp) + interval '1 year'
        and {{ in_window('reports.filed_on', window_months('P12')) }} then 0.5
      else 1
    end::numeric as numerator,
    1::numeric as denominator,
    enterprises.listing_status_code as summary_code
  from enterprises
  inner join annual_reports as reports
    on reports.uscc = enterprises.uscc

),

active_contracts as (

  select distinct
    spells.uscc,
    contracts.contract_id,
    contracts.starts_on,
    coalesce(contracts.is_filing_complete and contracts.filed_on <= {{ business_date() }}, false) as is_complete
  from spells
  inner join contracts
    on contracts.contract_id = spells.contract_id
  where spells.ends_on >= {{ business_date() }} and {{ is_community_heard('contracts', 'spells.community_id') }}

),

filings as (

  select
    uscc,
    'P13' as indicator_code,
    0 as window_months,
    contract_id as evidence_id,
    'all' as stratum_code,
    'contracts' as evidence_feed,
    starts_on as event_on,
    is_complete::integer::numeric as numerator,
    1::numeric as denominator,
    case when is_complete then 'complete' else 'incomplete' end as summary_code
  from active_contracts

),

satisfaction as (

  select
    uscc,
    'M06' as indicator_code,
    {{ window_months('M06') }} as window_months,
    survey_id || '/' || community_id as evidence_id,
    stratum_code,
    'surveys' as evidence_feed,
    surveyed_on as event_on,
    response_count * satisfaction_score / 100 * protection_weight as numerator,
    response_count * protection_weight as denominator,
    'survey' as summary_code
  from surveys
  where uscc is not null and response_count > 0 and {{ in_window('surveyed_on', window_months('M06'), counted_until('surveys')) }}
    and {{ is_community_heard('surveys', 'community_id') }}

),

exits as (

  select
    contracts.uscc,
    'M08' as indicator_code,
    {{ window_months('M08') }} as window_months,
    contracts.contract_id as evidence_id,
    {{ stratum_code('communities', 'contracts.ended_on') }} as stratum_code,
    'contracts' as evidence_feed,
    contracts.ended_on as event_on,
    coalesce(spells.protection_weight, 1) as numerator,
    0::numeric as denominator,
    contracts.end_reason_code as summary_code
  from contracts
  inner join communities
    on communities.community_id = contracts.community_id
  left join spells
    on spells.contract_id = contracts.contract_id and contracts.ended_on between spells.starts_on and spells.ends_on
  where contracts.end_reason_code in ('dismissed_for_cause', 'left_without_notice')
    and {{ in_window('contracts.ended_on', window_months('M08')) }}
    and {{ is_community_heard('contracts', 'contracts.community_id') }}

),

-- half for training before the job, half for continuing training against the year's target
staff as (

  select
    uscc,
    count(*) as staff_count,
    count(*) filter (where pre_job_trained_on <= hired_on) as pre_job_count,
    count(*) filter (where {{ in_window('continuing_trained_on', window_months('M13'), counted_until('personnel')) }}) as continuing_count
  from personnel
  where hired_on <= {{ business_date() }} and coalesce(left_on > {{ business_date() }}, true)
  group by uscc

),

training as (

  select
    staff.uscc,
    'M13' as indicator_code,
    {{ window_months('M13') }} as window_months,
    staff.uscc as evidence_id,
    'all' as stratum_code,
    'personnel' as evidence_feed,
    {{ business_date() }} as event_on,
    0.5 * staff.pre_job_count + 0.5 * least(staff.staff_count, staff.continuing_count / {{ training_target() }}::numeric)
      as numerator,
    staff.staff_count::numeric as denominator,
    'training' as summary_code
  from staff

),

-- an agreement counts once it was kept, broken, or its day has passed; a mediation that failed made none
agreements as (

  select
    mediations.uscc,
    'M15' as indicator_code,
    {{ window_months('M15') }} as window_months,
    mediations.mediation_id as evidence_id,
    {{ stratum_code('communities', 'coalesce(mediations.due_on, mediations.agreed_on)') }} as stratum_code,
    'mediations' as evidence_feed,
    coalesce(mediations.due_on, mediations.agreed_on) as event_on,
    (mediations.outcome_code = 'performed')::integer * coalesce(spells.protection_weight, 1) as numerator,
    coalesce(spells.protection_weight, 1) as denominator,
    mediations.outcome_code as summary_code
  from mediations
  inner join communities
    on communities.community_id = mediations.community_id
  left join spells
    on spells.community_id = mediations.community_id
    and spells.uscc = mediations.uscc
    and coalesce(mediations.due_on, mediations.agreed_on) between spells.starts_on and spells.ends_on
  where {{ in_window('coalesce(mediations.due_on, mediations.agreed_on)', window_months('M15'), counted_until('mediations')) }}
    and (mediations.outcome_code in ('performed', 'breached')
      or mediations.outcome_code = 'pending' and mediations.due_on < {{ counted_until('mediations') }})

),

unioned as (

  select *, denominator - numerator as adverse_weight from register_states
  union all
  select *, denominator - numerator as adverse_weight from filings
  union all
  select *, denominator - numerator as adverse_weight from satisfaction
  union all
  select *, numerator as adverse_weight from exits
  union all
  select *, denominator - numerator as adverse_weight from training
  union all
  select *, denominator - numerator as adverse_weight from agreements

)

select
  uscc,
  indicator_code,
  window_months,
  evidence_id,
  stratum_code,
  evidence_feed,
  event_on,
  round(numerator, 6) as numerator,
  round(denominator, 6) as denominator,
  round(adverse_weight, 6) as adverse_weight,
  summary_code
from unioned
where numerator > 0 or denominator > 0
