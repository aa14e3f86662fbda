-- Every leaf area (a street, or a region where a community names no street) with itself and everything above it.
with communities as (

  select * from {{ ref('stg_community_periods') }}

),

regions as (

  select * from {{ ref('int_region_ancestors__expanded') }}

),

streets as (

  select
    street_code as area_code,
    min(region_code) as region_code
  from communities
  where street_code is not null and region_code is not null
  group by street_code

)

select
  area_code as leaf_area_code,
  area_code
from streets
union all
select
  streets.area_code as leaf_area_code,
  regions.ancestor_region_code as area_code
from streets
inner join regions
  on regions.region_code = streets.region_code
union all
select
  region_code as leaf_area_code,
  ancestor_region_code as area_code
from regions
