with months as (

  select * from {{ ref('int_community_months__exposed') }}

)

select
  community_id,
  month_on,
  manager_key,
  uscc,
  is_enterprise,
  region_code,
  stratum_code,
  responsible_days,
  household_count,
  household_months,
  protection_weight
from months
