-- B 19: what an area's complaints are about, who is responsible for them and how they come in, in long form.
with counted as (

  select * from {{ ref('int_complaint_codes__counted') }}

),

areas as (

  select * from {{ ref('int_areas__listed') }}

)

select
  areas.level_code,
  areas.area_code,
  counted.month_on as month,
  counted.list_code,
  counted.code,
  sum(counted.complaint_count)::bigint as complaint_count,
  sum(counted.repeat_count)::bigint as repeat_count,
  sum(counted.resolution_due_count)::bigint as resolution_due_count,
  sum(counted.resolved_within_24h_count)::bigint as resolved_within_24h_count
from counted
inner join areas
  on areas.region_code = counted.region_code
  and (areas.street_code is null or areas.street_code = counted.street_key)
group by areas.level_code, areas.area_code, counted.month_on, counted.list_code, counted.code
