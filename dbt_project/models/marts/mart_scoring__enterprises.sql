with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

)

select
  uscc,
  enterprise_name,
  service_months,
  household_months,
  protected_household_months_ratio,
  inspection_count,
  survey_response_count,
  project_count,
  region_code
from enterprises
