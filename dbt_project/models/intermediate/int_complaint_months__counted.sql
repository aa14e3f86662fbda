-- Complaints of the last two years, counted by community and month.
with placed as (

  select * from {{ ref('int_complaints__placed') }}

)

select
  region_code,
  coalesce(community_id, 'none') as community_key,
  max(street_code) as street_code,
  month_on,
  count(*) as complaint_count,
  count(*) filter (where is_countable) as countable_count,
  count(*) filter (where is_repeat) as repeat_count,
  count(*) filter (where is_response_due) as response_due_count,
  count(*) filter (where is_responded_in_time) as responded_in_time_count,
  count(*) filter (where is_handling_due) as handling_due_count,
  count(*) filter (where is_handled_in_time) as handled_in_time_count,
  count(*) filter (where is_resolution_due) as resolution_due_count,
  count(*) filter (where is_resolved_in_time) as resolved_within_24h_count
from placed
group by region_code, community_id, month_on
