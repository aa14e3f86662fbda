with regions as (

  select * from {{ ref('regions') }}

),

ancestors as (

  select
    regions.region_code,
    parents.region_name as parent_region_name
  from regions
  left join regions as parents
    on parents.region_code = regions.parent_region_code

)

select
  regions.region_code,
  regions.region_name,
  regions.parent_region_code,
  ancestors.parent_region_name,
  regions.level_code,
  regions.code_source,
  regions.valid_from
from regions
inner join ancestors
  on ancestors.region_code = regions.region_code
