-- What each area's figures lack: the districts in it, or the one it lies in, of which a feed says nothing for some days.
with silences as (

  select * from {{ ref('int_feed_silences__detected') }}

),

regions as (

  select * from {{ ref('regions') }}

),

feeds as (

  select * from {{ ref('feed_freshness') }}

),

areas as (

  select distinct
    region_code,
    area_code
  from {{ ref('int_areas__listed') }}

)

select
  areas.area_code,
  silences.feed,
  silences.region_code,
  silences.from_on,
  silences.until_on,
  silences.reason_code,
  regions.region_name,
  feeds.title_zh
from silences
inner join areas
  on areas.region_code = silences.region_code
inner join regions
  on regions.region_code = silences.region_code
inner join feeds
  on feeds.feed = silences.feed
