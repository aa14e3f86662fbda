with communities as (

  select * from {{ ref('stg_communities') }}

),

-- one that went into another has no period tonight: it stands as it was last
periods as (

  select distinct on (community_id) *
  from {{ ref('stg_community_periods') }}
  where coalesce(valid_from <= {{ business_date() }}, true)
  order by community_id, valid_from desc nulls last

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
  periods.region_code,
  periods.street_code,
  periods.street_name,
  periods.community_type_code,
  codes.label_zh as community_type_zh,
  periods.built_year,
  periods.household_count,
  periods.has_lift,
  {{ stratum_code('periods', business_date()) }} as stratum_code,
  spells.uscc as current_uscc,
  spells.starts_on as current_since_on
from communities
inner join periods
  on periods.community_id = communities.community_id
left join spells
  on spells.community_id = communities.community_id
left join codes
  on codes.list_code = 'community_type' and codes.code = periods.community_type_code
