-- Calendar months of the last two years, by who managed the community; days that nobody managed stand under 'none'. Division,
-- stratum and household_count are those of the month's first day, household-months those of each day.
with spells as (

  select * from {{ ref('int_spells__resolved') }}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

),

months as (

  select
    month_start::date as month_on,
    least((month_start + interval '1 month')::date - 1, {{ business_date() }}) as ends_on,
    (month_start + interval '1 month')::date - month_start::date as month_days
  from generate_series(
    date_trunc('month', {{ business_date() }}::timestamp) - interval '23 months',
    date_trunc('month', {{ business_date() }}::timestamp),
    interval '1 month'
  ) as series (month_start)

),

-- a month may hold several periods of a community, with other households each
period_months as (

  select
    communities.community_id,
    months.month_on,
    communities.household_count,
    greatest(communities.valid_from, months.month_on) as starts_on,
    least(communities.valid_to, months.ends_on) as ends_on
  from communities
  inner join months
    on coalesce(communities.valid_from <= months.ends_on, true) and coalesce(communities.valid_to >= months.month_on, true)

),

existing as (

  select
    community_id,
    month_on,
    sum(ends_on - starts_on + 1)::integer as existing_days,
    sum((ends_on - starts_on + 1) * household_count) as household_days
  from period_months
  group by community_id, month_on

),

managed as (

  select
    spells.community_id,
    period_months.month_on,
    spells.uscc,
    bool_and(spells.is_enterprise) as is_enterprise,
    sum(least(spells.ends_on, period_months.ends_on) - greatest(spells.starts_on, period_months.starts_on) + 1)::integer
      as managed_days,
    sum(
      (least(spells.ends_on, period_months.ends_on) - greatest(spells.starts_on, period_months.starts_on) + 1)
      * period_months.household_count
    ) as household_days,
    sum(
      spells.protection_weight
      * (least(spells.ends_on, period_months.ends_on) - greatest(spells.starts_on, period_months.starts_on) + 1)
    ) as weighted_days
  from spells
  inner join period_months
    on period_months.community_id = spells.community_id
    and spells.starts_on <= period_months.ends_on
    and spells.ends_on >= period_months.starts_on
  group by spells.community_id, period_months.month_on, spells.uscc

),

managed_totals as (

  select
    community_id,
    month_on,
    sum(managed_days)::integer as managed_days,
    sum(household_days) as household_days
  from managed
  group by community_id, month_on

),

unmanaged as (

  select
    existing.community_id,
    existing.month_on,
    existing.existing_days - coalesce(managed_totals.managed_days, 0) as unmanaged_days,
    existing.household_days - coalesce(managed_totals.household_days, 0) as household_days
  from existing
  left join managed_totals
    on managed_totals.community_id = existing.community_id and managed_totals.month_on = existing.month_on

),

parts as (

  select
    community_id,
    month_on,
    uscc as manager_key,
    uscc,
    is_enterprise,
    managed_days as responsible_days,
    household_days,
    weighted_days / managed_days as protection_weight
  from managed
  union all
  select
    community_id,
    month_on,
    'none' as manager_key,
    null as uscc,
    false as is_enterprise,
    unmanaged_days as responsible_days,
    household_days,
    1 as protection_weight
  from unmanaged
  where unmanaged_days > 0

)

select
  parts.community_id,
  parts.month_on,
  parts.manager_key,
  parts.uscc,
  parts.is_enterprise,
  communities.region_code,
  {{ stratum_code('communities', 'parts.month_on') }} as stratum_code,
  parts.responsible_days,
  communities.household_count,
  round(parts.household_days / months.month_days::numeric, 4) as household_months,
  round(parts.protection_weight, 4) as protection_weight
from parts
inner join communities
  on communities.community_id = parts.community_id and {{ holds_on('communities', 'parts.month_on') }}
inner join months
  on months.month_on = parts.month_on
