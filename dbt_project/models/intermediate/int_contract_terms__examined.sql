-- What contracts in force tonight agree on, beside the city's guide for that level and the median of like communities: the same
-- city, kind of community, level and edition of the standard, with or without a lift.
with contracts as (

  select * from {{ ref('stg_contracts') }}
  where starts_on <= {{ business_date() }} and coalesce(ended_on >= {{ business_date() }}, true)

),

enterprises as (

  select * from {{ ref('stg_enterprises') }} where organisation_type_code = 'enterprise'

),

communities as (

  select * from {{ ref('stg_communities') }}

),

items as (

  select
    contract_id,
    item_code,
    count(*) as line_count,
    bool_or(is_extra) as has_extra
  from {{ ref('stg_contract_items') }}
  group by contract_id, item_code

),

menus as (

  select
    contract_id,
    count(*) as item_count,
    bool_or(line_count > 1 and has_extra) as is_charged_twice
  from items
  group by contract_id

),

guides as (

  select distinct on (city_code, service_level, has_lift) *
  from {{ ref('fee_guides') }}
  order by city_code, service_level, has_lift, {{ in_force_first('valid_from') }}

),

-- a later contract of the community is there already
followed as (

  select
    contracts.contract_id,
    min(later.starts_on) as next_starts_on
  from contracts
  inner join {{ ref('stg_contracts') }} as later
    on later.community_id = contracts.community_id and later.starts_on > contracts.starts_on
  group by contracts.contract_id

),

described as (

  select
    contracts.contract_id,
    contracts.community_id,
    contracts.uscc,
    communities.region_code,
    communities.community_type_code,
    communities.is_price_guided,
    coalesce(communities.has_lift, false) as has_lift,
    contracts.service_level,
    contracts.service_standard_edition,
    contracts.starts_on,
    contracts.ends_on,
    followed.next_starts_on,
    terms.template_code,
    terms.template_version,
    terms.deviation_count,
    terms.fee_per_m2,
    menus.item_count,
    coalesce(menus.is_charged_twice, false) as is_charged_twice
  from contracts
  inner join enterprises
    on enterprises.uscc = contracts.uscc
  inner join communities
    on communities.community_id = contracts.community_id
  left join {{ ref('stg_contract_terms') }} as terms
    on terms.contract_id = contracts.contract_id
  left join menus
    on menus.contract_id = contracts.contract_id
  left join followed
    on followed.contract_id = contracts.contract_id

),

peers as (

  select
    left(region_code, 4) as city_code,
    community_type_code,
    service_level,
    service_standard_edition,
    has_lift,
    count(*) as contract_count,
    percentile_disc(0.5) within group (order by fee_per_m2) as median_fee_per_m2
  from described
  where fee_per_m2 is not null
  group by left(region_code, 4), community_type_code, service_level, service_standard_edition, has_lift
  having count(*) >= {{ threshold('fee_peers_from') }}

)

select
  described.*,
  guides.guide_fee_per_m2,
  peers.median_fee_per_m2,
  coalesce(
    described.ends_on <= {{ business_date() }} + {{ threshold('contract_expiry_days') }}::integer
      and described.next_starts_on is null,
    false
  ) as is_expiring,
  coalesce(described.is_price_guided and described.fee_per_m2 > guides.guide_fee_per_m2, false) as is_above_guide,
  coalesce(described.fee_per_m2 > {{ threshold('fee_above_peers_ratio') }} * peers.median_fee_per_m2, false)
    as is_above_peers
from described
left join guides
  on guides.city_code = left(described.region_code, 4)
  and guides.service_level = described.service_level
  and guides.has_lift = described.has_lift
left join peers
  on peers.city_code = left(described.region_code, 4)
  and peers.community_type_code = described.community_type_code
  and peers.service_level = described.service_level
  and peers.service_standard_edition = described.service_standard_edition
  and peers.has_lift = described.has_lift
