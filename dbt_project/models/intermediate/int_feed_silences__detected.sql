{%- set want = var('silence') %}
-- Days of a district of which a feed says nothing, though something would be expected: the feed or the district's office
-- has delivered nothing for longer than it may, or deliveries came and held nothing of the district while those around it
-- went on as before. Days before the night are judged by what the other districts had that day, so that a holiday or a
-- quiet season is no silence.
with batches as (

  select * from {{ source('ops', 'batches') }} where status = 'loaded' and {{ was_known_batch() }}

),

feeds as (

  select
    freshness.feed,
    freshness.max_age_days,
    max(batches.business_date) as latest_known_on
  from {{ ref('feed_freshness') }} as freshness
  left join batches
    on batches.feed = freshness.feed
  group by freshness.feed, freshness.max_age_days

),

communities as (

  select
    region_code,
    sum(household_count) as household_count
  from {{ ref('stg_communities') }}
  where region_code is not null
  group by region_code

),

profiles as (

  select * from {{ ref('int_feed_profiles__judged') }} where is_silent

),

placed as (

  select * from {{ ref('int_feed_profiles__placed') }}

),

days as (

  select * from {{ ref('int_feed_days__counted') }}

),

districts as (

  select region_code from communities
  union
  select region_code from days

),

-- the feed as a whole: never delivered, or not for longer than it may
whole as (

  select
    feeds.feed,
    districts.region_code,
    feeds.latest_known_on + 1 as from_on,
    case when feeds.latest_known_on is null then 'never_delivered' else 'not_delivered' end as reason_code
  from feeds
  cross join districts
  where feeds.latest_known_on is null or {{ business_date() }} - feeds.latest_known_on > feeds.max_age_days

),

-- one office of several
partial as (

  select
    profiles.feed,
    placed.region_code,
    min(profiles.latest_known_on) + 1 as from_on,
    'office_not_delivered' as reason_code
  from profiles
  inner join placed
    on placed.feed = profiles.feed and placed.source_profile = profiles.source_profile
  group by profiles.feed, placed.region_code

),

totals as (

  select
    feed,
    day_on,
    sum(event_count) as event_count
  from days
  group by feed, day_on

),

bounds as (

  select
    feed,
    min(day_on) as first_on,
    max(day_on) as last_on,
    sum(event_count) as event_count,
    sum(event_count) / (max(day_on) - min(day_on) + 1)::numeric as daily_count
  from totals
  group by feed

),

spine as (

  select
    bounds.feed,
    series.day_on::date as day_on,
    sum(coalesce(totals.event_count, 0)) over (partition by bounds.feed order by series.day_on) as so_far
  from bounds
  cross join generate_series(bounds.first_on::timestamp, {{ business_date() }}::timestamp, interval '1 day')
    as series (day_on)
  left join totals
    on totals.feed = bounds.feed and totals.day_on = series.day_on::date

),

-- files came and held nothing that is new
dried_up as (

  select
    bounds.feed,
    districts.region_code,
    bounds.last_on + 1 as from_on,
    'no_events' as reason_code
  from bounds
  inner join feeds
    on feeds.feed = bounds.feed
  cross join districts
  where {{ business_date() }} - bounds.last_on > feeds.max_age_days
    and bounds.daily_count * ({{ business_date() }} - bounds.last_on) >= {{ want.expected_to_the_night }}
    and {{ business_date() }} - feeds.latest_known_on <= feeds.max_age_days

),

-- a district's share of all events, of what came until its own last one; of its households where nothing ever came
shares as (

  select
    bounds.feed,
    districts.region_code,
    max(days.day_on) as last_on,
    coalesce(
      sum(days.event_count) / nullif(max(spine.so_far), 0),
      max(communities.household_count)::numeric / nullif(sum(max(communities.household_count)) over (
        partition by bounds.feed
      ), 0)
    ) as share
  from bounds
  cross join districts
  left join communities
    on communities.region_code = districts.region_code
  left join days
    on days.feed = bounds.feed and days.region_code = districts.region_code
  left join spine
    on spine.feed = days.feed and spine.day_on = days.day_on
  group by bounds.feed, districts.region_code

),

told as (

  select
    feed,
    region_code,
    day_on
  from days
  union all
  select
    bounds.feed,
    shares.region_code,
    bounds.first_on - 1 as day_on
  from bounds
  inner join shares
    on shares.feed = bounds.feed
  union all
  select
    bounds.feed,
    shares.region_code,
    {{ business_date() }} + 1 as day_on
  from bounds
  inner join shares
    on shares.feed = bounds.feed

),

gaps as (

  select
    feed,
    region_code,
    lag(day_on) over (partition by feed, region_code order by day_on) + 1 as from_on,
    day_on - 1 as until_on
  from told

),

quiet as (

  select
    gaps.feed,
    gaps.region_code,
    gaps.from_on,
    gaps.until_on,
    (upto.so_far - coalesce(before.so_far, 0)) * shares.share / nullif(1 - shares.share, 0) as expected_count
  from gaps
  inner join feeds
    on feeds.feed = gaps.feed
  inner join shares
    on shares.feed = gaps.feed and shares.region_code = gaps.region_code
  inner join spine as upto
    on upto.feed = gaps.feed and upto.day_on = gaps.until_on
  left join spine as before
    on before.feed = gaps.feed and before.day_on = gaps.from_on - 1
  where gaps.until_on - gaps.from_on >= greatest(feeds.max_age_days, 2)

),

silent as (

  select
    feed,
    region_code,
    from_on,
    {{ business_date() }} as until_on,
    reason_code,
    null::numeric as expected_count
  from whole
  union all
  select
    feed,
    region_code,
    from_on,
    {{ business_date() }} as until_on,
    reason_code,
    null::numeric as expected_count
  from partial
  union all
  select
    feed,
    region_code,
    from_on,
    {{ business_date() }} as until_on,
    reason_code,
    null::numeric as expected_count
  from dried_up
  union all
  select
    feed,
    region_code,
    from_on,
    until_on,
    'no_events' as reason_code,
    expected_count
  from quiet
  where expected_count >= case
    when until_on = {{ business_date() }} then {{ want.expected_to_the_night }} else {{ want.expected_between }}
  end

)

-- of several reasons for the same days the one that begins first, then the one that says more
select distinct on (feed, region_code, until_on)
  feed,
  region_code,
  from_on,
  until_on,
  reason_code,
  round(expected_count, 1) as expected_count
from silent
order by feed asc, region_code asc, until_on asc, from_on asc nulls first, reason_code asc
