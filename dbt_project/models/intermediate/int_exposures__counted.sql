-- Exposure in months that are counted back from the business date (slot 0 is the last month), so that exposure and
-- events share the same window on any day of a month.
with spells as (

  select * from {{ ref('int_spells__resolved') }}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

),

slots as (

  select
    slot_number,
    ({{ business_date() }} - (slot_number + 1) * interval '1 month')::date + 1 as starts_on,
    ({{ business_date() }} - slot_number * interval '1 month')::date as ends_on
  -- twelve at least: sufficiency looks at them
  from generate_series(
    0, greatest(12, {{ longest_window(['M04', 'M04_LONG', 'P07', 'M08', 'M11']
      + (['P01'] if var('counting').penalty_projects == 'of_the_month' else [])) }}) - 1
  ) as series (slot_number)

),

served as (

  select
    spells.community_id,
    spells.uscc,
    slots.slot_number,
    slots.starts_on as slot_starts_on,
    slots.ends_on as slot_ends_on,
    spells.household_count,
    spells.protection_weight,
    least(spells.ends_on, slots.ends_on) - greatest(spells.starts_on, slots.starts_on) + 1 as service_days,
    slots.ends_on - slots.starts_on + 1 as slot_days
  from spells
  inner join slots
    on spells.starts_on <= slots.ends_on and spells.ends_on >= slots.starts_on
  where spells.is_enterprise

),

counted as (

  select
    community_id,
    uscc,
    slot_number,
    slot_starts_on,
    slot_ends_on,
    sum(service_days)::integer as service_days,
    round(sum(service_days * protection_weight), 1) as weighted_service_days,
    round(sum(household_count * service_days / slot_days::numeric), 4) as household_months,
    round(sum(household_count * service_days * protection_weight / slot_days), 4) as weighted_household_months,
    round(sum(household_count * service_days / slot_days::numeric) filter (where protection_weight < 1), 4)
      as protected_household_months
  from served
  group by community_id, uscc, slot_number, slot_starts_on, slot_ends_on

)

select
  counted.community_id,
  counted.uscc,
  counted.slot_number,
  counted.slot_starts_on,
  counted.slot_ends_on,
  {{ stratum_code('communities', 'counted.slot_ends_on') }} as stratum_code,
  counted.service_days,
  counted.weighted_service_days,
  counted.household_months,
  counted.weighted_household_months,
  coalesce(counted.protected_household_months, 0) as protected_household_months
from counted
inner join communities
  on communities.community_id = counted.community_id
  and {{ holds_on('communities', 'counted.slot_ends_on') }}
