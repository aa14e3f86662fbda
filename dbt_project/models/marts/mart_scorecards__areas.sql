-- The areas that have a page: the regions, and the streets that communities name. A street's name is the newest one.
with regions as (

  select * from {{ ref('dim_region') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

streets as (

  select
    street_code as area_code,
    max(street_name) as area_name,
    min(region_code) as parent_area_code
  from communities
  where street_code is not null and region_code is not null
  group by street_code

)

select
  region_code as area_code,
  region_name as area_name,
  parent_region_code as parent_area_code,
  level_code,
  {{ business_date() }} as counted_on
from regions
union all
select
  area_code,
  area_name,
  parent_area_code,
  'street' as level_code,
  {{ business_date() }} as counted_on
from streets
