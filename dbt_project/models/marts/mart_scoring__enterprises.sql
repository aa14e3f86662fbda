with enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

-- a listing without its basis, authority and number is no V1: it names nobody, but regulators look at the enterprise
listings as (

  select distinct uscc
  from {{ ref('int_credit_records__weighted') }}
  where record_type_code = 'serious_dishonesty'
    and is_standing
    and not is_ended
    and not ({{ is_listing_complete() }})

)

select
  enterprises.uscc,
  enterprises.enterprise_name,
  enterprises.service_months,
  enterprises.household_months,
  enterprises.protected_household_months_ratio,
  enterprises.inspection_count,
  enterprises.survey_response_count,
  enterprises.project_count,
  enterprises.region_code,
  listings.uscc is not null as is_listed_without_basis
from enterprises
left join listings
  on listings.uscc = enterprises.uscc
