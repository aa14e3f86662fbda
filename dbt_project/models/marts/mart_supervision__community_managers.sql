-- Who was responsible for a community when; supervision names the manager of the day a complaint came.
with spells as (

  select * from {{ ref('int_spells__resolved') }}

)

select
  community_id,
  starts_on,
  ends_on,
  ends_on >= {{ business_date() }} as is_current,
  uscc,
  is_enterprise
from spells
