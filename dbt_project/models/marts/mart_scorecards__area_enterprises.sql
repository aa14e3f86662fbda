-- Which enterprises an area looks after: those that serve it tonight, and those whose main region lies in it.
with communities as (

  select * from {{ ref('mart_scorecards__communities') }} where is_enterprise

),

enterprises as (

  select * from {{ ref('mart_scoring__enterprises') }} where region_code is not null

),

areas as (

  select * from {{ ref('int_areas__expanded') }}

),

unioned as (

  select
    leaf_area_code,
    current_uscc as uscc,
    1 as community_count,
    household_count
  from communities
  union all
  select
    region_code as leaf_area_code,
    uscc,
    0 as community_count,
    0 as household_count
  from enterprises

)

select
  areas.area_code,
  unioned.uscc,
  sum(unioned.community_count)::bigint as community_count,
  sum(unioned.household_count)::bigint as household_count
from unioned
inner join areas
  on areas.leaf_area_code = unioned.leaf_area_code
group by areas.area_code, unioned.uscc
