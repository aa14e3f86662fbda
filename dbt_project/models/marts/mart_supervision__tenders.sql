-- How managers were chosen over the last 24 months, with every bid as it was scored.
with tenders as (

  select * from {{ ref('int_tenders__examined') }}

),

communities as (

  select * from {{ ref('dim_community') }}

),

bids as (

  select
    tender_id,
    jsonb_agg(jsonb_build_object(
      'uscc', uscc, 'price_per_m2', price_per_m2, 'is_valid', is_valid, 'technical_score', technical_score,
      'business_score', business_score, 'credit_score', credit_score, 'total_score', total_score,
      'claimed_grade', claimed_grade
    ) order by total_score desc nulls last, uscc) as bids
  from {{ ref('stg_tender_bids') }}
  group by tender_id

)

select
  tenders.tender_id,
  tenders.community_id,
  communities.region_code,
  tenders.stage_code,
  tenders.method_code,
  tenders.announced_on,
  tenders.opened_on,
  tenders.awarded_on,
  tenders.uscc,
  tenders.approved_on,
  tenders.valid_bid_count::integer as valid_bid_count,
  coalesce(bids.bids, '[]'::jsonb) as bids
from tenders
inner join communities
  on communities.community_id = tenders.community_id
left join bids
  on bids.tender_id = tenders.tender_id
where {{ in_window('coalesce(tenders.awarded_on, tenders.announced_on)', 24) }}
