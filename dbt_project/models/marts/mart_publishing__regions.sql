-- Where an enterprise serves tonight, and every division above: whose regulators may see its details.
with spells as (

  select * from {{ ref('int_spells__resolved') }} where is_enterprise

),

communities as (

  select * from {{ ref('stg_communities') }}

),

ancestors as (

  select * from {{ ref('int_region_ancestors__expanded') }}

)

select distinct
  spells.uscc,
  ancestors.ancestor_region_code as region_code
from spells
inner join communities
  on communities.community_id = spells.community_id
inner join ancestors
  on ancestors.region_code = communities.region_code
where spells.ends_on >= {{ business_date() }}
