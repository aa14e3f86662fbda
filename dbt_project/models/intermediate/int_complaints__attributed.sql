{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['complaint_id'],
  indexes=[{'columns': ['community_id', 'submitted_on']}, {'columns': ['submitted_on']}],
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_complaints__touched') }}
-- Every complaint with who was responsible for its community on the day it came, and its clocks.
with complaints as (

  select
    *,
    -- the score clock stands still with the street's approval and for these reasons alone
    case
      when is_pause_approved and pause_reason_code in ('access', 'utilities', 'fund_vote') then coalesce(paused_minutes, 0)
      else 0
    end as approved_pause_minutes,
    {{ local_date('submitted_at') }} as submitted_on,
    {{ local_date('closed_at') }} as closed_on,
    -- as supervision's clocks read them: handling proves a response, a solution (or the closing) proves both
    least(responded_at, handled_at, resolved_at, closed_at) as answered_at,
    least(handled_at, resolved_at, closed_at) as taken_up_at,
    least(resolved_at, closed_at) as solved_at
  from {{ ref('stg_complaints') }}
  {%- if is_incremental() %}
  where complaint_id in (select complaint_id from {{ ref('int_complaints__touched') }})
  {%- endif %}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

objections as (

  select * from {{ ref('int_objections__upheld') }} where target_type_code = 'complaint'

),

-- a repeat comes after the first complaint did, within the limit after that was closed, and is itself confirmed to be
-- the property enterprise's
repeated as (

  select distinct complaints.complaint_id
  from complaints
  inner join {{ ref('stg_complaints') }} as later
    on later.repeat_of_id = complaints.complaint_id
  left join objections
    on objections.target_id = later.complaint_id
  where later.status_code <> 'withdrawn'
    and later.is_confirmed
    and later.responsible_party_code = 'property'
    and objections.target_id is null
    and later.submitted_at > complaints.submitted_at
    and later.submitted_at <= complaints.closed_at + interval '{{ var("repeat_within_days") }} days'

),

attributed as (

  select
    complaints.complaint_id,
    complaints.community_id,
    coalesce(communities.region_code, complaints.region_code) as region_code,
    spells.uscc,
    coalesce(spells.is_enterprise, false) as is_managed_by_enterprise,
    complaints.channel_code,
    complaints.category_code,
    complaints.responsible_party_code,
    complaints.status_code,
    complaints.submitted_on,
    complaints.closed_on,
    complaints.submitted_at,
    complaints.responded_at,
    complaints.handled_at,
    complaints.resolved_at,
    complaints.closed_at,
    {{ local_date('complaints.escalated_at') }} as escalated_on,
    complaints.approved_pause_minutes as paused_minutes,
    round({{ minutes_between('submitted_at', 'answered_at') }}, 2) as response_minutes,
    round({{ minutes_between('submitted_at', 'taken_up_at') }}, 2) as handling_minutes,
    -- the supervision clock never pauses; the score clock leaves out approved pauses
    round({{ minutes_between('submitted_at', 'solved_at') }}, 2) as resolution_minutes,
    case
      when solved_at is not null
        then round(greatest({{ minutes_between('submitted_at', 'solved_at') }} - approved_pause_minutes, 0), 2)
    end as score_resolution_minutes,
    coalesce(complaints.is_confirmed, false) as is_confirmed,
    complaints.callback_result_code,
    complaints.repeat_of_id,
    repeated.complaint_id is not null as is_repeated,
    objections.target_id is not null as is_objection_upheld,
    case when communities.community_id is not null then {{ stratum_code('communities', 'complaints.submitted_on') }} end
      as stratum_code,
    coalesce(spells.protection_weight, 1) as protection_weight
  from complaints
  left join communities
    on communities.community_id = complaints.community_id
  left join spells
    on spells.community_id = complaints.community_id
    and complaints.submitted_on between spells.starts_on and spells.ends_on
  left join repeated
    on repeated.complaint_id = complaints.complaint_id
  left join objections
    on objections.target_id = complaints.complaint_id

),

-- only confirmed items whose responsible party is the property enterprise count; the first reason why one does not is kept
judged as (

  select
    *,
    case
      when status_code = 'withdrawn' then 'withdrawn'
      when is_objection_upheld then 'overturned'
      when community_id is null then 'no_community'
      when uscc is null then 'no_manager'
      when not is_managed_by_enterprise then 'no_enterprise'
      when responsible_party_code is distinct from 'property' then 'other_party'
      when not is_confirmed then 'not_confirmed'
      when protection_weight = 0 then 'protected'
    end as not_counted_code
  from attributed

)

select
  *,
  coalesce(not_counted_code = 'protected', true) as is_countable
from judged
