-- Contracts in force by area and level: text, fee beside guide and like communities, and those that end soon.
with areas as (

  select * from {{ ref('int_areas__expanded') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

contracts as (

  select * from {{ ref('int_contract_terms__examined') }}

)

select
  areas.area_code,
  coalesce(contracts.service_level, '未登记') as service_level,
  count(*)::integer as contract_count,
  count(contracts.template_code)::integer as registered_count,
  (count(*) filter (where contracts.template_code = 'model'))::integer as model_count,
  round(avg(contracts.deviation_count), 2)::numeric(9, 2) as mean_deviation_count,
  round(min(contracts.fee_per_m2), 2)::numeric(9, 2) as lowest_fee_per_m2,
  round(avg(contracts.fee_per_m2), 2)::numeric(9, 2) as mean_fee_per_m2,
  round(max(contracts.fee_per_m2), 2)::numeric(9, 2) as highest_fee_per_m2,
  round(avg(contracts.guide_fee_per_m2), 2)::numeric(9, 2) as mean_guide_fee_per_m2,
  (count(*) filter (where contracts.is_above_guide))::integer as above_guide_count,
  (count(*) filter (where contracts.is_above_peers))::integer as above_peers_count,
  (count(*) filter (where contracts.is_charged_twice))::integer as charged_twice_count,
  (count(*) filter (where contracts.is_expiring))::integer as expiring_count,
  min(contracts.ends_on) filter (where contracts.is_expiring) as first_end_on
from contracts
inner join communities
  on communities.community_id = contracts.community_id
inner join areas
  on areas.leaf_area_code = coalesce(communities.street_code, communities.region_code)
group by areas.area_code, coalesce(contracts.service_level, '未登记')
