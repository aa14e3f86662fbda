with months as (

  select *
  from {{ ref('int_community_months__exposed') }}
  where is_enterprise and month_on > {{ months_ago(12) }} and month_on <= {{ counted_until('complaints') }}
    and {{ is_district_heard('complaints', 'region_code') }}

),

complaints as (

  select
    community_id,
    uscc,
    date_trunc('month', submitted_on::timestamp)::date as month_on,
    count(*) as complaint_count
  from {{ ref('int_complaints__attributed') }}
  where is_countable and submitted_on > {{ months_ago(12) }}
  group by community_id, uscc, date_trunc('month', submitted_on::timestamp)::date

),

exposures as (

  select
    stratum_code,
    month_on,
    sum(household_months) as household_months
  from months
  group by stratum_code, month_on

),

-- the stratum of the community's month, so that a birthday inside the month moves both or neither
counts as (

  select
    months.stratum_code,
    months.month_on,
    sum(complaints.complaint_count)::bigint as complaint_count
  from complaints
  inner join months
    on months.community_id = complaints.community_id
    and months.uscc = complaints.uscc
    and months.month_on = complaints.month_on
  group by months.stratum_code, months.month_on

)

select
  exposures.stratum_code,
  exposures.month_on as month,
  coalesce(counts.complaint_count, 0) as complaint_count,
  exposures.household_months
from exposures
left join counts
  on counts.stratum_code = exposures.stratum_code and counts.month_on = exposures.month_on
