-- Every vote against 民法典 278, in whole numbers: two thirds of the owners by heads and by area take part (以上 includes
-- the bound); to use the fund more than half of those taking part agree (过半数 does not), to raise it three quarters.
with votes as (

  select * from {{ ref('stg_fund_votes') }}

)

select
  vote_id,
  community_id,
  purpose_code,
  decided_on,
  approved_amount as approved_cny,
  3 * voting_owner_count::numeric >= 2 * owner_count
    and 3 * voting_area_m2 >= 2 * owner_area_m2 as is_quorate,
  case purpose_code
    when 'use' then
      2 * approving_owner_count::numeric > voting_owner_count and 2 * approving_area_m2 > voting_area_m2
    else
      4 * approving_owner_count::numeric >= 3 * voting_owner_count and 4 * approving_area_m2 >= 3 * voting_area_m2
  end as is_carried
from votes
