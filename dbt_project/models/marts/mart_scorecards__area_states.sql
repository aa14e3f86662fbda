-- How far each area is tonight: management, disclosure, take-overs, orders still open. Rolled up from communities.
with communities as (

  select * from {{ ref('mart_scorecards__communities') }}

),

areas as (

  select * from {{ ref('int_areas__expanded') }}

),

months as (

  select * from {{ ref('mart_scorecards__area_months') }}

),

silences as (

  select
    area_code,
    bool_or(feed in ('communities', 'contracts')) as is_registers,
    bool_or(feed = 'disclosures') as is_disclosures,
    bool_or(feed = 'inspections') as is_inspections
  from {{ ref('mart_scorecards__silences') }}
  where until_on = {{ business_date() }}
  group by area_code

),

-- the same months of 2025, and the same days of the month in progress; a month that is not known leaves no sum
volumes as (

  select
    area_code,
    sum(complaint_count) filter (where extract(year from month) = extract(year from {{ business_date() }})) as this_year,
    count(complaint_count) filter (where extract(year from month) = extract(year from {{ business_date() }}))
      as known_months,
    sum(
      case
        when extract(month from month) = extract(month from {{ business_date() }}) then complaint_count_to_day
        else complaint_count
      end
    ) filter (
      where extract(year from month) = 2025 and extract(month from month) <= extract(month from {{ business_date() }})
    ) as base_year,
    count(complaint_count) filter (
      where extract(year from month) = 2025 and extract(month from month) <= extract(month from {{ business_date() }})
    ) as base_months
  from months
  group by area_code

),

leaves as (

  select
    leaf_area_code,
    count(*) as community_count,
    sum(household_count) as household_count,
    count(current_uscc) as managed_count,
    count(*) filter (where is_enterprise) as enterprise_managed_count,
    count(*) filter (where community_type_code = 'old') as old_count,
    count(current_uscc) filter (where community_type_code = 'old') as old_managed_count,
    count(*) filter (where is_enterprise and is_disclosed) as disclosed_count,
    count(*) filter (where taken_over_on > {{ business_date() }} - interval '12 months') as takeover_count,
    count(*) filter (where taken_over_on >= date_trunc('month', {{ business_date() }}::timestamp))
      as takeover_month_count,
    sum(open_overdue_order_count) as open_overdue_order_count
  from communities
  group by leaf_area_code

),

rolled_up as (

  select
    areas.area_code,
    sum(leaves.community_count)::bigint as community_count,
    sum(leaves.household_count)::bigint as household_count,
    sum(leaves.managed_count)::bigint as managed_count,
    sum(leaves.enterprise_managed_count)::bigint as enterprise_managed_count,
    sum(leaves.old_count)::bigint as old_count,
    sum(leaves.old_managed_count)::bigint as old_managed_count,
    sum(leaves.disclosed_count)::bigint as disclosed_count,
    sum(leaves.takeover_count)::bigint as takeover_count,
    sum(leaves.takeover_month_count)::bigint as takeover_month_count,
    sum(leaves.open_overdue_order_count)::bigint as open_overdue_order_count
  from leaves
  inner join areas
    on areas.leaf_area_code = leaves.leaf_area_code
  group by areas.area_code

)

select
  rolled_up.area_code,
  {%- set registers = [
    ('community_count', 'community_count'), ('household_count', 'household_count'), ('managed_count', 'managed_count'),
    ('round(managed_count / nullif(community_count, 0)::numeric, 4)', 'managed_ratio'),
    ('enterprise_managed_count', 'enterprise_managed_count'),
    ('round(enterprise_managed_count / nullif(community_count, 0)::numeric, 4)', 'professional_ratio'),
    ('old_count', 'old_count'), ('old_managed_count', 'old_managed_count'),
    ('round(old_managed_count / nullif(old_count, 0)::numeric, 4)', 'old_managed_ratio'),
    ('takeover_count', 'takeover_count'), ('takeover_month_count', 'takeover_month_count'),
  ] %}
  {%- for value, name in registers %}
  case when silences.is_registers then null else {{ value }} end as {{ name }},
  {%- endfor %}
  case when silences.is_registers or silences.is_disclosures then null else disclosed_count end as disclosed_count,
  case
    when silences.is_registers or silences.is_disclosures then null
    else round(disclosed_count / nullif(enterprise_managed_count, 0)::numeric, 4)
  end as disclosed_ratio,
  case when silences.is_inspections then null else open_overdue_order_count end as open_overdue_order_count,
  case
    when volumes.base_months = extract(month from {{ business_date() }})
      and volumes.known_months = extract(month from {{ business_date() }})
      then round(volumes.this_year / nullif(volumes.base_year, 0) - 1, 4)
  end as complaint_volume_change
from rolled_up
left join silences
  on silences.area_code = rolled_up.area_code
left join volumes
  on volumes.area_code = rolled_up.area_code
