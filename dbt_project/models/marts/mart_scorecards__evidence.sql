-- What the month's figures are made of, down to the id in its feed: complaints, findings, orders past their day.
with communities as (

  select * from {{ ref('dim_community') }} where region_code is not null

),

complaints as (

  select *
  from {{ ref('fct_complaints') }}
  where {{ is_own_matter() }}
    and submitted_on >= date_trunc('month', {{ business_date() }}::timestamp)
    and submitted_on <= {{ business_date() }}

),

lines as not materialized (

  select * from {{ ref('fct_inspection_lines') }} where line_type_code = 'finding'

),

unioned as (

  select
    complaints.community_id,
    'complaint' as kind_code,
    complaints.complaint_id as evidence_id,
    complaints.uscc,
    complaints.submitted_on as event_on,
    coalesce(complaints.category_code, 'other') as summary_code,
    coalesce(complaints.responsible_party_code, 'undetermined') as responsible_party_code,
    round(complaints.resolution_minutes / 60, 1) as resolution_hours,
    -- null: its limit has not run out
    case
      when {{ is_limit_due('resolution_limit_hours', 'complaints.submitted_at') }}
        then {{ is_within_limit('complaints.resolution_minutes', 'resolution_limit_hours', 'complaints.submitted_at') }}
    end as is_in_time,
    null::date as due_on
  from complaints
  union all
  select
    community_id,
    'finding' as kind_code,
    inspection_id || '/' || line_code as evidence_id,
    uscc,
    inspected_on as event_on,
    severity_code as summary_code,
    null as responsible_party_code,
    null::numeric as resolution_hours,
    not coalesce(is_overdue, false) as is_in_time,
    order_due_on as due_on
  from lines
  where inspected_on >= date_trunc('month', {{ business_date() }}::timestamp)
    and inspected_on <= {{ business_date() }}
  union all
  select
    community_id,
    'overdue_order' as kind_code,
    inspection_id || '/' || line_code as evidence_id,
    uscc,
    inspected_on as event_on,
    severity_code as summary_code,
    null as responsible_party_code,
    null::numeric as resolution_hours,
    false as is_in_time,
    order_due_on as due_on
  from lines
  where order_due_on <= {{ business_date() }} and rectified_on is null

)

select
  unioned.community_id,
  unioned.kind_code,
  unioned.evidence_id,
  unioned.uscc,
  unioned.event_on,
  unioned.summary_code,
  unioned.responsible_party_code,
  unioned.resolution_hours,
  unioned.is_in_time,
  unioned.due_on
from unioned
inner join communities
  on communities.community_id = unioned.community_id
