with batches as (

  select * from {{ source('ops', 'batches') }} where business_date <= {{ as_of() }}

),

feeds as (

  select * from {{ ref('feed_freshness') }}

),

deliveries as (

  select
    feed,
    max(business_date) filter (where status = 'loaded') as latest_known_on,
    max(latest_event_on) filter (where status = 'loaded') as latest_event_on,
    max(business_date) filter (where status = 'refused') as latest_refused_on,
    max(received_at) filter (where status = 'loaded') as known_until
  from batches
  {%- set until = var('known_until', none) %}
  {%- if until is not none %}
  where {% for feed, instant in until.items() -%}
    feed = '{{ feed }}' and received_at <= cast('{{ instant }}' as timestamptz) or {% endfor %}false
  {%- endif %}
  group by feed

)

select
  feeds.feed,
  deliveries.latest_known_on is not null as is_available,
  deliveries.latest_known_on,
  deliveries.latest_event_on,
  -- stale: nothing for too long, or the newest delivery was refused whole
  deliveries.latest_known_on is null
    or {{ business_date() }} - deliveries.latest_known_on > feeds.max_age_days
    or coalesce(deliveries.latest_refused_on > deliveries.latest_known_on, false) as is_stale,
  feeds.title_zh,
  feeds.is_scored,
  {{ business_date() }} - deliveries.latest_known_on as age_days,
  deliveries.known_until,
  {{ var('edition') | int }} as edition,
  {% if var('counting').ends_at_complete_day -%}
  case when deliveries.latest_known_on < {{ business_date() }} then deliveries.latest_known_on end
  {%- else -%}
  null::date
  {%- endif %} as counted_until,
  {% if rule('identity') == 'as_registered' -%}
  (
    select max(recorded_at) from {{ source('entities', 'decisions') }}
    where {{ was_known('entities', 'known_on', 'recorded_at') }}
  )
  {%- else -%}
  null::timestamptz
  {%- endif %} as decided_until
from feeds
left join deliveries
  on deliveries.feed = feeds.feed
