-- What calls for an alert about enterprises themselves: one that manages nothing any more, one that was split and of which
-- nobody has said yet who has its records.
with departures as (

  select * from {{ ref('int_enterprises__departed') }} where departure_code = 'not_serving'

),

enterprises as (

  select * from {{ ref('int_enterprises__summarised') }}

),

registered as (

  select * from {{ ref('stg_enterprises') }}

),

events as (

  select * from {{ ref('stg_enterprise_events') }}
  where event_code = 'split' and coalesce(status_code, 'standing') = 'standing'

),

codes as (

  select * from {{ ref('stg_enterprise_codes') }}

),

splits as (

  select
    events.uscc,
    min(coalesce(events.effective_on, events.known_on)) as first_on,
    jsonb_build_array(jsonb_build_object(
      'feed', 'enterprise_events', 'ids', jsonb_agg(events.event_id order by events.event_id)
    )) as evidence
  from events
  left join codes
    on codes.uscc = events.uscc and codes.heir_uscc <> codes.current_uscc
  where codes.uscc is null and coalesce(events.effective_on, events.known_on) <= {{ business_date() }}
  group by events.uscc

),

unioned as (

  select
    'enterprise_not_serving/' || uscc || '/' || since_on as alert_id,
    'enterprise_not_serving' as kind_code,
    uscc,
    since_on as first_on,
    jsonb_build_array(jsonb_build_object('feed', 'enterprises', 'ids', jsonb_build_array(uscc))) as evidence
  from departures
  union all
  select
    'enterprise_split/' || uscc as alert_id,
    'enterprise_split' as kind_code,
    uscc,
    first_on,
    evidence
  from splits

)

select
  unioned.alert_id,
  unioned.kind_code,
  unioned.uscc,
  null::text as community_id,
  coalesce(enterprises.region_code, registered.registered_region_code) as region_code,
  null::text as account_no,
  unioned.first_on,
  null::numeric as amount_cny,
  unioned.evidence,
  {{ business_date() }} as last_on
from unioned
inner join registered
  on registered.uscc = unioned.uscc
left join enterprises
  on enterprises.uscc = unioned.uscc
