-- Whose indicators a silent feed leaves out, where the method says so: of an enterprise with communities in several districts
-- only those that are silent; of one whose districts all are, the feed is not available. A district is looked at while the
-- enterprise served there in the last twelve months.
with enterprises as (

  select * from {{ ref('mart_scoring__enterprises') }}

),

covered as (

  select * from {{ ref('int_feed_districts__covered') }} where is_silent

),

feeds as (

  select * from {{ ref('feed_freshness') }} where is_scored

),

regions as (

  select * from {{ ref('regions') }}

),

served as (

  select distinct
    exposures.uscc,
    communities.region_code
  from {{ ref('int_exposures__counted') }} as exposures
  inner join {{ ref('stg_communities') }} as communities
    on communities.community_id = exposures.community_id
  where exposures.slot_number < 12 and communities.region_code is not null

),

totals as (

  select
    uscc,
    count(*) as district_count
  from served
  group by uscc

),

silent as (

  select
    served.uscc,
    covered.feed,
    count(*) as silent_count,
    min(covered.complete_until) + 1 as from_on,
    string_agg(regions.region_name, '、' order by covered.region_code) as region_names
  from served
  inner join covered
    on covered.region_code = served.region_code
  inner join regions
    on regions.region_code = covered.region_code
  where not covered.is_silent_everywhere
  group by served.uscc, covered.feed

),

everywhere as (

  select
    feed,
    min(complete_until) + 1 as from_on
  from covered
  where is_silent_everywhere
  group by feed

),

unioned as (

  select
    enterprises.uscc,
    everywhere.feed,
    true as is_silent,
    everywhere.from_on,
    null as region_names
  from enterprises
  cross join everywhere
  union all
  select
    silent.uscc,
    silent.feed,
    silent.silent_count = totals.district_count as is_silent,
    silent.from_on,
    silent.region_names
  from silent
  inner join totals
    on totals.uscc = silent.uscc
  inner join enterprises
    on enterprises.uscc = silent.uscc

)

select
  unioned.uscc,
  unioned.feed,
  unioned.is_silent,
  unioned.from_on,
  unioned.region_names,
  feeds.title_zh
from unioned
inner join feeds
  on feeds.feed = unioned.feed
where {{ 'true' if var('counting').ends_at_complete_day else 'false' }}
