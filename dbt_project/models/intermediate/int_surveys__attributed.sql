with surveys as (

  select * from {{ ref('stg_surveys') }}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

)

select
  surveys.survey_id,
  surveys.community_id,
  coalesce(surveys.uscc, spells.uscc) as uscc,
  surveys.surveyed_on,
  surveys.response_count,
  surveys.satisfaction_score,
  {{ stratum_code('communities', 'surveys.surveyed_on') }} as stratum_code,
  case when spells.uscc = coalesce(surveys.uscc, spells.uscc) then spells.protection_weight else 1 end
    as protection_weight
from surveys
inner join communities
  on communities.community_id = surveys.community_id and {{ holds_on('communities', 'surveys.surveyed_on') }}
left join spells
  on spells.community_id = surveys.community_id and surveys.surveyed_on between spells.starts_on and spells.ends_on
