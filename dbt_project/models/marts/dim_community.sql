with communities as (

  select * from {{ ref('stg_communities') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }} where ends_on >= {{ business_date() }}

),

codes as (

  select * from {{ ref('codes') }}

)

select
  communities.community_id,
  communities.community_name,
  communities.region_code,
  communities.street_code,
  communities.street_name,
  communities.community_type_code,
  codes.label_zh as community_type_zh,
  communities.built_year,
  communities.household_count,
  communities.has_lift,
  {{ stratum_code('communities', business_date()) }} as stratum_code,
  spells.uscc as current_uscc,
  spells.starts_on as current_since_on
from communities
left join spells
  on spells.community_id = communities.community_id
left join codes
  on codes.list_code = 'community_type' and codes.code = communities.community_type_code
