-- Every region with itself and everything above it; three levels, so two joins and no recursion.
with regions as (

  select * from {{ ref('regions') }}

)

select
  region_code,
  region_code as ancestor_region_code
from regions
union all
select
  region_code,
  parent_region_code as ancestor_region_code
from regions
where parent_region_code is not null
union all
select
  regions.region_code,
  parents.parent_region_code as ancestor_region_code
from regions
inner join regions as parents
  on parents.region_code = regions.parent_region_code
where parents.parent_region_code is not null
