{{ config(
  materialized='incremental',
  incremental_strategy='delete+insert',
  unique_key=['complaint_id'],
  indexes=[{'columns': ['community_id', 'submitted_on']}, {'columns': ['submitted_on']}],
  post_hook='{{ primary_key() }}',
) }}
-- depends_on: {{ ref('int_complaints__touched') }}
-- Every complaint with who was responsible for its community on the day it came, and its clocks.
{%- set is_ended_by_last_change = rule('ended_without_time') == 'at_last_change' %}
{%- set is_one_matter = rule('same_matter_within_hours') > 0 %}
with {% if is_one_matter -%}
{{ matters(ref('stg_complaints'), ref('int_complaints__touched') if is_incremental() else none) }}
{%- else -%}
matters as (

  select
    null::text as complaint_id,
    null::text as matter_id
  where false

)
{%- endif %},

ended as (

  select
    *,
    -- an office may close a complaint and leave the time out: it ended at its last change, as supervision's clocks have it
    {% if is_ended_by_last_change -%}
    case when status_code = 'closed' then greatest(changed_at, submitted_at) end
    {%- else -%}
    null::timestamptz
    {%- endif %} as last_changed_at
  from {{ ref('stg_complaints') }}
  {%- if is_incremental() %}
  where complaint_id in (
    select complaint_id from {{ ref('int_complaints__touched') }}
    union
    select complaint_id from matters
  )
  {%- endif %}

),

clocked as (

  select
    *,
    -- the score clock stands still with the street's approval and for these reasons alone
    case
      when is_pause_approved and pause_reason_code in ('access', 'utilities', 'fund_vote') then coalesce(paused_minutes, 0)
      else 0
    end as approved_pause_minutes,
    {{ local_date('submitted_at') }} as submitted_on,
    {{ local_date('coalesce(closed_at, last_changed_at)') }} as closed_on,
    coalesce(closed_at, last_changed_at) as repeats_from,
    -- as supervision's clocks read them: handling proves a response, a solution (or the closing) proves both
    least(responded_at, handled_at, coalesce(least(resolved_at, closed_at), last_changed_at)) as answered_at,
    least(handled_at, coalesce(least(resolved_at, closed_at), last_changed_at)) as taken_up_at,
    coalesce(least(resolved_at, closed_at), last_changed_at) as solved_at
  from ended

),

-- the first report's clock runs until either was answered, handled, solved; the second report has none of its own
second_reports as (

  select
    matters.matter_id,
    min(clocked.answered_at) as answered_at,
    min(clocked.taken_up_at) as taken_up_at,
    min(clocked.solved_at) as solved_at
  from matters
  inner join clocked
    on clocked.complaint_id = matters.complaint_id
  group by matters.matter_id

),

-- a community that was merged goes on as the one it went into, whatever number a late row brings
succeeded as (

  select distinct on (clocked.complaint_id)
    clocked.complaint_id,
    successions.successor_community_id
  from clocked
  inner join {{ ref('stg_community_successions') }} as successions
    on successions.community_id = clocked.community_id
    and successions.effective_on <= clocked.submitted_on
  order by clocked.complaint_id, successions.effective_on desc

),

complaints as (

  select
    clocked.complaint_id,
    clocked.channel_code,
    coalesce(succeeded.successor_community_id, clocked.community_id) as community_id,
    clocked.region_code,
    clocked.category_code,
    clocked.responsible_party_code,
    clocked.status_code,
    clocked.submitted_at,
    clocked.responded_at,
    clocked.handled_at,
    clocked.resolved_at,
    clocked.closed_at,
    clocked.is_confirmed,
    clocked.callback_result_code,
    clocked.repeat_of_id,
    clocked.escalated_at,
    clocked.approved_pause_minutes,
    clocked.submitted_on,
    clocked.closed_on,
    clocked.repeats_from,
    matters.matter_id,
    least(clocked.answered_at, second_reports.answered_at) as answered_at,
    least(clocked.taken_up_at, second_reports.taken_up_at) as taken_up_at,
    least(clocked.solved_at, second_reports.solved_at) as solved_at
  from clocked
  left join succeeded
    on succeeded.complaint_id = clocked.complaint_id
  left join matters
    on matters.complaint_id = clocked.complaint_id
  left join second_reports
    on second_reports.matter_id = clocked.complaint_id
  {%- if is_incremental() %}
  where clocked.complaint_id in (select complaint_id from {{ ref('int_complaints__touched') }})
  {%- endif %}

),

communities as (

  select * from {{ ref('stg_community_periods') }}

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
  left join matters
    on matters.complaint_id = later.complaint_id
  where later.status_code <> 'withdrawn'
    and matters.complaint_id is null  -- a second report of a matter repeats nothing
    and later.is_confirmed
    and later.responsible_party_code = 'property'
    and objections.target_id is null
    and later.submitted_at > complaints.submitted_at
    and later.submitted_at <= complaints.repeats_from + interval '{{ var("repeat_within_days") }} days'

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
    complaints.is_confirmed is null as is_without_finding,
    complaints.callback_result_code,
    complaints.repeat_of_id,
    complaints.matter_id,
    repeated.complaint_id is not null as is_repeated,
    objections.target_id is not null as is_objection_upheld,
    case when communities.community_id is not null then {{ stratum_code('communities', 'complaints.submitted_on') }} end
      as stratum_code,
    coalesce(spells.protection_weight, 1) as protection_weight
  from complaints
  left join communities
    on communities.community_id = complaints.community_id
    and {{ holds_on('communities', 'complaints.submitted_on') }}
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
      when matter_id is not null then 'same_matter'
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
