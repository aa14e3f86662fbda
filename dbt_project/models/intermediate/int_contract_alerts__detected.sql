-- What calls for an alert about what contracts agree on (A 二(三), B 11): a fee above the guide where the government guides it,
-- one far above like communities, and one service that is charged twice.
with contracts as (

  select * from {{ ref('int_contract_terms__examined') }}

),

unioned as (

  {% for kind_code, condition in [
    ('fee_above_guide', 'is_above_guide'),
    ('fee_above_peers', 'is_above_peers and not is_above_guide'),
    ('item_charged_twice', 'is_charged_twice'),
  ] -%}
  select
    '{{ kind_code }}/' || contract_id as alert_id,
    '{{ kind_code }}' as kind_code,
    uscc,
    community_id,
    region_code,
    starts_on as first_on,
    jsonb_build_array(jsonb_build_object('feed', 'contract_terms', 'ids', jsonb_build_array(contract_id))) as evidence
  from contracts
  where {{ condition }}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
)

select
  alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  null::text as account_no,
  first_on,
  null::numeric as amount_cny,
  evidence,
  {{ business_date() }} as last_on
from unioned
