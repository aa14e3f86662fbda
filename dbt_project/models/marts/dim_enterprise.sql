with enterprises as (

  select * from {{ ref('stg_enterprises') }}

),

codes as (

  select * from {{ ref('codes') }}

)

select
  enterprises.uscc,
  enterprises.enterprise_name,
  enterprises.organisation_type_code,
  codes.label_zh as organisation_type_zh,
  enterprises.organisation_type_code = 'enterprise' as is_enterprise,
  enterprises.is_active,
  enterprises.listing_status_code,
  enterprises.established_on
from enterprises
left join codes
  on codes.list_code = 'organisation_type' and codes.code = enterprises.organisation_type_code
