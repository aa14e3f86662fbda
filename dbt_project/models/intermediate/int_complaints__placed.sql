{{ config(materialized='view') }}
-- Complaints of the last two years with their place and month, and which of their clocks have stopped or run out.
with complaints as (

  select
    *,
    round({{ minutes_between('submitted_at', end_of_business_date()) }}, 2) as elapsed_minutes
  from {{ ref('int_complaints__attributed') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

)

select
  complaints.complaint_id,
  complaints.region_code,
  complaints.community_id,
  communities.street_code,
  date_trunc('month', complaints.submitted_on::timestamp)::date as month_on,
  complaints.category_code,
  complaints.channel_code,
  coalesce(complaints.responsible_party_code, 'undetermined') as responsible_party_code,
  complaints.is_countable,
  complaints.repeat_of_id is not null as is_repeat,
  {{ is_due('response_minutes', 'response_limit_hours') }} as is_response_due,
  coalesce(response_minutes <= {{ var('response_limit_hours') }} * 60, false) as is_responded_in_time,
  {{ is_due('handling_minutes', 'handling_limit_hours') }} as is_handling_due,
  coalesce(handling_minutes <= {{ var('handling_limit_hours') }} * 60, false) as is_handled_in_time,
  {{ is_due('resolution_minutes', 'resolution_limit_hours') }} as is_resolution_due,
  coalesce(resolution_minutes <= {{ var('resolution_limit_hours') }} * 60, false) as is_resolved_in_time
from complaints
left join communities
  on communities.community_id = complaints.community_id
where complaints.status_code <> 'withdrawn' and complaints.region_code is not null
  and complaints.submitted_on >= (date_trunc('month', {{ business_date() }}::timestamp) - interval '23 months')::date
  and complaints.submitted_on <= {{ business_date() }}
