-- Disputes with the days that hold for each, who should handle it, and whether an agreement was kept. A limit has run out once
-- it lies before the last day that the office told of: what ran out later may have been met, and nobody has said so yet.
with disputes as (

  select * from {{ ref('stg_disputes') }} where received_on <= {{ business_date() }}

),

agreements as (

  select * from {{ ref('stg_mediations') }}

),

communities as (

  select * from {{ ref('stg_communities') }}

),

covered as (

  select * from {{ ref('int_feed_districts__covered') }}

),

ranked as (

  select
    disputes.*,
    coalesce(covered.complete_until, {{ business_date() }}) as complete_until,
    coalesce(covered_mediations.complete_until, {{ business_date() }}) as mediations_complete_until,
    case disputes.level_code when 'community' then 1 when 'street' then 2 else 3 end as level_rank,
    case disputes.complexity_code when 'simple' then 1 when 'complex' then 2 else 3 end as needed_rank,
    coalesce(
      disputes.due_on,
      disputes.received_on + (case disputes.level_code
        when 'community' then {{ threshold('dispute_community_days') }}
        when 'street' then {{ threshold('dispute_street_days') }}
        else {{ threshold('dispute_district_days') }}
      end)::integer
    ) as closing_due_on,
    case when disputes.origin_code = 'petition'
      then disputes.received_on + {{ threshold('petition_answer_days') }}::integer
    end as answer_due_on,
    agreements.due_on as agreement_due_on,
    agreements.performed_on as agreement_performed_on
  from disputes
  left join agreements
    on agreements.mediation_id = disputes.mediation_id
  left join communities
    on communities.community_id = disputes.community_id
  left join covered
    on covered.region_code = communities.region_code and covered.feed = 'disputes'
  left join covered as covered_mediations
    on covered_mediations.region_code = communities.region_code and covered_mediations.feed = 'mediations'

)

select
  dispute_id,
  community_id,
  uscc,
  origin_code,
  complexity_code,
  level_code,
  received_on,
  closing_due_on,
  escalated_on,
  answer_due_on,
  answered_on,
  closed_on,
  outcome_code,
  complete_until,
  level_rank < needed_rank as is_below_its_level,
  closing_due_on < complete_until as is_closing_due,
  coalesce(closed_on, complete_until) > closing_due_on as is_late,
  closed_on is null and closing_due_on < complete_until as is_overdue,
  coalesce(answer_due_on < complete_until, false) as is_answer_due,
  coalesce(agreement_due_on < mediations_complete_until, false) as is_agreement_due,
  coalesce(agreement_performed_on <= agreement_due_on, false) as is_agreement_kept
from ranked
