-- Calendar months of the last two years, by who managed the community; days that nobody managed stand under 'none'.
with spells as (

  select * from {{ ref('int_spells__resolved') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

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

managed as (

  select
    spells.community_id,
    months.month_on,
    spells.uscc,
    bool_and(spells.is_enterprise) as is_enterprise,
    sum(least(spells.ends_on, months.ends_on) - greatest(spells.starts_on, months.month_on) + 1)::integer
      as managed_days,
    sum(
      spells.protection_weight
      * (least(spells.ends_on, months.ends_on) - greatest(spells.starts_on, months.month_on) + 1)
    ) as weighted_days
  from spells
  inner join months
    on spells.starts_on <= months.ends_on and spells.ends_on >= months.month_on
  group by spells.community_id, months.month_on, spells.uscc

),

managed_totals as (

  select
    community_id,
    month_on,
    sum(managed_days)::integer as managed_days
  from managed
  group by community_id, month_on

),

unmanaged as (

  select
    communities.community_id,
    months.month_on,
    months.ends_on - months.month_on + 1 - coalesce(managed_totals.managed_days, 0) as unmanaged_days
  from communities
  cross join months
  left join managed_totals
    on managed_totals.community_id = communities.community_id and managed_totals.month_on = months.month_on

),

parts as (

  select
    community_id,
    month_on,
    uscc as manager_key,
    uscc,
    is_enterprise,
    managed_days as responsible_days,
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
  round(communities.household_count * parts.responsible_days / months.month_days::numeric, 4) as household_months,
  round(parts.protection_weight, 4) as protection_weight
from parts
inner join communities
  on communities.community_id = parts.community_id
inner join months
  on months.month_on = parts.month_on
