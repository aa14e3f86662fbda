-- How each manager was chosen: how many valid bids there were, and whether who was chosen had the best of them.
with tenders as (

  select * from {{ ref('stg_tenders') }} where announced_on <= {{ business_date() }}

),

bids as (

  select
    bids.tender_id,
    bids.uscc,
    bids.is_valid,
    bids.total_score,
    bids.uscc = tenders.uscc as is_chosen
  from {{ ref('stg_tender_bids') }} as bids
  inner join tenders
    on tenders.tender_id = bids.tender_id

),

counted as (

  select
    tender_id,
    count(*) as bid_count,
    count(*) filter (where is_valid) as valid_bid_count,
    max(total_score) filter (where is_valid) as best_score,
    max(total_score) filter (where is_valid and is_chosen) as chosen_score
  from bids
  group by tender_id

)

select
  tenders.tender_id,
  tenders.community_id,
  tenders.stage_code,
  tenders.method_code,
  tenders.announced_on,
  tenders.opened_on,
  tenders.awarded_on,
  tenders.uscc,
  tenders.approved_on,
  counted.bid_count,
  counted.valid_bid_count,
  counted.best_score,
  counted.chosen_score,
  coalesce(tenders.awarded_on <= {{ business_date() }}, false) as is_awarded,
  coalesce(tenders.approved_on <= tenders.awarded_on, false) as is_approved
from tenders
left join counted
  on counted.tender_id = tenders.tender_id
