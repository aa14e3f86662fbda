-- How many limits of M01-M03 that ran out rest on no finding tonight: shown beside the figure, and open to objection like
-- any other case.
with awaited as (

  select * from {{ ref('int_complaint_findings__awaited') }}

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

)

select
  awaited.uscc,
  awaited.indicator_code,
  awaited.finding_code,
  count(*) as case_count
from awaited
inner join enterprises
  on enterprises.uscc = awaited.uscc
group by awaited.uscc, awaited.indicator_code, awaited.finding_code
