-- Tenders whose bids are open, with who bid and the grade that each claimed: what the tendering customer asks back.
select
  tender_id,
  community_id,
  opened_on,
  awarded_on,
  uscc,
  bids
from {{ ref('mart_supervision__tenders') }}
where opened_on <= {{ business_date() }}
