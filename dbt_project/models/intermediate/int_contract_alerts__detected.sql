-- What calls for an alert about what contracts agree on (A 二(三), B 11): a fee above the guide where the government guides it,
-- one far above like communities, and one service that is charged twice.
with contracts as (

  select * from {{ ref('int_contract_terms__examined') }}

),

called_for as (

  select
    contracts.*,
    kinds.kind_code
  from contracts
  {{ with_kinds([
    ('fee_above_guide', 'is_above_guide'),
    ('fee_above_peers', 'is_above_peers and not is_above_guide'),
    ('item_charged_twice', 'is_charged_twice'),
  ]) }}
  where kinds.is_met

)

select
  kind_code || '/' || contract_id as alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  null::text as account_no,
  starts_on as first_on,
  null::numeric as amount_cny,
  jsonb_build_array(jsonb_build_object('feed', 'contract_terms', 'ids', jsonb_build_array(contract_id))) as evidence,
  {{ business_date() }} as last_on
from called_for
