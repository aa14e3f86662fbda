-- Communities without any manager tonight (管理真空).
with communities as (

  select * from {{ ref('dim_community') }}

),

vacuums as (

  select * from {{ ref('int_exit_alerts__detected') }} where kind_code = 'management_vacuum' and is_told

)

select
  vacuums.community_id,
  vacuums.region_code,
  communities.household_count,
  vacuums.first_on as unmanaged_since,
  {{ business_date() }} - vacuums.first_on + 1 as unmanaged_days,
  vacuums.uscc as last_uscc
from vacuums
inner join communities
  on communities.community_id = vacuums.community_id
