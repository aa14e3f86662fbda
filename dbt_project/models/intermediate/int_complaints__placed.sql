{{ config(materialized='view') }}
-- Complaints of the last two years with their place and month, which of their limits have run out, and which were kept.
with complaints as (

  select * from {{ ref('int_complaints__attributed') }}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

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
  {{ is_limit_due('response_limit_hours') }} as is_response_due,
  {{ is_within_limit('response_minutes', 'response_limit_hours') }} as is_responded_in_time,
  {{ is_limit_due('handling_limit_hours') }} as is_handling_due,
  {{ is_within_limit('handling_minutes', 'handling_limit_hours') }} as is_handled_in_time,
  {{ is_limit_due('resolution_limit_hours') }} as is_resolution_due,
  {{ is_within_limit('resolution_minutes', 'resolution_limit_hours') }} as is_resolved_in_time
from complaints
left join communities
  on communities.community_id = complaints.community_id and {{ holds_on('communities', 'complaints.submitted_on') }}
where {{ is_own_matter('complaints') }} and complaints.region_code is not null
  and complaints.submitted_on >= (date_trunc('month', {{ business_date() }}::timestamp) - interval '23 months')::date
  and complaints.submitted_on <= {{ business_date() }}
