-- What came of each district a day, of the feeds in which something comes of every district most days: a district that
-- falls silent shows in its days, whoever delivers for it. Two years and a month back.
with complaints as not materialized (

  select * from {{ ref('int_complaints__attributed') }}

),

lines as not materialized (

  select * from {{ ref('int_inspection_lines__attributed') }}

)

select
  'complaints' as feed,
  region_code,
  submitted_on as day_on,
  count(*) as event_count
from complaints
where region_code is not null and submitted_on > {{ business_date() }} - 761 and submitted_on <= {{ business_date() }}
group by region_code, submitted_on
union all
select
  'inspections' as feed,
  region_code,
  inspected_on as day_on,
  count(distinct inspection_id) as event_count
from lines
where region_code is not null and inspected_on > {{ business_date() }} - 761 and inspected_on <= {{ business_date() }}
group by region_code, inspected_on
