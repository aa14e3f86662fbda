-- depends_on: {{ ref('int_attributions__touched') }}
-- What the next build compares its spells with: whose day belongs to somebody else then is attributed again.
with spells as (

  select * from {{ ref('int_spells__resolved') }}

)

select
  community_id,
  starts_on,
  ends_on,
  uscc,
  is_enterprise,
  protection_weight
from spells
