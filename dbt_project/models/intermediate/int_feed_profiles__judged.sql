-- The offices behind each feed, by source profile: since when each delivers, how long it has been silent, and whether
-- that is longer than it ever was. One that delivered on one night only (a backlog) is not expected again; one whose
-- successor began when it ended is over. People who do nothing in the workbench leave no silence.
with batches as (

  select distinct
    feed,
    source_profile,
    business_date
  from {{ source('ops', 'batches') }}
  where status = 'loaded' and {{ was_known_batch() }}

),

feeds as (

  select * from {{ ref('feed_freshness') }}

),

spaced as (

  select
    *,
    business_date - lag(business_date) over (partition by feed, source_profile order by business_date) as interval_days
  from batches

),

summed as (

  select
    feed,
    source_profile,
    count(*) as night_count,
    min(business_date) as first_known_on,
    max(business_date) as latest_known_on,
    coalesce(max(interval_days), 0) as longest_interval_days
  from spaced
  group by feed, source_profile

)

select
  summed.feed,
  summed.source_profile,
  summed.night_count,
  summed.first_known_on,
  summed.latest_known_on,
  greatest(feeds.max_age_days, summed.longest_interval_days) as tolerated_days,
  summed.night_count > 1
    and summed.source_profile not like 'workbench%'
    and {{ business_date() }} - summed.latest_known_on > greatest(feeds.max_age_days, summed.longest_interval_days)
    and not exists (
      select 1
      from summed as successors
      where successors.feed = summed.feed
        and successors.first_known_on between
          summed.latest_known_on - greatest(feeds.max_age_days, summed.longest_interval_days)
          and summed.latest_known_on + greatest(feeds.max_age_days, summed.longest_interval_days)
        and successors.first_known_on > summed.first_known_on
    ) as is_silent
from summed
inner join feeds
  on feeds.feed = summed.feed
