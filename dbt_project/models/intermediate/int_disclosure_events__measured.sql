-- P06: the quarterly classes of each managed quarter that were published in time. M11: the share of the classes that
-- are public and verified tonight in each community a firm manages, weighted by the months it managed it. A quarterly
-- class is current until the next one is due, any other for a year.
with disclosures as (

  select
    *,
    case
      when disclosure_class_code in ('c03', 'c04')
        then (period_start_on + interval '6 months')::date + {{ var('disclosure_due_days') }} - 1
      else (published_on + interval '12 months')::date
    end as current_until
  from {{ ref('stg_disclosures') }}
  where published_on <= {{ business_date() }}

),

exposures as (

  select * from {{ ref('int_exposures__counted') }} where slot_number < {{ window_months('M11') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }} where is_enterprise and ends_on >= {{ business_date() }}

),

quarters as (

  select *
  from {{ ref('int_quarters__due') }}
  where {{ in_window('disclosure_due_on', window_months('P06')) }}

),

quarters_published as (

  select
    quarters.uscc,
    quarters.community_id,
    quarters.quarter_on,
    count(distinct disclosures.disclosure_class_code) as class_count
  from quarters
  inner join disclosures
    on disclosures.community_id = quarters.community_id
    and disclosures.uscc = quarters.uscc
    and disclosures.period_start_on = quarters.quarter_on
  where disclosures.disclosure_class_code in ('c03', 'c04')
    and disclosures.published_on <= quarters.disclosure_due_on
    and disclosures.is_verified is not false
  group by quarters.uscc, quarters.community_id, quarters.quarter_on

),

managed_months as (

  select
    exposures.uscc,
    exposures.community_id,
    min(exposures.stratum_code) filter (where exposures.slot_number = 0) as stratum_code,
    sum(exposures.weighted_service_days) * 12 / 365.25 as weighted_months
  from exposures
  inner join spells
    on spells.community_id = exposures.community_id and spells.uscc = exposures.uscc
  group by exposures.uscc, exposures.community_id

),

classes_current as (

  select
    managed_months.uscc,
    managed_months.community_id,
    count(distinct disclosures.disclosure_class_code) as class_count
  from managed_months
  inner join disclosures
    on disclosures.community_id = managed_months.community_id
    and disclosures.uscc = managed_months.uscc
  where disclosures.is_verified and disclosures.current_until >= {{ business_date() }}
  group by managed_months.uscc, managed_months.community_id

),

measured as (

  select
    quarters.uscc,
    'P06' as indicator_code,
    {{ window_months('P06') }} as window_months,
    quarters.community_id || '/' || quarters.quarter_on as evidence_id,
    quarters.stratum_code,
    quarters.disclosure_due_on as event_on,
    coalesce(quarters_published.class_count, 0) / 2.0 as numerator,
    1::numeric as denominator,
    1 - coalesce(quarters_published.class_count, 0) / 2.0 as adverse_weight,
    'c03_c04' as summary_code
  from quarters
  left join quarters_published
    on quarters_published.uscc = quarters.uscc
    and quarters_published.community_id = quarters.community_id
    and quarters_published.quarter_on = quarters.quarter_on
  union all
  select
    managed_months.uscc,
    'M11' as indicator_code,
    {{ window_months('M11') }} as window_months,
    managed_months.community_id as evidence_id,
    managed_months.stratum_code,
    {{ business_date() }} as event_on,
    coalesce(classes_current.class_count, 0) * managed_months.weighted_months / {{ var('disclosure_classes') }}
      as numerator,
    managed_months.weighted_months as denominator,
    (1 - coalesce(classes_current.class_count, 0) / {{ var('disclosure_classes') }}.0) * managed_months.weighted_months
      as adverse_weight,
    'classes' as summary_code
  from managed_months
  left join classes_current
    on classes_current.uscc = managed_months.uscc
    and classes_current.community_id = managed_months.community_id

)

select
  uscc,
  indicator_code,
  window_months,
  evidence_id,
  stratum_code,
  'disclosures' as evidence_feed,
  event_on,
  round(numerator, 6) as numerator,
  round(denominator, 6) as denominator,
  round(adverse_weight, 6) as adverse_weight,
  summary_code
from measured
where denominator > 0
