-- The four levels over every community: autonomous region, city, district by the region table, and the street.
with communities as (

  select * from {{ ref('stg_community_periods') }}

),

regions as (

  select * from {{ ref('regions') }}

),

ancestors as (

  select * from {{ ref('int_region_ancestors__expanded') }}

)

select
  ancestors.region_code,
  null as street_code,
  regions.level_code,
  regions.region_code as area_code,
  regions.region_name as area_name
from ancestors
inner join regions
  on regions.region_code = ancestors.ancestor_region_code
union all
select
  region_code,
  street_code,
  'street' as level_code,
  street_code as area_code,
  max(street_name) as area_name
from communities
where street_code is not null
group by region_code, street_code
