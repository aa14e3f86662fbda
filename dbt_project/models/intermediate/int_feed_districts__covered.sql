-- Up to which day each feed is complete for each district: a window ends there while the feed is within its max_age;
-- a district that is silent has no figure of the feed after it. Days before may be missing as well
-- (int_feed_silences__detected).
with feeds as (

  select
    freshness.feed,
    freshness.max_age_days,
    max(batches.business_date) as latest_known_on
  from {{ ref('feed_freshness') }} as freshness
  left join {{ source('ops', 'batches') }} as batches
    on batches.feed = freshness.feed and batches.status = 'loaded' and {{ was_known_batch('batches.') }}
  group by freshness.feed, freshness.max_age_days

),

regions as (

  select region_code from {{ ref('regions') }} where level_code = 'district'

),

silences as (

  select * from {{ ref('int_feed_silences__detected') }} where until_on = {{ business_date() }}

)

select
  feeds.feed,
  regions.region_code,
  case
    when silences.feed is null then least(feeds.latest_known_on, {{ business_date() }})
    else silences.from_on - 1
  end as complete_until,
  silences.feed is not null as is_silent,
  bool_and(silences.feed is not null) over (partition by feeds.feed) as is_silent_everywhere,
  silences.reason_code
from feeds
cross join regions
left join silences
  on silences.feed = feeds.feed and silences.region_code = regions.region_code
