-- P06: the quarterly classes of each managed quarter that were published in time. M11: the share of the classes that
-- were public and verified at the end of each month in each community that a firm managed then. A quarterly class is
-- current until the next one is due, any other for a year.
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
    -- older ones are current in no month and belong to no quarter that is looked at
    and (published_on > {{ months_ago(window_months('M11') | int + 13) }}
      or disclosure_class_code in ('c03', 'c04')
      and period_start_on > {{ months_ago(longest_window(['M11', 'P05', 'P06']) | int + 9) }})

),

-- one row a community and month: who managed it, and the day its classes are looked at
exposures as (

  select
    uscc,
    community_id,
    stratum_code,
    slot_number,
    weighted_service_days * 12 / 365.25 as weighted_months,
    least(({{ business_date() }} - slot_number * interval '1 month')::date, {{ counted_until('disclosures') }})
      as slot_ends_on
  from {{ ref('int_exposures__counted') }}
  where slot_number < {{ window_months('M11') }} and weighted_service_days > 0
    and {{ is_community_heard('disclosures', 'community_id') }}

),

quarters as (

  select *
  from {{ ref('int_quarters__due') }}
  where {{ in_window('disclosure_due_on', window_months('P06'), counted_until('disclosures')) }}
    and {{ is_community_heard('disclosures', 'community_id') }}

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

classes_current as (

  select
    exposures.uscc,
    exposures.community_id,
    exposures.slot_number,
    count(distinct disclosures.disclosure_class_code) as class_count
  from exposures
  inner join disclosures
    on disclosures.community_id = exposures.community_id and disclosures.uscc = exposures.uscc
  where disclosures.is_verified
    and exposures.slot_ends_on between disclosures.published_on and disclosures.current_until
  group by exposures.uscc, exposures.community_id, exposures.slot_number

),

community_months as (

  select
    exposures.uscc,
    exposures.community_id,
    -- the newest month's stratum
    (array_agg(exposures.stratum_code order by exposures.slot_number))[1] as stratum_code,
    max(exposures.slot_ends_on) as event_on,
    sum(exposures.weighted_months) as months_due,
    sum(
      exposures.weighted_months
      * least(coalesce(classes_current.class_count, 0) / {{ var('disclosure_classes') }}.0, 1)
    ) as months_current
  from exposures
  left join classes_current
    on classes_current.uscc = exposures.uscc
    and classes_current.community_id = exposures.community_id
    and classes_current.slot_number = exposures.slot_number
  group by exposures.uscc, exposures.community_id

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
    uscc,
    'M11' as indicator_code,
    {{ window_months('M11') }} as window_months,
    community_id as evidence_id,
    stratum_code,
    event_on,
    months_current as numerator,
    months_due as denominator,
    months_due - months_current as adverse_weight,
    'classes' as summary_code
  from community_months

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
