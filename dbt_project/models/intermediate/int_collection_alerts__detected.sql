-- What calls for an alert about fees that owners do not pay (A 五(二)): suits without a reminder, arrears that nobody pursues by
-- any lawful way, and complaints that tell of collecting by cutting off or locking out: a candidate for V6, decided by a person.
with quarters as (

  select
    examined.*,
    communities.region_code,
    -- reminders of a silent office may have gone out
    coalesce(covered.complete_until, {{ business_date() }}) as complete_until
  from {{ ref('int_fee_collections__examined') }} as examined
  inner join {{ ref('stg_communities') }} as communities
    on communities.community_id = examined.community_id
  left join {{ ref('int_feed_districts__covered') }} as covered
    on covered.region_code = communities.region_code and covered.feed = 'fee_collections'

),

complaints as (

  select * from {{ ref('int_complaints__attributed') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

of_quarters as (

  select
    kinds.kind_code || '/' || quarters.community_id || '/' || quarters.period_start_on as alert_id,
    kinds.kind_code,
    min(quarters.uscc) as uscc,
    quarters.community_id,
    min(quarters.region_code) as region_code,
    min(quarters.period_end_on) + 1 as first_on,
    sum(quarters.arrears_amount) as amount_cny,
    jsonb_build_array({{ evidence('fee_collections', "quarters.community_id || '/' || quarters.uscc || '/' || quarters.period_start_on") }})
      as evidence,
    min(quarters.period_end_on) as last_on,
    bool_and(
      kinds.kind_code <> 'arrears_unpursued'
      or quarters.period_end_on + {{ threshold('arrears_reminder_days') }}::integer < quarters.complete_until
    ) as is_told
  from quarters
  {{ with_kinds([
    ('pursuit_without_reminder', 'is_unreminded'),
    (
      'arrears_unpursued',
      'is_unpursued and collected_ratio < ' ~ threshold('arrears_pursued_below_ratio')
      ~ ' and period_end_on + ' ~ threshold('arrears_reminder_days') ~ '::integer < ' ~ business_date()
    ),
  ]) }}
  where kinds.is_met
  group by kinds.kind_code, quarters.community_id, quarters.period_start_on

),

-- one candidate a community and month: what an office looks into is a campaign, not a call
of_complaints as (

  select
    'coercive_collection/' || complaints.community_id || '/' || to_char(complaints.submitted_on, 'YYYY-MM') as alert_id,
    'coercive_collection' as kind_code,
    max(complaints.uscc) as uscc,
    complaints.community_id,
    min(communities.region_code) as region_code,
    min(complaints.submitted_on) as first_on,
    null::numeric as amount_cny,
    jsonb_build_array({{ evidence('complaints', 'complaints.complaint_id') }}) as evidence,
    max(complaints.submitted_on) as last_on,
    true as is_told
  from complaints
  inner join {{ ref('stg_complaints') }} as signals
    on signals.complaint_id = complaints.complaint_id and signals.is_coercion_suspected
  inner join communities
    on communities.community_id = complaints.community_id
  where complaints.status_code <> 'withdrawn'
  group by complaints.community_id, to_char(complaints.submitted_on, 'YYYY-MM')

),

unioned as (

  select * from of_quarters
  union all
  select * from of_complaints

)

select
  alert_id,
  kind_code,
  uscc,
  community_id,
  region_code,
  null::text as account_no,
  first_on,
  amount_cny,
  evidence,
  last_on,
  is_told
from unioned
