-- M10: items that conform to the edition and level that the contract names; an assessment at any other edition or level
-- says nothing about the contract (levels of two editions are never compared). M12: handovers that were due, by who had
-- to hand over. M16: reports that were due; one in time earns what the firm's spot checks found right.
with assessments as (

  select * from {{ ref('stg_standard_assessments') }}

),

handovers as (

  select * from {{ ref('stg_handovers') }}

),

reports as (

  select * from {{ ref('stg_reporting_records') }}
  where {{ in_window('due_on', window_months('M16'), counted_until('reporting_records')) }}
    and (due_on < {{ counted_until('reporting_records') }} or submitted_on is not null)

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

conformity as (

  select
    spells.uscc,
    'M10' as indicator_code,
    {{ window_months('M10') }} as window_months,
    assessments.assessment_id as evidence_id,
    {{ stratum_code('communities', 'assessments.assessed_on') }} as stratum_code,
    'standard_assessments' as evidence_feed,
    assessments.assessed_on as event_on,
    assessments.conforming_item_count * spells.protection_weight as numerator,
    assessments.item_count * spells.protection_weight as denominator,
    (assessments.item_count - assessments.conforming_item_count) * spells.protection_weight as adverse_weight,
    assessments.standard_edition || ' ' || assessments.service_level as summary_code
  from assessments
  inner join communities
    on communities.community_id = assessments.community_id
  inner join spells
    on spells.community_id = assessments.community_id
    and assessments.assessed_on between spells.starts_on and spells.ends_on
    and spells.uscc = coalesce(assessments.uscc, spells.uscc)
  inner join contracts
    on contracts.contract_id = spells.contract_id
    and contracts.service_standard_edition = assessments.standard_edition
    and contracts.service_level = assessments.service_level
  where {{ in_window('assessments.assessed_on', window_months('M10'), counted_until('standard_assessments')) }}

),

-- protected as on the firm's last day in that community
handover_weights as (

  select distinct on (handovers.handover_id)
    handovers.handover_id,
    spells.protection_weight
  from handovers
  inner join spells
    on spells.community_id = handovers.community_id
    and spells.uscc = handovers.uscc
    and spells.starts_on <= handovers.due_on
  order by handovers.handover_id, spells.starts_on desc

),

handed_over as (

  select
    handovers.*,
    coalesce(
      handovers.completed_on <= handovers.due_on
      and handovers.are_documents_complete
      and handovers.are_facilities_complete
      and handovers.are_accounts_complete,
      false
    ) as is_orderly,
    coalesce(handover_weights.protection_weight, 1) as protection_weight
  from handovers
  left join handover_weights
    on handover_weights.handover_id = handovers.handover_id
  where {{ in_window('handovers.due_on', window_months('M12'), counted_until('handovers')) }}
    and (handovers.due_on < {{ counted_until('handovers') }} or handovers.completed_on is not null)

),

exits as (

  select
    uscc,
    'M12' as indicator_code,
    {{ window_months('M12') }} as window_months,
    handover_id as evidence_id,
    'all' as stratum_code,
    'handovers' as evidence_feed,
    due_on as event_on,
    is_orderly::integer * protection_weight as numerator,
    protection_weight as denominator,
    (1 - is_orderly::integer) * protection_weight as adverse_weight,
    case
      when is_orderly then 'orderly'
      when completed_on is null then 'not_handed_over'
      when completed_on > due_on then 'late'
      else 'incomplete'
    end as summary_code
  from handed_over

),

spot_checks as (

  select
    uscc,
    coalesce(sum(wrong_item_count)::numeric / nullif(sum(checked_item_count), 0), 0) as wrong_ratio
  from reports
  group by uscc

),

reported as (

  select
    reports.uscc,
    'M16' as indicator_code,
    {{ window_months('M16') }} as window_months,
    reports.report_id as evidence_id,
    'all' as stratum_code,
    'reporting_records' as evidence_feed,
    reports.due_on as event_on,
    coalesce(reports.submitted_on <= reports.due_on, false)::integer * (1 - spot_checks.wrong_ratio) as numerator,
    1::numeric as denominator,
    case
      when reports.submitted_on <= reports.due_on
        then coalesce(reports.wrong_item_count::numeric / nullif(reports.checked_item_count, 0), 0)
      else 1
    end as adverse_weight,
    reports.report_type_code as summary_code
  from reports
  inner join spot_checks
    on spot_checks.uscc = reports.uscc

),

unioned as (

  select * from conformity
  union all
  select * from exits
  union all
  select * from reported

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
where denominator > 0
