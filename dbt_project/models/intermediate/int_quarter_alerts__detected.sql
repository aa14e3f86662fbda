-- Quarters whose common revenue (c03) or use of the maintenance fund (c04) is still not public after it was due.
with quarters as (

  select * from {{ ref('int_quarters__due') }} where disclosure_due_on < {{ business_date() }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

covered as (

  select * from {{ ref('int_feed_districts__covered') }} where feed = 'disclosures'

),

published as (

  select distinct
    community_id,
    period_start_on,
    disclosure_class_code
  from {{ ref('stg_disclosures') }}
  where disclosure_class_code in ('c03', 'c04') and published_on <= {{ business_date() }}
    and period_start_on >= (select min(quarter_on) from quarters)

),

counted as (

  select
    quarters.community_id,
    quarters.uscc,
    quarters.quarter_on,
    quarters.disclosure_due_on,
    count(published.disclosure_class_code) as published_count
  from quarters
  left join published
    on published.community_id = quarters.community_id and published.period_start_on = quarters.quarter_on
  group by quarters.community_id, quarters.uscc, quarters.quarter_on, quarters.disclosure_due_on

)

select
  'quarter_undisclosed/' || counted.community_id || '/' || counted.quarter_on as alert_id,
  'quarter_undisclosed' as kind_code,
  counted.uscc,
  counted.community_id,
  communities.region_code,
  null::text as account_no,
  counted.disclosure_due_on + 1 as first_on,
  null::numeric as amount_cny,
  jsonb_build_array(
    jsonb_build_object('feed', 'disclosures', 'ids', jsonb_build_array(counted.community_id || '/' || counted.quarter_on))
  ) as evidence,
  counted.disclosure_due_on + 1 as last_on,
  -- a silent office may have it on file
  counted.disclosure_due_on < coalesce(covered.complete_until, {{ business_date() }}) as is_told
from counted
inner join communities
  on communities.community_id = counted.community_id
left join covered
  on covered.region_code = communities.region_code
where counted.published_count < 2 and {{ is_reported('disclosures', 'communities.region_code') }}
